"""Questions whose answer is an array: a map or a rectangle of it, small pictures of many maps, a head's tensors.

Each emits the shape first, and then the float32 elements in C order as they are computed.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Generator, Iterator, Sequence

import torch

from gpt_notebook.attention_protocol import Part, Reduction, TensorName, Values
from gpt_notebook.model_kernel.attention.capture import Capture
from gpt_notebook.model_kernel.attention.pieces import Computation
from gpt_notebook.model_kernel.attention.recorder import BY_KEY, Layer, Place
from gpt_notebook.model_kernel.attention.recording import tensors
from gpt_notebook.model_kernel.attention.source import MapSource
from gpt_notebook.model_kernel.loaded_model import LoadedModel


def elements(tensor: torch.Tensor) -> memoryview:
    """Return the elements of a tensor as bytes, without a copy where it lies on the CPU as float32."""
    if not tensor.numel():
        return memoryview(b"")  # Python casts no empty view.
    return tensor.float().contiguous().cpu().numpy().data.cast("B")


class Map(Computation):
    """A rectangle (query, key) of one head's map."""

    def __init__(
        self,
        source: MapSource,
        place: Place,
        head: int,
        *,
        queries: tuple[int, int],
        keys: tuple[int, int],
        values: Values = "weights",
        hide_sink: bool = False,
    ) -> None:
        """Take what has been checked."""
        super().__init__()
        self._source = source
        self._place = place
        self._head = head
        self._queries = queries
        self._keys = keys
        self._values: Values = values
        self._hide_sink = hide_sink

    def pieces(self) -> Generator[None, None, None]:
        """Emit it, some rows at a time."""
        (start, stop), (first_key, end_key) = self._queries, self._keys
        self.emit((stop - start, end_key - first_key))
        for first, last in self._source.strips(self._place[0], start, stop):
            if self.due():
                yield
            found = self._source.rows(self._place, self._head, first, last, self._values, hide_sink=self._hide_sink)
            self.emit(elements(found[0, :, first_key:end_key]))


class Overview(Computation):
    """Reduced maps (layer, head, row, column) of some layers; NaN where a layer has fewer heads."""

    def __init__(
        self,
        source: MapSource,
        part: Part,
        layers: Sequence[int],
        *,
        size: int,
        reduction: Reduction = "mean",
        heads: Sequence[int] | None = None,
        queries: tuple[int, int] | None = None,
        keys: tuple[int, int] | None = None,
        hide_sink: bool = False,
    ) -> None:
        """Take layers, heads and positions that are there; a picture has at most `size` rows and columns."""
        super().__init__()
        self._source = source
        self._part: Part = part
        self._layers = layers
        self._heads = heads
        self._first_query, self._end_query = queries or (0, source.n_queries(part))
        self._keys = slice(*(keys or (0, source.n_keys(part))))
        self._rows = Blocks(self._end_query - self._first_query, size)
        self._columns = Blocks(self._keys.stop - self._keys.start, size)
        self._mean = reduction == "mean"
        self._hide_sink = hide_sink

    def pieces(self) -> Generator[None, None, None]:
        """Emit it layer by layer."""
        counts = self._source.capture.layout.parts[self._part].count
        most = max((self._count(counts.get(layer, 0)) for layer in self._layers), default=0)
        self.emit((len(self._layers), most, self._rows.count, self._columns.count))
        for layer in self._layers:
            picture = torch.full((most, self._rows.count, self._columns.count), torch.nan)
            if n_heads := self._count(counts.get(layer, 0)):
                picture[:n_heads] = yield from self._reduced(layer, n_heads)
            self.emit(elements(picture))

    def _count(self, n_heads: int) -> int:
        """Return how many pictures a layer of so many heads gets."""
        return n_heads if self._heads is None else len(self._heads)

    def _reduced(self, layer: int, n_heads: int) -> Generator[None, None, torch.Tensor]:
        """Return (head, row, column) of one layer."""
        reduced = torch.zeros(n_heads, self._rows.count, self._columns.count)
        for where, heads, start, stop in self._tiles((self._part, layer)):
            if self.due():
                yield
            weights = self._source.rows((self._part, layer), heads, start, stop, hide_sink=self._hide_sink)
            first, rows = self._rows.cut(
                weights[..., self._keys], start - self._first_query, stop - self._first_query, mean=self._mean
            )
            found = self._columns.reduced(rows, mean=self._mean).cpu()
            so_far = reduced[where, first : first + found.shape[1]]
            so_far.copy_(so_far + found if self._mean else torch.maximum(so_far, found))
        return reduced / self._rows.sizes()[:, None] if self._mean else reduced

    def _tiles(self, place: Place) -> Iterator[tuple[slice, slice, int, int]]:
        """Yield where in the answer, of which heads, and from which query to which, is to be computed next."""
        chosen = [None] if self._heads is None else self._heads
        for index, head in enumerate(chosen):
            for heads, start, stop in self._source.tiles(place, head, self._first_query, self._end_query):
                yield heads if head is None else slice(index, index + 1), heads, start, stop


class Blocks:
    """An axis of `length` cut into at most `size` blocks of nearly equal length."""

    def __init__(self, length: int, size: int) -> None:
        """Cut it; a short axis has a block for each of its places."""
        self.length = length
        self.count = min(length, size)
        self._bounds = [i * length // self.count for i in range(self.count + 1)] if length else [0]

    def sizes(self) -> torch.Tensor:
        """Return how many places each block has."""
        return torch.tensor(self._bounds).diff()

    def cut(self, tensor: torch.Tensor, start: int, stop: int, *, mean: bool) -> tuple[int, torch.Tensor]:
        """Return the first block of the places from `start` to `stop`, and what they add to it and to those after it.

        Args:
            tensor: (head, place, …) of these places.
            start: The first of them; it may lie inside of a block.
            stop: The one after the last.
            mean: Whether places are summed up, to be divided by the sizes at last; the largest is taken otherwise.
        """
        if self.count == self.length:
            return start, tensor
        first, last = bisect.bisect_right(self._bounds, start) - 1, bisect.bisect_left(self._bounds, stop)
        ends = [start, *self._bounds[first + 1 : last], stop]
        pieces = torch.split(tensor, [end - begin for begin, end in itertools.pairwise(ends)], 1)
        return first, torch.stack([piece.sum(1) if mean else piece.amax(1) for piece in pieces], 1)

    def reduced(self, tensor: torch.Tensor, *, mean: bool) -> torch.Tensor:
        """Return a tensor with its last axis reduced to one number a block."""
        if self.count == self.length:
            return tensor
        if self.length % self.count == 0:
            blocks = torch.unflatten(tensor, -1, (self.count, -1))
        else:
            # A weight is never negative, so that a 0 beside the shorter blocks changes neither sum nor maximum.
            blocks = torch.nn.functional.pad(tensor, (0, 1))[..., self._places().to(tensor.device)]
        return blocks.sum(-1) / self.sizes().to(tensor.device) if mean else blocks.amax(-1)

    def _places(self) -> torch.Tensor:
        """Return the places of each block (block, place), those of shorter blocks filled up with the one after all."""
        sizes = self.sizes()
        place = torch.arange(int(sizes.max()))
        return torch.where(place < sizes[:, None], torch.tensor(self._bounds[:-1])[:, None] + place, self.length)


class Tensor(Computation):
    """The queries, keys, values or outputs (token, dimension) of one head."""

    def __init__(self, capture: Capture, model: LoadedModel, place: Place, name: TensorName, head: int) -> None:
        """Take a layer and a head that are there; keys and values are those that the head uses."""
        super().__init__()
        self._capture = capture
        self._model = model
        self._place = place
        self._name: TensorName = name
        self._head = head

    def pieces(self) -> Generator[None, None, None]:
        """Emit it, after another pass over the text where it isn't kept."""
        layers = self._kept()
        if layers is None:
            layers = yield from tensors(self, self._model, self._capture.text, (self._name,))
            self._capture.extras[self._name] = layers
        tensor = layers[self._place].tensors[self._name]
        head = self._head
        if self._name in BY_KEY:
            part, layer = self._place
            head //= self._capture.layout.parts[part].count[layer] // tensor.shape[0]
        self.emit((tensor.shape[1], tensor.shape[2]))
        self.emit(elements(tensor[head]))

    def _kept(self) -> dict[Place, Layer] | None:
        layer = self._capture.layers.get(self._place)
        if layer is not None and self._name in layer.tensors:
            return self._capture.layers
        return self._capture.extras.get(self._name)
