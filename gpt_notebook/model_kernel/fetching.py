"""Models that are not on this machine: fetched from the hub, or told what may have been meant."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from gpt_notebook import adapter_places
from gpt_notebook.errors import ModelNotFound, ModelUnreachable
from gpt_notebook.model_kernel import hub, weights
from gpt_notebook.model_kernel.weights import Source
from gpt_notebook.protocol import DEFAULT_MODEL


def fetch(name: str, home: Path, hub_token: str | None, report: Callable[[int, int], None] = lambda *_: None) -> Source:
    """Download a model that `weights.local` does not find; blocks until it is there.

    Args:
        name: which one, such as `org/model` or `org/model@revision`.
        home: where models and adapters are that have a name.
        hub_token: for a gated model.
        report: told the bytes so far, and all of them.

    Raises:
        ModelNotFound: there is none of this name; says which may have been meant.
        ModelUnreachable: the hub does not answer; says likewise.
        ModelError: it can't be fetched.
    """
    weights.split(name)
    try:
        return hub.download(name, hub_token, report)
    except (ModelNotFound, ModelUnreachable) as error:
        message = f"{error.message}; {_what_there_is(name, home)}"
        raise type(error)(message) from None


def _what_there_is(name: str, home: Path) -> str:
    if (said := adapter_places.mistaken(name, home)) is not None:
        return said
    names = [DEFAULT_MODEL, *(source.name for source in weights.saved_sources(home / "models"))]
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else f"on this machine there is {', '.join(names)}"
