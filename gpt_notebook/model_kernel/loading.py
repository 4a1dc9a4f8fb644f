"""From checked files to a model that can run: transformers' own loading, and what is judged on the way."""

from __future__ import annotations

import copy
import inspect
import itertools
from typing import Any

import torch
import transformers

from gpt_notebook.byte_sizes import size
from gpt_notebook.errors import ModelDamaged, ModelNotFound, ModelUnsupported
from gpt_notebook.model_kernel import linear, model_config
from gpt_notebook.model_kernel.attention import choice, watching
from gpt_notebook.model_kernel.load_errors import first_line, in_one_line
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.model_kernel.model_config import Kind
from gpt_notebook.model_kernel.native import library
from gpt_notebook.model_kernel.text import Vocabulary
from gpt_notebook.model_kernel.weights import Source
from gpt_notebook.settings import MIB
from gpt_notebook.template_process import TemplateProcess
from gpt_notebook.training.planning import config_sizes

UNSTORED = 64 * MIB
"""The bytes that a model may take besides its weights, such as masks."""


def dtype_for(config: dict[str, Any], asked: str | None, device: torch.device) -> torch.dtype | str:
    """Return the dtype to load in, or "auto" for the stored one.

    float16 is the exception: a CPU computes it several times slower than float32, so there it becomes float32.
    """
    if asked is not None:
        return getattr(torch, asked)  # type: ignore[no-any-return]
    stored = config.get("dtype") or config.get("torch_dtype")
    return torch.float32 if stored == "float16" and device.type == "cpu" else "auto"


def memory_needed(source: Source, config: dict[str, Any], dtype: torch.dtype | str) -> int:
    """Return about how many bytes the weights will take.

    Raises:
        ModelUnsupported: the config names a dtype that is none.
    """
    named = str(config.get("dtype") or config.get("torch_dtype") or "float32")
    wanted = getattr(torch, named.removeprefix("torch."), None) if isinstance(dtype, str) else dtype
    if not isinstance(wanted, torch.dtype):
        message = (
            f"the config of {source.name} names the dtype {named!r:.40}, which is none: give a dtype such as float32"
        )
        raise ModelUnsupported(message)
    return source.stored.elements * wanted.itemsize


def describe(source: Source, device: torch.device) -> tuple[Kind, Any]:
    """Return a model's kind and its config, without a look at its weights.

    Raises:
        ModelUnsupported: transformers doesn't know it, or it doesn't read text.
    """

    def work() -> tuple[Kind, Any]:
        config = model_config.read(source)
        return model_config.kind_of(source, config), config

    return in_one_line(source, device, work)


def load(source: Source, dtype: torch.dtype | str, device: torch.device, templates: TemplateProcess) -> LoadedModel:
    """Return the model of files that have been checked, whatever its kind.

    Raises:
        ModelUnsupported: transformers doesn't know it, or it doesn't read text.
        ModelDamaged: weights are missing or have the wrong shape.
        ModelNotFound: the tokenizer is missing.
        OutOfMemory: the machine says so.
    """
    return in_one_line(source, device, lambda: _load(source, dtype, device, templates))


def _load(source: Source, dtype: torch.dtype | str, device: torch.device, templates: TemplateProcess) -> LoadedModel:
    fingerprint = source.fingerprint()
    config = model_config.read(source)
    kind = model_config.kind_of(source, config)
    auto_class = model_config.class_for(kind, config)
    _check_proportion(source, config, auto_class)
    watching.install()
    module, found = auto_class.from_pretrained(
        source.directory,
        config=config,
        dtype=dtype,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
    )
    # What comes after the last layer of an encoder is often not saved, and nobody asks for it.
    missing = [name for name in found["missing_keys"] if not (kind == "encoder" and name.startswith("pooler."))]
    if missing:
        message = f"{source.name} lacks {len(missing)} of its weights, among them {min(missing)}: get the model again"
        raise ModelDamaged(message)
    module = module.to(device).eval().requires_grad_(requires_grad=False)
    if kind == "causal":
        choice.choose(module)
        linear.install(module)
        library.library()  # from its first step on
    tokenizer = _tokenizer(source)
    if getattr(tokenizer, "chat_template", None):
        templates.start()
    tensors = {t.data_ptr(): t for t in itertools.chain(module.parameters(), module.buffers())}.values()
    loaded_dtype: torch.dtype = module.dtype
    return LoadedModel(
        source=source,
        fingerprint=f"{fingerprint}-{str(loaded_dtype).removeprefix('torch.')}",
        kind=kind,
        module=module,
        tokenizer=tokenizer,
        vocabulary=Vocabulary(tokenizer),
        device=device,
        dtype=loaded_dtype,
        parameters=module.num_parameters(),
        bytes=sum(t.numel() * t.element_size() for t in tensors),
        context_length=_context_length(module),
        end_ids=_end_ids(module, tokenizer),
        keeps_logits="logits_to_keep" in inspect.signature(module.forward).parameters,
        templates=templates,
    )


def _check_proportion(source: Source, config: Any, auto_class: Any) -> None:
    """Refuse a config that asks for far more than the files hold, before it takes the memory."""
    with torch.device("meta"):
        shapes = auto_class.from_config(copy.deepcopy(config), dtype=torch.float32)
    asked = sum(t.numel() * t.element_size() for t in itertools.chain(shapes.parameters(), shapes.buffers()))
    held = source.stored.elements * torch.float32.itemsize
    if asked > 2 * held + UNSTORED:
        message = (
            f"{source.name} is damaged: its config asks for {size(asked)} of weights and its files hold {size(held)}"
        )
        raise ModelDamaged(message)


def _tokenizer(source: Source) -> Any:
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            source.directory, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:
        message = f"{source.name} has no tokenizer that can be read ({first_line(error)}): save one beside it"
        raise ModelNotFound(message) from error
    # Without its files, transformers makes some families a tokenizer that knows nothing but special tokens.
    if len(tokenizer.get_vocab()) <= len(tokenizer.get_added_vocab()):
        message = f"{source.name} has no tokenizer: save one in {source.directory}"
        raise ModelNotFound(message)
    return tokenizer


def _context_length(module: Any) -> int:
    """Return how many tokens a model reads; 0: no limit is known."""
    length = config_sizes.context_length(module.config)
    for name, part in module.named_modules():
        # RoBERTa's kind counts positions from the one after the padding's.
        if name.endswith("position_embeddings") and getattr(part, "padding_idx", None) is not None:
            length = min(length, part.num_embeddings - part.padding_idx - 1)
    return length


def _end_ids(module: Any, tokenizer: Any) -> frozenset[int]:
    """Return what transformers' `generate` stops at, and the tokenizer's own end token."""
    ids = getattr(getattr(module, "generation_config", None), "eos_token_id", None)
    listed = ids if isinstance(ids, list) else [ids]
    return frozenset(i for i in [*listed, tokenizer.eos_token_id] if i is not None)
