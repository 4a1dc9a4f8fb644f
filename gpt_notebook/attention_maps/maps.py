"""The attention of one text in one model, of which every number is computed when it is asked for.

The model kernel keeps what the numbers are made of; this side keeps an id, the tokens and the shape of the model. All
arrays are the caller's own.

Longer than a file should be, because it is one class, which is read from top to bottom as what can be asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, get_args

from gpt_notebook import arguments
from gpt_notebook.attention_maps import places, spelling
from gpt_notebook.attention_maps.arrays import matrix
from gpt_notebook.attention_maps.kept import KeptAttention, OnProgress, answer_to, asking
from gpt_notebook.attention_maps.places import Range
from gpt_notebook.attention_maps.results import Ablation, HeadScore, Lens
from gpt_notebook.attention_maps.spelling import Positions
from gpt_notebook.attention_protocol import (
    SCORE_KINDS,
    Ablated,
    AblateRequest,
    AttentionPart,
    DiffRequest,
    HeadScores,
    LensRequest,
    Part,
    Reduction,
    ScoreKind,
    ScoresRequest,
    TensorName,
    TensorRequest,
)
from gpt_notebook.attention_protocol import Lens as LensEvent
from gpt_notebook.display.quantities import counted
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.protocol import Token
from gpt_notebook.visible_text import visible

if TYPE_CHECKING:
    from IPython.display import HTML
    from plotly.graph_objects import Figure

    from gpt_notebook.attention_maps.arrays import Array, Matrix
    from gpt_notebook.widgets.attention import AttentionPanel


class Attention:
    """The attention of one text in one model; `gpt.attention` makes it.

    A layer and a head are counted from 0. Encoder-decoders have several parts: `part="encoder"`, `"decoder"` or
    `"cross"`, where the target's tokens attend to the text's; None is the first of `parts`.
    """

    def __init__(self, kept: KeptAttention) -> None:
        """Look at what was recorded; asks nothing yet."""
        self._kept = kept

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The tokens of the text."""
        return self._kept.info.tokens

    @property
    def target_tokens(self) -> tuple[Token, ...]:
        """The tokens of an encoder-decoder's target, its start token first; () for other models."""
        return self._kept.info.target_tokens

    @property
    def n_layers(self) -> int:
        """How many layers the model has."""
        return self._kept.info.n_layers

    @property
    def n_heads(self) -> int:
        """How many heads the layer with most of them has."""
        return self._kept.info.n_heads

    @property
    def parts(self) -> tuple[AttentionPart, ...]:
        """The kinds of attention that the model has, each with the heads of its layers."""
        return self._kept.info.parts

    @property
    def model(self) -> str:
        """The model's name."""
        return self._kept.info.model

    @property
    def fingerprint(self) -> str:
        """Which weights exactly."""
        return self._kept.info.fingerprint

    @property
    def id(self) -> str:
        """What the model kernel knows it by: the same for the same weights and tokens."""
        return self._kept.info.id

    def __repr__(self) -> str:
        sizes = (
            counted(len(self.tokens), "token"),
            counted(self.n_layers, "layer"),
            counted(self.n_heads, "head"),
        )
        return f"<Attention {', '.join(sizes)}, {visible(self.model)}>"

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, Attention) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the tokens, and what to ask next."""
        from gpt_notebook.attention_maps.tokens_html import tokens_html

        return tokens_html(self._kept.info)

    # --- maps and what they are made of ------------------------------------------------------------------------------

    def map(
        self,
        layer: int,
        head: int,
        *,
        part: Part | None = None,
        queries: Range = None,
        keys: Range = None,
        hide_sink: bool = False,
    ) -> Array:
        """Return how much each token attends to each other.

        Args:
            layer: The layer.
            head: The head.
            part: See the class.
            queries: Some of the rows: a slice, a pair (first, one after the last) or one position; None: all. A slice
                ends where the text does; the others must lie within it.
            keys: Some of the columns.
            hide_sink: Whether the first key's weight becomes 0 and the rest of each row is divided by what is left; a
                row that has nothing left stays 0.

        Returns:
            Shape (query, key). Rows sum to 1, unless `keys` leaves some out or the model has sinks of its own.

        Raises:
            InvalidRequest: a layer, head or range that is not there.
        """
        hidden = arguments.true_or_false("hide_sink", hide_sink)
        return self._kept.map(layer, head, part=part, queries=queries, keys=keys, hide_sink=hidden)

    def raw_scores(
        self, layer: int, head: int, *, part: Part | None = None, queries: Range = None, keys: Range = None
    ) -> Array:
        """Return what goes into the softmax: scaled, capped and biased, minus infinity where the mask forbids.

        Shape (query, key); see `map` for the arguments.
        """
        return self._kept.map(layer, head, part=part, queries=queries, keys=keys, values="raw_scores")

    def query(self, layer: int, head: int, *, part: Part | None = None) -> Array:
        """Return a head's queries, shape (token, dimension), positions already rotated in."""
        return self._tensor("query", layer, head, part)

    def key(self, layer: int, head: int, *, part: Part | None = None) -> Array:
        """Return the keys that a head compares its queries with, shape (token, dimension); several heads may share them."""
        return self._tensor("key", layer, head, part)

    def value(self, layer: int, head: int, *, part: Part | None = None) -> Array:
        """Return the values that a head adds up, shape (token, dimension); several heads may share them."""
        return self._tensor("value", layer, head, part)

    def output(self, layer: int, head: int, *, part: Part | None = None) -> Array:
        """Return what a head's attention gave, before the output projection, shape (token, dimension)."""
        return self._tensor("output", layer, head, part)

    def hidden(self, layer: int, *, part: Part | None = None) -> Array:
        """Return the hidden states before a layer, shape (token, dimension); those after the last are number `n_layers`."""
        found = self._kept.part(part)
        number = places.hidden_of(found, layer)
        request = TensorRequest(attention=self.id, part=found.name, name="hidden", layer=number)
        return self._kept.array(request)

    def scaling(self, layer: int, *, part: Part | None = None) -> float | None:
        """Return what the dot products of a layer are multiplied by, or None where the model doesn't say."""
        found = self._kept.part(part)
        return found.scaling[places.layer_of(found, layer)]

    def overview(
        self,
        size: int = 64,
        *,
        layers: Iterable[int] | None = None,
        heads: Iterable[int] | None = None,
        reduction: Reduction = "mean",
        part: Part | None = None,
        queries: Range = None,
        keys: Range = None,
        hide_sink: bool = False,
    ) -> Array:
        """Return small pictures of many heads: each map cut into blocks, each block reduced to one number.

        Args:
            size: The most rows and columns of a picture. Block i of m over n tokens spans the tokens from
                `i * n // m` up to `(i + 1) * n // m`.
            layers: Some layers; None: all.
            heads: Some heads, which each of these layers must have; None: all.
            reduction: `mean` or `max`.
            part: See the class.
            queries: Only these rows of the maps, as in `map`; blocks are counted from the first of them.
            keys: Only these columns.
            hide_sink: As in `map`, before anything is reduced.

        Returns:
            Shape (layer, head, row, column).
        """
        arguments.one_of("reduction", reduction, get_args(Reduction))
        return self._kept.overview(
            arguments.whole_number("size", size),
            layers=layers,
            reduction=reduction,
            part=part,
            heads=heads,
            queries=queries,
            keys=keys,
            hide_sink=arguments.true_or_false("hide_sink", hide_sink),
        )

    def _tensor(self, name: TensorName, layer: int, head: int, part: Part | None) -> Array:
        found = self._kept.part(part)
        layer, head = places.head_of(found, layer, head)
        request = TensorRequest(attention=self.id, part=found.name, name=name, layer=layer, head=head)
        return self._kept.array(request)

    # --- one number a head -------------------------------------------------------------------------------------------

    def scores(
        self,
        kind: ScoreKind,
        *,
        query: Positions | None = None,
        key: Positions | None = None,
        part: Part | None = None,
        on_progress: OnProgress = None,
    ) -> Matrix:
        """Return one number for each head.

        Args:
            kind: `previous-token`, `induction`, `sink`, `entropy`, `distance` or `from-to`.
            query: For `from-to`, what attends: a text, which stands for all the tokens that spell it, or positions.
            key: For `from-to`, what is attended to.
            part: See the class.
            on_progress: Called with each `Progress`.

        Returns:
            Shape (layer, head), NaN where there is no such head.

        Raises:
            InvalidRequest: an unknown kind, or a text that no tokens spell.
        """
        found = self._kept.part(part)
        arguments.one_of("kind", kind, SCORE_KINDS)
        ends: dict[str, Any] = {}
        if kind == "from-to":
            if query is None or key is None:
                message = 'from-to needs query= and key=, such as query="He", key="Pip"'
                raise InvalidRequest(message, param="query" if query is None else "key")
            ends["queries"] = spelling.positions("query", query, self._kept.query_tokens(found))
            ends["keys"] = spelling.positions("key", key, self._kept.key_tokens(found))
        elif query is not None or key is not None:
            message = f"query= and key= belong to from-to, not to {kind}"
            raise InvalidRequest(message, param="kind")
        request = ScoresRequest(attention=self.id, part=found.name, kinds=(kind,), **ends)
        return matrix(self._kept.answer(request, HeadScores, on_progress).values[0])

    def top(
        self,
        kind: ScoreKind,
        k: int = 10,
        *,
        query: Positions | None = None,
        key: Positions | None = None,
        part: Part | None = None,
    ) -> list[HeadScore]:
        """Return the k heads with the highest scores, highest first; see `scores`."""
        count = arguments.positive("k", k)
        return HeadScore.highest(self.scores(kind, query=query, key=key, part=part), count)

    def diff(self, other: Attention, *, part: Part | None = None, on_progress: OnProgress = None) -> Matrix:
        """Return how much each head's attention differs from another's: two models on one text, or two texts.

        Returns:
            Jensen-Shannon divergence in nats, 0 to log 2, the mean over the queries; shape (layer, head), NaN where
            there is no such head.

        Raises:
            InvalidRequest: they have different numbers of tokens, layers or heads.
        """
        if not isinstance(other, Attention):
            message = f"diff compares with another Attention, not with {type(other).__name__}"
            raise InvalidRequest(message, param="other")
        mine, theirs = self._kept.part(part), other._kept.part(part)
        places.check_comparable(mine, theirs)
        request = DiffRequest(attention=self.id, other=other.id, part=mine.name)
        both = (self._kept, other._kept)
        return matrix(asking(lambda: answer_to(request, HeadScores, on_progress), *both).values[0])

    # --- what the model would say ------------------------------------------------------------------------------------

    def lens(self, position: int = -1, k: int = 10) -> Lens:
        """Return what the model would say after a token if it ended after each layer.

        Raises:
            InvalidRequest: a position that is not there, or a model that predicts no next token.
        """
        at = self._predicting("lens", position)
        request = LensRequest(attention=self.id, position=at, k=arguments.positive("k", k))
        found = self._kept.answer(request, LensEvent)
        return Lens(position=at, token=self._spoken[at], layers=found.layers)

    def ablate(self, heads: Iterable[tuple[int, int]], position: int = -1, k: int = 10) -> Ablation:
        """Return how the next token's distribution changes without some heads: their outputs are zero everywhere.

        Args:
            heads: Pairs (layer, head); those that `top` gives will do.
            position: The token whose successor is predicted; later ones are left out.
            k: How many of the most probable tokens to give.

        Raises:
            InvalidRequest: a head or position that is not there, or a model that predicts no next token.
        """
        at = self._predicting("ablate", position)
        pairs = places.heads_of(self._kept.part("decoder"), heads)
        request = AblateRequest(attention=self.id, heads=pairs, position=at, k=arguments.positive("k", k))
        found = self._kept.answer(request, Ablated)
        return Ablation(heads=pairs, position=at, kl=found.kl, before=found.before, after=found.after)

    @property
    def _spoken(self) -> tuple[Token, ...]:
        """The tokens that the model predicts the next of."""
        return self.target_tokens or self.tokens

    def _predicting(self, name: str, position: int) -> int:
        if not self._kept.info.causal:
            message = f"{name} asks for the next token, and {self.model} predicts none: use a causal language model"
            raise InvalidRequest(message, param="model")
        return places.position("position", position, len(self._spoken))

    # --- views -------------------------------------------------------------------------------------------------------

    def plot(
        self,
        layer: int | None = None,
        head: int | None = None,
        *,
        hide_sink: bool = False,
        part: Part | None = None,
        queries: Range = None,
        keys: Range = None,
    ) -> Figure:
        """Return one head's map as a Plotly figure, the tokens on its axes; or all heads at once, if none is named.

        Args:
            layer: The layer; without it and `head`, all heads, small, and in a long text the largest weight of each block.
            head: The head.
            hide_sink: Leave out the first key, which heads attend to when they have nothing to say, and scale each row
                of the rest to sum to 1; the title says so.
            part: See the class.
            queries: Some of the rows, as in `map`.
            keys: Some of the columns.

        Raises:
            InvalidRequest: too many tokens for one head's figure, or Plotly is not installed.
        """
        from gpt_notebook.attention_maps import plots

        if layer is not None and head is not None:
            return plots.plot_head(self._kept, layer, head, hide_sink=hide_sink, part=part, queries=queries, keys=keys)
        if layer is not None or head is not None:
            message = "name a layer and a head for one map, or neither for all heads"
            raise InvalidRequest(message, param="head" if head is None else "layer")
        if hide_sink or queries is not None or keys is not None:
            message = "hide_sink=, queries= and keys= are for one map: name a layer and a head"
            raise InvalidRequest(message, param="layer")
        return plots.plot_all(self._kept, part=part)

    def bertviz(
        self,
        view: Literal["head", "model"] = "head",
        *,
        layers: Iterable[int] | None = None,
        heads: Iterable[int] | None = None,
        part: Part | None = None,
    ) -> HTML:
        """Return BertViz's head view or model view of this attention; it takes its libraries from the internet.

        Args:
            view: `head` or `model`.
            layers: Some layers; None: all.
            heads: Some heads of each layer; None: all. The head view tells them by colour, in this order.
            part: One part of an encoder-decoder; None: all of them, to choose from in the view.

        Raises:
            InvalidRequest: more than a browser bears (says how much, and what to leave out), or BertViz is not installed.
        """
        from gpt_notebook.attention_maps.bertviz_views import bertviz_view

        return bertviz_view(self._kept, view, layers=layers, heads=heads, part=part)

    def panel(self, *, other: Attention | None = None, **state: Any) -> AttentionPanel:
        """Return a panel that explores this attention.

        Args:
            other: Another attention to compare with, of as many tokens.
            **state: What it shows at first, such as `layer=1, head=3`; see `AttentionPanel`.
        """
        from gpt_notebook.widgets.attention import AttentionPanel

        return AttentionPanel(self, other=other, **state)
