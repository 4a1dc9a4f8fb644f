"""What the views of an attention panel can ask, and what they are answered.

The browser asks for what is on the screen and gets just that: pictures of 8 bits a pixel, exact numbers of what the
pointer is over. Parameters are JSON; `which` is 0 for the panel's attention and 1 for the one that it is compared with.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from gpt_notebook.attention_maps import places, spelling
from gpt_notebook.attention_maps.kept import KeptAttention, answering_from
from gpt_notebook.attention_maps.results import HeadScore
from gpt_notebook.attention_protocol import (
    MAX_OVERVIEW,
    AttentionPart,
    DiffRequest,
    HeadScores,
    Part,
    Reduction,
    ScoreKind,
    ScoresRequest,
)
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.protocol import Progress
from gpt_notebook.widgets._parameters import Side, interval
from gpt_notebook.widgets._pictures import painted, ranked, rows_of
from gpt_notebook.widgets._questions import Memory, question
from gpt_notebook.widgets._requests import IN_BACKGROUND, request

if TYPE_CHECKING:
    from gpt_notebook.attention_maps.arrays import Array
    from gpt_notebook.attention_maps.maps import Attention

MAX_EXACT = 2**22
"""Numbers that one answer has at most."""

WORTH = 12
"""How many heads are said to be worth a look."""

LAYERS_AT_ONCE = 4
"""How many layers of small pictures are asked for in one call: one by one takes twice as long in all."""


class AttentionAnswers:
    """Answers about an attention, and another one if there is one to compare with."""

    def __init__(self, attention: Attention, other: Attention | None, *, generated: int | None) -> None:
        """Look for heads that are worth a look; `generated` is the position of the first token that the model wrote."""
        self.attention = attention
        self.other = other
        self.memory = Memory()
        self._generated = generated
        self._ranked: dict[Part, list[HeadScore]] = {}
        self._taken_apart: tuple[tuple[int, Part, int, int], tuple[Array, Array, Array]] | None = None
        self.ranked(attention.parts[0].name)

    @property
    def times_again(self) -> int:
        """How often an attention had been forgotten by the model kernel and was made again."""
        return sum(each.times_again for each in self._kept)

    def part(self, name: Part, which: int = 0) -> AttentionPart:
        """Return a kind of attention.

        Raises:
            InvalidRequest: the model has no such, or there is nothing to compare with.
        """
        self._attention(which)
        return self._kept[which].part(name)

    def ranked(self, name: Part) -> list[HeadScore]:
        """Return the heads of a part, those most worth a look first."""
        if name not in self._ranked:
            self._ranked[name] = ranked(self.attention, self.part(name))
        return self._ranked[name]

    @question()
    def open(self) -> dict[str, Any]:
        """What is looked at, and the head to begin with; `generated` is where the model's own words begin."""
        infos = [each.info for each in self._kept]
        first = self.ranked(self.attention.parts[0].name)
        worth = [{"layer": each.layer, "head": each.head} for each in first[:WORTH]]
        return {
            "info": infos[0],
            "other": infos[1] if self.other else None,
            "chosen": worth[0] if worth else {"layer": 0, "head": 0},
            "worth": worth,
            "generated": self._generated,
        }

    @question(priority=IN_BACKGROUND)
    def overview(
        self, *, which: int, part: Part, layers: Sequence[int] | None, size: int, hide_sink: bool
    ) -> Generator[Any, None, None]:
        """Small pictures of all heads, a layer at a time."""
        import numpy as np

        attention, found = self._attention(which), self.part(part, which)
        asked = tuple(dict.fromkeys(places.layers_of(found, layers) or range(len(found.heads))))
        for start in range(0, len(asked), LAYERS_AT_ONCE):
            some = asked[start : start + LAYERS_AT_ONCE]
            of_layers = attention.overview(size, layers=some, part=part, hide_sink=hide_sink)
            for layer, pictures in zip(some, of_layers, strict=True):
                heads = found.heads[layer]
                pixels, peaks = zip(*map(painted, pictures[:heads]), strict=True) if heads else ((), ())
                buffer = np.concatenate([each.reshape(-1) for each in pixels]) if heads else b""
                yield {"layer": layer, "shape": [heads, *pictures.shape[1:]], "peaks": peaks}, [buffer]

    @question()
    def tile(
        self,
        *,
        which: int,
        part: Part,
        layer: int,
        head: int,
        queries: Sequence[int],
        keys: Sequence[int],
        size: int = MAX_OVERVIEW,
        hide_sink: bool = False,
        reduction: Reduction = "mean",
    ) -> Any:
        """A picture of a rectangle of one head's map."""
        places.head_of(self.part(part, which), layer, head)
        picture = self._attention(which).overview(
            size,
            layers=[layer],
            heads=[head],
            reduction=reduction,
            part=part,
            queries=interval("queries", queries),
            keys=interval("keys", keys),
            hide_sink=hide_sink,
        )[0, 0]
        pixels, peak = painted(picture)
        return {"shape": picture.shape, "peak": peak}, [pixels]

    @question()
    def exact(
        self,
        *,
        which: int,
        part: Part,
        layer: int,
        head: int,
        queries: Sequence[int],
        keys: Sequence[int],
        hide_sink: bool = False,
    ) -> Any:
        """The numbers of a rectangle of one head's map (query, key)."""
        rows, columns = interval("queries", queries), interval("keys", keys)
        _check_count((rows[1] - rows[0]) * (columns[1] - columns[0]))
        found = self._attention(which).map(layer, head, part=part, queries=rows, keys=columns, hide_sink=hide_sink)
        return {"shape": found.shape}, [found]

    @question()
    def rows(
        self, *, which: int, part: Part, heads: Sequence[Sequence[int]], query: int, hide_sink: bool = False
    ) -> Any:
        """What one token attends to in several heads (head, key)."""
        n_keys = self.part(part, which).n_keys
        found = self._lines(which, part, heads, (query, query + 1), (0, n_keys), hide_sink=hide_sink)[:, 0]
        return {"shape": found.shape}, [found]

    @question()
    def columns(
        self, *, which: int, part: Part, heads: Sequence[Sequence[int]], key: int, hide_sink: bool = False
    ) -> Any:
        """What attends to one token in several heads (head, query)."""
        n_queries = self.part(part, which).n_queries
        found = self._lines(which, part, heads, (0, n_queries), (key, key + 1), hide_sink=hide_sink)[:, :, 0]
        return {"shape": found.shape}, [found]

    @question(priority=IN_BACKGROUND)
    def scores(
        self, *, which: int, part: Part, kind: ScoreKind, queries: Any = (), keys: Any = ()
    ) -> Generator[Progress, None, dict[str, Any]]:
        """One number for each head (layer, head); for from-to, queries and keys are positions or a text."""
        ends = {}
        if kind == "from-to":
            ends = {
                "queries": self._positions(which, part, "query", queries),
                "keys": self._positions(which, part, "key", keys),
            }
        asked = ScoresRequest(attention=self._attention(which).id, part=part, kinds=(kind,), **ends)
        found = yield from answering_from(asked, HeadScores, self._kept[which])
        return {"values": found.values[0]}

    @question()
    def positions(self, *, which: int, part: Part, text: str, of: Side) -> dict[str, Any]:
        """The positions of the tokens that spell a text, for the score from-to."""
        return {"positions": self._positions(which, part, of, text)}

    @question()
    def steps(self, *, which: int, part: Part, layer: int, head: int, query: int) -> Generator[Progress, None, Any]:
        """What one head does with one query: softmax(query · keys · scaling) · values = output.

        The output is put together here, because to read it the model would have to go over the text once more. For the
        values it does; they are kept until another head is asked about.
        """
        attention = self._attention(which)
        query = places.position("query", query, self.part(part, which).n_queries)
        queries, keys, values = yield from self._vectors(which, part, layer, head)
        weights = attention.map(layer, head, part=part, queries=query)[0]
        found = {
            "query": queries[query],
            "keys": keys,
            "raw_scores": attention.raw_scores(layer, head, part=part, queries=query)[0],
            "weights": weights,
            "values": values,
            "output": weights @ values,
        }
        shapes = {name: each.shape for name, each in found.items()}
        return {"scaling": attention.scaling(layer, part=part), "shapes": shapes}, list(found.values())

    def _vectors(
        self, which: int, part: Part, layer: int, head: int
    ) -> Generator[Progress, None, tuple[Array, Array, Array]]:
        """Return queries, keys and values of a head, each (token, dimension)."""
        asked = (which, part, layer, head)
        known = self._taken_apart
        if known is not None and known[0] == asked:
            return known[1]
        attention = self._attention(which)
        n_keys = self.part(part, which).n_keys
        queries, keys = attention.query(layer, head, part=part), attention.key(layer, head, part=part)
        yield Progress(stage="recording", model=attention.model, done=0, total=n_keys)
        found = queries, keys, attention.value(layer, head, part=part)
        self._taken_apart = asked, found
        return found

    @question()
    def lens(self, *, position: int, k: int = 10) -> dict[str, Any]:
        """What the model would say after a token if it ended after each layer."""
        found = self.attention.lens(position, k)
        return {"position": found.position, "layers": found.layers}

    @question()
    def ablate(self, *, heads: Sequence[Sequence[int]], position: int, k: int = 10) -> dict[str, Any]:
        """How the next token changes without some heads."""
        found = self.attention.ablate([(layer, head) for layer, head in heads], position, k)
        return {"position": found.position, "kl": found.kl, "before": found.before, "after": found.after}

    @question(priority=IN_BACKGROUND)
    def diff(self, *, part: Part) -> Generator[Progress, None, dict[str, Any]]:
        """How much each head differs between the two attentions (layer, head)."""
        other = self._attention(1)
        places.check_comparable(self.part(part), self.part(part, 1))
        asked = DiffRequest(attention=self.attention.id, other=other.id, part=part)
        found = yield from answering_from(asked, HeadScores, *self._kept)
        return {"values": found.values[0]}

    @request
    def start(self) -> Generator[Progress, None, None]:
        """Start a model kernel if there is none, and make what it has forgotten again."""
        for each in self._kept:
            yield from each.making_again()

    # --- finding what is meant --------------------------------------------------------------------------------------

    @property
    def _kept(self) -> list[KeptAttention]:
        attentions = [self.attention] if self.other is None else [self.attention, self.other]
        return [each._kept for each in attentions]  # noqa: SLF001 - a view of the same thing

    def _attention(self, which: int) -> Attention:
        if which == 0:
            return self.attention
        if which != 1 or self.other is None:
            message = "this panel compares with nothing: make it with other= or other_model="
            raise InvalidRequest(message, param="which")
        return self.other

    def _positions(self, which: int, part: Part, side: Side, value: Any) -> tuple[int, ...]:
        found = self.part(part, which)
        kept = self._kept[which]
        tokens = kept.query_tokens(found) if side == "query" else kept.key_tokens(found)
        return spelling.positions(side, value, tokens)

    def _lines(
        self,
        which: int,
        part: Part,
        heads: Sequence[Sequence[int]],
        queries: tuple[int, int],
        keys: tuple[int, int],
        *,
        hide_sink: bool,
    ) -> Array:
        found = self.part(part, which)
        if len(heads) > sum(found.heads):
            message = f"{len(heads):,} heads are too many at once: the model has {sum(found.heads):,}"
            raise InvalidRequest(message, param="heads")
        pairs = [places.head_of(found, layer, head) for layer, head in heads]
        _check_count(len(pairs) * (queries[1] - queries[0]) * (keys[1] - keys[0]))
        return rows_of(self._attention(which), found, pairs, queries=queries, keys=keys, hide_sink=hide_sink)


def _check_count(count: int) -> None:
    if count > MAX_EXACT:
        message = f"{count:,} numbers are too many at once, of {MAX_EXACT:,}: ask for a smaller rectangle"
        raise InvalidRequest(message, param="queries")
