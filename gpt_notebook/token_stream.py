"""A generation as its tokens, one by one: what `stream` gives."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from typing import Self

from gpt_notebook.completion import Collector, Completion
from gpt_notebook.protocol import Event, Token, Tokens


class TokenStream(Iterator[Token]):
    """The tokens of one sample as they come; closing it, or leaving its `with` block, stops the generation."""

    def __init__(self, events: Generator[Event, None, None]) -> None:
        """Begin before the first; nothing is asked until it is wanted."""
        self._events = events
        self._collector = Collector()
        self._waiting: deque[Token] = deque()

    def __next__(self) -> Token:
        while not self._waiting:
            event = next(self._events)
            self._collector.add(event)
            if isinstance(event, Tokens):
                self._waiting.extend(event.tokens)
        return self._waiting.popleft()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the generation; what had come is still in `completion`."""
        self._waiting.clear()
        self._events.close()

    @property
    def completion(self) -> Completion | None:
        """What has come so far, at the end the whole completion; None before the start."""
        return next(iter(self._collector.completions()), None)
