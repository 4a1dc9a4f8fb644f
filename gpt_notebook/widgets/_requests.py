"""What views ask and what they are answered, as messages.

    view → panel   {kind: request, id, method, params}        a method that is marked with `@request`
                   {kind: cancel, id}                         its connection to the model kernel is shut at once
                   {kind: ping, id}                           is anybody there?
    panel → view   {kind: part, id, result} and buffers       any number
                   {kind: answer, id, result} and buffers     the last word
                   {kind: error, id, error}                   or this: {code, message}, and param if a field is meant
                   {kind: pong, id, open: [id, …]}            the requests of all views that are being worked on

Several views of one panel ask at once, so an id is unique among all of them. Nothing is sent about a request that was
cancelled. Knows no widget: messages come in through `receive` and go out through the function that is given.
"""

from __future__ import annotations

import inspect
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

from gpt_notebook.cancellation import Cancellation
from gpt_notebook.errors import GptNotebookError, InvalidRequest
from gpt_notebook.widgets._answers import split
from gpt_notebook.widgets._pool import AT_ONCE, Pool

IN_BACKGROUND = 1
"""The priority of what nobody waits for."""

Send = Callable[[dict[str, Any], list[memoryview]], None]

_MARK = "_gpt_notebook_priority"
_STANDING = "_gpt_notebook_standing"
_Method = TypeVar("_Method", bound=Callable[..., Any])


@overload
def request(method: _Method) -> _Method: ...
@overload
def request(*, priority: int) -> Callable[[_Method], _Method]: ...
def request(method: Any = None, *, priority: int = AT_ONCE) -> Any:
    """Let views call a method: keyword arguments from JSON; a result, or a tuple of a result and its buffers, back.

    A result is a mapping or a message of the protocol; a buffer is an array or bytes. What a generator yields are parts,
    and what it returns is the answer. It runs in a thread of the panel's, and its calls to the model kernel end when the
    request is cancelled. `priority` is above 0 for what nobody waits for.
    """

    def mark(method: _Method) -> _Method:
        setattr(method, _MARK, priority)
        return method

    return mark if method is None else mark(method)


def standing(method: _Method) -> _Method:
    """Let views call a method that goes on telling them for as long as they look, as `request` does for others.

    It gets a `Teller` before its arguments and returns at once. Whoever has the teller then sends parts, from any thread:
    a view that waits takes none of those that answer.
    """
    setattr(method, _STANDING, True)
    return request(method)


class Teller:
    """Tells the view of one standing request what is new, and in the end the last word."""

    def __init__(self, requests: Requests, id_: str | int, cancellation: Cancellation) -> None:
        """Belong to the request of an id."""
        self._requests = requests
        self._id = id_
        self._cancellation = cancellation

    @property
    def over(self) -> bool:
        """Whether the view doesn't wait any more."""
        return self._cancellation.cancelled

    def part(self, part: Any) -> None:
        """Send a result, or a tuple of a result and its buffers."""
        if not self.over:
            self._requests._tell(self._id, part)  # noqa: SLF001 - a part of it

    def end(self) -> None:
        """Say that nothing more comes."""
        self._requests._end(self._id, self._cancellation, {"kind": "answer", "result": {}})  # noqa: SLF001 - likewise

    def fail(self, error: Exception) -> None:
        """Say why nothing more comes."""
        last = {"kind": "error", "error": _described(error)}
        self._requests._end(self._id, self._cancellation, last)  # noqa: SLF001 - likewise


class Requests:
    """The requests of all views of one panel."""

    def __init__(self, methods: object, send: Send, log: logging.Logger) -> None:
        """Answer with the marked methods of an object; what is not said to the views goes to the log."""
        self._methods = methods
        self._send = send
        self._log = log
        self._pool = Pool()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._open: dict[str | int, Cancellation] = {}
        self._told: set[str | int] = set()
        """Of the standing ones those that have been told something."""
        self._count = 0

    def receive(self, message: object) -> None:
        """Take a message of a view; returns at once. What is no such message is somebody else's."""
        match message:
            case {"kind": "request", "id": str() | int() as id_, "method": str() as method, "params": dict() as params}:
                self._begin(id_, method, params)
            case {"kind": "cancel", "id": str() | int() as id_}:
                self._cancel(id_)
            case {"kind": "ping", "id": str() | int() as id_}:
                with self._lock:
                    known = list(self._open)
                self._say({"kind": "pong", "id": id_, "open": known})

    def wait_for_quiet(self, *, first: float, pause: float, longest: float) -> None:
        """Wait until views have got what they ask for when they open; times are in seconds.

        Args:
            first: How long to wait for the first request; none comes where nobody looks, or where the front end's
                messages wait for the cell that this is called in.
            pause: Nothing is open for so long when the views have what they want.
            longest: After this it is not waited any more.
        """
        end = time.monotonic() + longest
        with self._changed:
            if not self._changed.wait_for(lambda: self._count, first):
                return
            while (left := end - time.monotonic()) > 0:
                count = self._count
                self._changed.wait_for(lambda: not self._open.keys() - self._told, left)
                if not self._changed.wait_for(lambda: self._count > count, min(pause, left)):  # noqa: B023 - called here
                    return

    def close(self) -> None:
        """Cancel everything, and take nothing more."""
        self._pool.close()
        with self._lock:
            cancellations = list(self._open.values())
            self._open.clear()
            self._told.clear()
        for each in cancellations:
            each.cancel()

    def _begin(self, id_: str | int, name: str, params: dict[str, Any]) -> None:
        method = getattr(self._methods, name, None)
        priority = getattr(method, _MARK, None)
        cancellation = Cancellation()
        with self._lock:
            if id_ in self._open:  # asked again after a silence, and worked on
                return
            self._open[id_] = cancellation
            self._count += 1
            self._changed.notify_all()
        if method is None or priority is None:
            error = InvalidRequest(f"this panel has no method {name[:80]!r}: run its cell again and reload the page")
            self._end(id_, cancellation, {"kind": "error", "error": _described(error)})
            return
        self._pool.submit(lambda: self._run(id_, cancellation, method, params), priority=priority)

    def _cancel(self, id_: str | int) -> None:
        with self._lock:
            cancellation = self._open.pop(id_, None)
            self._told.discard(id_)
            self._changed.notify_all()
        if cancellation is not None:
            cancellation.cancel()

    def _run(
        self, id_: str | int, cancellation: Cancellation, method: Callable[..., Any], params: dict[str, Any]
    ) -> None:
        """Call a method in this thread and tell its view what becomes of it."""
        if cancellation.cancelled:
            return
        try:
            with cancellation.covering():
                if hasattr(method, _STANDING):
                    self._stand(id_, cancellation, method, params)
                    return
                result, buffers = split(self._result(id_, cancellation, method, params))
                last = {"kind": "answer", "result": result}
        except GptNotebookError as error:
            last, buffers = {"kind": "error", "error": _described(error)}, []
        except Exception as error:  # noqa: BLE001 - whatever it is, the view must hear of it
            if not cancellation.cancelled:
                self._log.error("%s failed", method.__qualname__, exc_info=error)
            last, buffers = {"kind": "error", "error": _described(error)}, []
        self._end(id_, cancellation, last, buffers)

    def _result(
        self, id_: str | int, cancellation: Cancellation, method: Callable[..., Any], params: Mapping[str, Any]
    ) -> Any:
        """Return what a method returns, having sent the parts that it yields."""
        call = _bound(method, (), params)
        result = method(*call.args, **call.kwargs)
        if not inspect.isgenerator(result):
            return result
        try:
            while True:
                part, buffers = split(next(result))
                cancellation.check()
                self._say({"kind": "part", "id": id_, "result": part}, buffers)
        except StopIteration as end:
            return end.value
        finally:
            result.close()

    def _stand(
        self, id_: str | int, cancellation: Cancellation, method: Callable[..., Any], params: Mapping[str, Any]
    ) -> None:
        """Begin a standing request."""
        call = _bound(method, (Teller(self, id_, cancellation),), params)
        method(*call.args, **call.kwargs)

    def _tell(self, id_: str | int, part: Any) -> None:
        """Send a part of a standing request."""
        result, buffers = split(part)
        self._say({"kind": "part", "id": id_, "result": result}, buffers)
        with self._lock:
            if id_ in self._open:
                self._told.add(id_)
                self._changed.notify_all()

    def _end(
        self,
        id_: str | int,
        cancellation: Cancellation,
        last: dict[str, Any],
        buffers: list[memoryview] | None = None,
    ) -> None:
        """Say the last word, and only then forget the request: what a pong doesn't name has been answered."""
        if not cancellation.cancelled:
            self._say({**last, "id": id_}, buffers)
        with self._lock:
            if self._open.get(id_) is cancellation:
                del self._open[id_]
                self._told.discard(id_)
                self._changed.notify_all()

    def _say(self, message: dict[str, Any], buffers: list[memoryview] | None = None) -> None:
        try:
            self._send(message, buffers or [])
        except Exception as error:  # noqa: BLE001 - a thread of the pool must live on when nobody can be told
            self._log.error("a panel's view could not be told", exc_info=error)


def _bound(method: Callable[..., Any], first: tuple[Any, ...], params: Mapping[str, Any]) -> inspect.BoundArguments:
    """Return the arguments of a call.

    Raises:
        InvalidRequest: the method doesn't take them.
    """
    try:
        return inspect.signature(method).bind(*first, **params)
    except TypeError as error:
        message = f"{method.__name__}: {error}"
        raise InvalidRequest(message) from error


def _described(error: Exception) -> dict[str, str]:
    if isinstance(error, GptNotebookError):
        described = {"code": error.code, "message": error.message}
        return described if error.param is None else {**described, "param": error.param}
    first_line = next(iter(str(error).splitlines()), "")
    text = f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__
    return {"code": "error", "message": f"{text} (the log of the notebook kernel has the rest)"}
