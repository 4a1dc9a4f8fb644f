"""Adapters by name, path and step: what a model string says of one, and in which directory it is.

An adapter is a directory as peft saves it, with `adapter_config.json` and `adapter_model.safetensors`. Under a name it
is in `adapters` below GPT_NOTEBOOK_HOME, either itself or as what a training has left there:

    adapters/NAME/adapter_config.json, adapter_model.safetensors     the adapter; or
    adapters/NAME/checkpoints/STEP/…                                 one for each step that was kept, and
    adapters/NAME/best                                               the best step, in digits

`NAME` alone is then the newest step, `NAME:STEP` one of them, `NAME:best` the best. Who writes a step writes it beside
the others under a name that is no number, and renames it once it is whole. The same holds for paths.

Imports the standard library only, as both sides use it.
"""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path

from gpt_notebook.errors import InvalidRequest, ModelNotFound
from gpt_notebook.job_files.disk import opened

CONFIG, WEIGHTS, PICKLED = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
PATH_STARTS = ("/", "./", "../", "~")
BEST = "best"
MOST_SHOWN = 200
"""Characters of a base's name in a message."""

_STEP = re.compile(rf"(.+):(\d{{1,12}}|{BEST})", re.ASCII)


def split(model: str) -> tuple[str, str | None]:
    """Return the base and the adapter of a model string; a directory that exists wins over the parts.

    Raises:
        InvalidRequest: one of the two is empty.
    """
    if "+" not in model or ("/" in model and is_directory(model)):
        return model, None
    base, _, adapter = model.partition("+")
    for place in [found.start() for found in re.finditer(r"\+", model)][:0:-1]:
        if "/" in model[:place] and holds(model[:place], "config.json"):
            base, adapter = model[:place], model[place + 1 :]
            break
    if not (base.strip() and adapter.strip()):
        missing = "adapter after its +" if base.strip() else "model before its +"
        message = f"{model[:80]!r} names no {missing}: write MODEL+ADAPTER, such as storyteller+pip"
        raise InvalidRequest(message, param="model")
    return base, adapter


def resolve(adapter: str) -> str:
    """Return an adapter as the model kernel understands it: paths absolute, names as they are."""
    path, step = _without_step(adapter)
    if path.startswith(PATH_STARTS) or holds(path, CONFIG) or ("/" in path and is_directory(path)):
        try:
            return f"{Path(path).expanduser().absolute()}{f':{step}' if step else ''}"
        except RuntimeError:  # a home that nobody has
            return adapter
    return adapter


def directory(home: Path) -> Path:
    """Return where the adapters are that have a name."""
    return home / "adapters"


def names(home: Path) -> list[str]:
    """Return the names of the adapters."""
    try:
        return sorted(each.name for each in directory(home).iterdir() if NAME.fullmatch(each.name) and each.is_dir())
    except OSError:
        return []


def locate(adapter: str, home: Path) -> Path:
    """Return the directory of an adapter.

    Raises:
        ModelNotFound: there is none of this name or step; says which there are.
    """
    if NAME.fullmatch(adapter) is None and is_directory(adapter) and Path(adapter).is_absolute():
        return newest(Path(adapter))
    name, step = _without_step(adapter)
    place = directory(home) / name if NAME.fullmatch(name) else Path(name)
    if not (place.is_absolute() and is_directory(str(place))):
        if "/" in name:
            message = (
                f"there is no directory {name[:200]}: check the path, which is relative to where the notebook runs"
            )
        else:
            nothing = f"there is no adapter {adapter[:80]!r}: {_what_there_is(name, home)}"
            message = _a_model(name, home) or unfinished(name, home) or nothing
        raise ModelNotFound(message)
    if step is None:
        return newest(place)
    if step == BEST:
        step = best(place)
        if step is None:
            message = f"{adapter} is not known: {place / BEST} does not name a step; leave :best out for the newest"
            raise ModelNotFound(message)
    found = place / "checkpoints" / str(int(step))
    if not is_directory(str(found)):
        there = ", ".join(map(str, steps(place)))
        message = f"{name} has no step {step}: there is {there}" if there else f"{name} has no steps: leave :{step} out"
        raise ModelNotFound(message)
    return found


def unfinished(name: str, home: Path) -> str | None:
    """Return what to say of a name that a training holds which has saved nothing; None where none does."""
    # Imported here, as the files of a job know this module.
    from gpt_notebook.job_files.directory import JobDirectory
    from gpt_notebook.job_files.lock import holder

    job = JobDirectory(home / "jobs" / name)
    if not NAME.fullmatch(name) or not job.exists() or steps(job.path):
        return None
    if holder(job) is not None:
        return f"{name} is still training: no checkpoint yet; try again after its first one"
    return f"{name} has no checkpoint: its training has not come to one; the list of jobs says how far it is"


def is_adapter(place: Path) -> bool:
    """Whether a directory is that of an adapter, or of a training that has saved some, and not that of a model."""
    if holds(str(place), CONFIG):
        return True
    return not holds(str(place), "config.json") and holds(str(newest(place)), CONFIG)


def mistaken(name: str, home: Path) -> str | None:
    """Return what to say of a name that is asked for as a model, and is that of an adapter; None where it is none."""
    place = directory(home) / name
    if NAME.fullmatch(name) and place.is_dir():
        return f"{name} is an adapter: write {base_of(place)}+{name}"
    return unfinished(name, home)


def _a_model(name: str, home: Path) -> str | None:
    """Return what to say of a name that is asked for as an adapter, and is that of a model; None where it is none."""
    if NAME.fullmatch(name) and is_directory(str(home / "models" / name)):
        return f"{name} is a model of its own, no adapter: write {name} without a model before it"
    return None


def base_of(place: Path) -> str:
    """Return a model that may stand before the `+` of an adapter in a directory, as far as its config tells."""
    from gpt_notebook import storyteller
    from gpt_notebook.protocol import DEFAULT_MODEL

    try:
        with (newest(place) / CONFIG).open("rb") as file:
            base = json.loads(file.read(1024**2)).get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError, RecursionError):
        return DEFAULT_MODEL
    if not isinstance(base, str) or not base.isprintable() or not 0 < len(base) < MOST_SHOWN:
        return DEFAULT_MODEL
    return DEFAULT_MODEL if Path(base) == storyteller.path() else base


def steps(place: Path) -> list[int]:
    """Return the steps of a training that can be used, the newest last."""
    try:
        found = [each.name for each in (place / "checkpoints").iterdir() if each.is_dir()]
    except OSError:
        return []
    return sorted(int(name) for name in found if name.isascii() and name.isdigit() and name == str(int(name)))


def newest(place: Path) -> Path:
    """Return the directory that an adapter's own stands for: itself, or that of the newest step of a training."""
    if holds(str(place), CONFIG):
        return place
    kept = steps(place)
    return place / "checkpoints" / str(kept[-1]) if kept else place


def best(place: Path) -> str | None:
    """Return the best step of a training, in digits; None where it is not known."""
    try:
        with opened(place / BEST) as file:
            text = file.read(32).decode("ascii", "replace").strip()
    except OSError:
        return None
    return text if re.fullmatch(r"\d{1,12}", text, re.ASCII) else None


def _what_there_is(name: str, home: Path) -> str:
    known = names(home)
    if near := difflib.get_close_matches(name, known, n=1):
        return f"did you mean {near[0]}?"
    there = f"there is {', '.join(known)}" if known else "none has been saved by name"
    return f"{there}; a path works, too"


def _without_step(adapter: str) -> tuple[str, str | None]:
    found = _STEP.fullmatch(adapter)
    return (adapter, None) if found is None else (found[1], found[2])


def is_directory(path: str) -> bool:
    """Whether there is a directory at a path; also of what is no path."""
    try:
        return Path(path).expanduser().is_dir()
    except (OSError, RuntimeError, ValueError):
        return False


def holds(path: str, name: str) -> bool:
    """Whether there is a directory at a path, and a file of this name in it."""
    try:
        return (Path(path).expanduser() / name).is_file()
    except (OSError, RuntimeError, ValueError):
        return False
