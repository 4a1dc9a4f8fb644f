"""What a training is done with: data, model and recipe, and what is made of them for each trainer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gpt_notebook.job_files.directory import JobSpec
from gpt_notebook.job_protocol import Estimate, JobOptions
from gpt_notebook.training import base_model, measures, memory, onednn, probes
from gpt_notebook.training.autocast import products_in
from gpt_notebook.training.measures import Measured
from gpt_notebook.training.planning import arguments
from gpt_notebook.training.planning.recipe import Recipe
from gpt_notebook.training.samples import collate
from gpt_notebook.training.samples.samples import Sample, Samples
from gpt_notebook.training.schedule import Plan
from gpt_notebook.training.step_callback import StepCallback
from gpt_notebook.training.trainer import JobTrainer

Batch = dict[str, torch.Tensor]


@dataclass
class Workshop:
    """What a training is done with."""

    spec: JobSpec
    options: JobOptions
    device: torch.device
    tokenizer: Any
    context_length: int
    training: Samples
    validation: Samples | None
    model: Any
    recipe: Recipe
    estimate: Estimate

    @property
    def dtype(self) -> torch.dtype:
        """That of the products."""
        return getattr(torch, self.recipe.dtype)  # type: ignore[no-any-return]

    def trainer(self, callback: StepCallback, plan: Plan, *, micro_batch_size: int, at: Path) -> JobTrainer:
        """Return what trains the model, so many samples at a time."""
        recipe = self.recipe
        is_float16 = self.dtype == torch.float16
        args = arguments.make(
            self.options,
            output_dir=str(at),
            micro_batch_size=micro_batch_size,
            accumulation=recipe.batch_size // micro_batch_size,
            learning_rate=recipe.learning_rate,
            max_steps=recipe.max_steps,
            device=self.device,
            float16=is_float16,
        )
        return JobTrainer(
            self.model,
            args,
            samples=self.training,
            collate=collate_with(
                self.tokenizer, packed=recipe.packing, device=self.device, longest=self.context_length
            ),
            batch_size=recipe.batch_size,
            plan=plan,
            callback=callback,
            write_weights=lambda place: base_model.save_weights(self.model, self.tokenizer, self.options, place),
            # transformers autocasts to float16 itself, as it scales the losses for it.
            products=torch.float32 if is_float16 else self.dtype,
        )

    def load_again(self, checkpoint: Path | None) -> None:
        """Begin again with the weights on disk: those in memory are of no step."""
        self.model = None
        memory.give_back(self.device)
        self.model = base_model.load_model(self.spec, dtype=self.dtype, device=self.device, checkpoint=checkpoint)

    def measure(self, samples: Samples, between: Callable[[], None], *, micro_batch_size: int) -> Measured:
        """Measure the model on samples."""
        with products_in(self.dtype, self.device):
            return measures.measure(
                self.model, samples, micro_batch=micro_batch_size, packed=self.recipe.packing, between=between
            )

    def probe(self, first: int) -> Iterator[str]:
        """Give what follows each probe, from one on."""
        with products_in(self.dtype, self.device):
            yield from probes.continuations(
                self.model,
                self.tokenizer,
                self.options.probes[first:],
                max_new_tokens=self.options.probe_tokens,
                context_length=self.context_length,
            )


def collate_with(
    tokenizer: Any, *, packed: bool, device: torch.device, longest: int
) -> Callable[[Sequence[Sample]], Batch]:
    """Return what makes a batch of samples, of a model that reads at most `longest` tokens (0: no limit is known)."""
    pad_id = tokenizer.pad_token_id or 0
    plain = collate.packed if packed else functools.partial(collate.padded, pad_id=pad_id)
    if not onednn.can_be_faster(device):
        return plain
    return lambda chosen: onednn.of_few_sizes(plain(chosen), pad_id=pad_id, longest=longest)
