"""The fine-tuning panel: a form becomes a job, views follow it through whatever happens, and tell it what to do."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
from fine_tuning_views import FineTuningView, Known
from ipywidgets.widgets.widget import _instances as widgets
from job_files.job_samples import prepared_fields, step_fields

import gpt_notebook as gpt
from gpt_notebook.errors import InvalidRequest, JobError, JobNotFound
from gpt_notebook.fine_tuning import telling
from gpt_notebook.job_events import Prepared, StateChanged, StepDone
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.testing import FakeEngine, Gate, serving
from gpt_notebook.widgets import _fine_tuning_answers, _fine_tuning_state, _job_watch
from gpt_notebook.widgets.fine_tuning import FineTuningPanel

TEXTS = ["A fox went out.", "The sea was cold."]
OPTIONS = {"name": "pip", "max_steps": 4, "save_every": 1, "validate_every": 2, "probes": ["Once"], "probe_every": 2}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(_job_watch, "REST_SECONDS", 0.05)
    monkeypatch.setattr(_job_watch, "WHOLE_SECONDS", 0.1)
    monkeypatch.setattr(_job_watch, "MISSING_SECONDS", 0.2)


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def engine(gate, tmp_path, monkeypatch):
    """The engine behind the model kernel that panels find; its jobs wait at the gate."""
    models = ("storyteller", "other", "storyteller+pip:2")
    engine = FakeEngine("upon a time there was a fox.", gate=gate, models=models, home=tmp_path / "home")
    with serving(engine) as served:
        monkeypatch.setenv("GPT_NOTEBOOK_URL", served.address)
        monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", served.token)
        yield engine
        gate.open()


@pytest.fixture
def panel(engine, built):
    panel = FineTuningPanel(TEXTS, **OPTIONS)
    yield panel
    panel.close()


@pytest.fixture
def view(panel):
    return FineTuningView(panel)


@pytest.fixture
def begun(panel, view):
    """A panel whose job has begun, and waits before its first step; the id."""
    (message, _) = view.wait(view.ask("begin", form=panel.state["form"]))[-1]
    assert message["kind"] == "answer", message
    return message["result"]["id"]


def state_is(state):
    return lambda known: known.info["state"] == state


# --- opening and beginning ------------------------------------------------------------------------------------------


def test_it_opens_on_its_data_with_the_options_that_were_given(view):
    opened = view.result("open")
    assert opened["data"] == {"description": "list", "columns": ["text"], "rows": 2, "validation": False}
    assert (opened["form"]["name"], opened["form"]["max_steps"], opened["form"]["probes"]) == ("pip", 4, ["Once"])
    assert opened["models"][:2] == ["storyteller", "other"]
    assert opened["jobs"] == []


def test_beginning_makes_the_job_of_the_panel(panel, view, begun, gate):
    assert panel.state["job"] == begun
    assert panel.job.name == "pip"
    assert view.result("open")["data"] is None
    gate.open()
    known = view.until(view.follow(begun), state_is("succeeded"))
    assert known.steps == [1, 2, 3, 4]
    assert known.info["result"] == "storyteller+pip"


def test_beginning_the_same_again_attaches_to_the_job(panel, view, begun):
    assert view.wait(view.ask("begin", form=panel.state["form"]))[-1][0]["result"]["id"] == begun


def test_a_panel_without_a_job_says_so(panel, view):
    with pytest.raises(JobError, match="has no job yet"):
        _ = panel.job
    assert view.error("command", command="pause")["code"] == "job_error"


def test_a_job_has_a_panel_in_any_notebook_with_its_whole_history(begun, gate, built, view):
    gate.open()
    view.until(view.follow(begun), state_is("succeeded"))
    for panel in (FineTuningPanel("pip"), gpt.job("pip").panel(smoothing=0.5)):
        again = FineTuningView(panel)
        known = again.until(again.follow(begun), state_is("succeeded"))
        assert known.steps == [1, 2, 3, 4]
        assert [mark["step"] for mark in known.of_kind("validation")] == [2, 4]
        assert known.probes[0, 0] == " and after 0 steps a fox"
        panel.close()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: FineTuningPanel("pib"), JobNotFound, "no job pib.*path of a file"),
        (lambda: FineTuningPanel(TEXTS, epocs=3), InvalidRequest, "epocs.*did you mean epochs"),
        (lambda: FineTuningPanel(TEXTS, job="pip"), InvalidRequest, "^unknown option job(?!.*mean (job|form))"),
        (lambda: FineTuningPanel(TEXTS, epochs=-1), InvalidRequest, "epochs"),
        (lambda: FineTuningPanel(TEXTS, name="Ä"), InvalidRequest, "no name for a job"),
        (lambda: FineTuningPanel(TEXTS, tab="curve"), InvalidRequest, "tab cannot be 'curve'"),
        (lambda: FineTuningPanel(7), InvalidRequest, "not int"),
        (lambda: FineTuningPanel("there is\nno such"), InvalidRequest, "is one text"),
    ],
)
def test_what_makes_no_sense_is_refused_in_the_cell(engine, built, make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_options_of_data_are_no_options_of_a_job(begun, built):
    with pytest.raises(InvalidRequest, match="pip has its options already: leave out epochs="):
        FineTuningPanel("pip", epochs=2)


# --- following ------------------------------------------------------------------------------------------------------


def test_a_step_is_told_when_it_is_done(view, begun, gate):
    following = view.follow(begun)
    known = view.until(following, state_is("running"))
    for step in (1, 2, 3):
        gate.let()
        known = view.until(following, lambda known, step=step: step in known.steps, known)
        assert known.info["step"] == step
    assert known.rows[-1, :4].tolist() == pytest.approx([3, 1.0, 1e-3, 1.0])
    assert known.news["reachable"] is True


def test_views_that_follow_take_no_thread_from_those_that_ask(view, begun):
    for _ in range(12):
        view.until(view.follow(begun), state_is("running"))
    assert view.result("open")["jobs"][0]["name"] == "pip"
    assert sum(thread.name == "gpt-notebook-job" for thread in threading.enumerate()) == 1


def test_the_thread_ends_when_nobody_follows(panel, view, begun):
    view.until(following := view.follow(begun), state_is("running"))
    thread = panel._answers.watch()._thread
    view.cancel(following)
    thread.join(10)
    assert not thread.is_alive()


def test_a_panel_that_is_closed_follows_nothing(panel, view, begun):
    view.until(view.follow(begun), state_is("running"))
    thread = panel._answers.watch()._thread
    panel.close()
    thread.join(10)
    assert not thread.is_alive()


def test_following_ends_by_itself_and_goes_on_where_it_was(view, begun, gate, monkeypatch):
    monkeypatch.setattr(_job_watch, "FOLLOW_SECONDS", 0.3)
    gate.let(2)
    following = view.follow(begun)
    known = view.until(following, lambda known: known.steps == [1, 2])
    assert view.wait(following)[-1][0]["kind"] == "answer"
    gate.let()
    later = view.follow(begun, known)
    known.taken = 0
    known = view.until(later, lambda known: 3 in known.steps, known)
    assert known.steps == [1, 2, 3]
    assert view.messages(later)[0][0]["result"]["row"] == 2


def test_a_paused_job_goes_on_when_somebody_else_resumes_it(view, begun, gate):
    following = view.follow(begun)
    gate.let()
    view.until(following, lambda known: 1 in known.steps)
    gpt.job("pip").pause()
    known = view.until(following, state_is("paused"))
    gpt.job("pip").resume()
    gate.open()
    known = view.until(following, state_is("succeeded"), known)
    assert known.steps == [1, 2, 3, 4]
    assert [mark["state"] for mark in known.of_kind("state")][-3:] == ["queued", "running", "succeeded"]


def test_a_job_is_followed_without_a_model_kernel(view, begun, engine, monkeypatch, panel):
    """Its process goes on, and what it writes is read."""
    following = view.follow(begun)
    known = view.until(following, state_is("running"))
    monkeypatch.setenv("GPT_NOTEBOOK_URL", "http://127.0.0.1:9")
    known = view.until(following, lambda known: not known.news["reachable"], known)
    engine.gate.open()
    known = view.until(following, state_is("succeeded"), known)
    assert known.steps == [1, 2, 3, 4]


def test_a_job_that_was_renamed_is_followed_on(view, begun, gate):
    gate.open()
    following = view.follow(begun)
    known = view.until(following, state_is("succeeded"))
    gpt.rename_adapter("pip", "pop")
    known = view.until(following, lambda known: known.info["name"] == "pop", known)
    assert known.news["gone"] is None


def test_a_job_that_was_deleted_is_gone(view, begun, gate):
    gate.open()
    following = view.follow(begun)
    known = view.until(following, state_is("succeeded"))
    gpt.delete_job("pip", force=True)
    known = view.until(following, lambda known: known.news["gone"] is not None, known)
    assert "pip" in known.news["gone"]
    assert view.wait(following)[-1][0]["kind"] == "answer"


def test_a_directory_that_somebody_has_removed_is_gone(view, begun, gate, panel):
    gate.open()
    following = view.follow(begun)
    known = view.until(following, state_is("succeeded"))
    shutil.rmtree(panel.job.directory)
    view.until(following, lambda known: known.news["gone"] is not None, known)


def test_steps_that_are_done_again_take_the_place_of_the_first(view, begun, gate, panel):
    gate.open()
    following = view.follow(begun)
    known = view.until(following, state_is("succeeded"))
    with Journal(JobDirectory(Path(panel.job.directory)).events, attempt=2) as journal:
        write_again(journal)
    known = view.until(following, lambda known: known.steps == [1, 2, 3], known)
    assert known.rows[-1, 1] == 0.25
    assert [mark["step"] for mark in known.of_kind("validation")] == [2]
    whole = view.until(view.follow(begun), lambda known: known.steps == [1, 2, 3])
    assert whole.marks == known.marks
    assert whole.probes == known.probes


def write_again(journal):
    journal.write(StateChanged, state="running")
    journal.write(Prepared, **prepared_fields(2))
    journal.write(StepDone, **step_fields(3, loss=0.25))


def test_nobody_hears_of_a_job_that_there_is_not(view):
    assert view.error("follow", job="nobody", rows=0, number=0)["code"] == "job_not_found"
    assert view.error("curve", job="nobody")["code"] == "job_not_found"


def test_a_job_beside_it_is_read_on_and_not_read_again(engine, gate, built, monkeypatch):
    """Of those that are not shown any more the newest are known."""
    gate.open()
    most = _fine_tuning_state.MAX_OTHERS
    jobs = [gpt.finetune(TEXTS, name=f"pip{number}", max_steps=1).wait() for number in range(most + 2)]
    watched = []
    watch = _fine_tuning_answers.JobWatch
    monkeypatch.setattr(_fine_tuning_answers, "JobWatch", lambda info: watched.append(info.name) or watch(info))
    panel = FineTuningPanel(TEXTS)
    view = FineTuningView(panel)
    for job in [*jobs[:most], *jobs[:most]]:
        assert view.result("curve", job=job.id)["info"]["name"] == job.name
    assert watched == [job.name for job in jobs[:most]]
    for job in jobs:
        view.result("curve", job=job.id)
    assert len(panel._answers._watches) <= most + 1
    panel.close()


# --- telling --------------------------------------------------------------------------------------------------------


def told(view, command, **value):
    """Tell the job something that it obeys, and return it."""
    result = view.result("command", command=command, **value)
    assert result["late"] is None
    return result["info"]


def test_a_job_is_paused_told_and_resumed(view, begun, gate, panel):
    assert told(view, "pause", value=None)["state"] == "paused"
    assert told(view, "resume")["state"] in ("queued", "running")
    assert told(view, "learning_rate", value=0.5)["learning_rate"] == 0.5
    assert told(view, "max_steps", value=3)["max_steps"] == 3
    gate.open()
    known = view.until(view.follow(begun), state_is("succeeded"))
    assert known.steps == [1, 2, 3]
    assert known.rows[-1, 2] == 0.5


def test_of_two_who_press_pause_one_is_obeyed_and_the_other_told(view, begun):
    asked = [view.ask("command", command="pause") for _ in range(2)]
    messages = [view.wait(each)[-1][0] for each in asked]
    refused = [message["error"]["message"] for message in messages if message["kind"] == "error"]
    # Both may be told in the same moment, before the first has been obeyed; then the job has nothing against either.
    assert len(refused) < len(messages)
    assert all("paused" in each for each in refused)
    assert gpt.job("pip").state == "paused"


def test_two_who_press_pause_and_resume_at_once_are_both_told_and_the_job_comes_to_its_end(panel, view, begun, gate):
    other = FineTuningView(panel)
    view.until(following := view.follow(begun), state_is("running"))
    asked = [(view, view.ask("command", command="pause")), (other, other.ask("command", command="resume"))]
    for each, id_ in asked:
        last = each.wait(id_)[-1][0]
        assert last["kind"] == "answer" or (each is other and "resume" in last["error"]["message"])
    known = view.until(following, lambda known: known.of_kind("command"))
    if gpt.job("pip").state == "paused":
        other.result("command", command="resume")
    gate.open()
    known = view.until(following, state_is("succeeded"), known)
    assert known.steps == [1, 2, 3, 4]


def test_a_job_that_does_not_obey_in_time_is_told_of_and_the_command_is_kept(view, begun, gate, monkeypatch):
    monkeypatch.setattr(telling, "ACKNOWLEDGED_SECONDS", 0)
    late = view.result("command", command="learning_rate", value=0.5)["late"]
    assert "pip has not answered yet to set learning rate to 0.5" in late
    assert "the command is kept" in late
    known = view.until(view.follow(begun), lambda known: known.of_kind("command"))
    assert known.of_kind("command")[0]["obeyed"] is True


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"command": "explode"}, "command is one of"),
        ({"command": "learning_rate"}, "needs its new value"),
        ({"command": "learning_rate", "value": -1}, "above 0"),
        ({"command": "max_steps", "value": "many"}, "a number or null"),
        ({"command": "resume", "value": 2}, "takes no value"),
    ],
)
def test_a_command_that_makes_no_sense(view, begun, params, message):
    assert message in view.error("command", **params)["message"]


# --- checkpoints ----------------------------------------------------------------------------------------------------


@pytest.fixture
def trained(view, begun, gate):
    gate.open()
    return view.until(view.follow(begun), state_is("succeeded"))


def test_a_checkpoint_is_tried_at_once(view, trained, engine):
    sampling = {"max_new_tokens": 5, "temperature": 0.0, "seed": 1}
    messages = view.wait(view.ask("generate", model="storyteller+pip:2", prompt="Once", **sampling))
    texts = [message["result"]["text"] for message, _ in messages]
    assert texts[-1] == "upon a time there was"
    assert texts == sorted(texts, key=len)
    assert messages[-1][0]["result"]["tokens"] == 5


def test_the_heads_that_have_moved(view, trained):
    result = view.wait(view.ask("moved", step=2, text="Once upon a time"))[-1][0]["result"]
    assert [len(layer) for layer in result["table"]] == [3, 3]
    assert result["code"] == (
        "gpt.AttentionPanel('Once upon a time', model='storyteller', other_model='storyteller+pip:2')"
    )


def test_a_checkpoint_is_exported_and_removed(view, trained, tmp_path):
    written = view.wait(view.ask("export_checkpoint", step=2, directory=str(tmp_path / "out"), merged=False))
    assert written[-1][0]["result"]["directory"] == str(tmp_path / "out")
    view.result("remove", step=2)
    known = view.until(view.follow(gpt.job("pip").id), lambda _: True)
    assert [each["step"] for each in known.info["checkpoints"]] == [1, 3, 4]


def test_a_checkpoint_that_is_not_there(view, trained):
    error = view.error("moved", step=9, text="Once")
    assert (error["param"], error["message"]) == (
        "step",
        "pip has no checkpoint of step 9: there are those of 1, 2, 3, 4",
    )


def test_of_many_checkpoints_an_error_lists_the_first_and_the_last():
    assert _fine_tuning_answers._listed([]) == "there is none yet"
    assert _fine_tuning_answers._listed([7]) == "there is that of 7"
    assert _fine_tuning_answers._listed(range(1000, 1400)).endswith("1,000, 1,001, 1,002, 1,003, 1,004, …, 1,399")


# --- the maps of heads that have moved ------------------------------------------------------------------------------


def test_the_maps_of_a_head_are_an_attention_panel_which_goes_to_the_next_one(view, trained):
    first = view.result("maps", step=2, text="Once upon a time", layer=0, head=1)["widget"]
    shown = widgets[first]
    assert (shown.state["layer"], shown.state["head"], shown.state["side"]) == (0, 1, "diff")
    assert view.result("maps", step=2, text="Once upon a time", layer=1, head=2)["widget"] == first
    assert (shown.state["layer"], shown.state["head"]) == (1, 2)


def test_of_many_maps_those_that_were_opened_first_are_closed(panel, view, trained):
    opened = [
        view.result("maps", step=2, text=text, layer=0, head=0)["widget"] for text in ("One", "Two", "Three", "Four")
    ]
    assert [each in widgets for each in opened] == [False, True, True, True]
    panel.close()
    assert not any(each in widgets for each in opened)


def test_a_head_that_there_is_not(panel, view, trained):
    error = view.error("maps", step=2, text="Once", layer=7, head=0)
    assert (error["param"], "7" in error["message"]) == ("layer", True)


def test_a_view_that_knows_more_than_there_is_is_told_everything(view, trained, begun):
    stranger = Known()
    stranger.number = 10_000
    known = view.until(view.follow(begun, stranger), lambda known: known.steps == [1, 2, 3, 4], stranger)
    assert known.news["row"] == 0
