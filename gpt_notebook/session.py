"""What this process has been told: which model to use when none is named, and which model kernel.

The one mutable thing on the notebook side. Everything else comes from the environment, read at each use, so that a
variable set in a cell counts from then on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from gpt_notebook import launcher, saved_models
from gpt_notebook.client import Client
from gpt_notebook.connection import origin
from gpt_notebook.protocol import DEFAULT_MODEL, Event
from gpt_notebook.settings import Settings

Model = str | os.PathLike[str] | None
"""A model string, a path, or None for the default."""

_Answer = TypeVar("_Answer")


class Session:
    """The choices of one process, and the way to the model kernel that they mean."""

    def __init__(self) -> None:
        """Begin with what the environment says."""
        self._model: str | None = None
        self._remote: tuple[str, str | None] | None = None

    @property
    def settings(self) -> Settings:
        """The settings as they are now.

        Raises:
            InvalidRequest: a variable of the environment can't be read.
        """
        settings = Settings.from_environment()
        if self._remote is not None:
            settings = replace(settings, url=self._remote[0] or None, token=self._remote[1])
        return settings if self._model is None else replace(settings, model=self._model)

    @property
    def model(self) -> str:
        """The model of calls that name none."""
        return self.settings.model

    def use(self, model: str | None) -> None:
        """Make a model the default; None goes back to the one that the settings name."""
        self._model = model

    def connect(self, url: str | None, token: str | None = None) -> None:
        """Use the model kernel at `url`; None is the local one again, whatever the environment says."""
        self._remote = ("", None) if url is None else (url, token or self.token_for(url))

    def token_for(self, url: str) -> str | None:
        """Return the environment's token, unless the environment gives it to another scheme, host or port."""
        settings = Settings.from_environment()
        if settings.url is not None and origin(settings.url) != origin(url):
            return None
        return settings.token

    def resolve(self, model: Model) -> str:
        """Return the model string that the model kernel understands: paths absolute, saved names as their paths."""
        settings = self.settings
        return saved_models.resolve(os.fspath(model) if model is not None else settings.model, settings)

    def ask(self, call: Callable[[Client], _Answer]) -> _Answer:
        """Return the answer of the model kernel; if one leaves at this moment, that of its successor."""
        try:
            return call(launcher.ensure(self.settings))
        except launcher.LEAVING:
            return call(launcher.ensure(self.settings))

    def stream(self, call: Callable[[Client], Generator[Event, None, None]]) -> Generator[Event, None, None]:
        """Yield the events of the model kernel; if one leaves before the first of them, those of its successor."""
        begun = False
        for last_attempt in (False, True):
            stream = call((yield from launcher.ensuring(self.settings)))
            try:
                for event in stream:
                    begun = True
                    yield event
            except launcher.LEAVING:
                if begun or last_attempt:
                    raise
            else:
                return
            finally:
                stream.close()


session = Session()
"""The one of this process."""


def hub_token(model: str, client: Client) -> str | None:
    """Return the user's Hugging Face token where a request for `model` may need it, as it is at this moment.

    Looked up where huggingface_hub does: HF_TOKEN, then the file that `hf auth login` writes. Never given for the
    bundled model or a path, nor to a model kernel that can only be reached in clear text over a network.
    """
    if model == DEFAULT_MODEL or Path(model).is_absolute() or not client.private:
        return None
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if token := os.environ.get(variable, "").strip():
            return token
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    home = Path(os.environ.get("HF_HOME") or cache)
    path = Path(os.environ.get("HF_TOKEN_PATH") or home / "token").expanduser()
    try:
        return path.read_text("utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
