"""Recording the attention of a text: the capture that questions are asked of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from gpt_notebook.attention_protocol import Part, TensorName
from gpt_notebook.errors import ModelUnsupported, OutOfMemory
from gpt_notebook.model_kernel.attention.capture import QUERY_AND_KEY, Layer, Place, Recorder, bytes_of
from gpt_notebook.model_kernel.attention.layout import Layout
from gpt_notebook.model_kernel.attention.pieces import Computation
from gpt_notebook.model_kernel.attention.probe import layout_of
from gpt_notebook.model_kernel.attention.reading import read, watching
from gpt_notebook.model_kernel.loading import LoadedModel
from gpt_notebook.model_kernel.scheduler import Work
from gpt_notebook.protocol import Progress
from gpt_notebook.settings import MIB

REPORT_TOKENS = 256
"""A text longer than this has its progress told."""


@dataclass(frozen=True)
class Text:
    """What a capture is of: the tokens that the model reads."""

    token_ids: tuple[int, ...]
    target_ids: tuple[int, ...] = ()
    """For an encoder-decoder: what it has written, its start token first."""

    def length(self, part: Part, *, keys: bool) -> int:
        """Return how many queries or keys a kind of attention has."""
        of_target = bool(self.target_ids) and (part == "decoder" or (part == "cross" and not keys))
        return len(self.target_ids if of_target else self.token_ids)


@dataclass(eq=False)
class Capture:
    """The attention of one text in one model."""

    model: str
    fingerprint: str
    text: Text
    layout: Layout
    layers: dict[Place, Layer] = field(default_factory=dict)
    """Queries and keys; empty for a family of which only the weights can be seen."""
    extras: dict[TensorName, dict[Place, Layer]] = field(default_factory=dict)
    """Other tensors that somebody asked for."""
    tapped: dict[tuple[str, int], torch.Tensor] = field(default_factory=dict)
    """The last layers that were seen of such a family, (head, query, key) each."""

    @property
    def id(self) -> str:
        """What it is called: the same for the same weights and tokens."""
        return identify(self.fingerprint, self.model, self.text)

    def forget_extras(self) -> None:
        """Keep only what was recorded in the first place; whoever is at work with the rest keeps it until its end."""
        self.extras, self.tapped = {}, {}

    @property
    def bytes(self) -> int:
        """The memory that it takes."""
        # Another question may be adding to them at this moment.
        extras = (layer for layers in list(self.extras.values()) for layer in layers.values())
        tapped = sum(each.numel() * each.element_size() for each in self.tapped.values())
        return bytes_of([*self.layers.values(), *extras]) + tapped


def identify(fingerprint: str, model: str, text: Text) -> str:
    """Return the id of an attention."""
    named = json.dumps([fingerprint, model, text.token_ids, text.target_ids])
    return f"att-{hashlib.sha256(named.encode()).hexdigest()[:24]}"


class Recording(Computation):
    """Reads a text and emits its `Capture`, with `Progress` before."""

    def __init__(self, model: LoadedModel, text: Text, budget: int) -> None:
        """Take a text that fits the model; its capture may take `budget` bytes."""
        super().__init__()
        self._model = model
        self._text = text
        self._budget = budget

    def pieces(self) -> Generator[None, None, None]:
        """Record, and emit the capture."""
        total = len(self._text.token_ids)
        check_budget(self._model, max(total, len(self._text.target_ids)), self._budget)

        def report(done: int) -> None:
            if total > REPORT_TOKENS:
                self.emit(Progress(stage="recording", model=self._model.source.name, done=done, total=total))

        self.emit((yield from record(self, self._model, self._text, on_progress=report)))


def record(
    work: Work, model: LoadedModel, text: Text, *, on_progress: Callable[[int], None] | None = None
) -> Generator[None, None, Capture]:
    """Read a text, yield between pieces, and return its capture."""
    layout = layout_of(model)
    capture = Capture(model.source.name, model.fingerprint, text, layout)
    if layout.recordable:
        capture.layers = yield from tensors(work, model, text, QUERY_AND_KEY, on_progress=on_progress)
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
            read_whole(model, text)
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


def read_whole(model: LoadedModel, text: Text, *, hidden: bool = False) -> object:
    """Run an encoder or an encoder-decoder over a text and return transformers' output."""
    options: dict[str, object] = {"output_hidden_states": True} if hidden else {}
    if text.target_ids:
        options["decoder_input_ids"] = torch.tensor([text.target_ids], device=model.device)
    return model.module(input_ids=torch.tensor([text.token_ids], device=model.device), **options)


def check_budget(model: LoadedModel, n_tokens: int, budget: int) -> None:
    """Refuse to record more than is set aside for it.

    Raises:
        OutOfMemory: gives both sizes.
    """
    layout = layout_of(model)
    needed = _recorded(layout, model.dtype, n_tokens) if layout.recordable else _tapped(layout, n_tokens)
    if needed > budget:
        message = (
            f"the attention of {n_tokens:,} tokens in {model.source.name} takes {needed / MIB:,.0f} MiB, and "
            f"{budget / MIB:,.0f} MiB are set aside: take a shorter text or raise GPT_NOTEBOOK_ATTENTION_BUDGET"
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
