"""Questions whose answer is an array: a map or a rectangle of it, small pictures of many maps, a head's tensors.

Each emits the shape first, and then the float32 elements in C order as they are computed.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

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
    ) -> None:
        """Take what has been checked."""
        super().__init__()
        self._source = source
        self._place = place
        self._head = head
        self._queries = queries
        self._keys = keys
        self._values: Values = values

    def pieces(self) -> Generator[None, None, None]:
        """Emit it, some rows at a time."""
        (start, stop), (first_key, end_key) = self._queries, self._keys
        self.emit((stop - start, end_key - first_key))
        for first, last in self._source.strips(self._place[0], start, stop):
            if self.due():
                yield
            found = self._source.rows(self._place, self._head, first, last, self._values)
            self.emit(elements(found[0, :, first_key:end_key]))


class Overview(Computation):
    """Reduced maps (layer, head, row, column) of whole layers; NaN where a layer has fewer heads."""

    def __init__(self, source: MapSource, part: Part, layers: Sequence[int], size: int, reduction: Reduction) -> None:
        """Take layers that are there; a map has at most `size` rows and columns."""
        super().__init__()
        self._source = source
        self._part: Part = part
        self._layers = layers
        self._rows = Blocks(source.n_queries(part), size)
        self._columns = Blocks(source.n_keys(part), size)
        self._mean = reduction == "mean"

    def pieces(self) -> Generator[None, None, None]:
        """Emit it layer by layer."""
        heads = self._source.capture.layout.parts[self._part].count
        most = max((heads.get(layer, 0) for layer in self._layers), default=0)
        self.emit((len(self._layers), most, self._rows.count, self._columns.count))
        for layer in self._layers:
            picture = torch.full((most, self._rows.count, self._columns.count), torch.nan)
            if n_heads := heads.get(layer, 0):
                picture[:n_heads] = yield from self._reduced(layer, n_heads)
            self.emit(elements(picture))

    def _reduced(self, layer: int, n_heads: int) -> Generator[None, None, torch.Tensor]:
        """Return (head, row, column) of one layer."""
        reduced = torch.zeros(n_heads, self._rows.count, self._columns.count)
        row_of, how = self._rows.index(), "sum" if self._mean else "amax"
        for heads, start, stop in self._source.tiles((self._part, layer)):
            if self.due():
                yield
            weights = self._source.rows((self._part, layer), heads, start, stop)  # (head, query, key)
            columns = self._columns.reduced(weights, mean=self._mean).cpu()
            index = row_of[start:stop, None].expand(columns.shape)
            reduced[heads].scatter_reduce_(1, index, columns, how)
        return reduced / self._rows.sizes()[:, None] if self._mean else reduced


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

    def index(self) -> torch.Tensor:
        """Return the block of each place."""
        return torch.arange(self.count).repeat_interleave(self.sizes())

    def reduced(self, tensor: torch.Tensor, *, mean: bool) -> torch.Tensor:
        """Return a tensor with its last axis reduced to one number a block."""
        if self.count == self.length:
            return tensor
        if self.length % self.count == 0:
            blocks = torch.unflatten(tensor, -1, (self.count, -1))
            return blocks.mean(-1) if mean else blocks.amax(-1)
        pieces = torch.split(tensor, self.sizes().tolist(), -1)
        return torch.stack([piece.mean(-1) if mean else piece.amax(-1) for piece in pieces], -1)


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
