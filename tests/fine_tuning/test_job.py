"""A job as a notebook sees it: numbers without gap, commands that are answered, waiting that can be interrupted."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import sys
import threading
import types

import pytest
from fake_jobs import INFO

import gpt_notebook as gpt
from gpt_notebook.display import job_reports, progress, reports
from gpt_notebook.errors import (
    ConnectionLost,
    InvalidRequest,
    JobError,
    JobFailed,
    JobInUse,
    JobNotFound,
    JobUnfinished,
    ModelKernelError,
    WaitInterrupted,
)
from gpt_notebook.evaluation import functions as evaluation
from gpt_notebook.fine_tuning import job as fine_tuning_job
from gpt_notebook.fine_tuning import metrics as job_metrics
from gpt_notebook.fine_tuning import records as job_records
from gpt_notebook.job_events import CommandDone, Noted, Probed, StateChanged
from gpt_notebook.job_files.directory import JobSpec, directory_of
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.job_protocol import CheckpointInfo, JobOptions, JobRequest
from gpt_notebook.protocol import RunningJob

pytestmark = pytest.mark.usefixtures("settings", "nothing_is_started")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(job_records, "RETRY_SECONDS", 0.0)


@pytest.fixture
def job(fake_jobs):
    return gpt.job("pip")


@pytest.fixture
def trained(fake_jobs, job):
    """A job that has died after its third step and has done the third again."""
    fake_jobs.add(StateChanged, state="running")
    fake_jobs.prepared(max_steps=4)
    fake_jobs.add(Probed, step=0, index=0, prompt="Once", text=" upon")
    for step in (1, 2, 3):
        fake_jobs.step(step, loss=4.0 - step)
    fake_jobs.validated(2, 1.5)
    fake_jobs.add(StateChanged, state="running", attempt=2)
    fake_jobs.prepared(step=2, attempt=2)
    for step in (3, 4):
        fake_jobs.step(step, loss=0.5, attempt=2)
    fake_jobs.add(Probed, step=4, index=0, prompt="Once", text=" more", attempt=2)
    fake_jobs.add(StateChanged, state="succeeded", step=4, attempt=2)
    return job


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


def test_a_plot_before_the_first_step_says_so(job):
    pytest.importorskip("plotly")
    assert job.plot().layout.title.text == "pip on storyteller: no step yet"


def test_a_plot_has_both_losses(fake_jobs, trained):
    pytest.importorskip("plotly")
    fake_jobs.info = dataclasses.replace(fake_jobs.info, best_step=2)
    training, validation, best = trained.plot().data
    assert (best.name, list(best.x), list(best.y)) == ("best", [2], [1.5])
    assert (list(training.x), list(training.y)) == ([1, 2, 3, 4], [3.0, 2.0, 0.5, 0.5])
    assert (list(validation.x), list(validation.y)) == ([2], [1.5])


def test_a_plot_says_what_to_install(trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(gpt.GptNotebookError, match=r"pip install 'gpt-notebook\[viz\]'"):
        trained.plot()


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


# --- what it is told ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "command", "value"),
    [
        (lambda job: job.pause(), "pause", None),
        (lambda job: job.resume(), "resume", None),
        (lambda job: job.stop(), "stop", None),
        (lambda job: job.cancel(), "cancel", None),
        (lambda job: job.set_learning_rate(1e-4), "learning_rate", 1e-4),
        (lambda job: job.set_max_steps(9), "max_steps", 9),
    ],
)
def test_a_command_waits_until_it_is_acknowledged(fake_jobs, call, command, value, capsys):
    job = gpt.job("pip")
    assert call(job) is job
    (body,) = fake_jobs.requests("command")
    assert (body["job"], body["command"], body["value"]) == ("1f", command, value)
    assert capsys.readouterr().err == ""


def test_a_command_that_is_refused_says_why(fake_jobs, job):
    fake_jobs.obeys = False
    with pytest.raises(JobError, match="pip can't pause: it has ended"):
        job.pause()


def test_a_job_that_ends_instead_of_obeying(fake_jobs, job, monkeypatch):
    monkeypatch.setattr(fine_tuning_job, "LAST_WORD_SECONDS", 0.05)
    fake_jobs.obeys = None
    threading.Timer(0.05, lambda: fake_jobs.add(StateChanged, state="succeeded", step=4)).start()
    with pytest.raises(JobError, match="pip did not pause: it has ended meanwhile, succeeded"):
        job.pause()


def test_a_command_that_nobody_answers_is_still_pending(fake_jobs, job, monkeypatch, capsys):
    monkeypatch.setattr(fine_tuning_job, "ACKNOWLEDGED_SECONDS", 0.1)
    fake_jobs.obeys = None
    job.set_learning_rate(0.5)
    assert "pip has not answered yet to set learning rate to 0.5" in capsys.readouterr().err


def test_the_answer_to_an_earlier_command_is_not_taken_for_this_one(fake_jobs, job, monkeypatch, capsys):
    monkeypatch.setattr(fine_tuning_job, "ACKNOWLEDGED_SECONDS", 0.1)
    fake_jobs.add(CommandDone, command_number=1, command="pause", obeyed=True)
    fake_jobs.obeys = None
    job.pause()
    assert "has not answered yet to pause" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["x", 0, -1, float("nan")])
def test_impossible_values_are_refused(fake_jobs, job, value):
    with pytest.raises(gpt.GptNotebookError, match="learning_rate"):
        job.set_learning_rate(value)
    assert fake_jobs.requests("command") == []


# --- waiting --------------------------------------------------------------------------------------------------------


def test_waiting_ends_with_the_job(fake_jobs, job):
    fake_jobs.add(StateChanged, state="running")
    threading.Timer(0.05, lambda: fake_jobs.add(StateChanged, state="succeeded", step=4)).start()
    assert job.wait() is job
    assert job.state == "succeeded"


def test_waiting_for_a_step_or_a_state(fake_jobs, job):
    threading.Timer(0.05, lambda: fake_jobs.step(3)).start()
    assert job.wait(until=3).state == "running"
    threading.Timer(0.05, lambda: fake_jobs.add(StateChanged, state="paused", reason="user")).start()
    assert job.wait(until="paused").state == "paused"


def test_a_state_that_was_long_ago_is_not_waited_for(fake_jobs, job):
    fake_jobs.add(StateChanged, state="running")
    fake_jobs.add(StateChanged, state="queued")
    threading.Timer(0.05, lambda: fake_jobs.add(StateChanged, state="running", attempt=2)).start()
    job.wait(until="running")
    assert fake_jobs.events[-1].attempt == 2


def test_waiting_survives_the_model_kernel(fake_jobs, trained):
    fake_jobs.dies_after = 7
    assert trained.wait().state == "succeeded"


def test_a_failure_is_raised_in_one_line(fake_jobs, job):
    fake_jobs.add(
        StateChanged, state="failed", reason="oom", step=3, message="not even one row fits: use a smaller model"
    )
    with pytest.raises(
        JobFailed,
        match=r"pip failed at step 0: not even one row fits: use a smaller model; its log is /jobs/pip/log.txt",
    ):
        job.wait()
    assert job.wait(until="failed") is job


def test_a_pause_ends_the_waiting_and_is_said(fake_jobs, job, capsys):
    fake_jobs.add(StateChanged, state="paused", reason="disk_full")
    job.wait()
    assert capsys.readouterr().err == "pip is paused (the disk is full): resume goes on\n"


def test_waiting_can_have_a_limit(fake_jobs, job):
    fake_jobs.add(StateChanged, state="running")
    with pytest.raises(JobUnfinished, match=r"pip has not ended within 0.05 s: it goes on"):
        job.wait(timeout=0.05)
    with pytest.raises(JobUnfinished, match=r"pip has not come to step 9 within"):
        job.wait(timeout=0.05, until=9)


@pytest.fixture
def resumed_by_others(fake_jobs, model_kernel):
    """Somebody lets the job go on as soon as it has paused, before anybody else can see that it has."""
    listed = model_kernel.answers["/v1/jobs"]

    def answer(body):
        if fake_jobs.info.state == "paused":
            fake_jobs.add(StateChanged, state="running", attempt=2)
        return listed(body)

    model_kernel.answers["/v1/jobs"] = answer
    fake_jobs.add(StateChanged, state="running")
    threading.Timer(0.05, lambda: fake_jobs.add(StateChanged, state="paused", reason="user")).start()


@pytest.mark.usefixtures("resumed_by_others")
def test_a_job_that_others_let_go_on_is_waited_for_again(fake_jobs, job):
    def end():
        with fake_jobs.changed:
            assert fake_jobs.changed.wait_for(lambda: fake_jobs.events[-1].attempt == 2, timeout=10)
        fake_jobs.add(StateChanged, state="succeeded", step=4, attempt=2)

    thread = threading.Thread(target=end)
    thread.start()
    assert job.wait().state == "succeeded"
    thread.join()


@pytest.mark.usefixtures("resumed_by_others")
def test_a_limit_counts_for_a_job_that_others_let_go_on(job):
    with pytest.raises(JobUnfinished, match=r"pip has not ended within 0.5 s"):
        job.wait(timeout=0.5)


def test_whoever_waits_can_catch_what_ends_the_waiting(fake_jobs, job):
    fake_jobs.add(StateChanged, state="failed", reason="oom")
    with pytest.raises(gpt.JobFailed):
        job.wait()
    assert (gpt.JobUnfinished, gpt.WaitInterrupted) == (JobUnfinished, WaitInterrupted)


def test_an_interrupt_ends_the_waiting_and_not_the_job(fake_jobs, job):
    fake_jobs.add(StateChanged, state="running")
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(WaitInterrupted, match=r"The job pip goes on: gpt.job\('pip'\)"):
        job.wait()
    assert job.state == "running"
    assert fake_jobs.requests("command") == []


def test_an_interrupt_ends_the_following_with_one_line(fake_jobs, job):
    fake_jobs.add(StateChanged, state="running")
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(WaitInterrupted, match="The job pip goes on"):
        list(job.events(follow=True))


class Said(progress.Bar):
    """A bar that keeps what it is told."""

    def __init__(self, lines):
        super().__init__("pip")
        self.lines = lines

    def say(self, text, fraction=None):
        self.lines.append((text, fraction))


@pytest.fixture
def bar(monkeypatch):
    """The lines that are shown while one waits."""
    lines = []
    monkeypatch.setattr(progress, "bar", lambda _what: Said(lines))
    return lines


def test_the_first_line_comes_before_anything_happens(fake_jobs, job, bar):
    fake_jobs.add(StateChanged, state="queued")
    fake_jobs.info = dataclasses.replace(fake_jobs.info, position=0)
    with pytest.raises(JobUnfinished):
        job.wait(timeout=0.05)
    assert bar == [("pip: starting", None)]


def test_a_job_that_goes_on_with_more_steps_does_not_show_those_of_before(fake_jobs, trained, bar):
    fake_jobs.add(StateChanged, state="queued", attempt=2)
    fake_jobs.add(StateChanged, state="running", attempt=3)
    with pytest.raises(JobUnfinished):
        trained.wait(timeout=0.05)
    fake_jobs.prepared(step=4, max_steps=9, attempt=3)
    with pytest.raises(JobUnfinished):
        trained.wait(timeout=0.05)
    assert bar == [("pip: preparing", None), ("pip: step 4 of 9", 4 / 9)]


def test_a_queued_job_says_whether_anything_is_before_it():
    queued = dataclasses.replace(INFO, state="queued", position=0)
    assert job_reports.short_state(queued) == "starting"
    assert job_reports.short_state(dataclasses.replace(queued, position=2)) == "queued, 2 jobs before it"
    assert job_reports.short_state(dataclasses.replace(queued, position=None)) == "queued"
    assert job_reports.short_state(dataclasses.replace(queued, position=None, pid=7)) == "starting"


def test_the_status_of_a_model_kernel_speaks_of_jobs_in_the_same_words():
    jobs = (
        RunningJob(name="fox", state="running"),
        RunningJob(name="owl", state="queued"),
        RunningJob(name="hare", state="queued", position=2),
    )
    assert [row[1] for row in reports._jobs(jobs).rows] == ["running", "starting", "queued, 2 jobs before it"]


def test_no_words_of_others_steer_a_terminal():
    listed = job_reports.jobs_report([dataclasses.replace(INFO, model="fox\x1b[2J")])
    assert "fox␛[2J" in listed.text()


def test_what_can_not_be_waited_for(job):
    with pytest.raises(gpt.GptNotebookError, match="did you mean succeeded"):
        job.wait(until="suceeded")
    with pytest.raises(gpt.GptNotebookError, match="until must be at least 1"):
        job.wait(until=0)


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
