"""One sequence of tokens on its way through a model, with the cache that belongs to it.

Works for every family: one with a key-value cache is fed only the new tokens, one with a recurrent state carries that,
and one with neither reads the whole sequence again at each step.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Ids
from typing import Any

import torch
from transformers import PretrainedConfig

from gpt_notebook.model_kernel.attention.probe import layout_of
from gpt_notebook.model_kernel.attention.reading import last_only
from gpt_notebook.model_kernel.attention.recorder import Recorder
from gpt_notebook.model_kernel.attention.watching import watching
from gpt_notebook.model_kernel.loaded_model import LoadedModel

CACHE_NAMES = ("past_key_values", "cache_params", "state")
"""What families call what they remember."""


class Sequence:
    """What the model has read of one sequence."""

    def __init__(self, model: LoadedModel, recorder: Recorder | None = None) -> None:
        """Begin with nothing read; a recorder sees the attention of all that is."""
        self._model = model
        self.recorder = recorder
        self._token_ids: list[int] = []
        self._cache: dict[str, Any] = {}
        self.bytes = 0
        """What its cache takes, as far as the tensors in it can be found."""

    def __len__(self) -> int:
        return len(self._token_ids)

    @torch.inference_mode()
    def read(self, token_ids: Ids[int], *, all_logits: bool = False) -> torch.Tensor:
        """Read more tokens and return logits, float32.

        Args:
            token_ids: the tokens that follow what has been read; at least one.
            all_logits: whether to return the logits after each of them, shape (token, vocabulary), or after the last
                only, shape (vocabulary,).
        """
        self._token_ids.extend(token_ids)
        fed = token_ids if self._cache else self._token_ids
        inputs = torch.tensor([fed], device=self._model.device)  # (1, token)
        options = {} if all_logits or not self._model.keeps_logits else {"logits_to_keep": 1}
        if options and self.recorder is not None:
            options = last_only(self._model)
        with self._watched():
            out = self._model.module(input_ids=inputs, use_cache=True, **self._cache, **options)
        self._cache = {name: out[name] for name in CACHE_NAMES if out.get(name) is not None}
        self.bytes = sum(
            {each.untyped_storage().data_ptr(): each.nbytes for each in _tensors(self._cache, set())}.values()
        )
        logits: torch.Tensor = out.logits[0].float()  # (token, vocabulary)
        return logits[-len(token_ids) :] if all_logits else logits[-1]

    def _watched(self) -> contextlib.AbstractContextManager[None]:
        if self.recorder is None:  # A model without attention reads, too.
            return contextlib.nullcontext()
        return watching(layout_of(self._model), self.recorder)

    def fork(self) -> Sequence:
        """Return a copy that goes its own way."""
        other = Sequence(self._model, self.recorder.fork() if self.recorder is not None else None)
        other._token_ids = list(self._token_ids)
        other._cache = copy.deepcopy(self._cache)
        other.bytes = self.bytes
        return other


def _tensors(value: Any, seen: set[int]) -> Iterator[torch.Tensor]:
    """Yield the tensors in a cache of whatever kind."""
    if isinstance(value, torch.Tensor):
        yield value
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    within: Any = ()
    if isinstance(value, Mapping):
        within = value.values()
    elif isinstance(value, list | tuple):
        within = value
    elif type(value).__module__.startswith("transformers.") and not isinstance(value, PretrainedConfig):
        within = vars(value).values()
    for each in within:
        yield from _tensors(each, seen)
