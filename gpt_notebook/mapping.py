"""`gpt.map`: a new column for a table, each cell a completion of a prompt that is made of the row.

Fills the batch of the model kernel, tells failing rows by position and goes on, and continues where an earlier call with
the same arguments has stopped.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Unpack

from gpt_notebook import arguments, batches, finished_rows
from gpt_notebook.arguments import Options
from gpt_notebook.batch_protocol import BatchStarted
from gpt_notebook.cells import cell_text
from gpt_notebook.display import progress
from gpt_notebook.errors import GptNotebookError, InvalidRequest, MapInterrupted, RequestCancelled
from gpt_notebook.finished_rows import FinishedRows
from gpt_notebook.protocol import MAX_SEED, Progress, SamplingOptions, check_text
from gpt_notebook.session import Model, session
from gpt_notebook.table import Table
from gpt_notebook.template import Template
from gpt_notebook.visible_text import shortened

NAMED_ROWS = 5
"""How many failing rows a warning names."""


class MappedColumn(list[Any]):
    """What came of each row, None where it failed."""

    def __init__(self, values: Iterable[Any], errors: Mapping[int, str]) -> None:
        """Keep the values, and why rows have none, by their positions."""
        super().__init__(values)
        self.errors = dict(errors)
        """Why rows failed, by position from 0."""


def map(  # noqa: A001 - the public name
    table: Any,
    template: str,
    *,
    model: Model = None,
    chat: bool | None = None,
    system: str | None = None,
    errors: Literal["warn", "raise"] = "warn",
    resume: bool = True,
    on_progress: progress.Count | None = None,
    **options: Unpack[Options],
) -> Any:
    """Return a new column for a table: what the model says to a prompt for each row, many at a time.

        reviews["summary"] = gpt.map(reviews, "Summarise: {text}", max_new_tokens=30)

    Args:
        table: A pandas DataFrame or Series, a list of dicts, a dict of columns, a list of texts (their column is
            `text`), a datasets.Dataset, a polars DataFrame or an Arrow table.
        template: The prompt of a row: `{column}` becomes its cell, `{{` and `}}` around a name are braces. Numbers and
            dates are filled in as Python prints them. A row with an empty cell (None, NaN, "" or only spaces) or one
            that is no text (a list, bytes, …) fails, and nothing is sent of it.
        model: A model string; None is the default one.
        chat: Whether each prompt is a user's turn; None: if the model has a chat template.
        system: What the model is told before each prompt, for all rows the same; makes each a chat.
        errors: `warn` goes on when a row fails and names the failing ones at the end; `raise` stops at the first.
        resume: Whether to go on where a call with the same table, template, model and options was interrupted or
            failed, also before a restart; False forgets what that has done. A map that is complete begins anew.
        on_progress: Called with how many rows are done, those that failed included, and of how many; None shows a bar.
        **options: The fields of `SamplingOptions`. With a seed, the row at position i draws with seed + i times n: the column
            is the same each time, and its rows don't draw alike.

    Returns:
        The texts, for a DataFrame as a Series with its index, else as a list; with `n` above 1 a list of n texts for
        each row. None where a row failed; why is in `.attrs["errors"]` of the Series, `.errors` of the list: messages
        by the row's position from 0.

    Raises:
        InvalidRequest: no such column (with the one that was probably meant), or what makes no sense; nothing was started.
        GptNotebookError: it can't go on; `partial` has the values of the rows that are done.
        MapInterrupted: the user interrupted; likewise.
    """
    rows = Table.of(table)
    arguments.string("template", template)
    arguments.one_of("errors", errors, ("warn", "raise"))
    arguments.true_or_false("resume", resume)
    name = session.resolve(model)
    request_of = arguments.batch_requests(name, chat=chat, system=system, options=options)
    if not rows.names and not rows.length:
        return _column(rows, [], {})
    prompts, failed = _prompts(rows, Template.of(template, rows.names))
    sampling = arguments.sampling_options(options)
    found = _Map(prompts, failed, request_of, sampling, stop=errors == "raise")
    what = [list(prompts.items()), name, chat, system, dataclasses.asdict(sampling)]
    path = finished_rows.directory(session.settings) / f"{finished_rows.key_of(what)}.jsonl"
    with contextlib.closing(FinishedRows(path, fits=found.fits, resume=resume)) as kept:
        found.run(kept, on_progress)
    if found.failed:
        warnings.warn(_warning(found.failed, rows), stacklevel=2)
    values = [found.values.get(position) for position in range(rows.length)]
    return _column(rows, values, {position: error.message for position, error in sorted(found.failed.items())})


def _column(rows: Table, values: list[Any], errors: dict[int, str]) -> Any:
    """Return a value for each row as what suits the table, with the errors of rows by position."""
    if rows.index is None:
        return MappedColumn(values, errors)
    # As objects, so that None stays None and a list of samples a cell.
    series = sys.modules["pandas"].Series(values, index=rows.index, dtype=object)
    series.attrs["errors"] = errors
    return series


def _prompts(rows: Table, template: Template) -> tuple[dict[int, str], dict[int, GptNotebookError]]:
    """Return the prompts by position, and what is wrong with the rows that have none."""
    columns = {name: rows.column(name) for name in template.columns}
    prompts: dict[int, str] = {}
    failed: dict[int, GptNotebookError] = {}
    for position in range(rows.length):
        try:
            prompt = template.fill(lambda name, at=position: cell_text(name, columns[name][at]))  # type: ignore[misc]
            check_text("the prompt", prompt)
        except InvalidRequest as error:
            failed[position] = error
        else:
            prompts[position] = prompt
    return prompts, failed


class _Map:
    """One map on its way."""

    def __init__(
        self,
        prompts: Mapping[int, str],
        failed: Mapping[int, GptNotebookError],
        request_of: batches.RequestOf,
        options: SamplingOptions,
        *,
        stop: bool,
    ) -> None:
        self.values: dict[int, Any] = {}
        self.failed = dict(failed)
        self._prompts = prompts
        self._failed_before = failed
        self._request_of = request_of
        self._options = options
        self._stop = stop

    @property
    def _total(self) -> int:
        return len(self._prompts) + len(self._failed_before)

    @property
    def _count(self) -> int:
        """How many rows nothing more is to be done for: the one count that is told everywhere."""
        return len(self.values) + len(self.failed)

    def fits(self, position: int, value: Any) -> bool:
        """Whether this can be the value of a row here."""
        texts = value if self._options.n > 1 else [value]
        return (
            position in self._prompts
            and isinstance(texts, list)
            and len(texts) == self._options.n
            and all(isinstance(each, str) for each in texts)
        )

    def run(self, kept: FinishedRows, on_progress: progress.Count | None) -> None:
        """Do the rows that are left.

        Raises:
            GptNotebookError: it can't go on, or a row has failed where that is to stop it.
            MapInterrupted: the user interrupted.
        """
        with contextlib.closing(progress.bar("rows")) as bar:
            try:
                self._check_failed()
                while not self._complete(kept, bar, on_progress or bar):
                    pass
            except KeyboardInterrupt as error:
                raise MapInterrupted(self._done(), rows=self._count, total=self._total, kept=kept.kept) from error
            except GptNotebookError as error:
                error.partial = self._done()
                raise
        kept.forget()

    def _complete(self, kept: FinishedRows, bar: progress.Bar, report: progress.Count) -> bool:
        """Do what is left; return False where that was begun with other weights, so that all must be done again."""
        self.values, self.failed = dict(kept.values), dict(self._failed_before)
        left = [position for position in self._prompts if position not in self.values]
        if self.values and not left:
            # Only a request tells which weights there are now, so one row is done again.
            left = [max(self.values)]
            del self.values[left[0]]
        if self.values:
            progress.note(
                f"going on: {len(self.values):,} of {len(self._prompts):,} rows were done before (resume=False begins anew)"
            )
        if not left:
            report(self._count, self._total)
        prompts = [self._prompts[position] for position in left]
        rows = batches.rows(prompts, self._request_of, seeds=self._seeds(left))
        with contextlib.closing(rows) as events:
            for event in events:
                match event:
                    case Progress():
                        bar.waiting(event)
                    case BatchStarted():
                        kept.begin(event.fingerprint)
                        if self.values and not kept.values:
                            return False
                        report(self._count, self._total)
                    case batches.Row():
                        self._take(left[event.index], event, kept)
                        report(self._count, self._total)
        return True

    def _seeds(self, positions: Sequence[int]) -> list[int] | None:
        """Return the seeds of rows, each n away from the next, as its samples take as many."""
        seed, n = self._options.seed, self._options.n
        return None if seed is None else [(seed + position * n) % (MAX_SEED + 1) for position in positions]

    def _take(self, position: int, row: batches.Row, kept: FinishedRows) -> None:
        if isinstance(row.error, RequestCancelled) or any(not each.complete for each in row.completions):
            advice = "run it again to go on" if kept.kept else "run it again"
            message = f"cancelled after {self._count:,} of {self._total:,} rows: {advice}"
            raise RequestCancelled(message)
        if row.error is not None:
            self.failed[position] = row.error
            self._check_failed()
            return
        texts = [each.text for each in row.completions]
        self.values[position] = texts if self._options.n > 1 else texts[0]
        kept.add(position, self.values[position])

    def _check_failed(self) -> None:
        """Stop where a failing row is to stop it."""
        if self._stop and self.failed:
            position, error = min(self.failed.items(), key=lambda item: item[0])
            message = f"row {position}: {error.message}"
            raise type(error)(message, param=error.param)

    def _done(self) -> tuple[Any, ...]:
        return tuple(self.values[position] for position in sorted(self.values))


def _warning(failed: Mapping[int, GptNotebookError], rows: Table) -> str:
    """Return one line that names the failing rows, the first few, and says what is wrong with them or with the first."""
    positions = sorted(failed)
    first, named = positions[0], positions[:NAMED_ROWS]
    shown = ", ".join(f"{each:,}{_label(rows, each)}" for each in named) + (
        ", …" if len(positions) > NAMED_ROWS else ""
    )
    which = f"row {shown}" if len(positions) == 1 else f"rows {shown}"
    line = f"{len(positions):,} of {rows.length:,} rows failed, {which}"
    if len({error.message for error in failed.values()}) == 1:
        return f"{line}: {failed[first].message}"
    where = ".errors" if rows.index is None else '.attrs["errors"]'
    return f"{line}; row {first:,}: {failed[first].message}; {where} has what is wrong with each"


def _label(rows: Table, position: int) -> str:
    """Return what the table's index calls a row, where that isn't its position."""
    if rows.index is None:
        return ""
    (label,) = rows.index[position : position + 1].tolist()
    if isinstance(label, int) and label == position:
        return ""
    shown = repr(label) if isinstance(label, str | tuple) else str(label)
    return f" (index {shortened(shown)})"
