"""One number for each head: what it attends to on the average.

Each kind is a mean over queries of something that a row of weights says; rows are looked at in strips, so that no map
has to exist as a whole.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

import torch

from gpt_notebook.attention_protocol import HeadScores, Part, ScoreKind
from gpt_notebook.errors import InvalidRequest, ModelUnsupported
from gpt_notebook.model_kernel.attention.capture import Text
from gpt_notebook.model_kernel.attention.pieces import Computation
from gpt_notebook.model_kernel.attention.recording import record
from gpt_notebook.model_kernel.attention.score_kinds import KINDS, Rows
from gpt_notebook.model_kernel.attention.source import MapSource
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.protocol import Progress

REPEATED_TOKENS = 50
"""Length of the random sequence that is repeated to find induction heads in a text without repeats."""
LEAST_REPEATED = 2

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
        if part == "cross" and (wrong := [kind for kind in kinds if not KINDS[kind].across]):
            across = ", ".join(sorted(name for name, kind in KINDS.items() if kind.across))
            message = (
                f"{wrong[0]} compares positions of one text, and cross attention is between two; there are {across}"
            )
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
        if "induction" in kinds and self._part == "decoder" and not Rows(source.capture.text, self._part).repeats:
            kinds.remove("induction")
            repeated = yield from self._repeated()
            rows = Rows(repeated.capture.text, self._part)  # Whoever asked for positions meant those of the other text.
            tables |= yield from self._scored(repeated, ["induction"], rows)
        if kinds:
            rows = Rows(source.capture.text, self._part, self._queries, self._keys)
            tables |= yield from self._scored(source, kinds, rows)
        values = tuple(tuple(tuple(row) for row in tables[kind]) for kind in self._kinds)
        self.emit(HeadScores(values=values))

    def _repeated(self) -> Generator[None, None, MapSource]:
        """Return the attention of a random sequence that comes twice; a decoder with an encoder has it as its target."""
        served, text = self._source.served, self._source.capture.text
        ids = tuple(repeated_sequence(served.model))
        capture = yield from record(self, served, Text(text.token_ids, ids) if text.target_ids else Text(ids))
        return MapSource(capture, served)

    def _scored(
        self, source: MapSource, kinds: Sequence[ScoreKind], rows: Rows
    ) -> Generator[None, None, dict[ScoreKind, Table]]:
        """Return the tables of some kinds on one text."""
        heads = source.capture.layout.parts[self._part].count
        tables: dict[ScoreKind, Table] = {kind: [] for kind in kinds}
        done, total = 0, sum(heads.values())
        for layer in range(source.capture.layout.layers(self._part)):
            sums = torch.zeros(len(kinds), heads.get(layer, 0), dtype=torch.float64)
            for some, start, stop in source.tiles((self._part, layer)) if layer in heads else ():
                if self.due():
                    yield
                weights = source.rows((self._part, layer), some, start, stop)  # (head, query, key)
                sums[:, some] += (
                    torch.stack([KINDS[kind].summed(rows, weights, start) for kind in kinds]).cpu().double()
                )
            for kind, of_heads in zip(kinds, sums.tolist(), strict=True):
                counted = KINDS[kind].counted(rows)
                tables[kind].append([value / counted if counted else None for value in of_heads])
            done += heads.get(layer, 0)
            self.emit(Progress(stage="computing", model=source.capture.model, done=done, total=total))
        return tables


def repeated_sequence(model: LoadedModel) -> list[int]:
    """Return random tokens, each different, that come twice; after the token that begins texts, if there is one.

    Raises:
        ModelUnsupported: the model reads too little for that.
    """
    special = model.vocabulary.special_ids
    # A tokenizer may have tokens that the model has no embedding for.
    size = min(len(model.tokenizer), model.module.get_input_embeddings().num_embeddings)
    drawn = torch.randperm(size, generator=torch.Generator().manual_seed(0)).tolist()
    begin = [each for each in model.tokenizer("")["input_ids"] if each < size][:1]
    room = (model.context_length - len(begin)) // 2 if model.context_length else REPEATED_TOKENS
    once = [each for each in drawn if each not in special][: min(REPEATED_TOKENS, room)]
    if len(once) < LEAST_REPEATED:
        message = (
            f"{model.source.name} reads too little for a repeated sequence: score induction on a text with repeats"
        )
        raise ModelUnsupported(message)
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
    first_key = min(keys)
    seeing = tuple(query for query in queries if query >= first_key)
    if not seeing:
        message = f"the queries, the last at {max(queries)}, all come before the keys, the first at {first_key}, which they cannot see"
        raise InvalidRequest(message, param="queries")
    return seeing
