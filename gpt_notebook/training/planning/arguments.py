"""The arguments of transformers.Trainer: those that a job needs for itself, and those that the user gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import torch
import transformers

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.job_protocol import JobOptions
from gpt_notebook.suggestions import unknown_name
from gpt_notebook.training.planning import argument_values

OPTION_INSTEAD = {
    "per_device_train_batch_size": "micro_batch_size",
    "gradient_accumulation_steps": "batch_size and micro_batch_size",
    "num_train_epochs": "epochs",
    "max_steps": "max_steps",
    "learning_rate": "learning_rate",
    "lr_scheduler_type": "schedule",
    "warmup_steps": "warmup_steps",
    "seed": "seed",
    "bf16": "dtype",
    "fp16": "dtype",
    "gradient_checkpointing": "gradient_checkpointing",
    "activation_checkpointing": "gradient_checkpointing",
    "save_strategy": "save_every",
    "save_steps": "save_every",
    "save_total_limit": "keep_last",
    "eval_strategy": "validate_every",
    "eval_steps": "validate_every",
    "load_best_model_at_end": "keep_best",
}
"""Arguments that are an option of the job."""

OURS = frozenset(
    {
        *("output_dir", "logging_strategy", "logging_steps", "logging_first_step", "logging_nan_inf_filter"),
        *("report_to", "run_name", "disable_tqdm", "log_level", "log_level_replica", "log_on_each_node", "project"),
        *("eval_delay", "eval_on_start", "prediction_loss_only", "batch_eval_metrics", "metric_for_best_model"),
        *("save_only_model", "save_on_each_node", "enable_jit_checkpoint", "ignore_data_skip", "remove_unused_columns"),
        *("resume_from_checkpoint", "restore_callback_states_from_checkpoint", "auto_find_batch_size", "data_seed"),
        *("train_sampling_strategy", "length_column_name", "label_names", "lr_scheduler_kwargs", "greater_is_better"),
        *("average_tokens_across_devices", "accelerator_config", "parallelism_config", "deepspeed", "fsdp"),
        *("fsdp_config", "use_cpu", "local_rank", "ddp_backend", "use_cache", "do_train", "do_eval", "do_predict"),
        *("gradient_checkpointing_kwargs", "activation_checkpointing_kwargs", "push_to_hub", "hub_token"),
        *("hub_model_id", "hub_strategy", "hub_always_push", "hub_private_repo", "hub_revision"),
        *("trackio_space_id", "trackio_bucket_id", "trackio_static_space_id", "dataloader_drop_last"),
        *("dataloader_num_workers", "dataloader_prefetch_factor", "dataloader_persistent_workers"),
        *("dataloader_multiprocessing_context", "dataloader_in_order", "dataloader_pin_memory"),
        *("per_device_eval_batch_size", "eval_accumulation_steps", "eval_do_concat_batches", "eval_use_gather_object"),
        *("bf16_full_eval", "fp16_full_eval", "include_for_metrics", "include_num_input_tokens_seen"),
    }
)
"""Arguments on which it rests that a job survives, resumes exactly and tells nobody else."""


def check(given: Mapping[str, Any]) -> None:
    """Refuse arguments that there are none of, those that a job needs for itself, and values that they can't have.

    Raises:
        InvalidRequest: names the argument, and what to use in its place.
    """
    if not given:
        return
    known = [each.name for each in fields(transformers.TrainingArguments) if each.init]
    for name, value in given.items():
        if name in OPTION_INSTEAD:
            text = f"training_arguments cannot set {name}: it is an option of the job, {OPTION_INSTEAD[name]}"
            raise InvalidRequest(text, param="training_arguments")
        if name in OURS:
            text = f"training_arguments cannot set {name}: the job needs it for itself; leave it out"
            raise InvalidRequest(text, param="training_arguments")
        if name not in known:
            free = [each for each in known if each not in OURS and each not in OPTION_INSTEAD]
            raise InvalidRequest(unknown_name("training argument", name, free), param="training_arguments")
        argument_values.check(name, value)


def make(
    options: JobOptions,
    *,
    output_dir: str,
    micro_batch_size: int,
    accumulation: int,
    learning_rate: float,
    max_steps: int,
    device: torch.device,
    float16: bool,
) -> transformers.TrainingArguments:
    """Return the arguments of a training.

    Args:
        options: What was asked for.
        output_dir: Where the job is.
        micro_batch_size: Samples that are computed together.
        accumulation: How many times that makes a step.
        learning_rate: The highest.
        max_steps: Optimizer steps.
        device: Where it runs.
        float16: Whether the products are in float16, which needs the losses scaled.

    Raises:
        InvalidRequest: an argument of the user's that transformers doesn't take.
    """
    check(options.training_arguments)
    try:
        return transformers.TrainingArguments(
            output_dir=output_dir,
            per_device_train_batch_size=micro_batch_size,
            gradient_accumulation_steps=accumulation,
            learning_rate=learning_rate,
            max_steps=max_steps,
            seed=options.seed,
            fp16=float16,
            use_cpu=device.type == "cpu",
            logging_strategy="no",
            logging_nan_inf_filter=False,
            eval_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            log_level="error",
            remove_unused_columns=False,
            average_tokens_across_devices=False,
            **options.training_arguments,
        )
    except (TypeError, ValueError, ImportError) as error:
        line = " ".join(str(error).split())[:300]
        text = f"training_arguments {', '.join(options.training_arguments)} cannot be used: {line}"
        raise InvalidRequest(text, param="training_arguments") from None
