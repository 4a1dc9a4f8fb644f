"""One forward pass over parts of many sequences, laid end to end as if they were one.

To the model's linear layers and norms a pass is one row of tokens (1, token, feature), each with the position that it
has in its own sequence. Only attention looks at other tokens, and that is ours: it keeps each sequence's keys and values
where they belong, and lets its queries see those and no others. Nothing is padded, and the model is not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from transformers import DynamicCache

from gpt_notebook.model_kernel.attention.calls import AttentionCall
from gpt_notebook.model_kernel.attention.layout import ModuleNames
from gpt_notebook.model_kernel.attention.watching import handled
from gpt_notebook.model_kernel.loaded_model import LoadedModel


class Attending(Protocol):
    """Who does the attention of a pass."""

    def keep(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Keep a layer's new keys and values (1, key head, token, dimension)."""
        ...

    def attend(self, layer: int, call: AttentionCall) -> torch.Tensor:
        """Return the output (1, token, head, value dimension) of a layer's call.

        Its keys and values are those of the new tokens; what a query sees are those that have been kept.
        """
        ...


class NotInOnePass(Exception):  # noqa: N818 - it is an answer: this model is read in another way
    """A model's attention is more than queries, keys and values that are kept layer by layer."""


class OnePass(DynamicCache):  # type: ignore[misc]  # transformers has no types
    """What a model takes for its cache, and who does its attention, while one pass runs."""

    def __init__(self, attending: Attending, names: ModuleNames | None = None) -> None:
        """Begin a pass; somebody who watches wants the places of the modules by their names."""
        super().__init__()
        self._attending = attending
        self._names = names
        self._layer: int | None = None
        self._kept_shape = torch.Size()
        self.windows: dict[int, int | None] = {}
        """How many keys the queries of each layer saw at most; None: all before them."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep a layer's keys and values; those of other tokens are nothing that the model's code need see."""
        self._attending.keep(layer_idx, key_states, value_states)
        self._layer, self._kept_shape = layer_idx, key_states.shape[1:]
        return key_states, value_states

    def handle(self, module: Any, call: AttentionCall, _: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Do what a module's attention function would do for each sequence by itself.

        Raises:
            NotInOnePass: that is not known for this model.
        """
        if self._layer is None or call.bias is not None:
            raise NotInOnePass
        layer, self._layer = self._layer, None
        if call.key.shape[1:] != self._kept_shape:
            raise NotInOnePass  # such as when what is kept is a summary of keys
        self.windows[layer] = call.window
        if self._names is not None:
            call.part, call.layer = self._names.place(module)
        return self._attending.attend(layer, call)


@torch.inference_mode()
def run(
    model: LoadedModel,
    attending: Attending,
    token_ids: Sequence[int],
    positions: Sequence[int],
    wanted: Sequence[int] | None = None,
    *,
    names: ModuleNames | None = None,
) -> tuple[torch.Tensor, OnePass]:
    """Run the model once.

    Args:
        model: a causal language model.
        attending: who does its attention.
        token_ids: the tokens of all parts, one part after the other.
        positions: where each of them is in its own sequence.
        wanted: after which of them to compute logits; None: after each.
        names: the names of its modules, if somebody watches the attention.

    Returns:
        Logits (wanted, vocabulary), float32, and the pass.
    """
    device = model.device
    ids = torch.tensor([token_ids], device=device)  # (1, token)
    options: dict[str, Any] = {}
    index = None if wanted is None else torch.tensor(wanted, device=device)
    if index is not None and model.keeps_logits:
        options["logits_to_keep"] = index
    # A mask of four dimensions is taken as it is, and nothing looks at what it says.
    mask = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=device)
    one_pass = OnePass(attending, names)
    with handled(one_pass):
        out = model.module(
            input_ids=ids,
            position_ids=torch.tensor([positions], device=device),
            attention_mask=mask,
            past_key_values=one_pass,
            use_cache=True,
            **options,
        )
    logits: torch.Tensor = out.logits[0]
    if index is not None and not options:
        logits = logits[index]
    return logits.float(), one_pass
