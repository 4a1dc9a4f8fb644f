"""Adapters as files: another name, deletion whole or by the step, and what is loaded of them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from gpt_notebook import adapter_files, adapter_places
from gpt_notebook.adapter_places import CONFIG, WEIGHTS
from gpt_notebook.errors import GptNotebookError, InvalidRequest, JobInUse, ModelInUse, ModelNotFound
from gpt_notebook.job_events import CheckpointSaved, StateChanged
from gpt_notebook.job_files import job_progress, lock, publishing
from gpt_notebook.job_files.checkpoints import Checkpoints
from gpt_notebook.job_files.directory import JobSpec, directory_of
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.job_protocol import DeleteAdapterRequest, JobOptions, JobRequest, RenameAdapterRequest
from gpt_notebook.model_kernel.adapters import managing
from gpt_notebook.protocol import GenerateRequest, LoadRequest, SamplingOptions
from model_kernel import tiny_adapters
from model_kernel.asking import all_of, wait_for

LOSSES = {2: 3.0, 4: 1.0, 6: 2.0}
"""Of the checkpoint of each step."""
OPTIONS = SamplingOptions(temperature=0, max_new_tokens=4)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def pip(home, tiny):
    """An adapter that no job has made."""
    return tiny_adapters.save(home / "adapters" / "pip", tiny())


@pytest.fixture
def trained(home, tiny):
    """Returns a job of a name, in a state, with a checkpoint of each of some steps and the loss of each."""

    def make(name="tale", *, state="succeeded", losses=LOSSES, method="lora", **spec):
        job = directory_of(home, name)
        job.create()
        request = JobRequest(data="0" * 64, model=tiny(), options=JobOptions(method=method))
        told = {"source": tiny(), "fingerprint": "f", **spec}
        job.write_spec(JobSpec(id=f"job-{name}", name=name, created=1.0, request=request, **told))
        with lock.hold(job), Journal(job.events, attempt=1) as journal:
            journal.write(StateChanged, state="running")
            for step, loss in losses.items():

                def write(place, step=step):
                    if method == "lora":
                        tiny_adapters.save(place, tiny(), seed=step)
                    else:
                        (place / "config.json").write_text("{}")

                saved = Checkpoints(job).save(step, write)
                journal.write(CheckpointSaved, **dataclasses.asdict(saved), seconds=0.1, loss=loss)
                publishing.publish(job, method, step)
            if losses:
                job.write_best(min(losses, key=losses.get))
            if state != "running":
                journal.write(StateChanged, state=state)
        return job

    return make


def names(home):
    return adapter_places.names(home)


# --- another name ---------------------------------------------------------------------------------------------------


def test_an_adapter_gets_another_name_and_keeps_its_bytes(home, pip):
    before = adapter_files.read(pip).digest
    managing.rename(home, "pip", "pop")
    assert names(home) == ["pop"]
    assert adapter_files.read(adapter_places.locate("pop", home)).digest == before


def test_with_an_adapter_the_job_that_made_it_gets_the_name(home, trained):
    job = trained()
    digest = adapter_files.read(adapter_places.locate("tale:4", home)).digest
    managing.rename(home, "tale", "saga")
    moved = directory_of(home, "saga")
    assert not job.path.exists()
    assert (names(home), moved.spec().name, moved.spec().id) == (["saga"], "saga", "job-tale")
    assert (home / "adapters" / "saga").readlink().parts == ("..", "jobs", "saga")
    assert adapter_files.read(adapter_places.locate("saga:best", home)).digest == digest
    info = job_progress.info(moved, running=False)
    assert (info.name, [each.step for each in info.checkpoints]) == ("saga", [2, 4, 6])


def test_a_model_that_a_job_has_made_gets_another_name(home, trained):
    trained(method="full")
    managing.rename(home, "tale", "saga")
    assert [each.name for each in (home / "models").iterdir()] == ["saga"]
    assert (home / "models" / "saga").resolve() == directory_of(home, "saga").path / "checkpoints" / "6"


@pytest.mark.parametrize("other", ["job", "adapter", "model"])
def test_a_name_that_is_taken_is_given_to_nothing_else(home, pip, trained, tiny, other):
    if other == "job":
        trained("taken", losses={}, state="queued")
    elif other == "adapter":
        tiny_adapters.save(home / "adapters" / "taken", tiny(), seed=1)
    else:
        (home / "models" / "taken").mkdir(parents=True)
    with pytest.raises(InvalidRequest, match="'taken' is taken already: choose another"):
        managing.rename(home, "pip", "taken")
    assert "pip" in names(home)


@pytest.mark.parametrize("change", ["rename", "delete"])
def test_what_is_not_there_is_said_to_be_so(home, pip, change):
    arguments = ("other",) if change == "rename" else ()
    with pytest.raises(ModelNotFound, match="no adapter 'pipp': did you mean pip"):
        getattr(managing, change)(home, "pipp", *arguments)
    with pytest.raises(ModelNotFound, match="is yours to move or remove"):
        getattr(managing, change)(home, str(pip), *arguments)
    (home / "models" / "mine").mkdir(parents=True)
    with pytest.raises(ModelNotFound, match="mine is a model that was saved, and no adapter"):
        getattr(managing, change)(home, "mine", *arguments)
    assert names(home) == ["pip"]


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("fails", ["symlink_to", "rename", "write_bytes"])
def test_a_name_that_cannot_be_given_leaves_the_old_one(home, trained, monkeypatch, method, fails):
    before = trained(method=method).spec()

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        if fails == "rename":
            patched.setattr(type(directory_of(home, "tale")), "rename", full)
        else:
            patched.setattr(Path, fails, full)
        with pytest.raises(GptNotebookError, match="No space left"):
            managing.rename(home, "tale", "saga")
    assert (managing.find(home, "tale").job.spec(), publishing.taken(home, "saga")) == (before, None)
    managing.rename(home, "tale", "saga")
    assert managing.find(home, "saga").job.spec().id == before.id


@pytest.mark.parametrize("method", ["lora", "full"])
def test_half_a_renaming_is_made_whole_and_takes_no_other_name(home, trained, method):
    trained(method=method)
    (home / "jobs" / "tale").rename(home / "jobs" / "saga")
    assert publishing.taken(home, "tale") is None
    managing.mend(home)
    assert managing.find(home, "saga").job == directory_of(home, "saga")
    assert [each.name for place in ("adapters", "models") for each in (home / place).glob("*")] == ["saga"]


# --- jobs that still have something to do ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [lambda home: managing.rename(home, "tale", "saga"), lambda home: managing.delete(home, "tale")]
)
def test_a_job_that_runs_or_is_queued_is_left_alone(home, trained, change):
    job = trained(state="running")
    with lock.hold(job), pytest.raises(JobInUse, match=r"tale is running and can't be \w+ now: wait"):
        change(home)
    with Journal(job.events) as journal:
        journal.write(StateChanged, state="queued")
    with pytest.raises(JobInUse, match=r"tale is queued and can't be \w+ now: wait"):
        change(home)
    assert names(home) == ["tale"]


def test_one_whose_process_has_died_can_be_deleted(home, trained):
    trained(state="running")
    managing.delete(home, "tale")
    assert names(home) == []


@pytest.mark.parametrize("is_moved", [False, True])
def test_what_another_job_goes_on_from_stays(home, trained, is_moved):
    job = trained()
    trained("next", state="paused", adapter=str(job.path / "checkpoints" / "6"))
    if is_moved:
        home = home.rename(home.with_name("moved"))
    for change in (lambda: managing.delete(home, "tale"), lambda: managing.rename(home, "tale", "saga")):
        with pytest.raises(JobInUse, match="the job next goes on from tale, and is paused"):
            change()
    with Journal(directory_of(home, "next").events) as journal:
        journal.write(StateChanged, state="cancelled")
    managing.delete(home, "tale")
    assert names(home) == ["next"]


# --- deletion -------------------------------------------------------------------------------------------------------


def test_an_adapter_is_deleted_with_the_job_that_made_it(home, pip, trained):
    trained()
    managing.delete(home, "tale")
    assert names(home) == ["pip"]
    assert list((home / "jobs").iterdir()) == []
    managing.delete(home, "pip")
    assert list((home / "adapters").iterdir()) == []


def test_a_link_of_somebodys_own_is_removed_and_what_it_leads_to_stays(home, tiny, tmp_path):
    elsewhere = tiny_adapters.save(tmp_path / "elsewhere", tiny())
    (home / "adapters").mkdir(parents=True)
    (home / "adapters" / "mine").symlink_to(elsewhere)
    managing.delete(home, "mine")
    assert names(home) == []
    assert (elsewhere / WEIGHTS).is_file()


def test_a_step_is_deleted_and_told_of_among_the_events(home, trained):
    job = trained()
    managing.delete(home, "tale", 6)
    assert adapter_places.steps(home / "adapters" / "tale") == [2, 4]
    info = job_progress.info(job, running=False)
    assert ([each.step for each in info.checkpoints], info.best_step) == ([2, 4], 4)
    assert '"type": "pruned"' in job.events.read_text("utf-8").splitlines()[-1]


def test_without_the_best_step_the_best_of_the_others_is(home, trained):
    job = trained()
    managing.delete(home, "tale", 4)
    assert job.best_step() == 6
    assert adapter_places.locate("tale:best", home).name == "6"


def test_a_step_of_what_no_job_has_made_is_deleted(home, tiny):
    place = home / "adapters" / "plain"
    for step in (9, 10):
        tiny_adapters.save(place / "checkpoints" / str(step), tiny(), seed=step)
    (place / "best").write_text("10")
    managing.delete(home, "plain", 10)
    assert (adapter_places.steps(place), adapter_places.best(place)) == ([9], None)
    assert [each.name for each in (place / "checkpoints").iterdir()] == ["9"]


def test_steps_that_cannot_go_are_refused(home, trained):
    trained()
    with pytest.raises(ModelNotFound, match="tale has no step 5: there is 2, 4, 6"):
        managing.delete(home, "tale", 5)
    trained("one", losses={3: 1.0})
    with pytest.raises(InvalidRequest, match="3 is the only step of one: delete one itself"):
        managing.delete(home, "one", 3)
    trained("paused", state="paused")
    with pytest.raises(JobInUse, match="paused is paused and may go on from its step 6: stop it first"):
        managing.delete(home, "paused", 6)
    trained("whole", method="full")
    with pytest.raises(InvalidRequest, match="step 6 is what the model whole is now"):
        managing.delete(home, "whole", 6)


def test_what_a_process_left_when_it_died_in_a_deletion_goes_with_the_next(home, pip, trained):
    left = trained("left").path
    left.rename(left.with_name(".del-left-0"))
    managing.delete(home, "pip")
    assert list((home / "jobs").iterdir()) == []


def test_what_the_disk_refuses_is_one_line(home, pip, monkeypatch):
    def refuse(*_arguments):
        raise PermissionError(13, "Permission denied", str(pip))

    monkeypatch.setattr(type(pip), "rename", refuse)
    with pytest.raises(GptNotebookError, match=r"pip cannot be changed on disk \(Permission denied\)"):
        managing.rename(home, "pip", "pop")


# --- what is loaded of it -------------------------------------------------------------------------------------------


def load(engine, model):
    all_of(engine.load(LoadRequest(model=model)))


def test_what_is_loaded_leaves_and_comes_back_under_the_new_name(engine, tiny, home, pip):
    load(engine, f"{tiny()}+pip")
    wait_for(engine.rename_adapter(RenameAdapterRequest(name="pip", new_name="pop")))
    assert engine.memory().adapters == 0
    assert [(info.name, info.loaded) for info in wait_for(engine.adapters())] == [("pop", False)]
    load(engine, f"{tiny()}+pop")
    wait_for(engine.delete_adapter(DeleteAdapterRequest(name="pop")))
    assert engine.memory().adapters == 0
    with pytest.raises(ModelNotFound, match="no adapter 'pop'"):
        load(engine, f"{tiny()}+pop")


def test_only_the_step_that_is_deleted_leaves(engine, tiny, home, trained):
    trained()
    load(engine, f"{tiny()}+tale:2")
    load(engine, f"{tiny()}+tale:4")
    both = engine.memory().adapters
    wait_for(engine.delete_adapter(DeleteAdapterRequest(name="tale", step=2)))
    assert engine.memory().adapters == both // 2
    load(engine, f"{tiny()}+tale:4")
    assert engine.memory().adapters == both // 2


@pytest.mark.usefixtures("pip")
def test_an_adapter_in_use_is_neither_renamed_nor_deleted(engine, tiny, home):
    model = f"{tiny()}+pip"

    async def story():
        stream = engine.generate(GenerateRequest(model=model, prompt="Once", options=OPTIONS))
        async for event in stream:
            if event.type == "started":
                break
        for change in (
            engine.rename_adapter(RenameAdapterRequest(name="pip", new_name="pop")),
            engine.delete_adapter(DeleteAdapterRequest(name="pip")),
        ):
            with pytest.raises(ModelInUse, match="pip is in use by 1 request: wait"):
                await change
        await stream.aclose()
        await engine.delete_adapter(DeleteAdapterRequest(name="pip"))

    wait_for(story())
    assert names(home) == []


# --- names that say more than that there is nothing -----------------------------------------------------------------


def test_a_training_without_a_checkpoint_says_so(engine, tiny, trained):
    job = trained(losses={}, state="running")
    with lock.hold(job), pytest.raises(ModelNotFound, match="tale is still training: no checkpoint yet"):
        load(engine, f"{tiny()}+tale")
    with pytest.raises(ModelNotFound, match="tale has no checkpoint: its training has not come to one"):
        load(engine, f"{tiny()}+tale")


def test_an_adapter_that_is_asked_for_as_a_model_says_how_to_write_it(engine, tiny, pip, home, trained):
    with pytest.raises(GptNotebookError, match=f"{pip} is an adapter: write {tiny()}\\+{pip}"):
        load(engine, str(pip))
    trained()
    with pytest.raises(GptNotebookError, match=r"is an adapter: write .*\+.*tale"):
        load(engine, str(home / "adapters" / "tale"))
    with pytest.raises(GptNotebookError, match=f"pip is an adapter: write {tiny()}\\+pip"):
        load(engine, "pip")


def test_the_bundled_model_goes_by_its_name(pip, home):
    from gpt_notebook import storyteller

    tiny_adapters.change_config(pip, base_model_name_or_path=str(storyteller.path()))
    assert adapter_places.base_of(pip) == "storyteller"
    (pip / CONFIG).write_text(json.dumps({"base_model_name_or_path": 3}))
    assert adapter_places.base_of(pip) == "storyteller"
