"""`gpt.map`: a new column for a table, each cell a completion of a prompt that is made of the row.

Fills the batch of the model kernel, tells failing rows by position and goes on, and continues where an earlier call with
the same arguments has stopped.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack

from gpt_notebook import arguments, batches, finished_rows, progress
from gpt_notebook.arguments import Options
from gpt_notebook.batch_protocol import BatchStarted
from gpt_notebook.errors import GptNotebookError, InvalidRequest, MapInterrupted, RequestCancelled
from gpt_notebook.finished_rows import FinishedRows
from gpt_notebook.protocol import MAX_SEED, Progress, SamplingOptions, check_text
from gpt_notebook.session import Model, session
from gpt_notebook.table import Table
from gpt_notebook.template import Template

NAMED_ROWS = 5
"""How many failing rows a warning names."""


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
        on_progress: Called with how many rows are done, and of how many; None shows a bar.
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
        return rows.result([], {})
    prompts, failed = _prompts(rows, Template.of(template, rows.names))
    sampling = arguments.sampling_options(options)
    found = _Map(prompts, failed, request_of, sampling, stop=errors == "raise")
    kept = _kept([list(prompts.items()), name, chat, system, dataclasses.asdict(sampling)])
    with contextlib.closing(kept):
        if not resume:
            kept.forget()
        found.run(kept, on_progress)
    if found.failed:
        warnings.warn(_warning(found.failed, rows.length), stacklevel=2)
    values = [found.values.get(position) for position in range(rows.length)]
    return rows.result(values, {position: error.message for position, error in sorted(found.failed.items())})


def _prompts(rows: Table, template: Template) -> tuple[dict[int, str], dict[int, GptNotebookError]]:
    """Return the prompts by position, and what is wrong with the rows that have none."""
    columns = {name: rows.column(name) for name in template.columns}
    prompts: dict[int, str] = {}
    failed: dict[int, GptNotebookError] = {}
    for position in range(rows.length):
        try:
            prompt = template.fill(lambda name, at=position: rows.text(name, columns[name][at]))  # type: ignore[misc]
            check_text("the prompt", prompt)
        except InvalidRequest as error:
            failed[position] = error
        else:
            prompts[position] = prompt
    return prompts, failed


def _kept(what: list[Any]) -> FinishedRows:
    """Return what an earlier call has left that asked for the same."""
    return FinishedRows(finished_rows.directory(session.settings) / f"{finished_rows.key_of(what)}.jsonl")


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
                raise MapInterrupted(self._done(), total=self._total, kept=kept.kept) from error
            except GptNotebookError as error:
                error.partial = self._done()
                raise
        kept.forget()

    def _complete(self, kept: FinishedRows, bar: progress.Bar, report: progress.Count) -> bool:
        """Do what is left; return False where that was begun with other weights, so that all must be done again."""
        self.values, self.failed = dict(kept.values), dict(self._failed_before)
        left = [position for position in self._prompts if position not in self.values]
        if self.values:
            sys.stderr.write(
                f"going on: {len(self.values):,} of {self._total:,} rows were done before (resume=False begins anew)\n"
            )
        report(len(self.values) + len(self.failed), self._total)
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
                    case batches.Row():
                        self._take(left[event.index], event, kept)
                        report(len(self.values) + len(self.failed), self._total)
        return True

    def _seeds(self, positions: Sequence[int]) -> list[int] | None:
        """Return the seeds of rows, each n away from the next, as its samples take as many."""
        seed, n = self._options.seed, self._options.n
        return None if seed is None else [(seed + position * n) % MAX_SEED for position in positions]

    def _take(self, position: int, row: batches.Row, kept: FinishedRows) -> None:
        if isinstance(row.error, RequestCancelled) or any(not each.complete for each in row.completions):
            done, advice = len(self.values), "run it again to go on" if kept.kept else "run it again"
            message = f"cancelled after {done:,} of {self._total:,} rows: {advice}"
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


def _warning(failed: Mapping[int, GptNotebookError], total: int) -> str:
    """Return one line that names the failing rows, the first few, and says of the first what is wrong with it."""
    positions = sorted(failed)
    shown = ", ".join(f"{each:,}" for each in positions[:NAMED_ROWS]) + (", …" if len(positions) > NAMED_ROWS else "")
    which = f"row {shown}" if len(positions) == 1 else f"rows {shown}"
    return f"{len(positions):,} of {total:,} rows failed, {which}: {failed[positions[0]].message}"
