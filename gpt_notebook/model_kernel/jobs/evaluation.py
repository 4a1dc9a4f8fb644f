"""A model measured on data: the same numbers as in a validation, and for each sample its own."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from gpt_notebook.job_protocol import Evaluated, EvaluateRequest
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.model_kernel.scheduler import Work
from gpt_notebook.protocol import Progress
from gpt_notebook.training import measures
from gpt_notebook.training.planning import choices
from gpt_notebook.training.samples import rows, samples
from gpt_notebook.training.samples.samples import Sample, Samples

TOGETHER = 64
"""The most samples of a step: with more of them even the shortest fill a pass."""


def to_measure(model: LoadedModel, request: EvaluateRequest, data: Path) -> Samples:
    """Return the samples of a file; takes its time, so call it in a thread.

    Raises:
        InvalidRequest: a row is none, or the length can't be; the message names it.
    """
    return samples.encode(
        rows.read(data),
        model.tokenizer,
        max_length=choices.length(request.max_length, model.context_length),
        too_long=request.too_long,
        chat=request.chat,
        templates=model.templates,
    )


class Evaluation(Work):
    """Measures a few samples in each step, and emits an `Evaluated` for each, and `Progress` in tokens.

    Those of like length are measured together, so they don't come in the order of their rows. It is patient: somebody's
    generation hardly notices it.
    """

    patient = True

    def __init__(self, model: LoadedModel, found: Samples) -> None:
        """Take a model and what to measure it on."""
        super().__init__()
        self._model = model
        self._samples = found
        self._order = np.argsort(found.sizes, kind="stable")
        self._next = self._done = 0
        self._tokens_per_second = 0.0
        self._most_tokens = measures.MOST_LOGITS // measures.vocabulary_of(model.module)

    def step(self) -> bool:
        """Measure the next samples, as many as there is time for."""
        self.check_cancelled()
        if self._next == len(self._order):
            return False
        chosen = self._chosen()
        began = time.perf_counter()
        measured = measures.of_each(self._model.module, chosen)
        n_tokens = len(chosen) * len(chosen[-1].token_ids)
        self._tokens_per_second = n_tokens / max(time.perf_counter() - began, 1e-9)
        for sample, each in zip(chosen, measured, strict=True):
            self._done += len(sample.token_ids)
            self.emit(
                Evaluated(row=sample.row, loss=each.loss_sum, tokens=each.tokens, correct=each.correct, cut=sample.cut)
            )
        self.emit(Progress(stage="computing", done=self._done, total=self._samples.n_tokens))
        return True

    def _chosen(self) -> list[Sample]:
        """Return the next samples, the longest last: at least one, and no more than the step has time for."""
        room = min(self.seconds * self._tokens_per_second, self._most_tokens)
        chosen: list[Sample] = [self._samples[self._order[self._next]]]
        for index in self._order[self._next + 1 : self._next + TOGETHER]:
            sample = self._samples[index]
            if (len(chosen) + 1) * len(sample.token_ids) > room:
                break
            chosen.append(sample)
        self._next += len(chosen)
        return chosen
