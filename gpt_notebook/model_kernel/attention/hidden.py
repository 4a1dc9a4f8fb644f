"""The states between the layers, as transformers' `hidden_states` has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from gpt_notebook.attention_protocol import Part
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.model_kernel.attention.arrays import elements
from gpt_notebook.model_kernel.attention.pieces import Computation
from gpt_notebook.model_kernel.attention.probe import layout_of
from gpt_notebook.model_kernel.attention.reading import read
from gpt_notebook.model_kernel.loading import LoadedModel


class HiddenStates(Computation):
    """Emits the shape (token, dimension) of `hidden_states[layer]`, and then its float32 elements as they are computed.

    There is one more than layers: 0 are the embeddings, and the last has been through the final norm in most families.
    """

    def __init__(
        self,
        model: LoadedModel,
        token_ids: Sequence[int],
        layer: int,
        *,
        part: Part = "decoder",
        target_token_ids: Sequence[int] = (),
    ) -> None:
        """Take a text and, for an encoder-decoder, its target; the tokens of `cross` are the decoder's."""
        super().__init__()
        self._model = model
        self._token_ids = list(token_ids)
        self._layer = layer
        self._target = list(target_token_ids)
        self._of_target = model.kind == "encoder-decoder" and part != "encoder"
        self._begun = False

    def pieces(self) -> Iterator[None]:
        """Read the text.

        Raises:
            InvalidRequest: there is no such layer; names those that there are.
        """
        if self._model.kind == "causal":
            layout = layout_of(self._model)
            yield from read(self, self._model, layout, self._token_ids, on_hidden=self._tell)
        else:
            self._tell(tuple(states[0] for states in self._at_once()))

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
            n_tokens = len(self._target if self._of_target else self._token_ids)
            self.emit((n_tokens, states.shape[-1]))
        self.emit(elements(states))

    def _at_once(self) -> tuple[torch.Tensor, ...]:
        """Return all states (1, token, dimension) of a model that sees the whole text in each layer."""
        ids = torch.tensor([self._token_ids], device=self._model.device)
        hidden: tuple[torch.Tensor, ...]
        if self._model.kind != "encoder-decoder":
            hidden = self._model.module(input_ids=ids, output_hidden_states=True).hidden_states
        else:
            target = torch.tensor([self._target], device=self._model.device)
            out = self._model.module(input_ids=ids, decoder_input_ids=target, output_hidden_states=True)
            hidden = out.decoder_hidden_states if self._of_target else out.encoder_hidden_states
        return hidden
