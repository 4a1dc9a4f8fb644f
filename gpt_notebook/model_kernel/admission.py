"""The requests that have been let in: how many at once, what each is doing, and how to stop it."""

from __future__ import annotations

import contextlib
import secrets
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field

from gpt_notebook.errors import TooManyRequests
from gpt_notebook.model_kernel.generation import Generation
from gpt_notebook.model_kernel.scheduler import Asked
from gpt_notebook.model_kernel.served import Served
from gpt_notebook.protocol import RequestInfo, RequestState, Timing


@dataclass(eq=False)
class Request:
    """A request that has been admitted."""

    id: str
    model: str
    arrived: float = field(default_factory=time.monotonic)
    state: RequestState = "queued"
    prompt_tokens: int = 0
    work: Asked | None = None
    cancelled: bool = False
    generated_before: int = 0
    """Tokens of work beside it that has ended."""
    _served: Served | None = None
    _beside: weakref.WeakSet[Request] = field(default_factory=weakref.WeakSet)

    @property
    def served(self) -> Served:
        """What answers it, once that has been loaded."""
        assert self._served is not None  # noqa: S101 - whoever asks has waited for it
        return self._served

    @served.setter
    def served(self, served: Served) -> None:
        self._served = served

    def cancel(self) -> None:
        """Stop before the next step."""
        self.cancelled = True
        if self.work is not None:
            self.work.cancelled = True
        for each in list(self._beside):
            each.cancel()

    def beside(self) -> Request:
        """Return an entry for other work or another model of the same request: it counts as part of it, and ends with it."""
        other = Request(self.id, self.model, cancelled=self.cancelled, _served=self._served)
        self._beside.add(other)
        return other

    @property
    def generated(self) -> int:
        """How many tokens there are so far, over all work of the request."""
        own = self.work.generated if isinstance(self.work, Generation) else 0
        return own + self.generated_before + sum(each.generated for each in list(self._beside))

    @property
    def _waits(self) -> bool:
        """Whether all that it generates has yet to have its first step."""
        works = [work for each in (self, *self._beside) if isinstance(work := each.work, Generation)]
        return bool(works) and not self.generated_before and all(work.first_step is None for work in works)

    def info(self) -> RequestInfo:
        """Return what it is doing."""
        return RequestInfo(
            id=self.id,
            model=self.model,
            state="queued" if self._waits else self.state,
            prompt_tokens=self.prompt_tokens,
            generated_tokens=self.generated,
            seconds=time.monotonic() - self.arrived,
        )

    def timing(self) -> Timing:
        """Return where the time of a generation that has ended went."""
        now = time.monotonic()
        work = self.work
        first_step = (work.first_step if isinstance(work, Generation) else None) or now
        first_token = (work.first_token if isinstance(work, Generation) else None) or now
        return Timing(queued=first_step - self.arrived, first_token=first_token - first_step, total=now - self.arrived)


class Admission:
    """The requests of one engine."""

    def __init__(self, limit: int) -> None:
        """Let in `limit` requests at once."""
        self._limit = limit
        self._requests: dict[str, Request] = {}
        self.last_active = time.monotonic()
        """When the last request ended, on the monotonic clock."""

    def __len__(self) -> int:
        return len(self._requests)

    @contextlib.contextmanager
    def admitted(self, model: str) -> Iterator[Request]:
        """Count a request for as long as it lives, and cancel it when it is left.

        Raises:
            TooManyRequests: enough are running and waiting.
        """
        if len(self._requests) >= self._limit:
            message = f"{self._limit} requests are running or waiting, which is the limit: try again in a moment"
            raise TooManyRequests(message)
        request = Request(f"req-{secrets.token_hex(8)}", model)
        self._requests[request.id] = request
        try:
            yield request
        finally:
            request.cancel()
            del self._requests[request.id]
            self.last_active = time.monotonic()

    def infos(self) -> list[RequestInfo]:
        """Return what runs or waits."""
        return [request.info() for request in self._requests.values()]

    def cancel(self, ids: tuple[str, ...] | None) -> int:
        """Stop the requests named, or all; return how many there were."""
        found = [request for request in self._requests.values() if ids is None or request.id in ids]
        for request in found:
            request.cancel()
        return len(found)
