"""What this process has been told: which model to use when none is named, and which model kernel.

The one mutable thing on the notebook side. Everything else comes from the environment, read at each use, so that a
variable set in a cell counts from then on.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Generator, Iterator
from contextvars import ContextVar
from dataclasses import replace
from typing import TypeVar

from gpt_notebook import launcher, saved_models
from gpt_notebook.cancellation import check_cancelled
from gpt_notebook.client import Client
from gpt_notebook.connection import origin
from gpt_notebook.errors import InvalidRequest, ModelKernelNotRunning, TooManyRequests
from gpt_notebook.protocol import Progress
from gpt_notebook.settings import Settings

Model = str | os.PathLike[str] | None
"""A model string, a path, or None for the default."""

PATIENCE = 5.0
"""Seconds for which a call tries again when a model kernel has too many requests and says when to come back."""

_MAY_START: ContextVar[bool] = ContextVar("may_start", default=True)

_Answer = TypeVar("_Answer")
_Event = TypeVar("_Event")


class Session:
    """The choices of one process, and the way to the model kernel that they mean."""

    def __init__(self) -> None:
        """Begin with what the environment says."""
        self._model: str | None = None
        self._remote: tuple[str | None, str | None] | None = None

    @property
    def settings(self) -> Settings:
        """The settings as they are now.

        Raises:
            InvalidRequest: a variable of the environment can't be read.
        """
        settings = Settings.from_environment()
        if self._remote is not None:
            settings = replace(settings, url=self._remote[0], token=self._remote[1])
        return settings if self._model is None else replace(settings, model=self._model)

    @property
    def model(self) -> str:
        """The model of calls that name none."""
        return self.settings.model

    def use(self, model: str | None) -> None:
        """Make a model the default; None goes back to the one that the settings name."""
        self._model = model

    @property
    def place(self) -> str:
        """What to call the model kernel that calls go to."""
        url = self.settings.url
        return "the model kernel of this machine" if url is None else f"the model kernel at {url}"

    def connect(self, url: str | None, token: str | None = None) -> None:
        """Use the model kernel at `url`; None is the local one again, whatever the environment says."""
        self._remote = (url, None if url is None else token or self.token_for(url))

    def token_for(self, url: str) -> str | None:
        """Return the environment's token, unless the environment gives it to another scheme, host or port."""
        settings = Settings.from_environment()
        if settings.url is not None and origin(settings.url) != origin(url):
            return None
        return settings.token

    def resolve(self, model: Model) -> str:
        """Return the model string that the model kernel understands: paths absolute, saved names as their paths.

        Raises:
            InvalidRequest: that is neither a name nor a path.
        """
        if not isinstance(model, str | os.PathLike | None):
            message = f"a model is a name or a path, not {type(model).__name__}"
            raise InvalidRequest(message, param="model")
        settings = self.settings
        return saved_models.resolve(os.fspath(model) if model is not None else settings.model, settings)

    def ask(self, call: Callable[[Client], _Answer]) -> _Answer:
        """Return the answer of the model kernel; if one leaves at this moment, that of its successor.

        One that has too many requests is asked again for `PATIENCE` seconds.
        """
        left, until = False, time.monotonic() + PATIENCE
        while True:
            try:
                return call(self._client())
            except launcher.LEAVING:
                if left:
                    raise
                left = True
            except TooManyRequests as error:
                pause(_seconds_to_wait(error, until))

    def stream(
        self, call: Callable[[Client], Generator[_Event, None, None]], *, patience: float = PATIENCE
    ) -> Generator[_Event | Progress, None, None]:
        """Yield the events of the model kernel; if one leaves before the first of them, those of its successor.

        One that has too many requests is asked again for `patience` seconds.
        """
        begun, left, until = False, False, time.monotonic() + patience
        while True:
            stream = call((yield from self._finding()))
            try:
                for event in stream:
                    begun = True
                    yield event
            except launcher.LEAVING:
                if begun or left:
                    raise
                left = True
            except TooManyRequests as error:
                seconds = _seconds_to_wait(error, until)
                yield Progress(stage="queued")
                pause(seconds)
            else:
                return
            finally:
                stream.close()

    @contextlib.contextmanager
    def starting_none(self) -> Iterator[None]:
        """Have the calls of this block, in this thread, fail where they would start a model kernel.

        For what somebody does in passing, such as moving the pointer: a process and seconds of waiting are more than that.
        """
        before = _MAY_START.set(False)
        try:
            yield
        finally:
            _MAY_START.reset(before)

    def _client(self) -> Client:
        return launcher.ensure(self.settings) if _MAY_START.get() else self._running()

    def _finding(self) -> Generator[Progress, None, Client]:
        return (yield from launcher.ensuring(self.settings)) if _MAY_START.get() else self._running()

    def _running(self) -> Client:
        settings = self.settings
        found = launcher.running(settings)
        reason = "is not running" if found is None else launcher.misfit(found[1], settings)
        if found is None or reason is not None:
            message = f"{self.place} {reason}: start it, or run a cell that asks it for something"
            raise ModelKernelNotRunning(message)
        return found[0]


def _seconds_to_wait(error: TooManyRequests, until: float) -> float:
    """Return after how many seconds to try again, or raise the error: nobody has said when, or that is too late."""
    if error.retry_after is None or time.monotonic() + error.retry_after > until:
        raise error
    return error.retry_after


def pause(seconds: float) -> None:
    """Wait; an interrupt ends it, and so does a cancellation of what this thread works on."""
    check_cancelled()
    time.sleep(seconds)
    check_cancelled()


session = Session()
"""The one of this process."""
