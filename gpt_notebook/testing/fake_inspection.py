"""The attentions that the fake engine knows, and what it answers to questions about them.

What an attention is made of is in `fake_attention`, what would come next in `fake_predictions`. Nothing is forgotten
until a test says so.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gpt_notebook.attention_protocol import (
    AblateRequest,
    ArrayRequest,
    AttentionInfo,
    AttentionPart,
    AttentionRequest,
    Captured,
    DiffRequest,
    Event,
    HeadScores,
    LensRequest,
    Part,
    PatchRequest,
    ScoresRequest,
    StreamRequest,
)
from gpt_notebook.errors import AttentionNotFound, ContextLengthExceeded, InvalidRequest, ModelChanged
from gpt_notebook.protocol import Progress, Token
from gpt_notebook.testing.fake_arrays import array_of
from gpt_notebook.testing.fake_attention import HEAD_SIZE, FakeAttention
from gpt_notebook.testing.fake_predictions import ablated, lens, patched
from gpt_notebook.testing.fake_ranges import checked
from gpt_notebook.testing.fake_vocabulary import FakeVocabulary, words

if TYPE_CHECKING:
    from gpt_notebook.testing.fake_attention import Array32

FINGERPRINT = "fake-float32"
"""Of every model."""


@dataclass(kw_only=True)
class FakeInspection:
    """The attentions that were made, and the answers to questions about them."""

    models: Sequence[str]
    n_layers: int
    n_heads: int
    context_length: int
    vocabulary: FakeVocabulary
    next_word: Callable[[], str]
    """Returns the first word of what the engine says after a text."""
    made: Counter[str] = field(default_factory=Counter)
    """How often each attention was made because somebody asked for it, by id."""
    _known: dict[str, FakeAttention] = field(default_factory=dict)

    def forget(self) -> None:
        """Forget every attention; those who ask get `AttentionNotFound`."""
        self._known.clear()

    @property
    def bytes(self) -> int:
        """What all known attentions would take."""
        return sum(attention.bytes for attention in self._known.values())

    def keep(self, model: str, token_ids: tuple[int, ...]) -> str:
        """Know the attention of a text from now on; returns its id, the same for the same model and tokens."""
        attention_id = hashlib.sha256(f"{model} {FINGERPRINT} {token_ids}".encode()).hexdigest()[:16]
        self._known[attention_id] = FakeAttention(
            model=model,
            token_ids=token_ids,
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            shift=self.models.index(model),
        )
        return attention_id

    def model_of(self, request: StreamRequest | ArrayRequest) -> str:
        """Return the model that a request is about; of a forgotten attention any, for asking says so."""
        if isinstance(request, AttentionRequest | PatchRequest):
            return request.model
        known = self._known.get(request.attention)
        return self.models[0] if known is None else known.model

    # --- events -----------------------------------------------------------------------------------------------------

    def events(self, request: StreamRequest) -> Iterator[Event]:
        """Yield the answer to a request, all but its `Done`.

        Raises:
            GptNotebookError: what the real engine would say to such a request.
        """
        match request:
            case AttentionRequest():
                return self._captured(request)
            case ScoresRequest():
                return self._scores(request)
            case DiffRequest():
                return self._diff(request)
            case PatchRequest():
                return self._patched(request)
            case LensRequest() | AblateRequest():
                return self._predicted(request)

    def _captured(self, request: AttentionRequest) -> Iterator[Event]:
        if request.fingerprint not in ("", FINGERPRINT):
            message = f"{request.model} is {FINGERPRINT} now and not {request.fingerprint} any more: ask for its attention anew"
            raise ModelChanged(message)
        if request.target is not None or request.target_token_ids is not None:
            message = f"{request.model} is no encoder-decoder: leave the target out"
            raise InvalidRequest(message, param="target")
        ids = self._token_ids(request)
        before = len(self._known)
        attention_id = self.keep(request.model, ids)
        if len(self._known) > before:
            self.made[attention_id] += 1
            yield Progress(stage="recording", model=request.model, done=0, total=len(ids))
        yield Captured(attention=self._info(attention_id))

    def _token_ids(self, request: AttentionRequest) -> tuple[int, ...]:
        if request.token_ids is None:
            text = f"user: {request.text}\n" if request.chat and request.text else request.text or ""
            ids, name = tuple(self.vocabulary.id(word) for word in words(text)), "text"
        else:
            ids, name = request.token_ids, "token_ids"
        if not ids:
            message = f"{name} is empty, and what is empty has no attention: give at least one token"
            raise InvalidRequest(message, param=name)
        if bad := [each for each in ids if each < 0]:
            message = f"{bad[0]} is no token id: ids go from 0"
            raise InvalidRequest(message, param=name)
        self._check_length("text", len(ids))
        return ids

    def _check_length(self, name: str, length: int) -> None:
        if length > self.context_length:
            message = (
                f"the {name} has {length:,} tokens and the model reads at most {self.context_length:,}: shorten it"
            )
            raise ContextLengthExceeded(message, param=name)

    def _info(self, attention_id: str) -> AttentionInfo:
        attention = self._known[attention_id]
        part = AttentionPart(
            name="decoder",
            heads=(self.n_heads,) * self.n_layers,
            key_heads=(self.n_heads,) * self.n_layers,
            scaling=(HEAD_SIZE**-0.5,) * self.n_layers,
            n_queries=len(attention),
            n_keys=len(attention),
        )
        return AttentionInfo(
            id=attention_id,
            model=attention.model,
            fingerprint=FINGERPRINT,
            tokens=self._tokens(attention.token_ids),
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            parts=(part,),
            causal=True,
            bytes=attention.bytes,
        )

    def _tokens(self, token_ids: Sequence[int]) -> tuple[Token, ...]:
        return tuple(Token(id=each, text=self.vocabulary.word(each)) for each in token_ids)

    def _scores(self, request: ScoresRequest) -> Iterator[Event]:
        attention = self._attention(request.attention, request.part)
        if "from-to" in request.kinds:
            for name, positions in (("queries", request.queries), ("keys", request.keys)):
                for position in positions:
                    checked("position", position, len(attention), param=name)
        yield self._computing(attention.model)
        ends = {"queries": request.queries, "keys": request.keys}
        yield HeadScores(
            values=tuple(
                self._each_head(lambda layer, head, kind=kind: attention.score(kind, layer, head, **ends))  # type: ignore[misc]
                for kind in request.kinds
            )
        )

    def _diff(self, request: DiffRequest) -> Iterator[Event]:
        one, other = self._attention(request.attention, request.part), self._attention(request.other, request.part)
        if len(one) != len(other):
            message = f"the texts have {len(one)} and {len(other)} tokens: compare texts of equal length"
            raise InvalidRequest(message, param="other")
        yield self._computing(one.model)
        yield HeadScores(values=(self._each_head(lambda layer, head: one.difference(other, layer, head)),))

    def _computing(self, model: str) -> Progress:
        return Progress(stage="computing", model=model, done=0, total=self.n_layers * self.n_heads)

    def _each_head(self, score: Callable[[int, int], float | None]) -> tuple[tuple[float | None, ...], ...]:
        return tuple(tuple(score(layer, head) for head in range(self.n_heads)) for layer in range(self.n_layers))

    def _predicted(self, request: LensRequest | AblateRequest) -> Iterator[Event]:
        attention = self._attention(request.attention)
        position = range(len(attention))[checked("position", request.position, len(attention), from_end=True)]
        follows = [self.vocabulary.word(each) for each in attention.token_ids[position : position + 2]]
        itself, following, *_ = [*follows, self.next_word()]
        if isinstance(request, LensRequest):
            yield lens(self.vocabulary, itself, following, position=position, n_layers=self.n_layers, k=request.k)
            return
        for layer, head in request.heads:
            checked("layer", layer, self.n_layers, param="heads")
            checked("head", head, self.n_heads, param="heads")
        yield ablated(self.vocabulary, following, position=position, n_heads=len(set(request.heads)), k=request.k)

    def _patched(self, request: PatchRequest) -> Iterator[Event]:
        for name, text in (("clean", request.clean), ("corrupt", request.corrupt)):
            self._check_length(name, len(words(text)))
        result = patched(
            self.vocabulary,
            request,
            self.next_word(),
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            fingerprint=FINGERPRINT,
        )
        yield self._computing(request.model)
        yield result

    def array(self, request: ArrayRequest) -> Array32:
        """Return the array that a request asks for.

        Raises:
            GptNotebookError: what the real engine would say to such a request.
        """
        return array_of(self._attention(request.attention, request.part), request)

    def _attention(self, attention_id: str, part: Part = "decoder") -> FakeAttention:
        known = self._known.get(attention_id)
        if known is None:
            message = f"the attention {attention_id} is not known any more: ask for it again"
            raise AttentionNotFound(message, param="attention")
        if part != "decoder":
            message = f"{known.model} has no {part} attention, only that of its decoder"
            raise InvalidRequest(message, param="part")
        return known
