"""A job as a notebook sees it: numbers without gap, how it looks, how it is measured and deleted."""

from __future__ import annotations

import dataclasses
import shutil
import sys
import types

import pytest
from fake_jobs import INFO

import gpt_notebook as gpt
from gpt_notebook.display import job_reports
from gpt_notebook.errors import (
    ConnectionLost,
    InvalidRequest,
    JobError,
    JobInUse,
    JobNotFound,
    ModelKernelError,
)
from gpt_notebook.evaluation import functions as evaluation
from gpt_notebook.fine_tuning import job as fine_tuning_job
from gpt_notebook.fine_tuning import metrics as job_metrics
from gpt_notebook.fine_tuning import records as job_records
from gpt_notebook.job_events import MemoryShort, Noted, StateChanged
from gpt_notebook.job_files.directory import JobSpec, directory_of
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.job_protocol import CheckpointInfo, JobOptions, JobRequest

pytestmark = pytest.mark.usefixtures("settings", "nothing_is_started")


# --- what it tells --------------------------------------------------------------------------------------------------


def test_it_tells_how_it_is(fake_jobs, job):
    checkpoint = CheckpointInfo(step=2, bytes=9, digest="d", can_resume=True, best=True)
    fake_jobs.info = dataclasses.replace(
        INFO, name="tale", pid=7, result="storyteller+tale", checkpoints=(checkpoint,), step=2
    )
    assert (job.id, job.name, job.state, job.pid) == ("1f", "tale", "running", 7)
    assert (job.base, job.model, job.best, job.checkpoints) == (
        "storyteller",
        "storyteller+tale",
        checkpoint,
        (checkpoint,),
    )
    assert job.directory == "/jobs/pip"


def test_a_job_that_was_deleted(fake_jobs, job):
    fake_jobs.info = None
    with pytest.raises(JobNotFound):
        _ = job.state
    assert repr(job) == "<Job pip: deleted>"
    assert job._repr_mimebundle_()["text/plain"] == "job    pip\nstate  deleted"


def test_a_job_that_was_deleted_is_named_as_people_know_it(fake_jobs, job, model_kernel):
    gone = {"error": {**JobNotFound("there is no job 1f").to_json(), "status": 404}}
    model_kernel.answers |= {"/v1/jobs": gone, "/v1/jobs/events": gone}
    for call in (lambda: job.state, job.wait, job.pause, job.metrics, lambda: list(job.events(follow=True))):
        with pytest.raises(JobNotFound, match="the job pip is there no more"):
            call()


def test_each_step_is_there_once_with_its_validation(trained):
    rows = job_metrics.metrics(trained._counted())
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert [row["loss"] for row in rows] == [3.0, 2.0, 0.5, 0.5]
    assert [row["validation_loss"] for row in rows] == [None, 1.5, None, None]


def test_metrics_are_a_data_frame_where_there_is_pandas(trained, monkeypatch):
    pytest.importorskip("pandas")
    assert trained.metrics()["step"].tolist() == [1, 2, 3, 4]
    monkeypatch.setattr(job_metrics, "find_spec", lambda _name: None)
    assert trained.metrics()[0]["step"] == 1


def test_samples_are_the_probes_by_step(trained):
    pytest.importorskip("pandas")
    assert trained.samples().to_dict("records") == [
        {"step": 0, "prompt": "Once", "text": " upon"},
        {"step": 4, "prompt": "Once", "text": " more"},
    ]


def test_before_the_first_step_there_are_no_numbers(job):
    pytest.importorskip("pandas")
    assert len(job.metrics()) == len(job.samples()) == 0
    assert list(job.metrics().columns) == [*job_metrics.STEP_COLUMNS, *job_metrics.VALIDATION_COLUMNS]


def test_a_figure_before_the_first_step_says_so(job):
    pytest.importorskip("plotly")
    assert job.figure().layout.title.text == "pip on storyteller: no step yet"


def test_a_figure_has_both_losses_and_the_learning_rate(fake_jobs, trained):
    pytest.importorskip("plotly")
    fake_jobs.info = dataclasses.replace(fake_jobs.info, best_step=2)
    training, validation, best, rate = trained.figure().data
    assert list(rate.y) == pytest.approx([1e-3] * 4)
    assert (best.name, list(best.x), list(best.y)) == ("best", [2], [1.5])
    assert (list(training.x), list(training.y)) == ([1, 2, 3, 4], [3.0, 2.0, 0.5, 0.5])
    assert (list(validation.x), list(validation.y)) == ([2], [1.5])


def test_a_figure_marks_pauses_and_where_the_memory_did_not_suffice(fake_jobs, job):
    pytest.importorskip("plotly")
    fake_jobs.step(1)
    fake_jobs.add(MemoryShort, step=1, micro_batch_size=1, accumulation=8)
    fake_jobs.step(2)
    fake_jobs.add(StateChanged, state="paused", step=2)
    marked = [(each.x, each.text) for each in job.figure().layout.annotations]
    assert marked == [(1, "out of memory"), (2, "paused")]


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_figure_marks_an_end_before_its_time_once(fake_jobs, job, state):
    """As the panel does."""
    pytest.importorskip("plotly")
    fake_jobs.step(1)
    for _ in range(2):
        fake_jobs.add(StateChanged, state=state, step=1)
    assert [(each.x, each.text) for each in job.figure().layout.annotations] == [(1, state)]


def test_a_figure_has_other_jobs_beside_it(trained):
    pytest.importorskip("plotly")
    names = [each.name for each in trained.figure("pip", trained).data]
    assert names[-4:] == ["pip", "pip, validation", "pip", "pip, validation"]


def test_a_figure_says_what_to_install(trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(gpt.GptNotebookError, match=r"pip install 'gpt-notebook\[viz\]'"):
        trained.figure()


def test_of_many_jobs_only_the_one_is_asked_for(fake_jobs, job, model_kernel):
    model_kernel.calls.clear()
    assert job.name == "pip"
    assert [path for path, _, _ in model_kernel.calls if path.startswith("/v1/")] == ["/v1/jobs?job=1f"]


def test_only_new_events_are_asked_for(fake_jobs, job):
    fake_jobs.step(1)
    assert len(list(job.events())) == 1
    fake_jobs.step(2)
    assert len(list(job.events())) == 2
    assert [body["after"] for body in fake_jobs.requests("events")] == [0, 1]


def test_following_gives_each_event_once_though_the_model_kernel_dies_in_between(fake_jobs, trained):
    fake_jobs.dies_after = 5
    assert [event.number for event in trained.events(follow=True)] == [event.number for event in fake_jobs.events]
    assert [body["after"] for body in fake_jobs.requests("events")] == [0, 5]


def test_following_a_job_that_was_deleted_ends(fake_jobs, job, model_kernel):
    gone = {"error": {**JobNotFound("there is no job").to_json(), "status": 404}}
    model_kernel.answers["/v1/jobs/events"] = gone
    with pytest.raises(JobNotFound):
        list(job.events(follow=True))


def test_a_model_kernel_that_stays_away_is_told(fake_jobs, job, model_kernel):
    model_kernel.scripts["/v1/jobs/events"] = lambda stream, _body: stream.die()
    with pytest.raises(ConnectionLost):
        list(job.events(follow=True))


@pytest.fixture
def directory(settings, tmp_path):
    """That of a job which no model kernel tells of."""
    directory = directory_of(settings.home_directory(), "pip")
    directory.create()
    request = JobRequest(data="0" * 64, name="pip")
    directory.write_spec(
        JobSpec(id="1f", name="pip", created=1.0, request=request, source=str(tmp_path), fingerprint="f")
    )
    return directory


def test_without_a_model_kernel_the_job_is_read_from_its_directory(directory):
    with Journal(directory.events, attempt=1) as journal:
        journal.write(StateChanged, state="paused", reason="user", step=3)
        journal.write(Noted, message="a note")
    job = gpt.job("pip")
    assert (job.id, job.state, job.status.reason) == ("1f", "paused", "user")
    assert [event.type for event in job.events()] == ["state", "note"]


def test_without_a_model_kernel_no_other_directory_is_looked_at(directory, monkeypatch):
    job = gpt.job("pip")
    monkeypatch.setattr(job_records, "jobs_in", lambda _: pytest.fail("all jobs were looked at"))
    assert job.name == "pip"


def test_without_a_model_kernel_a_job_is_found_under_its_new_name(directory):
    job = gpt.job("pip")
    moved = directory.rename("pop")
    assert (job.name, job.state) == ("pop", "queued")
    shutil.rmtree(moved.path)
    with pytest.raises(JobNotFound, match="the job pop is there no more"):
        _ = job.name


# --- how it looks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "shown"), [("running", True), ("paused", True), ("succeeded", False)])
def test_it_shows_its_learning_rate_as_long_as_it_may_go_on(fake_jobs, job, state, shown):
    fake_jobs.info = dataclasses.replace(INFO, state=state, learning_rate=3e-3)
    assert ("learning rate  0.003" in job._repr_mimebundle_()["text/plain"]) is shown


def test_before_it_begins_it_shows_the_steps_that_are_asked_for(fake_jobs, job):
    fake_jobs.info = dataclasses.replace(INFO, state="queued", step=10, options=JobOptions(max_steps=900))
    assert "░░░░░░░░░░░░░░░░░░░░ 10 of 900" in job._repr_mimebundle_()["text/plain"]


def test_it_shows_itself_with_the_line_to_use_it(fake_jobs, job, monkeypatch):
    monkeypatch.setattr(job_reports.time, "strftime", lambda _: "14:02")
    checkpoints = tuple(
        CheckpointInfo(step=s, bytes=10**6, digest="d", can_resume=True, best=s == 1) for s in range(1, 10)
    )
    fake_jobs.info = dataclasses.replace(
        INFO, step=5, max_steps=10, epoch=0.5, loss=2.25, validation_loss=2.5, best_step=1, checkpoints=checkpoints,
        result="storyteller+pip", seconds_left=90.0, tokens_per_second=1234.0,
    )  # fmt: skip
    shown = job._repr_mimebundle_()
    assert shown["text/plain"].splitlines()[:6] == [
        "job          pip · LoRA on storyteller",
        "state        running · at 14:02 · about 1.5 min left · 1,234 tokens/s",
        "step         ██████████░░░░░░░░░░ 5 of 10 · epoch 0.5",
        "loss         2.25 · validation 2.5 · best at step 1",
        "checkpoints  …, 1 (best), 4, 5, 6, 7, 8, 9 · 9 MB",
        "use it       %%gpt -m storyteller+pip · the best: %%gpt -m storyteller+pip:best",
    ]
    assert "<table" in shown["text/html"]
    assert repr(job) == "<Job pip: running, step 5 of 10, loss 2.25>"


def test_the_reason_of_a_failure_is_shown_as_text(fake_jobs, job):
    fake_jobs.info = dataclasses.replace(INFO, state="failed", reason="error", message="<b>ValueError</b>")
    shown = job._repr_mimebundle_()
    assert "failed · <b>ValueError</b>" in shown["text/plain"]
    assert "<b>" not in shown["text/html"]
    assert "/jobs/pip/log.txt" in shown["text/plain"]


def test_where_nobody_can_tell_it_shows_itself_as_it_was(fake_jobs, job, monkeypatch):
    def nobody(_settings):
        message = "it gives no answer"
        raise ModelKernelError(message)

    monkeypatch.setattr(job_records.launcher, "running", nobody)
    assert repr(job) == "<Job pip: running, step 0>"


def test_nothing_is_evaluated_before_the_first_checkpoint(job):
    with pytest.raises(JobError, match=r"pip has no checkpoint yet: wait for the first \(job\.wait\(\)\)"):
        job.evaluate(["x"])


@pytest.mark.parametrize(("given", "used"), [({}, ("{review}:", " {label}")), ({"text": "review"}, (None, None))])
def test_it_is_evaluated_on_rows_made_as_those_of_its_training(fake_jobs, job, monkeypatch, given, used):
    columns = {"prompt": "{review}:", "completion": " {label}"}
    fake_jobs.info = dataclasses.replace(INFO, result="storyteller+pip", columns=columns)
    seen = []
    monkeypatch.setattr(evaluation, "evaluate", lambda *arguments, **options: seen.append((arguments, options)))
    rows = [{"review": "x", "label": "y"}]
    job.evaluate(rows, labels=False, **given)
    ((arguments, options),) = seen
    assert arguments == ("storyteller+pip", rows)
    assert (options.get("prompt"), options.get("completion")) == used


def test_data_without_the_columns_of_its_training_are_refused_in_its_words(fake_jobs, job):
    columns = {"prompt": "Review: {review}\n" + 50 * "-", "completion": " {label}"}
    fake_jobs.info = dataclasses.replace(INFO, result="storyteller+pip", columns=columns)
    with pytest.raises(InvalidRequest) as raised:
        job.evaluate([{"comment": "x", "label": "y"}])
    assert raised.value.message.startswith("pip was trained with prompt='Review: {review}\\n---")
    assert raised.value.message.endswith(
        "…' and completion=' {label}', and these data have 'comment', 'label': give prompt= and completion= for these data"
    )


def test_data_that_can_be_read_only_once_are_evaluated_whole(fake_jobs, job, monkeypatch):
    fake_jobs.info = dataclasses.replace(INFO, result="storyteller+pip", columns={"text": "story"})
    seen = []
    monkeypatch.setattr(evaluation, "evaluate", lambda _model, data, **_options: seen.extend(data))
    job.evaluate({"story": each} for each in ("a fox", "an owl"))
    assert seen == [{"story": "a fox"}, {"story": "an owl"}]


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ({}, {"chat": False, "max_length": 64, "too_long": "drop"}),
        ({"max_length": 8, "chat": None}, {"chat": None, "max_length": 8, "too_long": "drop"}),
    ],
)
def test_it_is_evaluated_as_it_was_trained(fake_jobs, job, monkeypatch, given, used):
    fake_jobs.info = dataclasses.replace(
        INFO, result="storyteller+pip", options=JobOptions(chat=False, too_long="drop"), chosen={"max_length": 64}
    )
    seen = []
    monkeypatch.setattr(evaluation, "evaluate", lambda *_arguments, **options: seen.append(options))
    job.evaluate(["x"], **given)
    assert seen == [used]


# --- its end --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "deleted"), [("y", True), ("n", False)])
def test_whoever_is_there_is_asked_before_it_is_deleted(fake_jobs, model_kernel, monkeypatch, answer, deleted):
    asked = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or answer)
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(isatty=lambda: True))
    fake_jobs.info = dataclasses.replace(INFO, state="cancelled")
    assert gpt.delete_job("pip") is deleted
    assert asked == ["Delete the job pip (cancelled), which has no checkpoint? [y/N] "]
    assert model_kernel.requests("/v1/jobs/forget") == [{"job": "1f"}] * deleted


@pytest.mark.parametrize("how", [{"state": "running"}, {"state": "queued", "pid": 7}])
def test_a_job_that_runs_is_not_deleted_and_nobody_is_asked(fake_jobs, job, model_kernel, monkeypatch, how):
    monkeypatch.setattr(fine_tuning_job, "agreed", lambda *_: pytest.fail("somebody was asked"))
    fake_jobs.info = dataclasses.replace(INFO, **how)
    with pytest.raises(JobInUse, match="the job pip runs: stop or cancel it first"):
        job.delete()
    assert model_kernel.requests("/v1/jobs/forget") == []


def test_by_force_it_is_deleted_without_a_question(fake_jobs, job, model_kernel):
    fake_jobs.info = dataclasses.replace(INFO, state="failed")
    assert job.delete(force=True)
    assert model_kernel.requests("/v1/jobs/forget") == [{"job": "1f"}]
