"""`gpt.FineTuningPanel`: start a training, watch it, steer it, try it; the twin of `labextension/src/widgets/fine_tuning.ts`.

What its views can ask is in `_fine_tuning_answers.py`.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from gpt_notebook.data import files as data_files
from gpt_notebook.data.preview import Preview
from gpt_notebook.errors import GptNotebookError, InvalidRequest, JobNotFound
from gpt_notebook.fine_tuning import records as job_records
from gpt_notebook.fine_tuning.job import Job
from gpt_notebook.fine_tuning.options import Options
from gpt_notebook.job_protocol import COLUMNS, JobInfo
from gpt_notebook.session import session
from gpt_notebook.suggestions import unknown_name
from gpt_notebook.visible_text import visible
from gpt_notebook.widgets._answers import split
from gpt_notebook.widgets._fine_tuning_answers import FineTuningAnswers
from gpt_notebook.widgets._fine_tuning_form import Given
from gpt_notebook.widgets._fine_tuning_state import INITIAL, makes_sense
from gpt_notebook.widgets._panel import STATIC, Panel
from gpt_notebook.widgets._questions import Remembered, ask

if TYPE_CHECKING:
    import os
    from pathlib import Path

_OF_DATA = ("model", "name", "validation", *COLUMNS)
_OWN = ("job", "form")
"""What of the state is no argument: it comes from the data."""


class FineTuningPanel(Panel, bundle="fine_tuning"):
    """Fine-tune a model on data: choose, preview and start; or watch a job, steer it, and try what it has made.

        gpt.FineTuningPanel(reviews, prompt="Review: {text}", completion=" {label}")
        gpt.FineTuningPanel("critic")

    `state` is what is shown, and can be changed; `job` is the job, as soon as there is one.
    """

    initial_state: ClassVar[Mapping[str, Any]] = INITIAL

    def __init__(self, data: Any, **options: Any) -> None:
        """Show a form for data, or the job that is given or named.

        Args:
            data: Data as `gpt.finetune` takes them; a `Job`, or the name of one.
            **options: For data, the arguments of `gpt.finetune`, with which the form begins. In any case what to show at
                first, such as `tab="probes"`, `smoothing=0.8` or `others=[job.id]`.

        Raises:
            InvalidRequest: data or an option make no sense; says what was probably meant.
            JobNotFound: there is no job of that name.
        """
        state = {name: options.pop(name) for name in INITIAL if name in options and name not in _OWN}
        info = _job(data)
        given = _given(data, options) if info is None else None
        if info is not None and options:
            raise InvalidRequest(_unfit(next(iter(options)), info), param=next(iter(options)))
        self._answers = FineTuningAnswers(given, job=lambda: self.state["job"], begun=self._show)
        if info is None:
            state["form"] = given.form() if given is not None else None
        else:
            state["job"] = info.id
        super().__init__(**state)
        if info is not None:
            self._answers.watch(info.id, info=info)

    @property
    def job(self) -> Job:
        """The job that is shown.

        Raises:
            JobError: there is none yet: nobody has begun it.
            JobNotFound: there is none of its id any more.
        """
        return Job(self._answers.watch().info)

    def preview(self, samples: int = 3) -> Preview:
        """Return what a model would see of the data as the form is filled in now, of a sample where they are many.

        Args:
            samples: How many to show whole.

        Raises:
            InvalidRequest: a field makes no sense, or the panel is of a job and has no data.
        """
        found, taken = self._answers.previewed(self.state["form"] or {}, samples=samples)
        if taken.sampled is not None:
            note = f"of {taken.rows:,} rows {taken.sampled:,} were looked at, evenly spread"
            found = dataclasses.replace(found, warnings=(note, *found.warnings))
        return Preview.of(found)

    def answering(self) -> object:
        """Return what answers the views; a widget has methods of its own that are called open and close."""
        return self._answers

    def close(self) -> None:
        """Take the panel from the page, with the maps that were opened below it; the job goes on."""
        super().close()
        if "_answers" in vars(self):  # One that was refused is closed as well, by Python.
            self._answers.close()

    def valid(self, key: str, value: Any) -> bool:
        """Return whether a value of the state makes sense."""
        return makes_sense(key, value)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Save what the panel shows as one page that works offline, and return where it is.

        The page has the whole curve of the job and of those that are drawn as well, its probes and settings, and what was
        tried while somebody looked.

        Raises:
            InvalidRequest: there is no such directory.
        """
        from gpt_notebook.widgets import _page

        target = _page.place_for(path)
        text = _page.page(
            title=self._title(),
            twin=self.twin(),
            state=self.state,
            answers=[*self._recorded(), *self._answers.memory.all()],
            static=STATIC,
            bundle="fine_tuning",
        )
        return _page.write(target, text)

    def twin(self) -> str:
        """Return the static twin: the curves, the probes and the settings; of a panel without a job its form."""
        from gpt_notebook.widgets import _fine_tuning_twin as twins

        if self.state["job"] is None:
            return twins.form_twin(self.state["form"] or {})
        watch = self._answers.watch()
        with session.starting_none():
            watch.look(whole=True)
        return twins.job_twin(watch.info, watch.curve, gone=watch.gone)

    def __repr__(self) -> str:
        if self.state["job"] is None:
            return "<FineTuningPanel no job yet>"
        try:
            info = self._answers.watch().info
        except GptNotebookError:
            return "<FineTuningPanel of a job that is not there>"
        return f"<FineTuningPanel {info.name} on {visible(info.model)}>"

    def _show(self, info: JobInfo) -> None:
        """Show a job that was begun."""
        self.state = {"job": info.id}

    def _title(self) -> str:
        if self.state["job"] is None:
            return "Fine-tune"
        info = self._answers.watch().info
        return f"Fine-tune · {info.name} on {info.model}"

    def _recorded(self) -> list[Remembered]:
        """Return what a page has in any case: what there is to choose from, and the curves."""
        answers = self._answers
        ask(answers, "open")
        found = []
        for job in filter(None, dict.fromkeys([self.state["job"], *self.state["others"]])):
            with contextlib.suppress(JobNotFound):
                said, rows = answers.curve(job=job)
                # A page needs no model kernel, and has nothing to say of one.
                found.append(Remembered("curve", {"job": job}, split(({**said, "reachable": True}, rows))))
        return found


def _job(data: Any) -> JobInfo | None:
    """Return the job that is meant, None where data are.

    Raises:
        JobNotFound: a text is neither the name of a job nor the path of a file.
    """
    if isinstance(data, Job):
        return data.status
    if not isinstance(data, str) or data_files.looks_like_a_file(data) or not data.isprintable():
        return None
    try:
        return job_records.find(data)
    except JobNotFound as error:
        message = f"{error.message}; data are a table, a list, or the path of a file"
        raise JobNotFound(message) from error


def _given(data: Any, options: Mapping[str, Any]) -> Given:
    """Return data with their options, as far as they make sense.

    Raises:
        InvalidRequest: they don't.
    """
    known = tuple(name for name in (*_OF_DATA, *Options.__annotations__, *INITIAL) if name not in _OWN)
    if unknown := [name for name in options if name not in known]:
        raise InvalidRequest(unknown_name("option", unknown[0], known), param=unknown[0])
    given = Given(
        data=_again(data),
        model=options.get("model"),
        name=options.get("name"),
        validation=_again(options.get("validation")),
        columns={name: options.get(name) for name in COLUMNS},
        options={name: value for name, value in options.items() if name not in _OF_DATA},
    )
    given.check()
    return given


def _again(data: Any) -> Any:
    """Return data as what can be read again and again, as a form asks for."""
    return list(data) if isinstance(data, Iterator) else data


def _unfit(name: str, info: JobInfo) -> str:
    if name in (*_OF_DATA, *Options.__annotations__):
        return f"{info.name} has its options already: leave out {name}="
    return unknown_name("option", name, [each for each in INITIAL if each not in _OWN])
