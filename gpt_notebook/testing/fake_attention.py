"""The attention of the fake engine: formulas so simple that a test can say what must come out.

A model has `n_layers` layers of `n_heads` heads, each with keys of its own. There are three patterns: 0 attends to the
first token, 1 to the token before (the first one to itself), 2 equally to everything up to itself. Head h of layer l is
half pattern `h % 3` and half pattern `(h + l) % 3`, so that layer 0 has them pure. The weights say nothing about the
words; so that models differ, the engine's second model has the patterns of head h + 1, its third those of h + 2.

    raw_scores (query, key)         the natural log of the weights; minus infinity where they are 0
    query      (token, dimension)   100 layer + 10 head + position, plus dimension / 10
    key                             minus that
    value                           half of it
    output                          weights @ value
    hidden     (token, n_heads * 4) 100 layer + position, plus dimension / 10

All but `hidden` have 4 dimensions. Query and key are numbers to look at: the weights are not made of them. Knows neither
requests nor the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpt_notebook.attention_protocol import ScoreKind, TensorName
from gpt_notebook.errors import InvalidRequest

if TYPE_CHECKING:
    from numpy import float32, float64
    from numpy.typing import NDArray

    Array = NDArray[float64]
    Array32 = NDArray[float32]

HEAD_SIZE = 4
N_PATTERNS = 3


@dataclass(frozen=True, kw_only=True)
class FakeAttention:
    """What a fake model attends to in a text."""

    model: str
    token_ids: tuple[int, ...]
    n_layers: int
    n_heads: int
    shift: int = 0
    """Which of the engine's models it is, counted from 0."""

    def __len__(self) -> int:
        return len(self.token_ids)

    @property
    def bytes(self) -> int:
        """What a real one would keep: query and key of all heads in float32."""
        return 2 * self.n_layers * self.n_heads * len(self) * HEAD_SIZE * 4

    def weights(self, layer: int, head: int) -> Array:
        """Return a head's attention (query, key)."""
        patterns = _patterns(len(self))
        first = head + self.shift
        return (patterns[first % N_PATTERNS] + patterns[(first + layer) % N_PATTERNS]) / 2

    def without_sink(self, layer: int, head: int) -> Array:
        """Return the same without the first key, what is left of each row divided by its sum; nothing left stays 0."""
        rest = self.weights(layer, head)
        rest[:, 0] = 0
        left = rest.sum(1, keepdims=True)
        found: Array = rest / (left + (left == 0))
        return found

    def raw_scores(self, layer: int, head: int) -> Array:
        """Return what goes into the softmax (query, key)."""
        import numpy as np

        with np.errstate(divide="ignore"):
            return np.log(self.weights(layer, head))

    def tensor(self, name: TensorName, layer: int, head: int) -> Array:
        """Return one of the tensors (token, dimension); `hidden` has no head."""
        import numpy as np

        width = self.n_heads * HEAD_SIZE if name == "hidden" else HEAD_SIZE
        first = 100 * layer + (0 if name == "hidden" else 10 * head)
        plain = first + np.arange(len(self))[:, None] + np.arange(width) / 10
        match name:
            case "key":
                return -plain
            case "value":
                return plain / 2
            case "output":
                return self.weights(layer, head) @ self.tensor("value", layer, head)
        return plain

    def score(
        self, kind: ScoreKind, layer: int, head: int, *, queries: Sequence[int] = (), keys: Sequence[int] = ()
    ) -> float | None:
        """Return how much of something a head does; None where a text of one token can't tell.

        Raises:
            InvalidRequest: no query of a from-to comes at or after its first key.
        """
        import numpy as np

        weights = self.weights(layer, head)
        positions = np.arange(len(self))
        match kind:
            case "previous-token":
                return _mean(np.diagonal(weights, -1))
            case "sink":
                return _mean(weights[1:, 0])
            case "entropy":
                return _mean(-(weights * np.log(np.where(weights > 0, weights, 1))).sum(1))
            case "distance":
                return _mean((weights * abs(positions[:, None] - positions)).sum(1))
            case "induction":
                return self._induction(weights)
            case "from-to":
                return _mean(weights[np.ix_(self._seeing(queries, keys), sorted(set(keys)))].sum(1))

    def _induction(self, weights: Array) -> float:
        """Return the attention on what followed earlier occurrences of each repeated token; 0 without repeats."""
        masses = []
        for query, token in enumerate(self.token_ids):
            followers = [key for key in range(1, query + 1) if self.token_ids[key - 1] == token]
            if followers:
                masses.append(weights[query, followers].sum())
        return _mean(masses) or 0.0

    @staticmethod
    def _seeing(queries: Sequence[int], keys: Sequence[int]) -> list[int]:
        seeing = sorted({query for query in queries if query >= min(keys)})
        if not seeing:
            message = f"no token attends to later ones: a query must be at {min(keys)} or after it, not {max(queries)}"
            raise InvalidRequest(message, param="queries")
        return seeing

    def difference(self, other: FakeAttention, layer: int, head: int) -> float | None:
        """Return the Jensen-Shannon divergence of a head from that of another attention, in nats, mean over queries."""
        import numpy as np

        ours, theirs = self.weights(layer, head), other.weights(layer, head)
        middle = (ours + theirs) / 2

        def divergence(weights: Array) -> Array:
            some = weights > 0
            ratio = np.where(some, weights, 1) / np.where(some, middle, 1)
            total: Array = (weights * np.log(ratio)).sum(1)
            return total

        return _mean((divergence(ours) + divergence(theirs)) / 2)


def overview(weights: Array, *, size: int, reduction: str) -> Array:
    """Return weights (query, key) cut into blocks, each reduced to one number (row, column)."""
    import numpy as np

    starts = [[i * length // min(size, length) for i in range(min(size, length))] for length in weights.shape]
    reduce = np.maximum if reduction == "max" else np.add
    blocks: Array = reduce.reduceat(reduce.reduceat(weights, starts[0], axis=0), starts[1], axis=1)
    if reduction == "max":
        return blocks
    rows, columns = (np.diff([*each, length]) for each, length in zip(starts, weights.shape, strict=True))
    found: Array = blocks / np.outer(rows, columns)
    return found


def _patterns(length: int) -> list[Array]:
    """Return the three patterns, each (query, key)."""
    import numpy as np

    positions = np.arange(length)
    first, before = np.zeros((length, length)), np.zeros((length, length))
    first[:, 0] = 1
    before[positions, np.maximum(positions - 1, 0)] = 1
    return [first, before, np.tri(length) / (positions[:, None] + 1)]


def _mean(values: Any) -> float | None:
    """Return the mean; of nothing, None."""
    return float(sum(values) / len(values)) if len(values) else None
