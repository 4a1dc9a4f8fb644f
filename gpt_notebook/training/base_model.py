"""The model that a job trains: its own copy of the base, ready for an adapter or for a change of all its weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
from transformers.models.auto import modeling_auto
from transformers.pytorch_utils import Conv1D

from gpt_notebook import adapter_files, adapter_places
from gpt_notebook.errors import ModelChanged, ModelDamaged, ModelUnsupported
from gpt_notebook.job_files.directory import JobSpec
from gpt_notebook.job_protocol import JobOptions, LoraOptions
from gpt_notebook.training import onednn
from gpt_notebook.training.planning import lora_layers


def read_config(spec: JobSpec) -> Any:
    """Return the config of the base.

    Raises:
        ModelUnsupported: it can't be trained; says why.
    """
    config = transformers.AutoConfig.from_pretrained(spec.source, local_files_only=True, trust_remote_code=False)
    name, family = spec.request.model, config.model_type
    causal = modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(family)
    masked = modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES.get(family)
    saved_from = list(config.architectures or [])
    if getattr(config, "quantization_config", None) is not None:
        text = f"{name} is quantized, and quantized weights cannot be trained: choose it in full precision"
        raise ModelUnsupported(text)
    if config.is_encoder_decoder:
        text = f"{name} ({family}) is an encoder-decoder and cannot be trained here: choose a causal language model"
        raise ModelUnsupported(text)
    encodes = masked is not None and causal not in saved_from and not getattr(config, "is_decoder", False)
    if causal is None or encodes:
        text = f"{name} ({family}) does not go on from a prompt, so it cannot be trained here: choose a causal language model"
        raise ModelUnsupported(text)
    return config


def load_tokenizer(spec: JobSpec) -> Any:
    """Return the tokenizer of the base."""
    return transformers.AutoTokenizer.from_pretrained(spec.source, local_files_only=True, trust_remote_code=False)


def load_model(spec: JobSpec, *, dtype: torch.dtype, device: torch.device, checkpoint: Path | None = None) -> Any:
    """Return the model, in training mode, with gradients only for what is to change.

    Args:
        spec: What the job is.
        dtype: Of the products. The weights that change are in float32 all the same.
        device: Where it runs.
        checkpoint: What it goes on from; its adapter is the one to train.

    Raises:
        ModelDamaged: weights are missing.
        ModelUnsupported: there is nothing in it that an adapter could be added to.
        ModelChanged: the adapter that it should go on from is another one now.
        InvalidRequest: a target that is no layer of it.
    """
    options = spec.request.options
    stored_in = dtype if options.method == "lora" else torch.float32
    model, loading = transformers.AutoModelForCausalLM.from_pretrained(
        spec.source,
        dtype=stored_in,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
    )
    if missing := loading["missing_keys"]:
        text = f"{spec.request.model} lacks {len(missing)} of its weights, among them {min(missing)}: get it again"
        raise ModelDamaged(text)
    model.to(device)
    # The same first weights whatever happened before.
    transformers.set_seed(options.seed)
    if options.gradient_checkpointing:
        _compute_again(model)
    if options.method == "full":
        model = _with_adapter_added(model, spec)
        model.requires_grad_(requires_grad=True)
    else:
        model = _with_adapter(model, spec, checkpoint)
    if onednn.can_be_faster(device):
        onednn.install(model)
    return model.train()


def _compute_again(model: Any) -> None:
    """Have activations computed again for the gradients instead of being kept."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


def _with_adapter_added(model: Any, spec: JobSpec) -> Any:
    """Return a model whose weights have the adapter in them that the job goes on from, if it does."""
    if spec.adapter is None:
        return model
    with _without_advice():
        return peft.PeftModel.from_pretrained(model, _checked_adapter(spec)).merge_and_unload()


def _with_adapter(model: Any, spec: JobSpec, checkpoint: Path | None) -> Any:
    place = checkpoint
    if place is None and spec.adapter is not None:
        place = _checked_adapter(spec)
    with _without_advice():
        if place is not None:
            adapted = peft.PeftModel.from_pretrained(model, place, is_trainable=True)
        else:
            adapted = peft.get_peft_model(model, _lora_config(model, spec.request.options.lora, spec.request.model))
    base, _ = adapter_places.split(spec.request.model)
    repository, _, revision = base.partition("@")
    for config in adapted.peft_config.values():
        # Others know the base by this name, not by where its files are on this machine.
        config.base_model_name_or_path, config.revision = repository, revision or None
    return adapted


def _checked_adapter(spec: JobSpec) -> Path:
    place = Path(spec.adapter or "")
    if spec.adapter_digest is not None and adapter_files.read(place).digest != spec.adapter_digest:
        text = f"the adapter that this job goes on from, {place}, has been saved again since: start a new job"
        raise ModelChanged(text)
    return place


def _lora_config(model: Any, lora: LoraOptions, name: str) -> peft.LoraConfig:
    linear = lora_layers.linear_layers(model)
    if not linear:
        text = f"{name} has no linear layers that an adapter could be added to: train it whole, with the method full"
        raise ModelUnsupported(text)
    lora_layers.check_targets(linear, lora.targets)
    return peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha if lora.alpha is not None else 2 * lora.rank,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets) if lora.targets else "all-linear",
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in linear.values()),
        task_type="CAUSAL_LM",
    )


def parameters(model: Any) -> tuple[int, int]:
    """Return how many parameters change, and how many there are in all."""
    counts = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(count for count, changes in counts if changes), sum(count for count, _ in counts)


def save_weights(model: Any, tokenizer: Any, options: JobOptions, directory: Path) -> None:
    """Write what lasts: the adapter, or the model with its tokenizer."""
    with _without_advice():
        if options.method == "lora":
            # peft would ask the hub whether the vocabulary has grown.
            model.save_pretrained(directory, save_embedding_layers=False)
        else:
            model.save_pretrained(directory)
            tokenizer.save_pretrained(directory)


@contextmanager
def _without_advice() -> Iterator[None]:
    """Keep what peft has to say to programmers out of the job's log."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
