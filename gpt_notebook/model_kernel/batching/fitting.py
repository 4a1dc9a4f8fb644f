"""Whether a model can be read in one pass with others, found out by trying: what it says then must be what it says alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from transformers import DynamicCache

from gpt_notebook.errors import ModelUnsupported
from gpt_notebook.model_kernel.attention.probe import layout_of
from gpt_notebook.model_kernel.attention.proof import agree
from gpt_notebook.model_kernel.attention.reading import forward
from gpt_notebook.model_kernel.attention.watching import TILED
from gpt_notebook.model_kernel.batching import one_pass, passes
from gpt_notebook.model_kernel.batching.attending import Piece
from gpt_notebook.model_kernel.batching.cache import CacheShape, SequenceCache
from gpt_notebook.model_kernel.batching.slots import Slots
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.model_kernel.sequence import Sequence
from gpt_notebook.shortage import is_out_of_memory

logger = logging.getLogger(__name__)

LENGTHS = (5, 2, 7)
"""Tokens of the texts of the trial, one of which is read in two pieces."""
BY_LENGTH = ("dynamic", "longrope")
"""Rotary positions that depend on how long the longest text of a pass is."""
WINDOWS = {"full_attention", "sliding_attention"}
"""What layers may see: all before, or the last so many; other kinds hide keys by masks that a call doesn't tell."""


@torch.inference_mode()
def shape_of(model: LoadedModel) -> CacheShape | None:
    """Return what a token takes in the cache of a model that fits, None for one that must be read by itself."""
    try:
        reason = _misfit(model)
        if reason is None:
            shape = _shape(model)
            reason = _tried(model, shape)
            if reason is None:
                return shape
    except (ModelUnsupported, one_pass.NotInOnePass):
        reason = "its attention is of another kind"
    except Exception as error:  # whatever it is, the model's own way works
        if is_out_of_memory(error):
            raise  # which says nothing of the model
        logger.exception("%s is read by itself", model.source.name)
        return None
    logger.info("%s is read by itself: %s", model.source.name, reason)
    return None


def _misfit(model: LoadedModel) -> str | None:
    """Return what speaks against it before anything is tried."""
    config = model.module.config
    layout = layout_of(model)
    if layout.tapped or not layout.in_pieces:
        return "its cache is more than keys and values, or its attention its own"
    if config._attn_implementation not in ("sdpa", TILED):  # noqa: SLF001 - transformers has no other way to ask
        return "its attention function is its own"
    if types := set(_rope_types(config)) & set(BY_LENGTH):
        return f"its positions are {types.pop()}, and depend on the length of the text"
    if others := set(getattr(config.get_text_config(), "layer_types", None) or ()) - WINDOWS:
        return f"it has layers of {others.pop()}"
    return None


def _rope_types(config: Any) -> Iterator[str]:
    """Yield the kinds of rotary positions, one for the model or one for each kind of layer."""
    text_config = config.get_text_config()
    waiting = [getattr(text_config, name, None) for name in ("rope_parameters", "rope_scaling")]
    while waiting:
        match waiting.pop():
            case Mapping() as parameters:
                kind = parameters.get("rope_type", parameters.get("type"))
                if isinstance(kind, str):
                    yield kind
                waiting += parameters.values()


def _shape(model: LoadedModel) -> CacheShape:
    """Return what the model itself keeps of a token."""
    cache = forward(model, torch.tensor([_text(model, 2)], device=model.device), cache={}).past_key_values
    assert isinstance(cache, DynamicCache)  # noqa: S101 - its layout says so
    layers = tuple((each.keys.shape[1], each.keys.shape[3], each.values.shape[3]) for each in cache.layers)
    return CacheShape(layers, cache.layers[0].keys.dtype, cache.layers[0].keys.device)


def _text(model: LoadedModel, length: int, first: int = 1) -> list[int]:
    vocabulary = model.module.get_input_embeddings().num_embeddings
    return [(first + 3 * i) % vocabulary for i in range(length)]


def _tried(model: LoadedModel, shape: CacheShape) -> str | None:
    """Return what went wrong with texts that were read in one pass and went on in another; None if nothing did."""
    longest = min(max(LENGTHS), (model.context_length or max(LENGTHS)) - 1)
    texts = [_text(model, min(length, longest), first) for first, length in enumerate(LENGTHS, 1)]
    slots = Slots(shape, model.context_length)
    caches = [SequenceCache(shape, len(text)) for text in texts]
    passes.read(model, [Piece(texts[-1][: len(texts[-1]) // 2], caches[-1])])
    rest = [Piece(text[len(cache) :], cache) for text, cache in zip(texts, caches, strict=True)]
    logits, seen = passes.read(model, rest)
    if seen.windows != _windows(model, len(shape.layers)):
        return "what its layers see is not what its config says"
    own = [Sequence(model) for _ in texts]
    if not _all_agree(logits, [each.read(text) for each, text in zip(own, texts, strict=True)], model):
        return "texts that are read together are not read as each alone"
    following = _text(model, len(texts), first=2)
    for cache in caches:
        slots.add(cache, len(cache) + 1)
    logits = passes.step(model, slots, following)
    if not _all_agree(logits, [each.read([i]) for each, i in zip(own, following, strict=True)], model):
        return "texts that go on together do not go on as each alone"
    return None


def _windows(model: LoadedModel, n_layers: int) -> dict[int, int | None]:
    """Return how many keys a query of each layer sees, as the masks are made that transformers would make."""
    config = model.module.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    types = getattr(config, "layer_types", None)
    if types:
        return {layer: window if types[layer] == "sliding_attention" else None for layer in range(n_layers)}
    return dict.fromkeys(range(n_layers), window)


def _all_agree(logits: torch.Tensor, own: list[torch.Tensor], model: LoadedModel) -> bool:
    return all(agree(mine, theirs, model.dtype) for mine, theirs in zip(logits, own, strict=True))
