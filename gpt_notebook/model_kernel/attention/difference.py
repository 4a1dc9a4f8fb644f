"""How much two attentions differ, head by head."""

from __future__ import annotations

from collections.abc import Generator

import torch

from gpt_notebook.attention_protocol import HeadScores, Part
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.model_kernel.attention.pieces import Computation
from gpt_notebook.model_kernel.attention.source import MapSource
from gpt_notebook.protocol import Progress


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
        table: list[tuple[float, ...]] = []
        done, total = 0, sum(heads.values())
        for layer in range(self._one.capture.layout.layers(self._part)):
            place = self._part, layer
            sums = torch.zeros(heads.get(layer, 0), dtype=torch.float64)
            for some, start, stop in self._one.tiles(place) if layer in heads else ():
                if self.due():
                    yield
                p, q = (source.rows(place, some, start, stop) for source in (self._one, self._other))
                sums[some] += jensen_shannon(p, q).sum(-1).cpu()
            table.append(tuple((sums / n_queries).tolist()))
            done += heads.get(layer, 0)
            self.emit(Progress(stage="computing", model=self._one.capture.model, done=done, total=total))
        self.emit(HeadScores(values=(tuple(table),)))


def _shape(source: MapSource, part: Part) -> str:
    layout = source.capture.layout
    heads = sorted(layout.parts[part].count.items())
    counts = [str(count) for _, count in heads]
    alike = counts[0] if len(set(counts)) == 1 else "-".join(counts)
    everywhere = len(heads) == layout.layers(part)
    where = "" if everywhere else f" (layer {', '.join(str(layer) for layer, _ in heads)})"
    return f"{source.n_queries(part)} by {source.n_keys(part)} tokens in {len(heads)} layers of {alike} heads{where}"


def jensen_shannon(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """Return the Jensen-Shannon divergence of distributions over the last axis, in nats, float64; never negative.

    H((p + q) / 2) - (H(p) + H(q)) / 2, with H the entropy (Lin 1991).
    """
    if p.device.type == "mps":  # which has no float64
        p, q = p.cpu(), q.cpu()
    p, q = p.double(), q.double()
    entropy = torch.special.entr
    between: torch.Tensor = entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2
    return between.sum(-1).clamp_min(0)
