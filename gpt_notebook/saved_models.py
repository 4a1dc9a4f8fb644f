"""Models by name and path: what a model string means here, and models and adapters that are saved under a name.

A model object lives in the notebook's process; the model kernel gets it through a directory, which then serves every
notebook under its bare name. Loads nothing itself, and imports neither torch nor transformers.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gpt_notebook import adapter_files, adapter_places
from gpt_notebook.adapter_places import NAME
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.job_files import publishing
from gpt_notebook.protocol import DEFAULT_MODEL, ModelInfo
from gpt_notebook.settings import Settings


def directory(settings: Settings) -> Path:
    """Return where saved models are."""
    return settings.home_directory() / "models"


def resolve(model: str, settings: Settings) -> str:
    """Return a model string as the model kernel understands it.

    A path that exists wins, then the name of a saved model; both become absolute paths. Anything else is for the model
    kernel to judge. `@revision` stays as it is, and so does the name of an adapter; the path of one becomes absolute.

    Raises:
        InvalidRequest: the string is empty, or has a `+` with nothing before or after it.
    """
    if not model.strip():
        message = "a model needs a name: leave it out for the default, or see  %gpt models"
        raise InvalidRequest(message, param="model")
    if (whole := _path(model, settings)) is not None:
        return str(whole)
    base, adapter = adapter_places.split(model)
    resolved = _resolved(base, settings)
    return resolved if adapter is None else f"{resolved}+{adapter_places.resolve(adapter)}"


def _resolved(model: str, settings: Settings) -> str:
    """Return a model string without an adapter as the model kernel understands it."""
    for base in (model, model.partition("@")[0]):
        if (path := _path(base, settings)) is not None:
            return f"{path}{model[len(base) :]}"
    if model.startswith(adapter_places.PATH_STARTS):
        return str(Path(model).expanduser().absolute())
    return model


def _path(base: str, settings: Settings) -> Path | None:
    if base in ("", DEFAULT_MODEL):
        return None
    path = Path(base).expanduser()
    # A bare name means a directory here only if there is a model in it: many a project has a directory called gpt2.
    if (path / "config.json").is_file() or (base.startswith(adapter_places.PATH_STARTS) and path.exists()):
        return path.absolute()
    if (step := publishing.checkpoint(base, settings.home_directory())) is not None:
        return step
    saved = directory(settings) / base
    return saved if NAME.fullmatch(base) and saved.is_dir() else None


def listing(settings: Settings) -> list[ModelInfo]:
    """Return the saved models, by name."""
    with contextlib.suppress(FileNotFoundError):
        return [
            ModelInfo(
                name=path.name,
                source=str(path.resolve()),
                loaded=False,
                bytes=sum(f.stat().st_size for f in path.glob("*.safetensors")),
            )
            for path in sorted(directory(settings).iterdir())
            if NAME.fullmatch(path.name) and path.is_dir()
        ]
    return []


def save(module: Any, name: str | None, tokenizer: Any, settings: Settings) -> Path:
    """Write a transformers model and its tokenizer under a name, and return their directory.

    Written beside the old one and put in its place at the end: a model kernel may have the old files mapped, and whoever
    opens the name finds a whole model at any moment.

    Raises:
        InvalidRequest: no model, no name that can be used, or no tokenizer; says what is needed.
    """
    _check(module, name, tokenizer)
    target = directory(settings) / str(name)
    with _replacing(target, "model") as draft, _no_bars():
        module.save_pretrained(draft, safe_serialization=True)
        tokenizer.save_pretrained(draft)
    return target


def keep_adapter(adapter: str, name: str, settings: Settings) -> Path:
    """Copy an adapter, given by path or name, under a name, and return its directory; the older one of the name leaves.

    Raises:
        InvalidRequest: the name can't be used, or is that of a training.
        ModelError: there is no such adapter, or it can't be read.
    """
    if not NAME.fullmatch(name):
        message = f"an adapter's name is of lower-case letters, digits and . _ -, not {name!r}"
        raise InvalidRequest(message, param="name")
    target = adapter_places.directory(settings.home_directory()) / name
    if adapter_places.steps(target):
        message = f"{name!r} is the name of a training, whose steps would be lost: choose another"
        raise InvalidRequest(message, param="name")
    files = adapter_files.read(adapter_places.locate(adapter, settings.home_directory()))
    with _replacing(target, "adapter") as draft:
        (draft / adapter_places.CONFIG).write_bytes(files.config)
        (draft / adapter_places.WEIGHTS).write_bytes(files.weights)
    return target


@contextlib.contextmanager
def _replacing(target: Path, what: str) -> Iterator[Path]:
    """Give a new directory to write into, and put it in the place of `target` once everything is written."""
    draft = target.with_name(f".tmp-{target.name}-{secrets.token_hex(4)}")
    old = target.with_name(f".del-{target.name}-{secrets.token_hex(4)}")
    try:
        draft.mkdir(parents=True, mode=0o700)
        yield draft
        with contextlib.suppress(FileNotFoundError):
            target.rename(old)
        draft.rename(target)
    except OSError as error:
        message = f"cannot save the {what} in {target.parent} ({error.strerror or error}): make room, or set GPT_NOTEBOOK_HOME"
        raise InvalidRequest(message) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def _no_bars() -> Iterator[None]:
    """Keep the bars of transformers out of the cell's output, which shows how far the load is."""
    # Whoever has a model object has imported it; if not, there is nothing to keep quiet.
    switch = sys.modules.get("transformers.utils.logging")
    if switch is None or not switch.is_progress_bar_enabled():
        yield
        return
    switch.disable_progress_bar()
    try:
        yield
    finally:
        switch.enable_progress_bar()


def _check(module: Any, name: str | None, tokenizer: Any) -> None:
    if not (hasattr(module, "save_pretrained") and hasattr(module, "config")):
        message = f"load takes a model's name or a transformers model, not {type(module).__name__}"
        raise InvalidRequest(message, param="model")
    if name is None or not NAME.fullmatch(name) or name == DEFAULT_MODEL:
        shown = "none was given" if name is None else f"{name!r} can't be used"
        message = (
            f"a model object needs a name ({shown}): "
            f'load(model, name="my-model", tokenizer=tokenizer), of lower-case letters, digits and . _ -, but not {DEFAULT_MODEL}'
        )
        raise InvalidRequest(message, param="name")
    if not hasattr(tokenizer, "save_pretrained"):
        message = f"a model object needs its tokenizer: load(model, name={name!r}, tokenizer=AutoTokenizer.from_pretrained(…))"
        raise InvalidRequest(message, param="tokenizer")
