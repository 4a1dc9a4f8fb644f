"""The import rules: what may know what."""

import ast
import re
from pathlib import Path

import pytest

import gpt_notebook

PACKAGE = Path(gpt_notebook.__file__).parent
SHARED = {
    "byte_sizes",
    "visible_text",
    "protocol",
    "adapter_files",
    "adapter_places",
    "attention_protocol",
    "batch_protocol",
    "job_protocol",
    "job_events",
    "job_files",
    "turns",
    "shortage",
    "template_process",
    "suggestions",
    "errors",
    "next_action",
    "settings",
    "identity",
    "runtime",
    "openmp",
}
SHARED |= {"storyteller"}
HEAVY = {
    "torch",
    "transformers",
    "tokenizers",
    "peft",
    "fastapi",
    "starlette",
    "uvicorn",
    "pydantic",
    "numpy",
    "pandas",
    "httpx",
}
WIDGETS = {"anywidget", "ipywidgets", "traitlets", "numpy"}
"""What panels are made of, and what a notebook without one doesn't pay for."""
FOR_TESTS = {"testing"}
SEEN_BEFORE_TRAINING = {"measures", "planning", "samples"}
"""What of a training the model kernel computes, too: before it begins, and of what it has made."""


def imports(path, *, module_level=False):
    """Return the dotted names that a file imports; only those that run when it is imported, if asked."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes = _module_level(tree) if module_level else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _module_level(tree):
    pending = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        pending += ast.iter_child_nodes(node)


def parts_of_ours(path, **options):
    """Return the first part below gpt_notebook of everything of ours that a file imports."""
    return {name.split(".")[1] for name in imports(path, **options) if name.startswith("gpt_notebook.")}


def modules(*, of):
    return [
        pytest.param(path, id=str(path.relative_to(PACKAGE)))
        for path in sorted(PACKAGE.rglob("*.py"))
        if of(path.relative_to(PACKAGE).with_suffix("").parts)
    ]


@pytest.mark.parametrize("path", modules(of=lambda parts: parts[0] == "model_kernel"))
def test_the_model_kernel_knows_nothing_of_the_notebook_side(path):
    assert parts_of_ours(path) <= SHARED | {"model_kernel", "training"}
    of_training = {name.split(".")[2] for name in imports(path) if re.match(r"gpt_notebook\.training\.", name)}
    assert of_training <= SEEN_BEFORE_TRAINING
    assert not {name.split(".")[0] for name in imports(path)} & {"IPython", "ipywidgets", "ipykernel"}


@pytest.mark.parametrize("path", modules(of=lambda parts: parts[0] in {"training", "exporting"}))
def test_a_training_and_an_export_know_neither_side(path):
    assert parts_of_ours(path) <= SHARED | {path.relative_to(PACKAGE).parts[0]}
    assert not {name.split(".")[0] for name in imports(path)} & {
        "IPython",
        "ipywidgets",
        "fastapi",
        "starlette",
        "pydantic",
    }


@pytest.mark.parametrize(
    "path",
    modules(of=lambda parts: parts[0] not in {"model_kernel", "training", "exporting", "storyteller", *FOR_TESTS}),
)
def test_the_notebook_side_imports_nothing_heavy(path):
    imported = {name.split(".")[0] for name in imports(path, module_level=True)}
    if path.is_relative_to(PACKAGE / "widgets"):
        assert not imported & (HEAVY - WIDGETS)
    else:
        assert not imported & (HEAVY | {"anywidget", "ipywidgets"})
        assert "widgets" not in parts_of_ours(path, module_level=True)
    if path.name != "commands.py":  # `gpt-notebook serve` is the model kernel in the foreground
        assert "model_kernel" not in parts_of_ours(path)


@pytest.mark.parametrize("path", modules(of=lambda parts: parts[0] == "widgets"))
def test_panels_never_touch_a_model_themselves(path):
    """Also inside of functions: what they need, a model kernel computes."""
    assert not {name.split(".")[0] for name in imports(path)} & (HEAVY - WIDGETS)


@pytest.mark.parametrize("path", modules(of=lambda parts: parts[0] in SHARED - {"storyteller"}))
def test_what_both_sides_share_knows_only_itself(path):
    assert parts_of_ours(path) <= SHARED


def modules_imported(path, known):
    """Return which of the known modules a file imports when it is imported; a package where a name of its own is wanted."""
    for node in _module_level(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in known else node.module for name in names)


def dotted(path):
    parts = ("gpt_notebook", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_modules_import_each_other():
    paths = {dotted(path): path for path in PACKAGE.rglob("*.py")}
    unordered = {name: set(modules_imported(path, paths)) & set(paths) for name, path in paths.items()}
    while leaves := {name for name, imported in unordered.items() if not imported & set(unordered)}:
        unordered = {name: imported for name, imported in unordered.items() if name not in leaves}
    # What is left is cycles, and what imports them.
    assert {name: sorted(imported & set(unordered)) for name, imported in unordered.items()} == {}


def test_no_packages_beside_each_other_import_each_other():
    paths = {dotted(path): path for path in PACKAGE.rglob("*.py")}
    packages = {path.parent for path in PACKAGE.glob("*/**/__init__.py")}
    used = {package: set() for package in packages}
    for path in paths.values():
        imported = {paths[name] for name in modules_imported(path, paths) if name in paths}
        for package in packages.intersection(path.parents):
            beside = {each for each in packages if each.parent == package.parent and each != package}
            used[package] |= {each for each in beside if any(other.is_relative_to(each) for other in imported)}
    while leaves := {package for package, others in used.items() if not others & set(used)}:
        used = {package: others for package, others in used.items() if package not in leaves}
    assert {package.name: sorted(each.name for each in others & set(used)) for package, others in used.items()} == {}


def test_the_map_in_contributing_names_every_module():
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text("utf-8")
    names = {
        path.name if path.is_file() else f"{path.name}/"
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert {name for name in names - {"__main__.py"} if name not in text} == set()


@pytest.mark.parametrize(
    "package",
    [
        "model_kernel",
        "model_kernel/attention",
        "model_kernel/adapters",
        "model_kernel/batching",
        "model_kernel/jobs",
        "training",
        "training/samples",
        "training/planning",
        "exporting",
        "job_files",
        "data",
        "fine_tuning",
        "evaluation",
        "figures",
    ],
)
def test_the_map_of_a_package_names_every_module_once(package):
    text = ast.get_docstring(ast.parse((PACKAGE / package / "__init__.py").read_text("utf-8")))
    named = re.findall(r"(?:^    |  )(\w+)/? {2,}", text, re.MULTILINE)
    modules = {path.stem for path in (PACKAGE / package).glob("*.py")} - {"__init__"}
    packages = {path.parent.name for path in (PACKAGE / package).glob("*/__init__.py")}
    assert sorted(named) == sorted(modules | packages)


def test_nobody_imports_the_magics_but_who_loads_them():
    users = {path.relative_to(PACKAGE).parts[0] for path in PACKAGE.rglob("*.py") if "magics" in parts_of_ours(path)}
    assert users == {"magics", "__init__.py"}
