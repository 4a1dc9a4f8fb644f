"""What a model would see of data, and what a job on them would take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from gpt_notebook.job_protocol import Estimate, JobOptions, Preview, PreviewedSample, PreviewRequest
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.training.planning import choices
from gpt_notebook.training.planning.estimate import estimate
from gpt_notebook.training.samples import rows, samples
from gpt_notebook.training.samples.samples import Sample, Samples


def preview(
    model: LoadedModel, request: PreviewRequest, data: Path, validation: Path | None = None, *, free: int
) -> Preview:
    """Return what a model would see of data; takes a few seconds for a hundred thousand rows, so call it in a thread.

    Args:
        model: The base.
        request: What to show of it.
        data: The file of the data.
        validation: The file of the validation data, if there are any.
        free: Bytes of the device that are free for a job.

    Raises:
        InvalidRequest: a row is none, or an option can't be; the message names it.
    """
    options = request.options
    max_length = choices.max_length(options, model.context_length)
    whole = encoded(model, data, options, max_length=max_length)
    training, validating, warnings = whole, None, list(whole.warnings)
    if validation is not None:
        validating = encoded(model, validation, options, max_length=max_length)
        warnings += [f"in the validation data, {each}" for each in validating.warnings]
        if seen := int(np.isin(validating.digests, whole.digests).sum()):
            warnings.append(f"{seen:,} of the {validating.n_rows:,} validation rows are also trained on")
    elif options.validation_share:
        training, validating = samples.divide(whole, options.validation_share, seed=options.seed)
    return Preview(
        rows=whole.n_rows,
        samples=len(whole),
        tokens=whole.n_tokens,
        counted=whole.n_counted,
        max_length=max_length,
        lengths=tuple(int(each) for each in np.percentile(whole.lengths, (0, 25, 50, 75, 100), method="nearest")),
        cut=whole.cut,
        dropped=whole.dropped,
        split=whole.split,
        validation_samples=0 if validating is None else len(validating),
        shown=tuple(_shown(model, whole[i]) for i in _to_show(whole, request.samples)),
        estimate=_estimate(model, training, options, free=free),
        warnings=tuple(warnings),
    )


def encoded(model: LoadedModel, data: Path, options: JobOptions, *, max_length: int) -> Samples:
    """Return the samples of a file, as a job would make them.

    Raises:
        InvalidRequest: a row is none; the message names it.
    """
    return samples.encode(
        rows.read(data),
        model.tokenizer,
        max_length=max_length,
        too_long=options.too_long,
        chat=options.chat,
        templates=model.templates,
    )


def _to_show(whole: Samples, count: int) -> list[int]:
    """Return which samples to show: the first ones, and one that lost tokens if none of these has."""
    indices = list(range(min(count, len(whole))))
    if indices and whole.cut and not whole.left_out[indices].any():
        indices[-1] = int(whole.left_out.argmax())
    return indices


def _shown(model: LoadedModel, sample: Sample) -> PreviewedSample:
    ids = sample.token_ids.tolist()
    return PreviewedSample(
        row=sample.row,
        text=model.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False),
        tokens=tuple(model.vocabulary.tokens(ids)),
        counted=tuple(sample.counted.tolist()),
        cut=sample.cut,
    )


def _estimate(model: LoadedModel, training: Samples, options: JobOptions, *, free: int) -> Estimate:
    return estimate(
        model.module.config,
        training,
        options,
        dtype=getattr(torch, choices.dtype(options, model.parameters, model.device)),
        device=model.device,
        free=free,
    )
