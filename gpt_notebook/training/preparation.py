"""From a job's directory to everything that its training needs: data, model and recipe."""

from __future__ import annotations

import contextlib
import functools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from gpt_notebook.job_files.directory import JobDirectory, JobSpec
from gpt_notebook.job_protocol import Estimate, JobOptions
from gpt_notebook.shortage import is_out_of_memory
from gpt_notebook.template_process import TemplateProcess
from gpt_notebook.training import base_model, measures, memory, onednn, packing, probes, random_state
from gpt_notebook.training import loss as losses
from gpt_notebook.training.measures import Measured
from gpt_notebook.training.outcome import NotFinite
from gpt_notebook.training.past import Past
from gpt_notebook.training.planning import arguments, choices, estimate, recipe
from gpt_notebook.training.planning.recipe import Recipe
from gpt_notebook.training.samples import collate, rows, samples
from gpt_notebook.training.samples.samples import Sample, Samples
from gpt_notebook.training.schedule import Plan
from gpt_notebook.training.step_callback import StepCallback
from gpt_notebook.training.trainer import JobTrainer

Batch = dict[str, torch.Tensor]
Foretell = Callable[..., Estimate]

PASS_TOKENS = {"cpu": 4096, "cuda": 32768}
"""From so many tokens on, more in one pass are not faster, and only take memory."""
ADAM_BYTES = 12
"""Of each parameter that changes, in a checkpoint: itself and the optimizer's two moments, in float32."""


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
    def collate(self) -> Callable[[Sequence[Sample]], Batch]:
        """What makes a batch of samples."""
        return collate_with(self.tokenizer, packed=self.recipe.packing, device=self.device, longest=self.context_length)

    @property
    def products(self) -> torch.dtype | None:
        """The dtype that products are autocast to; None: that of the weights, or transformers' own way with float16."""
        return torch.bfloat16 if self.recipe.dtype == "bfloat16" else None

    def trainer(self, callback: StepCallback, plan: Plan, *, micro_batch_size: int, at: Path) -> JobTrainer:
        """Return what trains the model, so many samples at a time."""
        made = self.recipe
        args = arguments.make(
            self.options,
            output_dir=str(at),
            micro_batch_size=micro_batch_size,
            accumulation=made.batch_size // micro_batch_size,
            learning_rate=made.learning_rate,
            max_steps=made.max_steps,
            device=self.device,
            half=made.dtype == "float16",
        )
        return JobTrainer(
            self.model,
            args,
            samples=self.training,
            collate=self.collate,
            batch_size=made.batch_size,
            plan=plan,
            callback=callback,
            write_weights=lambda place: base_model.save_weights(self.model, self.tokenizer, self.options, place),
            products=self.products,
        )

    def autocast(self) -> torch.autocast:
        """Return the context in which the model computes as it does when it is trained."""
        dtype = getattr(torch, self.recipe.dtype)
        return torch.autocast(self.device.type, dtype=dtype, enabled=dtype != torch.float32)

    def load_again(self, checkpoint: Path | None) -> None:
        """Begin again with the weights on disk: those in memory are of no step."""
        self.model = None
        memory.give_back(self.device)
        dtype = getattr(torch, self.recipe.dtype)
        self.model = base_model.load_model(self.spec, dtype=dtype, device=self.device, checkpoint=checkpoint)

    def measure(self, samples: Samples, between: Callable[[], None], *, micro_batch_size: int) -> Measured:
        """Measure the model on samples."""
        with self.autocast():
            return measures.measure(
                self.model, samples, micro_batch=micro_batch_size, packed=self.recipe.packing, between=between
            )

    def probe(self, first: int) -> Iterator[str]:
        """Give what follows each probe, from one on."""
        with self.autocast():
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


def prepare(directory: JobDirectory, past: Past, *, device: torch.device, checkpoint: Path | None) -> Workshop:
    """Read the data, load the model and choose what is left to the job.

    Args:
        directory: The job's.
        past: What earlier attempts chose.
        device: Where to train.
        checkpoint: What the job goes on from; None: from the beginning.

    Raises:
        GptNotebookError: says in one line why the job can't be done.
    """
    spec = directory.spec()
    options = recipe.settled(spec.request.options, past.chosen)
    arguments.check(options.training_arguments)
    config = base_model.read_config(spec)
    tokenizer = base_model.load_tokenizer(spec)
    context_length = base_model.context_length(config)
    max_length = choices.max_length(options, context_length)
    training, validation = _data(directory, options, tokenizer, max_length)
    dtype = recipe.dtype_for(options, base_model.number_of_parameters(config), device)
    model = base_model.load_model(spec, dtype=getattr(torch, dtype), device=device, checkpoint=checkpoint)
    trainable, total = base_model.parameters(model)
    free = free_memory(device)
    foretell = functools.partial(
        estimate.estimate,
        config,
        training,
        options,
        dtype=getattr(torch, dtype),
        device=device,
        free=free,
        max_length=max_length,
    )
    micro_batch_size = _micro_batch_size(options, training, past, device=device, free=free, foretell=foretell)
    packed = options.packing
    if packed is None:
        packed = _is_packing_worth_it(model, training, options, config, micro_batch_size=micro_batch_size)
    seconds_a_sample = None
    if options.save_every is None:
        trial = _Trial(
            model,
            collate_with(tokenizer, packed=packed, device=device, longest=context_length),
            training,
            dtype,
            device,
        )
        seconds_a_sample = trial.seconds_a_sample(micro_batch_size)
    made = recipe.make(
        options,
        n_samples=len(training),
        n_tokens=training.n_tokens,
        n_validation_tokens=validation.n_tokens if validation is not None else 0,
        max_length=max_length,
        parameters=total,
        dtype=dtype,
        packing=packed,
        micro_batch_size=micro_batch_size,
        seconds_a_sample=seconds_a_sample,
        state_bytes=trainable * ADAM_BYTES,
    )
    speed = None if not seconds_a_sample else training.n_tokens / len(training) / seconds_a_sample
    foretold = foretell(tokens_per_second=speed, steps=made.max_steps, micro_batch_size=micro_batch_size)
    return Workshop(
        spec=spec,
        options=options,
        device=device,
        tokenizer=tokenizer,
        context_length=context_length,
        training=training,
        validation=validation,
        model=model,
        recipe=made,
        estimate=foretold,
    )


def free_memory(device: torch.device) -> int:
    """Return the bytes that are free on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def _data(
    directory: JobDirectory, options: JobOptions, tokenizer: Any, max_length: int
) -> tuple[Samples, Samples | None]:
    """Return what to train on and what to validate on, if there is anything."""
    # A chat template is a program of whoever made the model, and may never end.
    with contextlib.closing(TemplateProcess()) as templates:
        encode = functools.partial(
            samples.encode,
            tokenizer=tokenizer,
            max_length=max_length,
            too_long=options.too_long,
            chat=options.chat,
            templates=templates,
        )
        training = encode(rows.read(directory.data))
        if directory.validation.exists():
            return training, encode(rows.read(directory.validation))
    if options.validation_share > 0:
        return samples.divide(training, options.validation_share, seed=options.seed)
    return training, None


def _is_packing_worth_it(
    model: Any, training: Samples, options: JobOptions, config: Any, *, micro_batch_size: int
) -> bool:
    text = config.get_text_config()
    pays = packing.pays(
        training.sizes,
        batch_size=choices.batch_size(options, len(training)),
        micro_batch_size=micro_batch_size,
        linear=sum(each.numel() for each in model.parameters() if each.dim() > 1),
        attention=2 * text.num_hidden_layers * text.hidden_size,
    )
    return pays and packing.keeps_apart(model)


def _micro_batch_size(
    options: JobOptions, training: Samples, past: Past, *, device: torch.device, free: int, foretell: Foretell
) -> int:
    """Return how many samples are computed together: as many as the memory suffices for and as make it faster."""
    alone = foretell(micro_batch_size=1, tokens_per_second=1.0)
    room = free - alone.weights - alone.training_state
    batch_size = choices.batch_size(options, len(training))
    size = choices.micro_batch_size(options, len(training), bytes_each=alone.activations, room=room)
    if options.micro_batch_size is None:
        size = min(size, max(PASS_TOKENS.get(device.type, 32768) // int(training.sizes.max()), 1))
    if past.micro_batch_size is not None:
        size = min(size, past.micro_batch_size)
    return memory.fitting(size, batch_size)


@dataclass
class _Trial:
    """A pass with gradients that changes nothing: to see how long it takes, and whether the loss may be computed sparingly."""

    model: Any
    collate: Callable[[Sequence[Sample]], Batch]
    training: Samples
    dtype: str
    device: torch.device

    def seconds_a_sample(self, micro_batch_size: int) -> float | None:
        """Return what a sample takes; None where the memory does not suffice for this."""
        middle = sorted(range(len(self.training)), key=lambda i: int(self.training.sizes[i]))
        first = max(len(middle) // 2 - micro_batch_size // 2, 0)
        chosen = [self.training[i] for i in middle[first : first + micro_batch_size]]
        state = random_state.taken(self.device)
        try:
            return min(self._seconds(chosen) for _ in range(2)) / len(chosen)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return None
        finally:
            self.model.zero_grad()
            random_state.restore(state, self.device)

    def _seconds(self, chosen: Sequence[Sample]) -> float:
        began = time.perf_counter()
        dtype = getattr(torch, self.dtype)
        with torch.autocast(self.device.type, dtype=dtype, enabled=dtype != torch.float32):
            loss = losses.summed(self.model, self.collate(chosen), self.device)
        loss.backward()  # type: ignore[no-untyped-call]
        if not math.isfinite(loss.item()):
            message = f"the loss is {loss.item()}"
            raise NotFinite(message)
        return time.perf_counter() - began
