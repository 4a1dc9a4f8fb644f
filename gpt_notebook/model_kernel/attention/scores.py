"""One number for each head: what it attends to on the average, and how much two attentions differ.

Each kind is a mean over queries of something that a row of weights says; rows are looked at in strips, so that no map
has to exist as a whole.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

import torch

from gpt_notebook.attention_protocol import HeadScores, Part, ScoreKind
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.model_kernel.attention.pieces import Computation
from gpt_notebook.model_kernel.attention.recording import Text, record
from gpt_notebook.model_kernel.attention.source import MapSource
from gpt_notebook.protocol import Progress

REPEATED_TOKENS = 50
"""Length of the random sequence that is repeated to find induction heads in a text without repeats."""
ACROSS = frozenset({"entropy", "sink", "from-to"})
"""Kinds that make sense where queries and keys are of different texts."""

Table = list[list[float | None]]
"""(layer, head); None where there is no such head, or no query that counts."""


class Scores(Computation):
    """Scores of all heads of a kind of attention."""

    def __init__(
        self,
        source: MapSource,
        part: Part,
        kinds: Sequence[ScoreKind],
        queries: Sequence[int] = (),
        keys: Sequence[int] = (),
    ) -> None:
        """Take positions that are there, for `from-to`.

        Raises:
            InvalidRequest: a kind that makes no sense for this attention, or queries that see none of the keys.
        """
        super().__init__()
        if part == "cross" and (wrong := [kind for kind in kinds if kind not in ACROSS]):
            message = f"{wrong[0]} compares positions of one text, and cross attention is between two; there are {', '.join(sorted(ACROSS))}"
            raise InvalidRequest(message, param="kinds")
        self._source = source
        self._part: Part = part
        self._kinds = tuple(kinds)
        self._queries = _seeing(source, part, queries, keys) if "from-to" in kinds else ()
        self._keys = tuple(keys)

    def pieces(self) -> Generator[None, None, None]:
        """Emit them."""
        tables: dict[ScoreKind, Table] = {}
        source = self._source
        kinds = list(self._kinds)
        if "induction" in kinds and self._part == "decoder" and not _repeats(_read(source.capture.text, self._part)):
            kinds.remove("induction")
            repeated = yield from self._repeated()
            tables |= yield from self._scored(repeated, ["induction"])
        if kinds:
            tables |= yield from self._scored(source, kinds)
        values = tuple(tuple(tuple(row) for row in tables[kind]) for kind in self._kinds)
        self.emit(HeadScores(values=values))

    def _repeated(self) -> Generator[None, None, MapSource]:
        """Return the attention of a random sequence that comes twice; a decoder with an encoder has it as its target."""
        model, text = self._source.model, self._source.capture.text
        ids = tuple(repeated_sequence(model.tokenizer, model.context_length))
        capture = yield from record(self, model, Text(text.token_ids, ids) if text.target_ids else Text(ids))
        return MapSource(capture, model)

    def _scored(self, source: MapSource, kinds: Sequence[ScoreKind]) -> Generator[None, None, dict[ScoreKind, Table]]:
        """Return the tables of some kinds on one text."""
        heads = source.capture.layout.parts[self._part].count
        rows = _Rows(source, self._part, self._queries, self._keys)
        tables: dict[ScoreKind, Table] = {kind: [] for kind in kinds}
        done, total = 0, sum(heads.values())
        for layer in range(source.capture.layout.layers(self._part)):
            sums = torch.zeros(len(kinds), heads.get(layer, 0), dtype=torch.float64)
            for some, start, stop in source.tiles((self._part, layer)) if layer in heads else ():
                if self.due():
                    yield
                weights = source.rows((self._part, layer), some, start, stop)  # (head, query, key)
                sums[:, some] += torch.stack([rows.summed(kind, weights, start) for kind in kinds]).cpu().double()
            for kind, of_heads in zip(kinds, sums.tolist(), strict=True):
                tables[kind].append([value / rows.counted(kind) if rows.counted(kind) else None for value in of_heads])
            done += heads.get(layer, 0)
            self.emit(Progress(stage="computing", model=source.capture.model, done=done, total=total))
        return tables


class _Rows:
    """What rows of weights say, by kind."""

    def __init__(self, source: MapSource, part: Part, queries: Sequence[int], keys: Sequence[int]) -> None:
        n_queries, n_keys = source.n_queries(part), source.n_keys(part)
        ids = _read(source.capture.text, part)
        self._ids = torch.tensor(ids)
        self._positions = torch.arange(n_keys)
        self._keys = sorted(set(keys))
        self._asked = torch.zeros(n_queries, dtype=torch.bool)
        self._asked[list(queries)] = True
        # Where the first query can only see itself, it says nothing of habits.
        after_first = n_queries - 1 if part != "cross" else n_queries
        self._first = n_queries - after_first
        self._count: Mapping[ScoreKind, int] = {
            "previous-token": after_first,
            "sink": after_first,
            "entropy": n_queries,
            "distance": n_queries,
            "induction": _repeats(ids),
            "from-to": int(self._asked.sum()),
        }

    def counted(self, kind: ScoreKind) -> int:
        """Return over how many queries the mean goes."""
        return self._count[kind]

    def summed(self, kind: ScoreKind, weights: torch.Tensor, start: int) -> torch.Tensor:
        """Return what weights (head, query, key) of the queries from `start` on add to the sum of each head."""
        stop = start + weights.shape[1]
        device = weights.device
        match kind:
            case "previous-token":
                return weights.diagonal(start - 1, 1, 2).sum(-1)
            case "sink":
                return weights[:, max(0, self._first - start) :, 0].sum(-1)
            case "entropy":
                entropies: torch.Tensor = torch.special.entr(weights)
                return entropies.sum((1, 2))
            case "distance":
                queries = torch.arange(start, stop, device=device)[:, None]
                return (weights * (queries - self._positions.to(device)).abs()).sum((1, 2))
            case "induction":
                return (weights * _followers(self._ids, start, stop).to(device)).sum((1, 2))
            case "from-to":
                return weights[:, self._asked[start:stop].to(device)][..., self._keys].sum((1, 2))


def _read(text: Text, part: Part) -> tuple[int, ...]:
    """Return the tokens that a kind of attention has as its queries."""
    return text.target_ids if text.target_ids and part != "encoder" else text.token_ids


def _repeats(token_ids: Sequence[int]) -> int:
    """Return how many tokens have come before."""
    return len(token_ids) - len(set(token_ids))


def _followers(ids: torch.Tensor, start: int, stop: int) -> torch.Tensor:
    """Return (query, key) for the queries from `start` to `stop`: True for keys that follow an earlier same token.

    The keys that an induction head attends to: Olsson et al. 2022, In-context Learning and Induction Heads.
    """
    followers = torch.zeros(stop - start, len(ids), dtype=torch.bool)
    followers[:, 1:] = ids[start:stop, None] == ids[None, :-1]
    return followers.tril(start)


def repeated_sequence(tokenizer: object, context_length: int) -> list[int]:
    """Return random tokens, each different, that come twice; after the token that begins texts, if there is one."""
    special = set(tokenizer.all_special_ids)  # type: ignore[attr-defined]
    size = len(tokenizer)  # type: ignore[arg-type]
    ordinary = [
        i for i in torch.randperm(size, generator=torch.Generator().manual_seed(0)).tolist() if i not in special
    ]
    begin = list(tokenizer("")["input_ids"])[:1]  # type: ignore[operator]
    room = (context_length - len(begin)) // 2 if context_length else REPEATED_TOKENS
    once = ordinary[: min(REPEATED_TOKENS, room)]
    return [*begin, *once, *once]


def _seeing(source: MapSource, part: Part, queries: Sequence[int], keys: Sequence[int]) -> tuple[int, ...]:
    """Return the queries that can see one of the keys.

    Raises:
        InvalidRequest: there is none, or a position isn't there.
    """
    for name, positions, length in (
        ("queries", queries, source.n_queries(part)),
        ("keys", keys, source.n_keys(part)),
    ):
        if bad := [each for each in positions if not 0 <= each < length]:
            message = f"there is no position {bad[0]}: {name} go from 0 to {length - 1}"
            raise InvalidRequest(message, param=name)
    if part != "decoder":
        return tuple(queries)
    seeing = tuple(query for query in queries if query >= min(keys))
    if not seeing:
        message = f"the queries (at {', '.join(map(str, queries))}) all come before the keys (at {', '.join(map(str, keys))}), which they cannot see"
        raise InvalidRequest(message, param="queries")
    return seeing


class Difference(Computation):
    """The Jensen-Shannon divergence of two attentions of equal length, mean over queries, in nats."""

    def __init__(self, one: MapSource, other: MapSource, part: Part) -> None:
        """Take two attentions of the same shape.

        Raises:
            InvalidRequest: they differ in length, layers or heads; gives both.
        """
        super().__init__()
        self._one = one
        self._other = other
        self._part: Part = part
        ours, theirs = (_shape(source, part) for source in (one, other))
        if ours != theirs:
            message = f"the two attentions differ in shape: {ours} and {theirs}; compare equally many tokens, layers and heads"
            raise InvalidRequest(message, param="other")

    def pieces(self) -> Generator[None, None, None]:
        """Emit it."""
        heads = self._one.capture.layout.parts[self._part].count
        n_queries = self._one.n_queries(self._part)
        table: Table = []
        done, total = 0, sum(heads.values())
        for layer in range(self._one.capture.layout.layers(self._part)):
            place = self._part, layer
            sums = torch.zeros(heads.get(layer, 0), dtype=torch.float64)
            for some, start, stop in self._one.tiles(place) if layer in heads else ():
                if self.due():
                    yield
                p, q = (source.rows(place, some, start, stop) for source in (self._one, self._other))
                sums[some] += divergence(p, q).sum(-1).cpu()
            table.append((sums / n_queries).tolist())
            done += heads.get(layer, 0)
            self.emit(Progress(stage="computing", model=self._one.capture.model, done=done, total=total))
        self.emit(HeadScores(values=(tuple(tuple(row) for row in table),)))


def _shape(source: MapSource, part: Part) -> str:
    layout = source.capture.layout
    heads = sorted(layout.parts[part].count.items())
    counts = [str(count) for _, count in heads]
    alike = counts[0] if len(set(counts)) == 1 else "-".join(counts)
    everywhere = len(heads) == layout.layers(part)
    where = "" if everywhere else f" (layer {', '.join(str(layer) for layer, _ in heads)})"
    return f"{source.n_queries(part)} by {source.n_keys(part)} tokens in {len(heads)} layers of {alike} heads{where}"


def divergence(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """Return the Jensen-Shannon divergence of distributions over the last axis, in nats, float64; never negative.

    H((p + q) / 2) - (H(p) + H(q)) / 2, with H the entropy (Lin 1991).
    """
    if p.device.type == "mps":  # which has no float64
        p, q = p.cpu(), q.cpu()
    p, q = p.double(), q.double()
    entropy = torch.special.entr
    between: torch.Tensor = entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2
    return between.sum(-1).clamp_min(0)
