"""A view of a panel for tests: the browser's end of the comm."""

from __future__ import annotations

import itertools
import threading
from typing import Any


class FakeComm:
    """What a widget sends is kept; `receive` is what the browser sends."""

    _numbers = itertools.count()

    def __init__(self, *, comm_id: str | None = None, data: Any = None, **_: Any) -> None:
        self.comm_id = comm_id or f"panel{next(self._numbers)}"
        self.kernel = "a notebook kernel"
        self.opened = data
        self.closed = False
        self.sent: list[tuple[dict[str, Any], list[Any]]] = []
        self.changed = threading.Condition()

    def on_msg(self, callback: Any) -> None:
        self._callback = callback

    def send(self, data: dict[str, Any], buffers: list[Any] | None = None, **_: Any) -> None:
        with self.changed:
            self.sent.append((data, list(buffers or [])))
            self.changed.notify_all()

    def close(self, **_: Any) -> None:
        self.closed = True

    def receive(self, data: dict[str, Any]) -> None:
        self._callback({"content": {"data": data}, "buffers": []})

    def states(self) -> list[dict[str, Any]]:
        """The states that were sent since the panel was opened, echoes left out."""
        return [data["state"]["state"] for data, _ in self.sent if data["method"] == "update"]


class View:
    """Asks a panel as its TypeScript twin does."""

    _names = itertools.count()

    def __init__(self, panel: Any) -> None:
        self.comm = panel.comm
        self.name = f"view{next(self._names)}"
        self._numbers = itertools.count()

    def send(self, content: Any) -> None:
        self.comm.receive({"method": "custom", "content": content})

    def ask(self, method: str, **params: Any) -> str:
        id_ = f"{self.name}-{next(self._numbers)}"
        self.send({"kind": "request", "id": id_, "method": method, "params": params})
        return id_

    def cancel(self, id_: str) -> None:
        self.send({"kind": "cancel", "id": id_})

    def messages(self, id_: str | None = None) -> list[tuple[dict[str, Any], list[Any]]]:
        """What the panel has said so far, about one request or all."""
        return [
            (data["content"], buffers)
            for data, buffers in self.comm.sent
            if data["method"] == "custom" and id_ in (None, data["content"].get("id"))
        ]

    def wait(self, id_: str) -> list[tuple[dict[str, Any], list[Any]]]:
        """Return the messages about a request once its last word is there."""
        with self.comm.changed:
            ended = self.comm.changed.wait_for(
                lambda: any(message["kind"] in ("answer", "error") for message, _ in self.messages(id_)), 10
            )
            assert ended, f"no last word about {id_}: {self.messages(id_)}"
            return self.messages(id_)

    def result(self, method: str, **params: Any) -> Any:
        """Return the result of a request without parts."""
        ((message, _),) = self.wait(self.ask(method, **params))
        assert message["kind"] == "answer", message
        return message["result"]

    def error(self, method: str, **params: Any) -> dict[str, str]:
        """Return the error of a request."""
        message, _ = self.wait(self.ask(method, **params))[-1]
        assert message["kind"] == "error", message
        return message["error"]
