"""An attention that the model kernel keeps: questions about it, and making it again where it has been forgotten."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from gpt_notebook.attention_maps import places
from gpt_notebook.attention_maps.places import Range
from gpt_notebook.attention_protocol import (
    ArrayRequest,
    AttentionInfo,
    AttentionPart,
    AttentionRequest,
    Captured,
    MapRequest,
    OverviewRequest,
    Part,
    Reduction,
    StreamRequest,
    Values,
)
from gpt_notebook.errors import AttentionNotFound, Interrupted, InvalidRequest, ModelKernelError
from gpt_notebook.protocol import Progress, Token
from gpt_notebook.session import session

if TYPE_CHECKING:
    from gpt_notebook.attention_maps.arrays import Array

OnProgress = Callable[[Progress], object] | None
"""Called with each `Progress` of an answer."""

_Event = TypeVar("_Event")
_Answer = TypeVar("_Answer")


class KeptAttention:
    """One attention that the model kernel keeps; the weights and tokens that it is of never change."""

    def __init__(self, info: AttentionInfo, model: str) -> None:
        """Keep what was recorded, and the model string that it was asked of."""
        self.info = info
        self.times_again = 0
        """How often it had been forgotten and was made again."""
        self._model = model
        self._making = threading.Lock()

    @classmethod
    def of(cls, request: AttentionRequest, on_progress: OnProgress = None) -> KeptAttention:
        """Have an attention recorded."""
        return cls(answer_to(request, Captured, on_progress).attention, request.model)

    def part(self, name: Part | None) -> AttentionPart:
        """Return a kind of attention of this model; None: the first.

        Raises:
            InvalidRequest: it has no such; names those it has.
        """
        if name is None:
            return self.info.parts[0]
        for each in self.info.parts:
            if each.name == name:
                return each
        names = ", ".join(each.name for each in self.info.parts)
        message = f"{self.info.model} has no {name!r} attention here: part is one of {names}"
        raise InvalidRequest(message, param="part")

    def query_tokens(self, part: AttentionPart) -> tuple[Token, ...]:
        """Return the tokens that attend."""
        return self.info.tokens if part.name == "encoder" or not self.info.target_tokens else self.info.target_tokens

    def key_tokens(self, part: AttentionPart) -> tuple[Token, ...]:
        """Return the tokens attended to."""
        return self.info.tokens if part.name == "cross" else self.query_tokens(part)

    def map(
        self,
        layer: int,
        head: int,
        *,
        part: Part | None = None,
        queries: Range = None,
        keys: Range = None,
        values: Values = "weights",
        hide_sink: bool = False,
    ) -> Array:
        """Return a rectangle of one head's map, shape (query, key).

        Raises:
            InvalidRequest: a layer, head or range that is not there.
        """
        found = self.part(part)
        layer, head = places.head_of(found, layer, head)
        request = MapRequest(
            attention=self.info.id,
            part=found.name,
            layer=layer,
            head=head,
            queries=places.interval("queries", queries, found.n_queries),
            keys=places.interval("keys", keys, found.n_keys),
            values=values,
            hide_sink=hide_sink,
        )
        return self.array(request)

    def overview(
        self,
        size: int,
        *,
        layers: Iterable[int] | None = None,
        reduction: Reduction = "mean",
        part: Part | None = None,
        heads: Iterable[int] | None = None,
        queries: Range = None,
        keys: Range = None,
        hide_sink: bool = False,
    ) -> Array:
        """Return each map cut into blocks, each of them one number, shape (layer, head, row, column).

        Raises:
            InvalidRequest: a layer, head or range that is not there.
        """
        found = self.part(part)
        numbers = places.layers_of(found, layers)
        request = OverviewRequest(
            attention=self.info.id,
            part=found.name,
            layers=numbers,
            size=size,
            reduction=reduction,
            heads=places.heads_in(found, numbers, heads),
            queries=places.interval("queries", queries, found.n_queries),
            keys=places.interval("keys", keys, found.n_keys),
            hide_sink=hide_sink,
        )
        return self.array(request)

    def array(self, request: ArrayRequest) -> Array:
        """Return an array of this attention."""
        with _interrupts_in_one_line():
            return asking(lambda: session.ask(lambda client: client.array(request)), self)

    def answer(self, request: StreamRequest, kind: type[_Event], on_progress: OnProgress = None) -> _Event:
        """Return the answer to a question about this attention."""
        return asking(lambda: answer_to(request, kind, on_progress), self)

    def again(self) -> None:
        """Have the same attention recorded again, of the same weights.

        Raises:
            ModelChanged: they are not the same any more.
        """
        for _ in self.making_again():
            pass

    def making_again(self) -> Generator[Progress, None, None]:
        """Do what `again` does; yields how far it is."""
        targets = tuple(token.id for token in self.info.target_tokens)
        request = AttentionRequest(
            model=self._model,
            token_ids=tuple(token.id for token in self.info.tokens),
            target_token_ids=targets or None,
            fingerprint=self.info.fingerprint,
        )
        with self._making:  # who comes second finds it made
            yield from answering(request, Captured)
            self.times_again += 1


def asking(ask: Callable[[], _Answer], *kept: KeptAttention) -> _Answer:
    """Return an answer; if an attention that it needs was forgotten, they are made again and it is asked once more."""
    try:
        return ask()
    except AttentionNotFound:
        for each in kept:
            each.again()
        return ask()


def answering_from(
    request: StreamRequest, kind: type[_Event], *kept: KeptAttention
) -> Generator[Progress, None, _Event]:
    """Do what `asking` does with a question that is a stream; yields how far it is."""
    try:
        return (yield from answering(request, kind))
    except AttentionNotFound:
        for each in kept:
            each.again()
        return (yield from answering(request, kind))


def answer_to(request: StreamRequest, kind: type[_Event], on_progress: OnProgress = None) -> _Event:
    """Return what `answering` does, and call somebody with each sign of progress.

    Raises:
        GptNotebookError: what the model kernel says about a request that failed.
    """
    with _interrupts_in_one_line(), contextlib.closing(answering(request, kind)) as answer:
        while True:
            try:
                progress = next(answer)
            except StopIteration as end:
                found: _Event = end.value
                return found
            if on_progress is not None:
                on_progress(progress)


def answering(request: StreamRequest, kind: type[_Event]) -> Generator[Progress, None, _Event]:
    """Return the event of a stream that is its answer; yields how far it is.

    Raises:
        GptNotebookError: what the model kernel says about a request that failed.
    """
    found: _Event | None = None
    asked = contextlib.closing(session.stream(lambda client: client.inspect(request)))
    with _interrupts_in_one_line(), asked as events:
        for event in events:
            if isinstance(event, kind):
                found = event
            elif isinstance(event, Progress):
                yield event
    if found is None:
        message = "the model kernel's answer ended without what was asked for: is it of another version?"
        raise ModelKernelError(message)
    return found


@contextlib.contextmanager
def _interrupts_in_one_line() -> Iterator[None]:
    """Spare whoever interrupts a wait all the lines that the wait consists of."""
    try:
        yield
    except Interrupted:
        raise
    except KeyboardInterrupt as error:
        raise Interrupted from error
