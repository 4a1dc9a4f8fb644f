"""What the config of a model says before its weights are read: which kind it is, and how large.

The kind decides what can be asked of it. Only a causal model goes on from a prompt; the attention of all four can be
seen. What transformers would load as a causal language model although it is none is told apart here, by the class that
the model was saved from and, where the config names none, by what transformers has for its type.
"""

from __future__ import annotations

from typing import Any, Literal

import transformers
from transformers.models.auto import modeling_auto

from gpt_notebook.errors import ModelUnsupported
from gpt_notebook.model_kernel.weights import Source

Kind = Literal["causal", "masked", "encoder", "encoder-decoder"]
"""`causal` goes on from a prompt, `masked` fills gaps, `encoder` has no head that knows words, and `encoder-decoder`
reads one text and writes another."""
Kinds = frozenset[Kind]

GENERATING: Kinds = frozenset({"causal"})
"""What can be asked for text, its scores or the next token."""
EVERY_KIND: Kinds = frozenset({"causal", "masked", "encoder", "encoder-decoder"})
"""What can be loaded at all."""

ANY_ORDER = ("xlnet", "xlm", "flaubert")
"""Families whose `generate` puts a dummy token where the next one belongs."""

DISCRIMINATORS = ("electra", "funnel")
"""Families that were trained to find replaced words: what they call ForPreTraining fills no gaps."""

TEXT_TO_TEXT = ("ForConditionalGeneration", "MTModel")
"""How the classes of encoder-decoders end that are one model from text to text, and not put together of several."""

NO_TEXT = "reads no text, or not text alone: choose a language model"
PUT_TOGETHER = "is put together of several models: choose a language model that is one"
"""Why a model of no kind is refused, whatever it is wanted for."""

LAYER_NAMES = ("num_hidden_layers", "encoder_layers", "decoder_layers", "num_encoder_layers", "num_decoder_layers")
HEAD_NAMES = (
    "num_attention_heads",
    "encoder_attention_heads",
    "decoder_attention_heads",
    "num_encoder_attention_heads",
    "num_decoder_attention_heads",
)


def read(source: Source) -> Any:
    """Return the config without what would have other files read than those that were checked.

    Raises:
        ModelUnsupported: it names an architecture that is no name.
    """
    config = transformers.AutoConfig.from_pretrained(source.directory, local_files_only=True, trust_remote_code=False)
    config._attn_implementation = None  # noqa: SLF001 - it may name a kernel of the hub; None is transformers' choice
    config.transformers_weights = None
    for name in _saved_from(config):
        if not isinstance(name, str):
            message = f"the config of {source.name} names an architecture that is no name but {type(name).__name__} {name!r:.40}: check its config.json"
            raise ModelUnsupported(message)
    return config


def kind_of(source: Source, config: Any) -> Kind:
    """Return what kind of model a config describes.

    Raises:
        ModelUnsupported: it is none that reads text.
    """
    family, saved_from = config.model_type, _saved_from(config)
    if family in ANY_ORDER:
        message = f"{source.name} ({family}) does not read from left to right, so it cannot go on from a prompt here"
        raise ModelUnsupported(message)
    causal = modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(family)
    writes = modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES.get(family)
    fills = modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES.get(family)
    encodes = modeling_auto.MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES.get(family)
    if fills is None and _is_named_masked(saved_from):
        raise refusal(source.name, "masked", config)
    kind: Kind | None = None
    if causal is not None and causal in saved_from:
        kind = "causal"
    elif writes is not None and config.is_encoder_decoder and writes.endswith(TEXT_TO_TEXT):
        kind = "encoder" if _is_half_of(encodes, saved_from) else "encoder-decoder"
    elif fills is not None and _fills_gaps(config):
        kind = "masked"
    elif causal is not None and (fills is None or getattr(config, "is_decoder", False)):
        kind = "causal"
    elif fills is not None or encodes is not None:
        kind = "encoder"
    if kind is None:
        message = f"{source.name} ({family}) {PUT_TOGETHER if writes is not None else NO_TEXT}"
        raise ModelUnsupported(message)
    return kind


def _saved_from(config: Any) -> list[str]:
    """Return the names of the classes that the model was saved from, usually one."""
    return list(config.architectures or [])


def _is_half_of(encodes: str | None, saved_from: list[str]) -> bool:
    """Return whether an encoder-decoder was saved without its decoder."""
    return encodes is not None and encodes in saved_from


def _fills_gaps(config: Any) -> bool:
    """Return whether a model of a family with masked language models is one."""
    saved_from = _saved_from(config)
    if not saved_from:
        return not getattr(config, "is_decoder", False)
    if config.model_type not in DISCRIMINATORS and any(name.endswith("ForPreTraining") for name in saved_from):
        return True
    return _is_named_masked(saved_from)


def _is_named_masked(saved_from: list[str]) -> bool:
    return any(name.endswith("ForMaskedLM") for name in saved_from)


def refuse(name: str, kind: Kind, config: Any, kinds: Kinds) -> None:
    """Refuse a model whose kind is none of those that can do what was asked.

    Raises:
        ModelUnsupported: says what it is instead.
    """
    if kind not in kinds:
        raise refusal(name, kind, config)


def refusal(name: str, kind: Kind, config: Any) -> ModelUnsupported:
    """Return the error for a model that cannot go on from a prompt."""
    if kind == "masked":
        saved_from = [*_saved_from(config), config.model_type]
        message = (
            f"{name} is a masked language model ({saved_from[0]!s:.80}): it fills gaps and cannot go on from a prompt"
        )
    else:
        message = f"{name} is no causal language model: choose one that goes on from a prompt"
    return ModelUnsupported(message)


def class_for(kind: Kind, config: Any) -> Any:
    """Return the one of transformers' auto classes that makes a model of this kind."""
    if kind == "causal":
        return transformers.AutoModelForCausalLM
    if kind == "masked":
        return transformers.AutoModelForMaskedLM
    if kind == "encoder-decoder":
        return transformers.AutoModelForSeq2SeqLM
    encodes = modeling_auto.MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES.get(config.model_type)
    return transformers.AutoModel if encodes is None else transformers.AutoModelForTextEncoding


def number_of_layers(config: Any) -> int:
    """Return how many layers a model has; of an encoder-decoder, the half that has more."""
    return _most(config, LAYER_NAMES)


def number_of_heads(config: Any) -> int:
    """Return how many heads a layer has, in the layer that has most."""
    return _most(config, HEAD_NAMES)


def _most(config: Any, names: tuple[str, ...]) -> int:
    """Return the largest number under these names, the first of which says it all unless there are two halves."""
    text_config = config.get_text_config()
    counts = [getattr(text_config, name, None) or 0 for name in (names if config.is_encoder_decoder else names[:1])]
    return max(max(count) if isinstance(count, list | tuple) else int(count) for count in counts)
