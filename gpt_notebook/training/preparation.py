"""From a job's directory to everything that its training needs: data, model and recipe."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_protocol import Estimate, JobOptions
from gpt_notebook.template_process import TemplateProcess
from gpt_notebook.training import base_model, packing
from gpt_notebook.training.past import Past
from gpt_notebook.training.planning import arguments, choices, config_sizes, estimate, recipe
from gpt_notebook.training.planning.machine import free_memory
from gpt_notebook.training.samples import rows, samples
from gpt_notebook.training.samples.samples import Samples
from gpt_notebook.training.trial import Trial
from gpt_notebook.training.workshop import Workshop, collate_with

Foretell = Callable[..., Estimate]


def prepare(directory: JobDirectory, past: Past, *, device: torch.device, checkpoint: Path | None) -> Workshop:
    """Read the data, load the model and choose what is left to the job.

    Args:
        directory: The job's.
        past: What earlier attempts chose.
        device: Where to train.
        checkpoint: What the job goes on from; None: from the beginning.

    Raises:
        GptNotebookError: says in one line why the job can't be done.
        NotFinite: the model computes NaN.
    """
    spec = directory.spec()
    options = recipe.settled(spec.request.options, past.chosen)
    arguments.check(options.training_arguments)
    config, tokenizer = base_model.read_config(spec), base_model.load_tokenizer(spec)
    context_length = config_sizes.context_length(config)
    max_length = choices.max_length(options, context_length)
    training, validation = _data(directory, options, tokenizer, max_length)
    dtype = choices.dtype(options, config_sizes.number_of_parameters(config), device)
    products: torch.dtype = getattr(torch, dtype)
    # Before the model is loaded: an estimate counts the weights among what has to fit in here.
    free = free_memory(device)
    model = base_model.load_model(spec, dtype=products, device=device, checkpoint=checkpoint)
    foretell = functools.partial(
        estimate.estimate, config, training, options, dtype=products, device=device, free=free, max_length=max_length
    )
    together = _micro_batch_size(options, training, past, device=device, free=free, foretell=foretell)
    packed = _is_packed(options, training, model, config, micro_batch_size=together)
    seconds_a_sample = None
    if options.save_every is None:
        collate = collate_with(tokenizer, packed=packed, device=device, longest=context_length)
        seconds_a_sample = Trial(model, collate, training, products, device).seconds_a_sample(together)
    trainable, parameters = base_model.parameters(model)
    made = recipe.make(
        options,
        training,
        validation,
        max_length=max_length,
        trainable=trainable,
        parameters=parameters,
        dtype=dtype,
        packing=packed,
        micro_batch_size=together,
        seconds_a_sample=seconds_a_sample,
    )
    speed = None if not seconds_a_sample else training.n_tokens / len(training) / seconds_a_sample
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
        estimate=foretell(tokens_per_second=speed, steps=made.max_steps, micro_batch_size=together),
    )


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


def _micro_batch_size(
    options: JobOptions, training: Samples, past: Past, *, device: torch.device, free: int, foretell: Foretell
) -> int:
    """Return how many samples are computed together: as many as the memory suffices for and as make it faster."""
    alone = foretell(micro_batch_size=1, tokens_per_second=1.0)
    room = free - alone.weights - alone.training_state
    size = choices.micro_batch_size(
        options,
        len(training),
        longest=int(training.sizes.max()),
        device=device,
        fitting=room // max(alone.activations, 1),
    )
    if past.micro_batch_size is not None:
        size = min(size, past.micro_batch_size)
    return choices.largest_divisor(choices.batch_size(options, len(training)), size)


def _is_packed(options: JobOptions, training: Samples, model: Any, config: Any, *, micro_batch_size: int) -> bool:
    """Return whether samples are laid end to end: if it was asked for, else where it is worth it and changes nothing."""
    if options.packing is not None:
        return options.packing
    text = config.get_text_config()
    pays = packing.pays(
        training.sizes,
        batch_size=choices.batch_size(options, len(training)),
        micro_batch_size=micro_batch_size,
        linear=sum(parameter.numel() for parameter in model.parameters() if parameter.dim() > 1),
        attention=2 * text.num_hidden_layers * text.hidden_size,
    )
    return pays and packing.keeps_apart(model)
