"""Rows of attention maps, wherever they come from: recorded queries and keys, or the weights of another pass.

The second is for families of which nothing but the softmax can be seen. They are run again for what is asked, up to
the layer that is wanted, and a few layers at a time are kept.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from gpt_notebook.attention_protocol import Part, Values
from gpt_notebook.model_kernel import linear
from gpt_notebook.model_kernel.attention import maps
from gpt_notebook.model_kernel.attention.calls import AttentionCall
from gpt_notebook.model_kernel.attention.capture import Capture
from gpt_notebook.model_kernel.attention.reading import read_once
from gpt_notebook.model_kernel.attention.recorder import Place
from gpt_notebook.model_kernel.attention.watching import watching
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.model_kernel.served import Served
from gpt_notebook.settings import MIB

TILE_ELEMENTS = 2**19
"""Scores that are computed at once on a CPU: they stay in its cache between product, softmax and sums."""
TILE_ELEMENTS_OF_GPU = 2**25
TAPPED_BYTES = 256 * MIB
"""How many layers of weights are kept at a time; always one, however large."""


@dataclass
class MapSource:
    """The maps of one capture."""

    capture: Capture
    served: Served

    @property
    def model(self) -> LoadedModel:
        """The model that it is of."""
        return self.served.model

    def rows(
        self,
        place: Place,
        heads: slice | int | None,
        start: int,
        stop: int,
        values: Values = "weights",
        *,
        hide_sink: bool = False,
    ) -> torch.Tensor:
        """Return rows of the maps of some heads, of one, or of all (None): float32 (head, query, key).

        With `hide_sink` the first key has no weight, and the rest of a row is divided by what is left of it.
        """
        if not isinstance(heads, slice):
            heads = slice(None) if heads is None else slice(heads, heads + 1)
        part, layer = place
        recorded = self.capture.layers.get(place)
        if recorded is not None:
            found = maps.rows(recorded, heads, start, stop, n_keys=self.n_keys(part), values=values)
            return _without_sink(found) if hide_sink else found
        tapped = self.capture.tapped
        if (values, layer) not in tapped:
            tapped = self.capture.tapped = self._tap(layer, values)
        found = tapped[values, layer][heads, start:stop]
        return _without_sink(found.clone()) if hide_sink else found

    def tiles(
        self, place: Place, head: int | None = None, first: int = 0, end: int | None = None
    ) -> Iterator[tuple[slice, int, int]]:
        """Yield heads, first query and the one after the last of tiles that are together all maps of a layer.

        A tile is as large as the processor's cache likes: several heads of a short text, some rows of one of a long text.

        Args:
            place: The layer.
            head: Only this one.
            first: The first query.
            end: The one after the last; None: all.
        """
        part, layer = place
        end = self.n_queries(part) if end is None else end
        first_head, end_head = (0, self.capture.layout.parts[part].count[layer]) if head is None else (head, head + 1)
        heads_at_once = max(1, self._tile // ((end - first) * self.n_keys(part)))
        for one in range(first_head, end_head, heads_at_once):
            for start, stop in self.strips(part, first, end):
                yield slice(one, min(one + heads_at_once, end_head)), start, stop

    def strips(self, part: Part, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Yield the first query and the one after the last of strips of one head's map, each as large as a tile."""
        rows_at_once = max(1, self._tile // self.n_keys(part))
        for first in range(start, stop, rows_at_once):
            yield first, min(first + rows_at_once, stop)

    @property
    def _tile(self) -> int:
        return TILE_ELEMENTS if self.model.device.type == "cpu" else TILE_ELEMENTS_OF_GPU

    def n_queries(self, part: Part) -> int:
        """Return how many rows a map has."""
        return self.capture.text.length(part, keys=False)

    def n_keys(self, part: Part) -> int:
        """Return how many columns a map has."""
        return self.capture.text.length(part, keys=True)

    def _tap(self, layer: int, values: Values) -> dict[tuple[str, int], torch.Tensor]:
        """Run the model up to a layer, and on for as many as may be kept."""
        length = len(self.capture.text.token_ids)
        layout = self.capture.layout
        each = layout.parts[layout.names.main].count[layer] * length**2 * torch.float32.itemsize
        reader = _Reader(values, layer, layer + max(1, TAPPED_BYTES // each))
        with contextlib.suppress(_EnoughError), watching(layout, reader), linear.adapted(self.served.adapter):
            read_once(self.model, self.capture.text)
        return reader.found


def _without_sink(weights: torch.Tensor) -> torch.Tensor:
    """Take the first key out of rows (…, query, key), in place; a row that has nothing else stays 0."""
    weights[..., 0] = 0.0
    left = weights.sum(-1, keepdim=True)
    return weights.div_(left.masked_fill_(left == 0, 1.0))


class _EnoughError(Exception):
    """The layers that are wanted have been seen."""


class _Reader:
    """Keeps the weights, or the scores, of some layers."""

    def __init__(self, values: Values, first: int, stop: int) -> None:
        self.found: dict[tuple[str, int], torch.Tensor] = {}
        self._values = values
        self._first = first
        self._stop = stop

    def attended(self, call: AttentionCall) -> None:
        tensor = call.weights if self._values == "weights" else call.scores
        if call.layer >= self._first and tensor is not None:
            lowest = torch.finfo(tensor.dtype).min / 2
            kept = tensor[0].float().clone()
            self.found[self._values, call.layer] = kept.masked_fill_(kept <= lowest, -torch.inf)
        if call.layer + 1 >= self._stop:
            raise _EnoughError
