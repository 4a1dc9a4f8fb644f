"""The states between the layers, as transformers' `hidden_states` has them."""

from __future__ import annotations

from collections.abc import Generator

import torch

from gpt_notebook.attention_protocol import Part
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.model_kernel.attention.arrays import elements
from gpt_notebook.model_kernel.attention.capture import Text
from gpt_notebook.model_kernel.attention.pieces import Computation
from gpt_notebook.model_kernel.attention.probe import layout_of
from gpt_notebook.model_kernel.attention.reading import read, read_once
from gpt_notebook.model_kernel.loaded_model import LoadedModel


class HiddenStates(Computation):
    """Emits the shape (token, dimension) of `hidden_states[layer]`, and then its float32 elements as they are computed.

    There is one more than layers: 0 are the embeddings, and the last has been through the final norm in most families.
    """

    def __init__(self, model: LoadedModel, text: Text, layer: int, *, part: Part = "decoder") -> None:
        """Take a text; in an encoder-decoder, the tokens of `cross` are the decoder's."""
        super().__init__()
        self._model = model
        self._text = text
        self._layer = layer
        self._part: Part = part
        self._begun = False

    def pieces(self) -> Generator[None, None, None]:
        """Read the text.

        Raises:
            InvalidRequest: there is no such layer; names those that there are.
        """
        if self._model.kind == "causal":
            layout = layout_of(self._model)
            yield from read(self, self._model, layout, self._text.token_ids, on_hidden=self._tell)
            return
        out = read_once(self._model, self._text, hidden=True)
        if self._model.kind != "encoder-decoder":
            hidden = out.hidden_states
        else:
            hidden = out.encoder_hidden_states if self._part == "encoder" else out.decoder_hidden_states
        self._tell(tuple(states[0] for states in hidden))

    def _tell(self, hidden: tuple[torch.Tensor, ...]) -> None:
        """Emit the states of a piece of the text, from those before the first layer and after each."""
        if not 0 <= self._layer < len(hidden):
            message = (
                f"there is no hidden state {self._layer} in {self._model.source.name}: they go from 0 (the embeddings) "
                f"to {len(hidden) - 1} (after the last layer)"
            )
            raise InvalidRequest(message, param="layer")
        states = hidden[self._layer]  # (token, dimension)
        if not self._begun:
            self._begun = True
            self.emit((self._text.length(self._part, keys=False), states.shape[-1]))
        self.emit(elements(states))
