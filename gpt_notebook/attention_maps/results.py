"""What questions about an attention give beyond arrays; each shows itself as a table in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from gpt_notebook import arguments
from gpt_notebook.attention_maps.token_names import name_of
from gpt_notebook.display.quantities import counted
from gpt_notebook.display.reports import Report, Table
from gpt_notebook.display.token_html import percent_of
from gpt_notebook.protocol import Token

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from gpt_notebook.attention_maps.arrays import Matrix, Vector

SHOWN_GUESSES = 5
"""How many tokens of each layer a table shows; all are in the result."""
SHOWN_HEADS = 5
"""How many heads a line names."""


class HeadScore(NamedTuple):
    """The score of one head."""

    layer: int
    head: int
    score: float

    def __repr__(self) -> str:
        return f"HeadScore(layer={self.layer}, head={self.head}, score={self.score:.4g})"

    @classmethod
    def highest(cls, scores: Matrix, k: int) -> list[HeadScore]:
        """Return the k highest of a matrix (layer, head), highest first; NaN is none."""
        import numpy as np

        places = [(int(layer), int(head)) for layer, head in np.argwhere(~np.isnan(scores))]
        found = [cls(layer, head, float(scores[layer, head])) for layer, head in places]
        return sorted(found, key=lambda each: -each.score)[:k]


class _Shown:
    """Something that a notebook shows as a report."""

    def _report(self) -> Report:
        raise NotImplementedError

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return what a notebook shows; IPython calls this and does the filtering that the arguments ask for."""
        del include, exclude
        report = self._report()
        return {"text/plain": report.text(), "text/html": report.html()}


@dataclass(frozen=True, kw_only=True, repr=False)
class Lens(_Shown):
    """What a model would say after a token if it ended after each layer."""

    position: int
    token: Token
    """The token at that position."""
    layers: tuple[tuple[Token, ...], ...]
    """For the embeddings and then for each layer, the most probable next tokens, each with its logprob."""

    def __repr__(self) -> str:
        last = self.layers[-1][0]
        layers = counted(len(self.layers) - 1, "layer")
        return f"<Lens after {name_of(self.token)!r}: {layers}, at last {name_of(last)!r} {percent_of(last.logprob)}>"

    def _report(self) -> Report:
        names = ["embeddings", *(f"layer {i}" for i in range(len(self.layers) - 1))]
        shown = min(SHOWN_GUESSES, max(map(len, self.layers)))
        rows = [
            (name, *_padded([f"{name_of(each)} {percent_of(each.logprob)}" for each in tokens[:shown]], shown))
            for name, tokens in zip(names, self.layers, strict=True)
        ]
        title = f"what comes after {name_of(self.token)} (position {self.position}), by layer"
        return Report((Table(("after", *map(str, range(1, shown + 1))), rows, title),))


@dataclass(frozen=True, kw_only=True, repr=False)
class Ablation(_Shown):
    """How the distribution of the next token changes without some heads."""

    heads: tuple[tuple[int, int], ...]
    """The heads that were switched off, as (layer, head)."""
    position: int
    kl: float
    """Kullback-Leibler divergence of the distribution after from the one before, in nats."""
    before: tuple[Token, ...]
    """The most probable tokens, most probable first, each with its logprob."""
    after: tuple[Token, ...]

    def __repr__(self) -> str:
        return f"<Ablation of {_count(self.heads)}: KL {self.kl:.4g}, {name_of(self.before[0])!r} became {name_of(self.after[0])!r}>"

    def _report(self) -> Report:
        rows = [
            (name_of(before), percent_of(before.logprob), name_of(after), percent_of(after.logprob))
            for before, after in zip(self.before, self.after, strict=False)
        ]
        title = f"without {_count(self.heads)}, next token after position {self.position}"
        table = Table(("before", "", "after", ""), rows, title, frozenset({1, 3}))
        return Report((table,), f"KL divergence {self.kl:.4g} nats")


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Patching(_Shown):
    """How much of the clean answer each head brings back when only its output comes from the clean text."""

    matrix: Matrix
    """0 nothing, 1 all of it; shape (layer, head), NaN where there is no such head."""
    layers: Vector
    """The same with all heads of a layer at once, shape (layer,)."""
    answer: Token
    wrong: Token
    clean: float
    """The logit of `answer` minus that of `wrong` after the clean text."""
    corrupt: float
    """The same after the corrupt text."""
    clean_tokens: tuple[Token, ...]
    corrupt_tokens: tuple[Token, ...]
    model: str
    fingerprint: str

    def top(self, k: int = 10) -> list[HeadScore]:
        """Return the k heads that bring back most, most first."""
        return HeadScore.highest(self.matrix, arguments.positive("k", k))

    def plot(self) -> Figure:
        """Return the matrix as a Plotly figure: orange brings the answer back, blue takes it further away.

        Raises:
            InvalidRequest: Plotly is not installed.
        """
        from gpt_notebook.attention_maps.figures import patching_figure

        title = f"{self.model}: which head brings back {name_of(self.answer)} over {name_of(self.wrong)}"
        return patching_figure(self.matrix, title=title)

    def __repr__(self) -> str:
        layers, heads = self.matrix.shape
        pair = f"{name_of(self.answer)!r} over {name_of(self.wrong)!r}"
        return (
            f"<Patching {layers} layers, {heads} heads: {pair}, {self.corrupt:.2f} to {self.clean:.2f}, {self.model}>"
        )

    def _report(self) -> Report:
        rows = [(str(each.layer), str(each.head), f"{each.score:.2f}") for each in self.top()]
        title = f"heads that bring back {name_of(self.answer)} over {name_of(self.wrong)}"
        line = f"logit difference: clean {self.clean:.2f} · corrupt {self.corrupt:.2f}"
        if self.clean < self.corrupt:
            line += "; the corrupt text has more of it, which is brought down: swap the texts, or answer and wrong"
        return Report((Table(("layer", "head", "brought back"), rows, title, frozenset({0, 1, 2})),), line)


def _count(heads: Sequence[tuple[int, int]]) -> str:
    shown = ", ".join(map(str, heads[:SHOWN_HEADS]))
    more = f" and {len(heads) - SHOWN_HEADS} more" if len(heads) > SHOWN_HEADS else ""
    return f"head{'' if len(heads) == 1 else 's'} {shown}{more}"


def _padded(cells: list[str], length: int) -> list[str]:
    return [*cells, *[""] * (length - len(cells))]
