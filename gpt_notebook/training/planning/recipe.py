"""What a job chooses where nothing was asked for: rates and intervals, and all that it has chosen together.

An attempt that goes on chooses what the first one chose, so that it goes on exactly.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpt_notebook.job_protocol import JobOptions, Method
from gpt_notebook.protocol import Dtype
from gpt_notebook.training.planning import choices
from gpt_notebook.training.samples.samples import Samples

WORK_AT_RISK = 60.0
"""Seconds of training that may be lost with the process."""
SAVING_SHARE = 0.05
"""Of the time, at most about so much goes into saving."""
ADAM_BYTES = 12
"""Of each parameter that changes, in a checkpoint: itself and the optimizer's two moments, in float32."""
DISK_SPEED = 300e6
"""Bytes a second that are written and made to last, a careful guess."""
VALIDATIONS = 10
PROBINGS = 8
"""How often, over the whole training, where nothing was asked for."""
VALIDATION_SHARE = 0.15
"""Of the time, at most about so much goes into validations."""
FORWARD_SHARE = 1 / 3
"""What a pass without gradients takes of one with them."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a job trains, nothing left open."""

    max_length: int
    epochs: float | None
    max_steps: int
    batch_size: int
    micro_batch_size: int
    learning_rate: float
    warmup_steps: int
    packing: bool
    dtype: Dtype
    save_every: int
    validate_every: int
    probe_every: int

    def chosen(self) -> dict[str, Any]:
        """Return it as what `Prepared.chosen` says."""
        return dataclasses.asdict(self)


REMEMBERED = tuple(field.name for field in dataclasses.fields(Recipe) if field.name not in ("max_steps", "epochs"))


def settled(options: JobOptions, chosen: Mapping[str, Any]) -> JobOptions:
    """Return the options with what an earlier attempt chose where they leave it open."""
    names = [*REMEMBERED, *(["epochs"] if options.max_steps is None else [])]
    kept = {name: chosen[name] for name in names if getattr(options, name) is None and chosen.get(name) is not None}
    return dataclasses.replace(options, **kept)


def learning_rate_for(method: Method, parameters: int) -> float:
    """Return the highest rate: the larger a model, the lower, and of all its weights lower than of an adapter's.

    Both lines go through what was found best for the storyteller (3 million parameters; three times as much and an adapter
    learns nothing any more), and what is usual at a billion.
    """
    at_three_million, at_a_billion = (8e-3, 2e-4) if method == "lora" else (2e-3, 1e-5)
    slope = math.log(at_three_million / at_a_billion) / math.log(1e9 / 3e6)
    rate = at_a_billion * (1e9 / max(parameters, 1)) ** slope
    return float(f"{min(max(rate, at_a_billion / 2), at_three_million):.1g}")


def make(
    options: JobOptions,
    training: Samples,
    validation: Samples | None,
    *,
    max_length: int,
    trainable: int,
    parameters: int,
    dtype: Dtype,
    packing: bool,
    micro_batch_size: int,
    seconds_a_sample: float | None,
) -> Recipe:
    """Return how to train.

    Args:
        options: What was asked for, with what earlier attempts chose.
        training: What to train on.
        validation: What to validate on; None: nothing.
        max_length: Tokens of a sample.
        trainable: How many parameters change.
        parameters: How many there are in all.
        dtype: Of the products.
        packing: Whether samples are laid end to end.
        micro_batch_size: Samples that are computed together.
        seconds_a_sample: What one takes, if it is known.
    """
    batch_size = choices.batch_size(options, len(training))
    steps = choices.steps(options, len(training))
    rate = options.learning_rate or learning_rate_for(options.method, parameters)
    warmup = options.warmup_steps if options.warmup_steps is not None else min(math.ceil(0.05 * steps), 100)
    step_tokens = training.n_tokens / len(training) * batch_size
    validation_tokens = 0 if validation is None else validation.n_tokens
    pays = validation_tokens * FORWARD_SHARE / (VALIDATION_SHARE * step_tokens)
    return Recipe(
        max_length=max_length,
        epochs=(options.epochs or choices.EPOCHS) if options.max_steps is None else None,
        max_steps=steps,
        batch_size=batch_size,
        micro_batch_size=micro_batch_size,
        learning_rate=rate,
        warmup_steps=warmup,
        packing=packing,
        dtype=dtype,
        save_every=options.save_every or _save_every(seconds_a_sample, batch_size, ADAM_BYTES * trainable),
        validate_every=options.validate_every or max(math.ceil(steps / VALIDATIONS), math.ceil(pays)),
        probe_every=options.probe_every or math.ceil(steps / PROBINGS),
    )


def _save_every(seconds_a_sample: float | None, batch_size: int, state_bytes: int) -> int:
    """Return after how many steps to save, so that little work is lost and little time goes into saving."""
    interval = max(WORK_AT_RISK, state_bytes / DISK_SPEED / SAVING_SHARE)
    return max(int(interval / ((seconds_a_sample or 1.0) * batch_size)), 1)
