"""`gpt.evaluate`: how well a model does on data, measured as a validation does, by functions of one's own, and on labels.

The labels of a classification are completions like any others. Each is put after the prompt and measured as the data of a
training are, its end token included, and the likeliest is what the model chose.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gpt_notebook import adapter_places, arguments, saved_models
from gpt_notebook.display import progress
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.evaluation import classification
from gpt_notebook.evaluation import completions as greedy_completions
from gpt_notebook.evaluation import metrics as metric_functions
from gpt_notebook.evaluation.classification import Classification
from gpt_notebook.evaluation.metrics import Metric
from gpt_notebook.evaluation.result import Evaluation, Measures
from gpt_notebook.job_protocol import Evaluated, EvaluateRequest, TooLong
from gpt_notebook.protocol import Progress
from gpt_notebook.session import Model, session

if TYPE_CHECKING:
    from gpt_notebook.data.dataset import Row
    from gpt_notebook.job_events import EvaluationEvent

LEAST_NEW_TOKENS = 16
"""How long a completion may become at least, where nobody says."""
PIECE_ROWS = 256
"""Rows that are sent at once."""

Labels = Sequence[str] | Literal[False] | None


def evaluate(
    model: Model,
    data: Any,
    *,
    metric: Metric | Mapping[str, Metric] | None = None,
    labels: Labels = None,
    baseline: bool | str = False,
    max_new_tokens: int | None = None,
    max_length: int | None = None,
    too_long: TooLong = "split",
    chat: bool | None = None,
    text: str | None = None,
    prompt: str | None = None,
    completion: str | None = None,
    messages: str | None = None,
) -> Evaluation:
    """Measure a model on data.

    Loss, perplexity and accuracy are over the tokens that would count in a training: of pairs and chats what the model is
    to say, of texts all.

    Args:
        model: A model string; None is the default one.
        data: As for `finetune`.
        metric: A function (completion, expected) -> float, or a dict of them by name; then the model says greedily what
            follows each prompt, and the result has the mean and each row's value.
        labels: The completions to choose from; None: those of the data where they are few and short; False: none.
        baseline: Whether to measure the base of `model`, too; or which other model.
        max_new_tokens: Of a completion; None: half as many again as the longest that is expected.
        max_length: Tokens of a sample; None: the model's context, but no more than 1024.
        too_long: What becomes of longer ones.
        chat: Whether a prompt is a user's turn; None: if the model has a chat template.
        text: The column of texts, or a template of several, as for `finetune`.
        prompt: Likewise, of what is given.
        completion: Likewise, of what the model is to say.
        messages: The column of chats.

    Raises:
        GptNotebookError: says what is wrong, and with which row.
    """
    from gpt_notebook.data.dataset import Dataset

    name = session.resolve(model)
    other = _baseline(name, against=baseline)
    arguments.one_of("too_long", too_long, ("split", "cut", "drop", "refuse"))
    if max_new_tokens is not None:
        max_new_tokens = arguments.positive("max_new_tokens", max_new_tokens)
    functions = metric_functions.functions(metric)
    dataset = Dataset(data, text=text, prompt=prompt, completion=completion, messages=messages)
    rows = list(dataset.rows())
    for note in (*dataset.notes, *dataset.warnings):
        progress.note(note)
    expected = _expected(rows, needed="metric" if functions else "labels" if labels else None)
    task = _Task(
        rows=rows,
        expected=expected,
        labels=_labels(labels, expected),
        functions=functions,
        max_new_tokens=max_new_tokens,
        how={"max_length": max_length, "too_long": too_long, "chat": chat},
    )
    found = task.evaluate(name)
    return found if other is None else replace(found, baseline=task.evaluate(other))


def _baseline(model: str, *, against: bool | str) -> str | None:
    """Return the model to compare with, if any.

    Raises:
        InvalidRequest: the model has no base that its name would tell.
    """
    if not isinstance(against, bool):
        return session.resolve(against)
    if not against:
        return None
    base, adapter = adapter_places.split(model)
    if adapter is not None:
        return base
    for job in session.ask(lambda client: client.jobs()):
        if job.result == model or Path(model).resolve().is_relative_to(job.directory):
            return session.resolve(job.model)
    message = f"{model} has no base that is known: name what to compare with, as in baseline='storyteller'"
    raise InvalidRequest(message, param="baseline")


def _expected(rows: Sequence[Row], *, needed: str | None) -> list[str] | None:
    """Return the completion of each row; None where they are texts.

    Raises:
        InvalidRequest: they are texts, and completions are needed.
    """
    expected = [greedy_completions.expected(row) for row in rows]
    found = [each for each in expected if each is not None]
    if len(found) == len(expected):
        return found
    if needed is not None:
        message = f"{needed} compares completions, and row {expected.index(None)} is a text: give data with prompt and completion"
        raise InvalidRequest(message, param=needed)
    return None


def _labels(labels: Labels, expected: Sequence[str] | None) -> tuple[str, ...]:
    """Return the labels to choose from; () where there is nothing to choose."""
    if labels is False or expected is None:
        return ()
    if labels is None:
        return classification.labels_in(expected) or ()
    return classification.checked(arguments.strings("labels", labels), expected)


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What is to be found out of each model."""

    rows: Sequence[Row]
    expected: Sequence[str] | None
    """The completion of each row; None of texts, which have none."""
    labels: tuple[str, ...]
    functions: Mapping[str, Metric]
    max_new_tokens: int | None
    how: Mapping[str, Any]
    """How rows become samples, as fields of `EvaluateRequest`."""

    def evaluate(self, model: str) -> Evaluation:
        """Find it out of one model."""
        measured = self._measured(model)
        own = [each[self._own(row)] for row, each in enumerate(measured)]
        found = Evaluation(
            model=_shown(model),
            by_row=tuple(own),
            warnings=tuple(self._warnings(own)),
            **self._chosen(measured),
        )
        if not self.functions or self.expected is None:
            return found
        length = self.max_new_tokens or max(LEAST_NEW_TOKENS, *(each.tokens * 3 // 2 for each in own if each))
        completions = greedy_completions.generate_completions(
            model, self.rows, chat=self.how["chat"], max_new_tokens=length
        )
        values = metric_functions.values(self.functions, completions, self.expected)
        return replace(
            found,
            completions=tuple(each if isinstance(each, str) else None for each in completions),
            values=values.by_name,
            metrics=values.means,
            failures=values.failures,
        )

    def _own(self, row: int) -> int:
        """Return which of a row's candidates is its own completion."""
        return self.labels.index(self.expected[row]) if self.labels and self.expected else 0

    def _candidates(self) -> Iterator[Row]:
        """Yield what is measured: the rows, each with all labels where there are labels."""
        for row in self.rows:
            if self.labels:
                yield from (greedy_completions.with_completion(row, label) for label in self.labels)
            else:
                yield row

    def _measured(self, model: str) -> list[list[Measures | None]]:
        """Return the measures of each row's candidates; None for those that were left out."""
        each = len(self.labels) or 1
        found: list[list[Measures | None]] = [[None] * each for _ in self.rows]
        with contextlib.closing(progress.bar("evaluating: tokens")) as bar:
            info = session.ask(lambda client: client.upload(_lines(self._candidates())))
            request = EvaluateRequest(data=info.digest, model=model, **self.how)
            with contextlib.closing(_events(request)) as events:
                for event in events:
                    if isinstance(event, Progress) and event.stage == "computing":
                        bar(event.done, event.total)
                    elif isinstance(event, Progress):
                        bar.waiting(event)
                    elif isinstance(event, Evaluated):
                        row, candidate = divmod(event.row, each)
                        found[row][candidate] = Measures.of(event) + found[row][candidate]
        return found

    def _chosen(self, measured: Sequence[Sequence[Measures | None]]) -> dict[str, Any]:
        """Return what the model chose among the labels, as fields of `Evaluation`."""
        if not self.labels or self.expected is None:
            return {}
        import numpy as np

        likelihoods = np.array(  # (row, label)
            [[np.nan if each is None or not each.tokens else -each.loss_sum for each in row] for row in measured]
        ).reshape(len(measured), len(self.labels))
        judged = [row for row in range(len(measured)) if not np.isnan(likelihoods[row]).any()]
        return {
            "log_likelihoods": likelihoods,
            "classification": Classification(
                labels=self.labels,
                expected=tuple(self.expected[row] for row in judged),
                predicted=tuple(self.labels[int(likelihoods[row].argmax())] for row in judged),
            ),
        }

    def _warnings(self, own: Sequence[Measures | None]) -> Iterator[str]:
        if self.labels and self.expected is not None:
            yield from classification.warnings_of(self.labels, self.expected)
        if left_out := [row for row, each in enumerate(own) if each is None or not each.tokens]:
            yield f"{len(left_out):,} rows were left out, as nothing of them counts: {_first(left_out)}"
        if cut := [row for row, each in enumerate(own) if each is not None and each.cut]:
            yield f"{len(cut):,} rows were cut: {_first(cut)}"


def _shown(model: str) -> str:
    """Return what a model is called: a saved one by its name."""
    base, plus, adapter = model.partition("+")
    path = Path(base)
    name = path.name if path.parent == saved_models.directory(session.settings) else base
    return f"{name}{plus}{adapter}"


def _events(request: EvaluateRequest) -> Generator[EvaluationEvent, None, None]:
    return session.stream(lambda client: client.evaluate(request))


def _lines(rows: Iterator[Row]) -> Iterator[bytes]:
    """Yield rows as lines of JSON, some at a time."""
    piece: list[bytes] = []
    for row in rows:
        piece.append(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        if len(piece) == PIECE_ROWS:
            yield b"".join(piece)
            piece = []
    yield b"".join(piece)


def _first(rows: Sequence[int], most: int = 5) -> str:
    return ", ".join(map(str, rows[:most])) + (" …" if len(rows) > most else "")
