"""Which head carries the answer: a corrupt text is read with some heads' outputs taken from a clean one.

As in `ablation`, outputs are changed by the observer of one forward pass and the shared model is never edited.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import torch

from gpt_notebook.attention_protocol import Patched
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.model_kernel.attention.calls import AttentionCall
from gpt_notebook.model_kernel.attention.layout import Layout
from gpt_notebook.model_kernel.attention.patch_texts import check_alike
from gpt_notebook.model_kernel.attention.pieces import Computation, Pace
from gpt_notebook.model_kernel.attention.probe import layout_of
from gpt_notebook.model_kernel.attention.reading import FIRST_TOKENS, read
from gpt_notebook.model_kernel.attention.recorder import Recorder
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.model_kernel.model_config import GENERATING
from gpt_notebook.protocol import Progress

MOST_TOKENS = 2048
"""How many tokens a forward pass over several copies of a text may have, so that it needs little memory."""
SMALLEST_DIFFERENCE = 1e-3
"""In logits; dividing by less would show rounding as an effect."""


class Patching(Computation):
    """Runs a corrupt text with the outputs of one head at a time from the clean text, and emits a `Patched`."""

    def __init__(
        self,
        model: LoadedModel,
        clean: Sequence[int],
        corrupt: Sequence[int],
        *,
        answer: int | None = None,
        wrong: int | None = None,
    ) -> None:
        """Take the ids of two texts, and the tokens that tell them apart: by default the most probable after each.

        Raises:
            ModelUnsupported: the model predicts no next token.
            InvalidRequest: the texts are not equally long, or the same.
        """
        super().__init__()
        model.refuse_unless(GENERATING)
        check_alike(model, clean, corrupt)
        self._model = model
        self._clean = list(clean)
        self._corrupt = list(corrupt)
        self._answer = answer
        self._wrong = wrong
        self._pace = Pace(FIRST_TOKENS)  # In tokens, those of all copies of the text counted.

    def pieces(self) -> Iterator[None]:
        """Read both texts, then the corrupt one once for each head and once for each layer.

        Raises:
            InvalidRequest: the model answers both texts alike.
        """
        layout = layout_of(self._model)
        counts = layout.parts["decoder"].count
        recorder = Recorder(len(self._clean), keep=("output",))
        (clean,) = yield from read(self, self._model, layout, self._clean, pace=self._pace, observer=recorder)
        yield
        (corrupt,) = yield from read(self, self._model, layout, self._corrupt, pace=self._pace)
        contrast = self._contrast(clean, corrupt)

        heads: list[tuple[float | None, ...]] = []
        layers: list[float | None] = []
        for layer in range(layout.n_layers):
            self._tell(layer, counts)
            values: list[float] = []
            if layer in counts:
                outputs = recorder.layers["decoder", layer].tensors["output"]
                values = yield from self._patched(layout, contrast, layer, outputs)
            heads.append((*values[:-1], *[None] * (max(counts.values()) - len(values[:-1]))))
            layers.append(values[-1] if values else None)
        self._tell(layout.n_layers, counts)
        vocabulary = self._model.vocabulary
        self.emit(
            Patched(
                model=self._model.source.name,
                fingerprint=self._model.fingerprint,
                answer=vocabulary.token(contrast.answer),
                wrong=vocabulary.token(contrast.wrong),
                clean=contrast.clean,
                corrupt=contrast.corrupt,
                heads=tuple(heads),
                layers=tuple(layers),
                clean_tokens=tuple(vocabulary.tokens(self._clean)),
                corrupt_tokens=tuple(vocabulary.tokens(self._corrupt)),
            )
        )

    def _patched(
        self, layout: Layout, contrast: _Contrast, layer: int, output: torch.Tensor
    ) -> Generator[None, None, list[float]]:
        """Return what each head of a layer brings back, and at the end what all of them do together.

        `output` (head, query, dimension) is what they gave in the clean text.
        """
        n_heads = output.shape[0]
        wanted = [*([head] for head in range(n_heads)), list(range(n_heads))]
        values: list[float] = []
        while wanted:
            yield
            rows = wanted[: self._rows()]
            wanted = wanted[len(rows) :]
            logits = yield from read(
                self,
                self._model,
                layout,
                self._corrupt,
                copies=len(rows),
                pace=self._pace,
                observer=_Patch(layer, output, rows),
            )  # (row, vocabulary)
            values += contrast.brought_back(logits)
        return values

    def _contrast(self, clean: torch.Tensor, corrupt: torch.Tensor) -> _Contrast:
        """Return what tells the texts apart, from the logits (vocabulary,) after each."""
        answer = int(clean.argmax()) if self._answer is None else self._answer
        wrong = int(corrupt.argmax()) if self._wrong is None else self._wrong
        first, second = (self._model.vocabulary.token(each).text for each in (answer, wrong))
        if answer == wrong:
            if self._answer is not None and self._wrong is not None:
                message = f"answer and wrong are the same token {first!r}: give two"
            else:
                message = f"answer and wrong would both be {first!r}: say with answer= and wrong= what tells them apart"
            raise InvalidRequest(message, param="answer")
        high, low = (float(logits[answer] - logits[wrong]) for logits in (clean, corrupt))
        largest = max(float(logits[each].abs()) for logits in (clean, corrupt) for each in (answer, wrong))
        if not abs(high - low) >= max(SMALLEST_DIFFERENCE, 2 * torch.finfo(self._model.dtype).eps * largest):
            message = (
                f"the model prefers {first!r} to {second!r} by {high:.3g} logits after the clean text and by {low:.3g} "
                "after the corrupt one, so there is nothing to bring back: give other texts, or answer= and wrong="
            )
            raise InvalidRequest(message, param="corrupt")
        return _Contrast(answer=answer, wrong=wrong, clean=high, corrupt=low)

    def _rows(self) -> int:
        """Return how many copies of the text the coming piece may have."""
        return max(1, min(self._pace.units(self.seconds), MOST_TOKENS) // len(self._corrupt))

    def _tell(self, layers_done: int, counts: dict[int, int]) -> None:
        done = sum(count for layer, count in counts.items() if layer < layers_done)
        name = self._model.source.name
        self.emit(Progress(stage="computing", model=name, done=done, total=sum(counts.values())))


@dataclass(frozen=True)
class _Contrast:
    """Two tokens, and the difference of their logits after each text."""

    answer: int
    wrong: int
    clean: float
    corrupt: float

    def brought_back(self, logits: torch.Tensor) -> list[float]:
        """Return for each row of logits (row, vocabulary) where it lies between corrupt, 0, and clean, 1."""
        differences = (logits[:, self.answer] - logits[:, self.wrong]).double()  # (row,)
        values: list[float] = ((differences - self.corrupt) / (self.clean - self.corrupt)).tolist()
        return values


class _Patch:
    """Replaces, in each row of a batch, the outputs of some heads of one layer."""

    def __init__(self, layer: int, output: torch.Tensor, heads: Sequence[Sequence[int]]) -> None:
        """Take the outputs (head, query, dimension) to put in, and for each row the heads that get them."""
        self._layer = layer
        self._output = output
        self._heads = heads
        self._done = 0

    def attended(self, call: AttentionCall) -> torch.Tensor | None:
        if call.layer != self._layer:
            return None
        batch, n_queries, n_heads, dimension = call.output.shape
        # Some families fold the rows of a batch into the heads; (row, head, query, dimension) is the same for all.
        output = call.output.transpose(1, 2).reshape(len(self._heads), -1, n_queries, dimension).clone()
        put_in = self._output[:, self._done : self._done + n_queries]
        for row, heads in enumerate(self._heads):
            output[row, heads] = put_in[heads]
        self._done += n_queries
        return output.reshape(batch, n_heads, n_queries, dimension).transpose(1, 2).contiguous()
