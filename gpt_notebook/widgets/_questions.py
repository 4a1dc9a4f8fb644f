"""Questions of a panel: what all of its answers have in common.

An answer starts no model kernel unless it says so, for somebody may only have moved the pointer; the panel's `start` does. It
says when an attention had been forgotten and was made again meanwhile (`"again": true`). And it is remembered, so that a
saved page can give it again. What makes no sense is refused in one sentence (`_parameters.py`).
"""

from __future__ import annotations

import base64
import contextlib
import functools
import inspect
import json
import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from gpt_notebook.session import session
from gpt_notebook.widgets._answers import split
from gpt_notebook.widgets._parameters import check
from gpt_notebook.widgets._pool import AT_ONCE
from gpt_notebook.widgets._requests import request

MAX_REMEMBERED = 24_000_000
"""Bytes of the buffers that a panel remembers; in a page they take a third more."""

Part = tuple[Any, list[memoryview]]
"""A result as JSON, and its buffers."""


@dataclass(frozen=True)
class Remembered:
    """One question, and what it was answered."""

    method: str
    params: Mapping[str, Any]
    answer: Part
    parts: tuple[Part, ...] = ()

    @property
    def bytes(self) -> int:
        """What it takes, about: the buffers, and the rest as text."""
        told = (self.answer, *self.parts)
        texts = len(json.dumps([self.params, *(result for result, _ in told)], default=str))
        return texts + sum(len(buffer) for _, buffers in told for buffer in buffers)

    def by_itself(self) -> Remembered:
        """Return the same with buffers of its own: one may be a small piece of an array that would stay with it."""
        answer, *parts = [
            (result, [memoryview(bytes(buffer)) for buffer in buffers])
            for result, buffers in (self.answer, *self.parts)
        ]
        return replace(self, answer=answer, parts=tuple(parts))

    def to_json(self) -> dict[str, Any]:
        """Return it with the buffers in base64, as `saved-source.ts` reads it."""
        result, buffers = self.answer
        return {
            "method": self.method,
            "params": self.params,
            "answer": result,
            "buffers": _texts(buffers),
            "parts": [{"result": part, "buffers": _texts(each)} for part, each in self.parts],
        }


class Memory:
    """The answers that a panel has given, the latest to each question; the oldest are forgotten when there are many."""

    def __init__(self, most: int = MAX_REMEMBERED) -> None:
        """Begin with none; `most` is in bytes."""
        self._most = most
        self._lock = threading.Lock()
        self._answers: dict[str, Remembered] = {}
        self._bytes = 0

    def keep(self, answered: Remembered) -> None:
        """Remember an answer, if there is room for it at all."""
        if answered.bytes > self._most:
            return
        answered = answered.by_itself()
        key = json.dumps([answered.method, answered.params], sort_keys=True)
        with self._lock:
            self._forget(key)
            self._answers[key] = answered
            self._bytes += answered.bytes
            while self._bytes > self._most:
                self._forget(next(iter(self._answers)))

    def all(self) -> list[Remembered]:
        """Return the answers, oldest first."""
        with self._lock:
            return list(self._answers.values())

    def _forget(self, key: str) -> None:
        known = self._answers.pop(key, None)
        if known is not None:
            self._bytes -= known.bytes


class Answering(Protocol):
    """What answers questions."""

    memory: Memory

    @property
    def times_again(self) -> int:
        """How often an attention was made again."""


_Method = Callable[..., Any]


def question(*, priority: int = AT_ONCE, may_start: bool = False) -> Callable[[_Method], _Method]:
    """Let views ask a method, as `request` does, with all that this module promises.

    Args:
        priority: As for `request`.
        may_start: Whether the answer is worth starting a model kernel, as nobody asks for it in passing.
    """

    def mark(method: _Method) -> _Method:
        @request(priority=priority)
        @functools.wraps(method)
        def answer(self: Answering, **params: Any) -> Generator[Any, None, Part]:
            check(params)
            parts: list[Part] = []
            before = self.times_again
            with contextlib.nullcontext() if may_start else session.starting_none():
                answered: Any = method(self, **params)
                found = (yield from _passed_on(answered, parts)) if inspect.isgenerator(answered) else answered
            result, buffers = split(found)
            self.memory.keep(Remembered(method.__name__, params, (result, buffers), tuple(parts)))
            return ({**result, "again": True} if self.times_again > before else result), buffers

        return answer

    return mark


def ask(panel: Answering, method: str, **params: Any) -> None:
    """Ask a question as a view would, to have the answer remembered."""
    for _ in getattr(panel, method)(**params):
        pass


def _passed_on(answer: Generator[Any, Any, Any], parts: list[Part]) -> Generator[Any, None, Any]:
    """Yield what an answer yields, keep what has buffers (the rest is progress), and return what it returns."""
    try:
        while True:
            part = next(answer)
            yield part
            result, buffers = split(part)
            if buffers:
                parts.append((result, buffers))
    except StopIteration as end:
        return end.value
    finally:
        answer.close()


def _texts(buffers: list[memoryview]) -> list[str]:
    return [base64.b64encode(each).decode() for each in buffers]
