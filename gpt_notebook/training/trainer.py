"""transformers' Trainer, for a job: the same loop and the same state on disk, with our data, loss, schedule and saving."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch.utils.data import DataLoader
from transformers.trainer_callback import DefaultFlowCallback

from gpt_notebook.training import loss as losses
from gpt_notebook.training.autocast import products_in
from gpt_notebook.training.outcome import NotFinite
from gpt_notebook.training.samples.collate import IGNORED
from gpt_notebook.training.samples.samples import Sample, Samples
from gpt_notebook.training.schedule import Plan, PlannedRate
from gpt_notebook.training.step_batches import StepBatches
from gpt_notebook.training.step_callback import StepCallback

Batch = dict[str, torch.Tensor]


@dataclass
class Done:
    """What is known of a step when it has been done."""

    loss: float = math.nan
    grad_norm: float | None = None
    learning_rate: float = 0.0
    tokens: int = 0


class JobTrainer(transformers.Trainer):  # type: ignore[misc]
    """Trains a model for a job, until its callback leaves."""

    def __init__(
        self,
        model: Any,
        args: transformers.TrainingArguments,
        *,
        samples: Samples,
        collate: Callable[[Sequence[Sample]], Batch],
        batch_size: int,
        plan: Plan,
        callback: StepCallback,
        write_weights: Callable[[Path], None],
        products: torch.dtype,
    ) -> None:
        """Keep what to train on, and how.

        Args:
            model: The model.
            args: transformers' arguments; `arguments.make` makes them.
            samples: What to train on.
            collate: Makes a batch of samples.
            batch_size: Samples of a step.
            plan: The learning rates and the number of steps.
            callback: Is told of each step, and decides when to leave.
            write_weights: Writes what lasts into a directory.
            products: The dtype that products are autocast to here.
        """
        super().__init__(model, args, train_dataset=samples, callbacks=[callback])
        # When to log, validate, save and end is the callback's to say.
        for default in (DefaultFlowCallback, transformers.PrinterCallback, transformers.ProgressCallback):
            self.remove_callback(default)
        self.device = args.device
        self.done = Done()
        self.loss_is_scaled_for_ga = True
        self._samples = samples
        self._collate = collate
        self._batch_size = batch_size
        self._plan = plan
        self._callback = callback
        self._write_weights = write_weights
        self._products = products
        self._parts: list[torch.Tensor] = []
        callback.trainer = self

    # --- data -----------------------------------------------------------------------------------------------------

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return the passes of an epoch; it needs no generator of random numbers but its own."""
        steps = math.ceil(len(self._samples) / self._batch_size)
        batches = StepBatches(
            self._samples.sizes.tolist(),
            batch_size=self._batch_size,
            micro_batch_size=self.args.per_device_train_batch_size,
            seed=self.args.seed,
            epoch=lambda: int(self.state.global_step) // steps,
        )
        return DataLoader(
            self._samples,  # type: ignore[arg-type] # it has a length and items, which is all there is to a data set
            batch_sampler=batches,
            collate_fn=self._batch,
            generator=torch.Generator(),
        )

    def _batch(self, samples: Sequence[Sample]) -> tuple[Batch, int]:
        """Return a batch, and how many tokens it has without what fills it up."""
        return self._collate(samples), sum(len(sample.token_ids) for sample in samples)

    def get_batch_samples(
        self, epoch_iterator: Iterator[tuple[Batch, int]], num_batches: int, _device: torch.device
    ) -> tuple[list[Batch], int]:
        """Return the passes of a step, and how many of its tokens count."""
        passes = list(itertools.islice(epoch_iterator, num_batches))
        batches = [batch for batch, _ in passes]
        self.done = Done(tokens=sum(tokens for _, tokens in passes))
        self._parts = []
        return batches, max(sum(int((batch["labels"][:, 1:] != IGNORED).sum()) for batch in batches), 1)

    def set_initial_training_values(self, *arguments: Any, **options: Any) -> Any:
        """Return what transformers returns, without a last epoch: the plan knows when to end, and may change."""
        _epochs, *rest = super().set_initial_training_values(*arguments, **options)
        return (sys.maxsize, *rest)

    # --- a step ---------------------------------------------------------------------------------------------------

    def training_step(self, model: Any, inputs: Batch, num_items_in_batch: int | None = None) -> torch.Tensor:
        """Add the gradients of one pass; returns its part of the step's loss."""
        self._callback.between_passes()
        loss = self.compute_loss(model, inputs, num_items_in_batch=num_items_in_batch)
        self.accelerator.backward(loss)
        part: torch.Tensor = loss.detach()
        self._parts.append(part)
        return part

    def compute_loss(self, model: Any, inputs: Batch, *arguments: Any, **options: Any) -> Any:
        """Return a pass's part of the mean over all counted tokens of its step."""
        with products_in(self._products, self.device):
            if self.label_smoother is not None:
                return super().compute_loss(model, self._prepare_inputs(inputs), *arguments, **options)
            return losses.summed(model, inputs, self.device) / (options.get("num_items_in_batch") or 1)

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> float:
        """Return the norm of the gradients before clipping, and take the step's numbers from the device: once a step.

        Raises:
            NotFinite: the loss or the gradients are NaN or infinite; no weight has been changed by them.
        """
        norm = super()._get_grad_norm(model, grad_norm)
        both = torch.stack([torch.stack(self._parts).sum().float(), torch.as_tensor(norm).float().to(self.device)])
        loss, norm = both.tolist()
        # Losses in float16 are scaled, and a step is left out when the scale was too high.
        if not math.isfinite(loss) or not (math.isfinite(norm) or self.accelerator.scaler is not None):
            message = f"the loss was {loss}, the norm of its gradients {norm}"
            raise NotFinite(message)
        self.done.loss, self.done.grad_norm = loss, norm if math.isfinite(norm) else None
        self.done.learning_rate = self._get_learning_rate()
        return float(norm)

    def create_scheduler(self, *_: Any, optimizer: Any = None, **__: Any) -> PlannedRate:
        """Return what gives the optimizer the rates of the plan."""
        self.lr_scheduler: PlannedRate = PlannedRate(optimizer or self.optimizer, self._plan)
        return self.lr_scheduler

    def floating_point_ops(self, _inputs: Batch) -> int:
        """Return 0: nobody asks for it, and counting takes a walk through the whole model."""
        return 0

    # --- saving ---------------------------------------------------------------------------------------------------

    def write_checkpoint(self, directory: Path) -> None:
        """Write everything that the training needs to go on as if it had never been interrupted.

        Raises:
            NotFinite: there is nothing to go on with.
        """
        changing = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        if not torch.stack([parameter.isfinite().all() for parameter in changing]).all():
            message = "weights are NaN or infinite"
            raise NotFinite(message)
        self._write_weights(directory)
        self._save_optimizer_and_scheduler(str(directory))
        self._save_scaler(str(directory))
        self._save_rng_state(str(directory))
        self.state.save_to_json(str(directory / "trainer_state.json"))
