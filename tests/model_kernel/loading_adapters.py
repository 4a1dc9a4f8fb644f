"""Loading models and adapters without an engine."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from gpt_notebook.model_kernel import linear
from gpt_notebook.model_kernel.adapters.loaded_adapter import LoadedAdapter
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.model_kernel.models import Models


async def load(models: Models, name: str, **options: object) -> LoadedModel:
    found = [found async for found in models.ready(name, **options)]
    assert isinstance(found[-1], LoadedModel)
    return found[-1]


async def load_with(models: Models, name: str, *adapters: object) -> tuple[LoadedModel, list[LoadedAdapter]]:
    """A model and adapters of it, given by name or path."""
    model = await load(models, name)
    return model, [await models.adapters.ready(model, str(adapter)) for adapter in adapters]


@torch.inference_mode()
def greedy(
    model: LoadedModel,
    prompts: Sequence[Sequence[int]],
    count: int,
    segments: Sequence[tuple[LoadedAdapter, Sequence[int]]] = (),
) -> list[list[int]]:
    """The ids that follow prompts of one length, each row of the batch with the adapter that names its index."""
    ids = torch.tensor(prompts)
    for _ in range(count):
        places = torch.arange(ids.numel()).view(ids.shape)  # of each token among the rows that a layer sees
        with linear.passing([(adapter, places[list(rows)].flatten()) for adapter, rows in segments]):
            ids = torch.cat([ids, model.module(ids).logits[:, -1:].argmax(-1)], dim=1)
    return ids[:, len(prompts[0]) :].tolist()
