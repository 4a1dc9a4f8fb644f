"""Recording the attention of a text: the capture that questions are asked of."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence

import torch

from gpt_notebook.attention_protocol import TensorName
from gpt_notebook.byte_sizes import size
from gpt_notebook.errors import ModelUnsupported, OutOfMemory
from gpt_notebook.model_kernel.attention.capture import Capture, Text
from gpt_notebook.model_kernel.attention.layout import Layout
from gpt_notebook.model_kernel.attention.pieces import Computation
from gpt_notebook.model_kernel.attention.probe import layout_of
from gpt_notebook.model_kernel.attention.reading import read, read_once
from gpt_notebook.model_kernel.attention.recorder import QUERY_AND_KEY, Layer, Place, Recorder
from gpt_notebook.model_kernel.attention.watching import watching
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.model_kernel.scheduler import Work
from gpt_notebook.model_kernel.served import Served
from gpt_notebook.protocol import Progress

REPORT_TOKENS = 256
"""A text longer than this has its progress told."""


class Recording(Computation):
    """Reads a text and emits its `Capture`, with `Progress` before."""

    def __init__(self, served: Served, text: Text, budget: int) -> None:
        """Take a text that fits the model; its capture may take `budget` bytes."""
        super().__init__()
        self._served = served
        self._model = served.model
        self._text = text
        self._budget = budget

    def pieces(self) -> Generator[None, None, None]:
        """Record, and emit the capture."""
        total = len(self._text.token_ids)
        check_budget(self._model, max(total, len(self._text.target_ids)), self._budget)

        def report(done: int) -> None:
            if total > REPORT_TOKENS:
                self.emit(Progress(stage="recording", model=self._model.source.name, done=done, total=total))

        capture = yield from record(self, self._served, self._text, on_progress=report)
        # Masks and biases of some families grow with the square of the text, and are known only now.
        _refuse_above(self._budget, capture.bytes, total, self._model)
        self.emit(capture)


def record(
    work: Work, served: Served, text: Text, *, on_progress: Callable[[int], None] | None = None
) -> Generator[None, None, Capture]:
    """Read a text, yield between pieces, and return its capture."""
    layout = layout_of(served.model)
    capture = Capture(served.name, served.fingerprint, text, layout)
    if layout.recordable:
        capture.layers = yield from tensors(work, served.model, text, QUERY_AND_KEY, on_progress=on_progress)
    return capture


def tensors(
    work: Work,
    model: LoadedModel,
    text: Text,
    keep: Sequence[TensorName],
    *,
    on_progress: Callable[[int], None] | None = None,
) -> Generator[None, None, dict[Place, Layer]]:
    """Read a text, yield between pieces, and return what its attention was made of.

    Raises:
        ModelUnsupported: with this text, it is not made of its tokens alone.
    """
    layout = layout_of(model)
    # Only a text that comes in pieces needs room for what is still to come.
    recorder = Recorder(len(text.token_ids) if layout.in_pieces else 0, keep=keep)
    if model.kind == "causal":
        yield from read(work, model, layout, text.token_ids, observer=recorder, on_progress=on_progress)
    else:
        with watching(layout, recorder):
            read_once(model, text)
    _check_lengths(model, text, recorder.layers)
    return recorder.layers


def _check_lengths(model: LoadedModel, text: Text, layers: Mapping[Place, Layer]) -> None:
    """Refuse what was recorded unless each layer has attended once from each token, as it did when it was tried.

    Raises:
        ModelUnsupported: names the layer that has not.
    """
    for (part, layer), recorded in layers.items():
        if (queries := recorded.blocks[-1].stop) != (length := text.length(part, keys=False)):
            message = (
                f"the attention of {model.source.name} cannot be shown: layer {layer} has {queries:,} queries for a "
                f"text of {length:,} tokens; take a shorter text"
            )
            raise ModelUnsupported(message)


def check_budget(model: LoadedModel, n_tokens: int, budget: int) -> None:
    """Refuse to record more than is set aside for it.

    Raises:
        OutOfMemory: gives both sizes.
    """
    layout = layout_of(model)
    needed = _recorded(layout, model.dtype, n_tokens) if layout.recordable else _tapped(layout, n_tokens)
    _refuse_above(budget, needed, n_tokens, model)


def _refuse_above(budget: int, needed: int, n_tokens: int, model: LoadedModel) -> None:
    if needed > budget:
        message = (
            f"the attention of {n_tokens:,} tokens in {model.source.name} takes {size(needed)}, and "
            f"{size(budget)} are set aside: take a shorter text or raise GPT_NOTEBOOK_ATTENTION_BUDGET"
        )
        raise OutOfMemory(message)


def _recorded(layout: Layout, dtype: torch.dtype, n_tokens: int) -> int:
    """Return the bytes of the queries and keys of all layers."""
    a_token = (
        (heads.count[layer] + heads.key_count[layer]) * heads.dimension[layer]
        for heads in layout.parts.values()
        for layer in heads.count
    )
    return sum(a_token) * n_tokens * dtype.itemsize


def _tapped(layout: Layout, n_tokens: int) -> int:
    """Return the bytes of the maps of one layer, float32."""
    most_heads = max(count for heads in layout.parts.values() for count in heads.count.values())
    return most_heads * n_tokens**2 * torch.float32.itemsize
