"""What the views of a fine-tuning panel can ask, and what they are answered.

The twin of `labextension/src/widgets/fine_tuning/source.ts`, which says what each answer is. Looking at a job starts no model
kernel; a form does, which shows what a model would see of the data, and so does a button that needs one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from gpt_notebook import adapter_management, api, arguments, launcher
from gpt_notebook.attention_protocol import AttentionRequest, Captured, DiffRequest, HeadScores
from gpt_notebook.completion import text_of
from gpt_notebook.data.sample import Sample
from gpt_notebook.errors import GptNotebookError, InvalidRequest, JobError
from gpt_notebook.fine_tuning import records as job_records
from gpt_notebook.fine_tuning import telling
from gpt_notebook.job_protocol import CommandName, JobInfo, Preview
from gpt_notebook.next_action import NextAction
from gpt_notebook.protocol import DEFAULT_MODEL, Progress, Tokens
from gpt_notebook.session import session
from gpt_notebook.widgets._explorers import Explorers
from gpt_notebook.widgets._fine_tuning_data import SHOWN_SAMPLES, PreviewData, start
from gpt_notebook.widgets._fine_tuning_form import Given, fields_named
from gpt_notebook.widgets._fine_tuning_state import MAX_OTHERS
from gpt_notebook.widgets._job_watch import JobWatch, News
from gpt_notebook.widgets._parameters import check
from gpt_notebook.widgets._questions import Memory, question
from gpt_notebook.widgets._requests import Teller, request, standing

MAX_JOBS = 200
"""Of all jobs there are the newest so many can be chosen."""
MOST_LISTED = 6
"""Steps that an error lists."""


class FineTuningAnswers:
    """Answers about data that can be trained on, and about jobs."""

    times_again = 0

    def __init__(self, given: Given | None, *, job: Callable[[], str | None], begun: Callable[[JobInfo], None]) -> None:
        """Know no job yet.

        Args:
            given: The data and the options of the panel; None: it is of a job.
            job: Returns the id of the job that is shown.
            begun: Told of the job that was begun.
        """
        self.memory = Memory()
        self._data = PreviewData()
        self._explorers = Explorers()
        self._given = given
        self._job = job
        self._begun = begun
        self._watches: dict[str, JobWatch] = {}

    def watch(self, job: str | None = None, *, info: JobInfo | None = None) -> JobWatch:
        """Return what is known of a job, of the one that is shown if none is named.

        Raises:
            JobNotFound: there is none.
            JobError: none is shown yet.
        """
        wanted = job or self._job()
        if wanted is None:
            message = "this panel has no job yet: begin it first"
            raise JobError(message, next_action=NextAction("finetune"))
        found = self._watches.get(wanted)
        if found is None:
            found = JobWatch(info or job_records.find(wanted))
            # What was looked at earlier and is not shown any more can be read again.
            rest = [id_ for id_, each in self._watches.items() if not each.followed and id_ != self._job()]
            forgotten = rest[: max(0, len(rest) - MAX_OTHERS)]
            kept = {id_: each for id_, each in self._watches.items() if id_ not in forgotten}
            self._watches = {**kept, found.info.id: found}
        return found

    # --- looking ----------------------------------------------------------------------------------------------------

    @question()
    def open(self) -> dict[str, Any]:
        """What can be chosen from: data with a form, models and jobs."""
        given = self._given if self._job() is None else None
        return {
            "data": None if given is None else given.described(),
            "form": None if given is None else given.form(),
            "models": _models(),
            "jobs": [
                {"id": each.id, "name": each.name, "model": each.model, "state": each.state}
                for each in job_records.listed()[:MAX_JOBS]
            ],
        }

    @standing
    def follow(self, teller: Teller, *, job: str, rows: int, number: int) -> None:
        """What is new of a job, at once and then as it comes."""
        check({"job": job, "rows": rows, "number": number})
        self.watch(job).follow(teller, rows=rows, number=number)

    @request
    def curve(self, *, job: str) -> News:
        """A job's curve, as it is now; it is long, and not remembered."""
        check({"job": job})
        with session.starting_none():
            watch = self.watch(job)
            watch.look(whole=True)
            return watch.news()

    # --- before a job is there --------------------------------------------------------------------------------------

    @question(may_start=True)
    def preview(self, *, form: Mapping[str, Any]) -> dict[str, Any]:
        """What a model would see of the data, of a sample of them where they are many."""
        found, taken = self.previewed(form, samples=SHOWN_SAMPLES)
        return {"preview": found, "sampled": taken.sampled, "rows": taken.rows}

    @question(may_start=True)
    def estimate(self, *, form: Mapping[str, Any]) -> Any:
        """What the training would take."""
        return self.previewed(form, samples=0)[0].estimate

    def previewed(self, form: Mapping[str, Any], *, samples: int) -> tuple[Preview, Sample]:
        """Return what a model would see of the data, with so many samples whole, and of which rows it was made.

        Raises:
            InvalidRequest: a field makes no sense, which `param` names.
        """
        with fields_named():
            return self._data.preview(self._wanted().asked(form)[0], samples=samples)

    @request
    def begin(self, *, form: Mapping[str, Any]) -> Generator[Progress, None, JobInfo]:
        """Start the job, or attach to the one that is there with the same data and options."""
        check({"form": form})
        asked, name = self._wanted().asked(form)
        yield from launcher.ensuring(session.settings)
        with fields_named():
            info = start(asked, name=name).job
        self.watch(info.id, info=info)
        self._begun(info)
        return info

    @request
    def start(self) -> Generator[Progress, None, None]:
        """Start a model kernel if there is none."""
        yield from launcher.ensuring(session.settings)

    # --- steering ---------------------------------------------------------------------------------------------------

    @request
    def command(self, *, command: CommandName, value: float | None = None) -> dict[str, Any]:
        """Tell the job something, and wait a moment until it has obeyed."""
        check({"command": command, "value": value})
        watch = self.watch()
        watch.look()
        known = watch.info
        if command == "max_steps":
            value = arguments.positive("max_steps", value)
        obeyed = telling.tell(
            known.id,
            command,
            value,
            after=watch.curve.number,
            following=lambda after: job_records.following(known.id, name=known.name, after=after),
            status=lambda: job_records.latest(known),
        )
        watch.look(whole=True)
        return {"info": watch.info, "late": None if obeyed else telling.late(known.name, command, value)}

    # --- checkpoints ------------------------------------------------------------------------------------------------

    @question(may_start=True)
    def generate(
        self, *, model: str, prompt: str, max_new_tokens: int, temperature: float, seed: int
    ) -> Generator[Any, None, Any]:
        """What a model makes of a prompt, as it comes."""
        text, count = "", 0
        options: dict[str, Any] = {"max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed}
        with contextlib.closing(api.events(prompt, model=model, **options)) as events:
            for event in events:
                if isinstance(event, Tokens):
                    text += text_of(event.tokens)
                    count += len(event.tokens)
                    yield {"model": model, "text": text, "tokens": count}
        return {"model": model, "text": text, "tokens": count}

    @question(may_start=True)
    def moved(self, *, step: int, text: str) -> Generator[Progress, None, dict[str, Any]]:
        """How far each head's attention has moved from the base (layer, head), and the code that looks into it."""
        base, tuned = self.watch().info.model, self._checkpoint(step)
        first = yield from _one(AttentionRequest(model=base, text=text), Captured)
        other = yield from _one(AttentionRequest(model=tuned, text=text), Captured)
        asked = DiffRequest(attention=first.attention.id, other=other.attention.id, part=first.attention.parts[0].name)
        found = yield from _one(asked, HeadScores)
        code = f"gpt.AttentionPanel({text!r}, model={base!r}, other_model={tuned!r})"
        return {"table": found.values[0], "code": code}

    @request
    def maps(self, *, step: int, text: str, layer: int, head: int) -> dict[str, Any]:
        """The id of an attention panel with a head of a checkpoint beside the base's; a page that is saved has none."""
        check({"step": step, "text": text, "layer": layer, "head": head})
        asked = (text, self.watch().info.model, self._checkpoint(step))
        return {"widget": self._explorers.open(asked, layer=layer, head=head).model_id}

    @request
    def export_checkpoint(self, *, step: int, directory: str, merged: bool = False) -> Generator[Progress, None, Any]:
        """Write a checkpoint for others."""
        check({"step": step, "directory": directory, "merged": merged})
        written = yield from adapter_management.exporting(self._checkpoint(step), directory, merged=merged)
        return {"directory": written.directory, "files": written.files, "bytes": written.bytes}

    @request
    def remove(self, *, step: int) -> None:
        """Delete a checkpoint."""
        check({"step": step})
        watch = self.watch()
        adapter_management.delete_adapter(watch.info.name, step, force=True)
        watch.look(whole=True)

    def close(self) -> None:
        """Close what was opened below the panel."""
        self._explorers.close()

    # --- finding what is meant --------------------------------------------------------------------------------------

    def _wanted(self) -> Given:
        if self._given is None:
            message = "this panel is of a job and has no data: make one with gpt.FineTuningPanel(data)"
            raise InvalidRequest(message, param="data")
        return self._given

    def _checkpoint(self, step: int) -> str:
        """Return the model string of a checkpoint."""
        watch = self.watch()
        watch.look(whole=True)
        info = watch.info
        steps = [each.step for each in info.checkpoints]
        if info.result is None or step not in steps:
            message = f"{info.name} has no checkpoint of step {step}: {_listed(steps)}"
            raise InvalidRequest(message, param="step")
        return f"{info.result}:{step}"


def _listed(steps: Sequence[int]) -> str:
    """Return which checkpoints there are; of many the first and the last."""
    if not steps:
        return "there is none yet"
    shown = [f"{step:,}" for step in steps]
    if len(shown) > MOST_LISTED:
        shown = [*shown[: MOST_LISTED - 1], "…", shown[-1]]
    return f"there {'is that' if len(steps) == 1 else 'are those'} of {', '.join(shown)}"


def _models() -> list[str]:
    """Return the models that can be chosen: the model kernel's, loaded ones first; at least the session's and the default."""
    known: list[str] = []
    with contextlib.suppress(GptNotebookError):
        found = session.ask(lambda client: client.models())
        known = [each.name for each in sorted(found, key=lambda each: not each.loaded)]
    return list(dict.fromkeys([*known, session.model, DEFAULT_MODEL]))


def _one(asked: Any, kind: type[Any]) -> Generator[Progress, None, Any]:
    """Yield how far an answer about the inside of a model is, and return the event of a kind."""
    with contextlib.closing(session.stream(lambda client: client.inspect(asked))) as events:
        for event in events:
            if isinstance(event, Progress):
                yield event
            elif isinstance(event, kind):
                return event
    message = "the model kernel ended its answer without the answer: is it of another version?"
    raise GptNotebookError(message)
