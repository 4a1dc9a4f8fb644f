"""Settings: where things live, limits and defaults, each from an environment variable `GPT_NOTEBOOK_<NAME>`.

A plain dataclass, because the notebook side reads it on the way to its first token and pydantic-settings alone would
cost more time than everything else on that way. `docs/settings.md` describes each; a test holds it to this list.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from gpt_notebook.errors import InvalidRequest

ENVIRONMENT_PREFIX = "GPT_NOTEBOOK_"
HUB_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""Variables that may hold the token of the Hugging Face hub; no process that we start gets them."""

MIB = 1024**2
GIB = 1024**3


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What can be set. Durations are in seconds, sizes in bytes."""

    url: str | None = None
    """The model kernel to use instead of a local one, such as `http://gpu-machine:8642`."""
    token: str | None = field(default=None, repr=False)
    """The secret that the model kernel at `url` asks for."""
    model: str = "storyteller"
    """The model of cells and calls that name none."""
    runtime_dir: Path | None = None
    """Where socket, lock, token and log are; None: below the user's state directory, one per host."""
    home: Path | None = None
    """Where what should last is kept: models and adapters by name, jobs, unfinished maps; None: the user's data directory."""
    compiled: Path | None = None
    """Where what was compiled for this machine is kept; None: below `home`."""
    idle_timeout: float = 3600.0
    """The model kernel leaves after this long without work; 0: never."""
    start_timeout: float = 120.0
    """How long to wait for a model kernel that was started."""
    device: str | None = None
    """Where models run, in torch's words (`cpu`, `cuda:0`, `mps`); None: the best there is."""
    threads: int | None = None
    """CPU threads of a decode step; None: chosen by the size of the model."""
    memory_budget: int | None = None
    """What the weights of all loaded models and adapters may take together; None: 60 % of the device's memory."""
    attention_budget: int | None = None
    """What recorded attentions may take together, beside the weights; None: 10 % of the device's memory."""
    cache_budget: int | None = None
    """What the keys and values of running texts, and of earlier ones that may be gone on from, may take together; None:
    15 % of the device's memory."""
    max_requests: int = 64
    """How many requests may run or wait; more are refused for now."""
    max_body: int = 4 * MIB
    """The largest request body that the model kernel reads."""
    max_data: int = GIB
    """The most data for fine-tuning that it takes at once."""

    def __post_init__(self) -> None:
        """Refuse a token that no request could carry."""
        if self.token is not None and not sendable(self.token):
            message = (
                "the token (GPT_NOTEBOOK_TOKEN) must be ASCII without spaces and line breaks: give it as it was made"
            )
            raise InvalidRequest(message, param="token")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings; an empty variable counts as unset.

        Raises:
            InvalidRequest: a value that can't be read; names the variable.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for each in fields(cls):
            variable = ENVIRONMENT_PREFIX + each.name.upper()
            if text := environment.get(variable):
                values[each.name] = _read(variable, text, str(each.type))
        return cls(**values)

    def home_directory(self) -> Path:
        """Return where lasting things are kept; it need not exist yet."""
        if self.home is not None:
            return self.home
        import platformdirs

        return platformdirs.user_data_path("gpt-notebook", appauthor=False)

    def compiled_directory(self) -> Path:
        """Return where compiled steps are kept; it need not exist yet."""
        return self.compiled or self.home_directory() / "compiled"


def sendable(token: str) -> bool:
    """Whether a token can go into an HTTP header as it is."""
    return token.isascii() and token.isprintable() and " " not in token


def _read(variable: str, text: str, kind: str) -> object:
    """Return the text of a variable as a value of the field's type, given as its annotation is written."""
    if kind.startswith("Path"):
        return _path(variable, text)
    if kind.startswith("str"):
        return text
    number = int if kind.startswith("int") else float
    try:
        value = number(text)
    except ValueError:
        message = f"{variable}={text!r} is not a number: unset it or give one"
        raise InvalidRequest(message) from None
    if not 0 <= value < math.inf:
        message = f"{variable} must be finite and at least 0, not {text}"
        raise InvalidRequest(message)
    return value


def _path(variable: str, text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        message = (
            f"{variable}={text!r} begins with the home of a user that this machine does not know: write the path out"
        )
        raise InvalidRequest(message) from None
