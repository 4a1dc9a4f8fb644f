"""What the notebook side may not import, so that it says its first word at once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import gpt_notebook
from gpt_notebook import identity

HEAVY = {
    "torch", "transformers", "numpy", "pandas", "pydantic", "httpx", "fastapi", "plotly", "bertviz", "requests",
    "huggingface_hub", "psutil", "gpt_notebook.model_kernel", "gpt_notebook.attention_protocol", "gpt_notebook.attention_maps",
    "anywidget", "ipywidgets", "gpt_notebook.widgets",
}  # fmt: skip


def modules_after(code: str) -> set[str]:
    """The modules of a fresh process that has run this code."""
    code += "\nimport sys\nprint(*sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(identity.PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_imports_nothing_else():
    ours = modules_after("import gpt_notebook") - modules_after("")
    assert ours == {"gpt_notebook"}


@pytest.mark.parametrize(
    "code",
    [
        "import gpt_notebook as gpt; print(gpt.generate('Once').text)",
        "import gpt_notebook as gpt; print(list(gpt.stream('Once')))",
        "import gpt_notebook as gpt; gpt.tokenize('Once'); gpt.next('Once'); gpt.perplexity('Once'); gpt.status()",
        "from gpt_notebook import cli; cli.main(['generate', 'Once'])",
    ],
)
def test_a_call_imports_nothing_heavy(model_kernel, code):
    assert modules_after(code) & HEAVY == set()


def test_no_public_name_is_also_a_submodule():
    """Importing a submodule would put it in the place of the function."""
    submodules = {path.stem for path in identity.PACKAGE.iterdir()}
    assert submodules & (set(gpt_notebook.__all__) - {"__version__"}) == set()


@pytest.mark.parametrize("name", gpt_notebook.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name):
    value = getattr(gpt_notebook, name)
    assert value
    assert name in dir(gpt_notebook)
    if callable(value):
        assert value.__doc__


def test_a_name_that_does_not_exist():
    with pytest.raises(AttributeError, match="no attribute 'genrate'"):
        _ = gpt_notebook.genrate
