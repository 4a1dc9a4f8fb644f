"""The keyword options of a fine-tuning, made into the protocol's, or refused if they make no sense."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypedDict, get_args

from gpt_notebook import arguments
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.job_protocol import COLUMNS, JobOptions, LoraOptions, Method, Schedule, TooLong
from gpt_notebook.protocol import Dtype, check_range
from gpt_notebook.suggestions import unknown_name

ELSEWHERE = {
    "lr": "learning_rate", "num_train_epochs": "epochs", "num_epochs": "epochs", "n_epochs": "epochs", "steps": "max_steps",
    "per_device_train_batch_size": "micro_batch_size", "train_batch_size": "batch_size", "lr_scheduler_type": "schedule",
    "max_seq_length": "max_length", "max_seq_len": "max_length", "eval_steps": "validate_every", "eval_every": "validate_every",
    "save_steps": "save_every", "warmup": "warmup_steps", "validation_split": "validation", "eval_dataset": "validation",
    "patience": "early_stopping", "r": "rank", "lora_alpha": "alpha", "lora_dropout": "dropout", "target_modules": "targets",
    "output_dir": "name", "prompts": "probes",
}  # fmt: skip
"""What other libraries call our options."""

CHOICES: dict[str, tuple[str, ...]] = {
    "method": get_args(Method),
    "too_long": get_args(TooLong),
    "schedule": get_args(Schedule),
    "dtype": get_args(Dtype),
}


class Options(TypedDict, total=False):
    """The keyword options of a fine-tuning; `JobOptions` tells what each means."""

    method: Method
    epochs: float | None
    max_steps: int | None
    learning_rate: float | None
    schedule: Schedule
    warmup_steps: int | None
    batch_size: int | None
    micro_batch_size: int | None
    max_length: int | None
    too_long: TooLong
    chat: bool | None
    packing: bool | None
    lora: Mapping[str, Any] | None
    dtype: Dtype | None
    gradient_checkpointing: bool
    seed: int
    validate_every: int | None
    early_stopping: int | None
    save_every: int | None
    keep_last: int
    keep_best: int
    probes: str | Sequence[str]
    probe_every: int | None
    probe_tokens: int
    training_arguments: Mapping[str, Any] | None


def job_options(given: Mapping[str, Any], *, validation_share: float = 0.0) -> JobOptions:
    """Return checked options.

    Args:
        given: The keyword options.
        validation_share: How much of the data is for validation.

    Raises:
        InvalidRequest: an option that doesn't exist, with the one that was probably meant, or an impossible value.
    """
    kinds = {each.name: str(each.type) for each in fields(JobOptions) if each.name != "validation_share"}
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in kinds:
            known = [*kinds, "model", "name", "validation", "force", *COLUMNS]
            raise InvalidRequest(_unknown("option", name, known), param=name)
        values[name] = _value(name, kinds[name], value)
    options = JobOptions(**values, validation_share=validation_share)
    if given.get("lora") is not None and options.method == "full":
        message = "options of LoRA belong to the method lora: a full fine-tuning changes all weights, so leave them out"
        raise InvalidRequest(message, param="lora")
    return options


def share(value: Any) -> float | None:
    """Return how much of the data is for validation, where that is what `validation` says; None where it is data.

    Raises:
        InvalidRequest: it is a number, and no share.
    """
    if isinstance(value, bool):
        message = f"validation is a share such as 0.1, or data, not {value}"
        raise InvalidRequest(message, param="validation")
    if value is None:
        return 0.0
    if isinstance(value, str | bytes | Iterable):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    if found >= 1:
        message = f"validation is a share of the data below 1, such as 0.1, not {value}"
        raise InvalidRequest(message, param="validation")
    check_range("validation", found, low=0, high=0.9)
    return found


def _unknown(kind: str, name: str, known: Sequence[str]) -> str:
    meant = ELSEWHERE.get(name)
    if meant is not None and meant in known:
        return f"unknown {kind} {name}: did you mean {meant}?"
    if kind == "option" and meant in {each.name for each in fields(LoraOptions)}:
        return f"unknown option {name}: did you mean lora={{{meant!r}: …}}?"
    return unknown_name(kind, name, known)


def _value(name: str, kind: str, value: Any) -> Any:
    if (read := _READERS.get(name)) is not None:
        return read(value)
    if name in CHOICES:
        if value is not None or "None" not in kind:
            arguments.one_of(name, value, CHOICES[name])
        return value
    if kind.startswith("bool"):
        return value if value is None and "None" in kind else arguments.true_or_false(name, value)
    return arguments.number(name, kind, value)


def _lora(given: Any) -> LoraOptions:
    if given is None:
        return LoraOptions()
    if isinstance(given, LoraOptions):
        return given
    if not isinstance(given, Mapping):
        message = f"lora is a dict such as {{'rank': 16}}, not {given!r}"
        raise InvalidRequest(message, param="lora")
    kinds = {each.name: str(each.type) for each in fields(LoraOptions)}
    if unknown := [name for name in given if name not in kinds]:
        raise InvalidRequest(_unknown("option of lora", str(unknown[0]), list(kinds)), param="lora")
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name != "targets":
            values[name] = arguments.number(f"lora.{name}", kinds[name], value)
        elif value is not None and value != "all-linear":
            values[name] = tuple(arguments.strings("lora.targets", value))
    return LoraOptions(**values)


def _probes(given: Any) -> tuple[str, ...]:
    return () if given is None else tuple(arguments.strings("probes", given, or_none=True))


def _training_arguments(given: Any) -> dict[str, Any]:
    """Return arguments for transformers as JSON has them, for they go to another process."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        message = f"training_arguments is a dict such as {{'weight_decay': 0.01}}, not {given!r}"
        raise InvalidRequest(message, param="training_arguments")
    found: dict[str, Any] = {}
    for name, value in given.items():
        try:
            found[str(name)] = json.loads(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError):
            message = (
                f"training_arguments: {name} must be a number, a text, a truth value or a list of them, not {value!r}"
            )
            raise InvalidRequest(message, param="training_arguments") from None
    return found


_READERS: dict[str, Callable[[Any], Any]] = {
    "lora": _lora,
    "probes": _probes,
    "training_arguments": _training_arguments,
}
