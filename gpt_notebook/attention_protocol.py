"""What the notebook side and the model kernel say to each other about the inside of a model.

Beside `protocol.py`, whose rules hold here too, and apart from it because a `%%gpt` cell needs none of it. An
attention is asked for once and gets an id; questions name that id. The model kernel may have forgotten it meanwhile,
and says `attention_not_found`; whoever asks then makes it again from the token ids, which gives the same id.

Longer than a file should be for the same reason as that: it is one contract.

Two kinds of answer: an array is sent as its bytes, C order, little-endian, with its shape and dtype in headers;
everything else is a stream of events that ends with `done` or `failed`.

    POST /v1/attention            AttentionRequest   → Progress…, Captured, Done
    POST /v1/attention/map        MapRequest         → float32 (query, key)
    POST /v1/attention/overview   OverviewRequest    → float32 (layer, head, row, column)
    POST /v1/attention/tensor     TensorRequest      → float32 (token, dimension)
    POST /v1/attention/scores     ScoresRequest      → Progress…, HeadScores, Done
    POST /v1/attention/diff       DiffRequest        → Progress…, HeadScores, Done
    POST /v1/lens                 LensRequest        → Progress…, Lens, Done
    POST /v1/ablate               AblateRequest      → Progress…, Ablated, Done
    POST /v1/patch                PatchRequest       → Progress…, Patched, Done
"""

from __future__ import annotations

import collections
import typing
from typing import Any, ClassVar, Literal

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.protocol import DEFAULT_MODEL, Done, Failed, Progress, Token, check_range, check_text, message

SHAPE_HEADER = "X-Array-Shape"
"""The lengths of an array's axes, separated by commas; empty for a single number."""
DTYPE_HEADER = "X-Array-Dtype"
"""NumPy's name of an array's elements, little-endian."""
DTYPE = "float32"
"""The elements of every array."""
ITEM_BYTES = 4

MAX_OVERVIEW = 1024
MAX_NAMED = 100_000
"""How many positions or heads a question may name."""
MAX_TOP = 1000

Part = Literal["decoder", "encoder", "cross"]
"""Which attention of an encoder-decoder: `cross` has the target's tokens as queries, the text's as keys."""
Values = Literal["weights", "raw_scores"]
"""`raw_scores` is what goes into the softmax: scaled, capped and biased, minus infinity where the mask forbids."""
Reduction = Literal["mean", "max"]
TensorName = Literal["query", "key", "value", "output", "hidden"]
ScoreKind = Literal["previous-token", "induction", "sink", "entropy", "distance", "from-to"]
SCORE_KINDS: tuple[ScoreKind, ...] = typing.get_args(ScoreKind)


# --- requests -------------------------------------------------------------------------------------------------------


@message
class AttentionRequest:
    """Record the attention of a text: exactly one of `text` and `token_ids`."""

    model: str = DEFAULT_MODEL
    text: str | None = None
    token_ids: tuple[int, ...] | None = None
    chat: bool = False
    """Whether `text` is put to the model as a user's turn, through its chat template."""
    add_special_tokens: bool = True
    target: str | None = None
    """What an encoder-decoder has written so far; its start token comes before it."""
    target_token_ids: tuple[int, ...] | None = None
    """The same as ids, the start token included."""
    fingerprint: str = ""
    """The weights it must be; "" takes the model as it is."""
    brief: bool = False
    """Whether little will be asked of it; it is the first to be forgotten when room is needed."""

    def __post_init__(self) -> None:
        """Refuse none or several texts.

        Raises:
            InvalidRequest: says which.
        """
        if (self.text is None) == (self.token_ids is None):
            message = "give exactly one of text and token_ids"
            raise InvalidRequest(message)
        if self.target is not None and self.target_token_ids is not None:
            message = "give target or target_token_ids, not both"
            raise InvalidRequest(message)
        check_text("text", self.text)
        check_text("target", self.target)


@message
class MapRequest:
    """One head's attention, or a rectangle of it."""

    attention: str
    part: Part
    layer: int
    head: int
    queries: tuple[int, int] | None = None
    """The first query of the rectangle and the one after its last; None: all."""
    keys: tuple[int, int] | None = None
    values: Values = "weights"
    hide_sink: bool = False
    """Whether the first key's weight becomes 0 and the rest of a row is divided by what is left; nothing left stays 0."""

    def __post_init__(self) -> None:
        """Refuse what is no range, and raw scores without what they don't sum up.

        Raises:
            InvalidRequest: gives it.
        """
        _check_interval("queries", self.queries)
        _check_interval("keys", self.keys)
        if self.hide_sink and self.values == "raw_scores":
            text = "hide_sink divides weights by what is left, and raw_scores are no weights: leave one of them out"
            raise InvalidRequest(text, param="hide_sink")


def _check_interval(name: str, interval: tuple[int, ...] | None) -> None:
    if interval is not None and not (len(interval) == 2 and 0 <= interval[0] < interval[1]):  # noqa: PLR2004 - a pair
        text = f"{name} must be a first position and one after it, not {list(interval)}"
        raise InvalidRequest(text, param=name)


def _check_named(name: str, named: tuple[object, ...]) -> None:
    """Refuse what is named twice, and more than any model has: each would be computed."""
    if len(named) > MAX_NAMED:
        text = f"{name} names {len(named):,}: at most {MAX_NAMED:,}"
        raise InvalidRequest(text, param=name)
    if len(set(named)) != len(named):
        twice = next(each for each, count in collections.Counter(named).items() if count > 1)
        text = f"{name} names {twice} more than once: once is enough"
        raise InvalidRequest(text, param=name)


@message
class OverviewRequest:
    """Small pictures of many heads: each map, or a rectangle of it, cut into blocks, each reduced to one number.

    Rectangle (query, key) becomes (row, column) with at most `size` each; block i of m over n tokens spans the tokens
    from `i * n // m` up to `(i + 1) * n // m`, counted from where the rectangle begins.
    """

    attention: str
    part: Part
    layers: tuple[int, ...] | None = None
    """None: all."""
    size: int = 64
    reduction: Reduction = "mean"
    heads: tuple[int, ...] | None = None
    """Those of each layer, which all the layers must have; None: all."""
    queries: tuple[int, int] | None = None
    """The first query of the rectangle and the one after its last; None: all."""
    keys: tuple[int, int] | None = None
    hide_sink: bool = False
    """As in `MapRequest`, before anything is reduced."""

    def __post_init__(self) -> None:
        """Refuse an impossible size, no heads and what is no range.

        Raises:
            InvalidRequest: gives it.
        """
        check_range("size", self.size, low=1, high=MAX_OVERVIEW)
        _check_named("layers", self.layers or ())
        _check_named("heads", self.heads or ())
        if self.heads is not None and not self.heads:
            text = "heads is empty: name at least one, or leave it out for all"
            raise InvalidRequest(text, param="heads")
        _check_interval("queries", self.queries)
        _check_interval("keys", self.keys)


@message
class TensorRequest:
    """One of the tensors that an attention is made of.

    `output` is what the head's attention gave, before the output projection; `hidden` is transformers'
    `hidden_states[layer]`, of which there is one more than layers and no head.
    """

    attention: str
    part: Part
    name: TensorName
    layer: int
    head: int | None = None

    def __post_init__(self) -> None:
        """Refuse a head of what has none, and none of what has.

        Raises:
            InvalidRequest: says which.
        """
        if self.name == "hidden" and self.head is not None:
            text = "hidden states belong to a layer and not to a head: leave the head out"
            raise InvalidRequest(text, param="head")
        if self.name != "hidden" and self.head is None:
            text = f"{self.name} belongs to a head: give one, counted from 0"
            raise InvalidRequest(text, param="head")


@message
class ScoresRequest:
    """One number for each head, for each kind asked for."""

    attention: str
    part: Part
    kinds: tuple[ScoreKind, ...]
    queries: tuple[int, ...] = ()
    """For `from-to`: the positions that attend."""
    keys: tuple[int, ...] = ()
    """For `from-to`: the positions attended to."""

    def __post_init__(self) -> None:
        """Refuse nothing, and a from-to without ends.

        Raises:
            InvalidRequest: says so.
        """
        if not self.kinds:
            text = "name at least one kind of score"
            raise InvalidRequest(text, param="kinds")
        for name in ("kinds", "queries", "keys"):
            _check_named(name, getattr(self, name))
        if "from-to" in self.kinds and not (self.queries and self.keys):
            text = "from-to needs the positions it goes from (queries) and to (keys)"
            raise InvalidRequest(text, param="queries")


@message
class DiffRequest:
    """How much two attentions of equal length differ."""

    attention: str
    other: str
    part: Part


@message
class LensRequest:
    """What the model would say at a position if it ended after each layer."""

    attention: str
    position: int = -1
    k: int = 10

    def __post_init__(self) -> None:
        """Refuse an impossible `k`.

        Raises:
            InvalidRequest: gives it.
        """
        check_range("k", self.k, low=1, high=MAX_TOP)


@message
class AblateRequest:
    """What the next token would be without some heads: their outputs are zero at every position."""

    attention: str
    heads: tuple[tuple[int, int], ...]
    """Pairs of layer and head."""
    position: int = -1
    """The token whose successor is predicted; later ones are left out."""
    k: int = 10

    def __post_init__(self) -> None:
        """Refuse nothing to switch off, and an impossible `k`.

        Raises:
            InvalidRequest: says so.
        """
        if not self.heads:
            text = "name at least one head as (layer, head)"
            raise InvalidRequest(text, param="heads")
        if bad := [pair for pair in self.heads if len(pair) != 2]:  # noqa: PLR2004 - a pair
            text = f"a head is a pair (layer, head), not {list(bad[0])}"
            raise InvalidRequest(text, param="heads")
        _check_named("heads", self.heads)
        check_range("k", self.k, low=1, high=MAX_TOP)


@message
class PatchRequest:
    """Which head carries the answer: the corrupt text is run with one head's output from the clean text at a time.

    The texts must have equally many tokens. The measure is the difference of the logits of `answer` and `wrong` after
    the last token.
    """

    clean: str
    corrupt: str
    model: str = DEFAULT_MODEL
    answer: str | None = None
    """One token; None: the most probable one after the clean text."""
    wrong: str | None = None
    """One token; None: the most probable one after the corrupt text."""
    add_special_tokens: bool = True

    def __post_init__(self) -> None:
        """Refuse a text that is none.

        Raises:
            InvalidRequest: says where it is broken.
        """
        for name in ("clean", "corrupt", "answer", "wrong"):
            check_text(name, getattr(self, name))


# --- results --------------------------------------------------------------------------------------------------------


@message
class AttentionPart:
    """One kind of attention in a model; lists have an entry for each layer."""

    name: Part
    heads: tuple[int, ...]
    """How many heads; 0 for a layer without attention, as hybrid models have them."""
    key_heads: tuple[int, ...]
    """How many heads of keys and values: query head h uses key head `h // (heads // key_heads)`."""
    scaling: tuple[float | None, ...]
    """What the dot products are multiplied by; None where the model doesn't say."""
    n_queries: int
    n_keys: int


@message
class AttentionInfo:
    """A recorded attention."""

    id: str
    """The same for the same weights and tokens."""
    model: str
    fingerprint: str
    tokens: tuple[Token, ...]
    target_tokens: tuple[Token, ...] = ()
    """An encoder-decoder's target, its start token first; () otherwise."""
    n_layers: int
    n_heads: int
    """Of the layer that has most."""
    parts: tuple[AttentionPart, ...]
    causal: bool
    """Whether the model predicts the next token, so that lens, ablate and patch make sense."""
    bytes: int
    """What the model kernel keeps of it."""


# --- events ---------------------------------------------------------------------------------------------------------


@message
class Captured:
    """The attention is recorded."""

    type: ClassVar[str] = "captured"
    attention: AttentionInfo


@message
class HeadScores:
    """Scores of all heads."""

    type: ClassVar[str] = "head_scores"
    values: tuple[tuple[tuple[float | None, ...], ...], ...]
    """(kind, layer, head); None where there is no such head."""


@message
class Lens:
    """Predictions after every layer."""

    type: ClassVar[str] = "lens"
    position: int
    layers: tuple[tuple[Token, ...], ...]
    """For the embeddings and then for each layer, the most probable next tokens with their logprobs."""


@message
class Ablated:
    """The distribution of the next token with and without some heads."""

    type: ClassVar[str] = "ablated"
    position: int
    kl: float
    """Kullback-Leibler divergence of the distribution after from the one before, in nats: sum p ln(p / q), p before."""
    before: tuple[Token, ...]
    """The most probable tokens, most probable first, each with its logprob."""
    after: tuple[Token, ...]


@message
class Patched:
    """How much each head alone brings back of the clean answer: 0 nothing, 1 all."""

    type: ClassVar[str] = "patched"
    model: str
    fingerprint: str
    answer: Token
    wrong: Token
    clean: float
    """The logit of `answer` minus that of `wrong` after the clean text."""
    corrupt: float
    """The same after the corrupt text."""
    heads: tuple[tuple[float | None, ...], ...]
    """(layer, head): (patched - corrupt) / (clean - corrupt)."""
    layers: tuple[float | None, ...]
    """The same with all heads of a layer at once."""
    clean_tokens: tuple[Token, ...]
    corrupt_tokens: tuple[Token, ...]


Event = Progress | Captured | HeadScores | Lens | Ablated | Patched | Failed | Done

EVENT_TYPES: dict[str, type[Any]] = {cls.type: cls for cls in typing.get_args(Event)}

ArrayRequest = MapRequest | OverviewRequest | TensorRequest
StreamRequest = AttentionRequest | ScoresRequest | DiffRequest | LensRequest | AblateRequest | PatchRequest

PATHS: dict[type[Any], str] = {
    AttentionRequest: "/v1/attention",
    MapRequest: "/v1/attention/map",
    OverviewRequest: "/v1/attention/overview",
    TensorRequest: "/v1/attention/tensor",
    ScoresRequest: "/v1/attention/scores",
    DiffRequest: "/v1/attention/diff",
    LensRequest: "/v1/lens",
    AblateRequest: "/v1/ablate",
    PatchRequest: "/v1/patch",
}
"""Where each request is sent."""
