"""From checked files to a model that can run: transformers' own loading, and what the engine has to know of the result."""

from __future__ import annotations

import copy
import inspect
import itertools
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers

from gpt_notebook.errors import GptNotebookError, ModelDamaged, ModelNotFound, ModelUnsupported, OutOfMemory
from gpt_notebook.model_kernel.template_process import TemplateProcess
from gpt_notebook.model_kernel.text import Vocabulary
from gpt_notebook.model_kernel.weights import Source
from gpt_notebook.protocol import ModelInfo
from gpt_notebook.settings import MIB

logger = logging.getLogger(__name__)

SMALL = 30_000_000
"""Below this many parameters a second thread costs more than it brings."""

ANY_ORDER = ("xlnet", "xlm", "flaubert")
"""Families whose `generate` puts a dummy token where the next one belongs."""

UNSTORED = 64 * MIB
"""The bytes that a model may take besides its weights, such as masks."""

CONTEXT_NAMES = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", "seq_length")


@dataclass(eq=False)
class LoadedModel:
    """Weights in memory, their tokenizer, and who uses them."""

    source: Source
    fingerprint: str
    module: Any
    tokenizer: Any
    vocabulary: Vocabulary
    device: torch.device
    dtype: torch.dtype
    parameters: int
    bytes: int
    context_length: int
    """The most tokens that prompt and completion may have together; 0: no limit is known."""
    end_ids: frozenset[int]
    """The tokens that end a completion."""
    keeps_logits: bool
    """Whether `forward` can be told to compute the last position's logits only."""
    templates: TemplateProcess
    """Renders its chat template."""
    in_use: int = 0
    last_used: float = field(default_factory=time.monotonic)

    @property
    def is_small(self) -> bool:
        """Whether one thread runs it fastest."""
        return self.parameters < SMALL

    @contextmanager
    def used(self) -> Iterator[None]:
        """Keep the model from being evicted."""
        self.in_use += 1
        try:
            yield
        finally:
            self.in_use -= 1
            self.last_used = time.monotonic()

    def info(self) -> ModelInfo:
        """Return what people want to know of it."""
        config = self.module.config.get_text_config()
        return ModelInfo(
            name=self.source.name,
            source=str(self.source.directory) if self.source.commit is None else self.source.name,
            loaded=True,
            fingerprint=self.fingerprint,
            architecture=type(self.module).__name__,
            dtype=str(self.dtype).removeprefix("torch."),
            device=str(self.device),
            parameters=self.parameters,
            bytes=self.bytes,
            context_length=self.context_length,
            n_layers=int(getattr(config, "num_hidden_layers", 0) or 0),
            n_heads=_number_of_heads(config),
            vocabulary=len(self.tokenizer),
            chat_template=bool(getattr(self.tokenizer, "chat_template", None)),
            in_use=self.in_use,
            idle_seconds=0.0 if self.in_use else time.monotonic() - self.last_used,
        )


def _number_of_heads(config: Any) -> int:
    heads = getattr(config, "num_attention_heads", 0) or 0
    return max(heads) if isinstance(heads, list | tuple) else int(heads)


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


def load(source: Source, dtype: torch.dtype | str, device: torch.device, templates: TemplateProcess) -> LoadedModel:
    """Return the model of files that have been checked.

    Raises:
        ModelUnsupported: transformers doesn't know it, or it doesn't continue text.
        ModelDamaged: weights are missing or have the wrong shape.
        ModelNotFound: the tokenizer is missing.
        OutOfMemory: the machine says so.
    """
    try:
        return _load(source, dtype, device, templates)
    except Exception as error:  # noqa: BLE001 - a config can make transformers fail in any way
        failure = _in_one_line(source, device, error)
    # Raised out here, it has neither context nor the old traceback, whose frames would hold the weights.
    raise failure


def _in_one_line(source: Source, device: torch.device, error: Exception) -> GptNotebookError:
    match error:
        case GptNotebookError():
            return type(error)(error.message, param=error.param)
        case torch.OutOfMemoryError() | MemoryError():
            return OutOfMemory(
                f"no room on {device} for {source.name}: unload another model (%gpt unload) or choose a smaller one"
            )
        case ValueError() if "AutoModel" in str(error):
            return ModelUnsupported(f"{source.name} is no causal language model: choose one that goes on from a prompt")
        case ValueError():
            return ModelUnsupported(f"{source.name} cannot be used for generation: {_first_line(error)}")
        case RuntimeError() | OSError():
            # transformers' own words advise its programmers.
            reason = "other shapes" if "ignore_mismatched_sizes" in str(error) else _first_line(error)
            return ModelDamaged(f"the weights of {source.name} do not fit its config ({reason}): get the model again")
    logger.warning("%s cannot be loaded", source.name, exc_info=error)
    return ModelUnsupported(
        f"{source.name} cannot be loaded ({type(error).__name__}: {_first_line(error)}): check its config.json"
    )


def _load(source: Source, dtype: torch.dtype | str, device: torch.device, templates: TemplateProcess) -> LoadedModel:
    fingerprint = source.fingerprint()
    config = _config(source)
    _check_proportion(source, config)
    module, found = transformers.AutoModelForCausalLM.from_pretrained(
        source.directory,
        config=config,
        dtype=dtype,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
    )
    if found["missing_keys"]:
        first = min(found["missing_keys"])
        message = (
            f"{source.name} lacks {len(found['missing_keys'])} of its weights, among them {first}: get the model again"
        )
        raise ModelDamaged(message)
    module = module.to(device).eval().requires_grad_(requires_grad=False)
    _refuse_others(source, module)
    tokenizer = _tokenizer(source)
    if getattr(tokenizer, "chat_template", None):
        templates.start()
    tensors = {t.data_ptr(): t for t in itertools.chain(module.parameters(), module.buffers())}.values()
    loaded_dtype: torch.dtype = module.dtype
    return LoadedModel(
        source=source,
        fingerprint=f"{fingerprint}-{str(loaded_dtype).removeprefix('torch.')}",
        module=module,
        tokenizer=tokenizer,
        vocabulary=Vocabulary(tokenizer),
        device=device,
        dtype=loaded_dtype,
        parameters=module.num_parameters(),
        bytes=sum(t.numel() * t.element_size() for t in tensors),
        context_length=_context_length(module.config),
        end_ids=_end_ids(module, tokenizer),
        keeps_logits="logits_to_keep" in inspect.signature(module.forward).parameters,
        templates=templates,
    )


def _config(source: Source) -> Any:
    """Return the config without what would have other files read than those that were checked."""
    config = transformers.AutoConfig.from_pretrained(source.directory, local_files_only=True, trust_remote_code=False)
    config._attn_implementation = None  # noqa: SLF001 - it may name a kernel of the hub; None is transformers' choice
    config.transformers_weights = None
    return config


def _check_proportion(source: Source, config: Any) -> None:
    """Refuse a config that asks for far more than the files hold, before it takes the memory."""
    with torch.device("meta"):
        shapes = transformers.AutoModelForCausalLM.from_config(copy.deepcopy(config), dtype=torch.float32)
    asked = sum(t.numel() * t.element_size() for t in itertools.chain(shapes.parameters(), shapes.buffers()))
    held = source.stored.elements * torch.float32.itemsize
    if asked > 2 * held + UNSTORED:
        message = f"{source.name} is damaged: its config asks for {asked / MIB:,.0f} MiB of weights and its files hold {held / MIB:,.0f} MiB"
        raise ModelDamaged(message)


def _refuse_others(source: Source, module: Any) -> None:
    """Refuse what transformers loads as a causal language model although it is none."""
    architectures = getattr(module.config, "architectures", None) or []
    if any(name.endswith("ForMaskedLM") for name in architectures):
        message = f"{source.name} is a masked language model ({architectures[0]!s:.80}): it fills gaps and cannot go on from a prompt"
        raise ModelUnsupported(message)
    if module.config.model_type in ANY_ORDER:
        message = f"{source.name} ({module.config.model_type}) does not read from left to right, so it cannot go on from a prompt here"
        raise ModelUnsupported(message)


def _tokenizer(source: Source) -> Any:
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            source.directory, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:
        message = f"{source.name} has no tokenizer that can be read ({_first_line(error)}): save one beside it"
        raise ModelNotFound(message) from error
    # Without its files, transformers makes some families a tokenizer that knows nothing but special tokens.
    if len(tokenizer.get_vocab()) <= len(tokenizer.get_added_vocab()):
        message = f"{source.name} has no tokenizer: save one in {source.directory}"
        raise ModelNotFound(message)
    return tokenizer


def _context_length(config: Any) -> int:
    text_config = config.get_text_config()
    lengths = (getattr(text_config, name, None) for name in CONTEXT_NAMES)
    return next((length for length in lengths if isinstance(length, int) and length > 0), 0)


def _end_ids(module: Any, tokenizer: Any) -> frozenset[int]:
    """Return what transformers' `generate` stops at, and the tokenizer's own end token."""
    ids = getattr(module.generation_config, "eos_token_id", None)
    listed = ids if isinstance(ids, list) else [ids]
    return frozenset(i for i in [*listed, tokenizer.eos_token_id] if i is not None)


def _first_line(error: Exception) -> str:
    """Return what an error says in one printable line: the first, and what it introduces."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    line = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    return "".join(character for character in line if character.isprintable())[:300]
