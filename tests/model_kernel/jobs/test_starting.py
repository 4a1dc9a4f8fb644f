"""Starting the same again attaches, and starting something else under the same name says what differs."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import pytest

from gpt_notebook.errors import DataNotFound, DiskFull, InvalidRequest, JobDiffers, JobError, JobInUse, ModelNotFound
from gpt_notebook.job_events import Noted, StateChanged
from gpt_notebook.job_files.checkpoints import Checkpoints
from gpt_notebook.job_files.directory import JobDirectory, JobSpec, directory_of
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.job_protocol import CommandRequest, JobRequest, LoraOptions
from gpt_notebook.model_kernel.jobs import starting
from gpt_notebook.model_kernel.jobs.differences import differences
from gpt_notebook.model_kernel.jobs.starting import fitted
from model_kernel.jobs.company_of_jobs import DATA, info, request, start, state, told

OTHER = b'{"text": "something else"}\n'


@pytest.mark.parametrize(("command", "wanted"), [(None, "running"), ("pause", "paused"), ("stop", "succeeded")])
def test_the_same_again_attaches(with_jobs, command, wanted):
    async def work(jobs):
        first = await start(jobs, "fox", then="wait")
        await state(jobs, "fox", "running")
        if command is not None:
            await jobs.command(CommandRequest(job="fox", command=command))
            await state(jobs, "fox", wanted)
        again = await start(jobs, "fox", then="wait")
        assert (again.attached, again.resumed, again.job.id, again.job.state) == (True, False, first.job.id, wanted)
        assert len(jobs.started) == 1

    with_jobs(work)


def test_a_job_that_died_goes_on_when_it_is_started_again(with_jobs):
    async def work(jobs):
        first = await start(jobs, "fox", then="die")
        died = await state(jobs, "fox", "failed")
        again = await start(jobs, "fox", then="die")
        assert (again.attached, again.resumed, again.job.id) == (True, True, first.job.id)
        assert (await state(jobs, "fox", "running", after=died.number)).attempt == 2

    with_jobs(work)


def test_a_job_that_was_cancelled_goes_on_when_it_is_started_again(with_jobs):
    async def work(jobs):
        await start(jobs, "fox", then="wait")
        await state(jobs, "fox", "running")
        await jobs.command(CommandRequest(job="fox", command="cancel"))
        cancelled = await state(jobs, "fox", "cancelled")
        assert (await start(jobs, "fox", then="wait")).resumed
        await state(jobs, "fox", "running", after=cancelled.number)

    with_jobs(work)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"data": OTHER}, "data 0"),
        ({"learning_rate": 0.001}, "learning_rate None -> 0.001"),
        ({"lora": LoraOptions(rank=4, targets=("q_proj",))}, r'lora.rank 8 -> 4, lora.targets None -> \["q_proj"\]'),
        ({"model": "gpt2"}, "model storyteller -> gpt2"),
        ({"steps": 3}, "training_arguments.steps None -> 3"),
        ({"seed": 7, "epochs": 1.5}, "epochs None -> 1.5, seed 0 -> 7"),
    ],
)
def test_what_differs_is_said_exactly_and_nothing_is_changed(with_jobs, changed, said):
    async def work(jobs):
        await start(jobs, "fox")
        before = await told(jobs, "fox", follow=True)
        with pytest.raises(JobDiffers) as raised:
            await start(jobs, "fox", **changed)
        message = raised.value.message
        assert "the job fox was begun with other values (" in message
        if "data" not in changed:
            assert re.search(said, message), message
        else:
            assert "data " in message
            assert re.search(r"… \(\d+ rows?\) -> .*… \(\d+ rows?\)", message)
        assert message.endswith("give another name for a new job, or the option force to go on with the new ones")
        assert await told(jobs, "fox") == before

    with_jobs(work)


def test_files_of_the_model_that_were_saved_again_are_a_difference(with_jobs):
    async def work(jobs):
        await start(jobs, "fox")
        await told(jobs, "fox", follow=True)
        jobs.bases.fingerprint = "g"
        with pytest.raises(JobDiffers, match="the model's files f -> g"):
            await start(jobs, "fox")

    with_jobs(work)


def test_force_goes_on_with_the_new_values(with_jobs, home):
    async def work(jobs):
        first = await start(jobs, "fox")
        ended = await state(jobs, "fox", "succeeded")
        again = await start(jobs, "fox", data=OTHER, seed=7, force=True)
        assert (again.job.id, again.attached, again.resumed) == (first.job.id, True, True)
        await state(jobs, "fox", "succeeded", after=ended.number)
        events = await told(jobs, "fox")
        assert next(each.message for each in events if isinstance(each, Noted)).endswith("seed 0 -> 7")
        assert directory_of(home, "fox").data.read_bytes() == OTHER
        assert (await info(jobs, "fox")).options.seed == 7
        assert (await start(jobs, "fox", data=OTHER, seed=7)).attached

    with_jobs(work)


@pytest.mark.parametrize("fails", ["link", "write_spec"])
def test_where_force_fails_the_job_is_what_it_was_and_waits_for_nothing(with_jobs, home, monkeypatch, fails):
    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    async def work(jobs):
        await start(jobs, "fox")
        await state(jobs, "fox", "succeeded")
        fox = directory_of(home, "fox")
        before, events = fox.spec(), await told(jobs, "fox")
        with monkeypatch.context() as patched:
            patched.setattr(*((starting.os, "link") if fails == "link" else (JobDirectory, "write_spec")), full)
            with pytest.raises(DiskFull):
                await start(jobs, "fox", data=OTHER, seed=7, force=True)
        assert (fox.spec(), fox.data.read_bytes(), await told(jobs, "fox")) == (before, DATA, events)
        assert (await start(jobs, "fox", data=OTHER, seed=7, force=True)).resumed
        assert fox.data.read_bytes() == OTHER

    with_jobs(work)


def test_a_change_that_a_death_has_cut_in_half_is_finished_when_it_is_asked_for_again(with_jobs, home):
    async def work(jobs):
        first = await start(jobs, "fox")
        await state(jobs, "fox", "succeeded")
        fox = directory_of(home, "fox")
        digest = (await request(jobs, "fox", data=OTHER)).data
        fox.write_spec(replace(fox.spec(), request=replace(fox.spec().request, data=digest)))
        assert fox.data.read_bytes() == DATA
        again = await start(jobs, "fox", data=OTHER)
        assert (again.attached, again.job.id) == (True, first.job.id)
        assert fox.data.read_bytes() == OTHER

    with_jobs(work)


def test_starting_again_says_where_the_files_of_the_model_are_now(with_jobs, home):
    async def work(jobs):
        await start(jobs, "fox")
        await state(jobs, "fox", "succeeded")
        fox = directory_of(home, "fox")
        here = fox.spec()
        fox.write_spec(replace(here, source="/old/home/jobs/owl/checkpoints/6"))
        assert (await start(jobs, "fox")).attached
        assert fox.spec() == here

    with_jobs(work)


def test_a_running_job_does_not_change_by_force(with_jobs):
    async def work(jobs):
        await start(jobs, "fox", then="wait")
        await state(jobs, "fox", "running")
        with pytest.raises(
            JobInUse, match=r"runs, and cannot change meanwhile \(seed 0 -> 7\): pause or stop it first"
        ):
            await start(jobs, "fox", then="wait", seed=7, force=True)

    with_jobs(work)


@pytest.mark.parametrize("steps", [1, 2])
def test_steps_that_are_done_are_not_said_to_be_made_of_other_data(with_jobs, home, steps):
    async def work(jobs):
        await start(jobs, "fox", max_steps=20)
        await state(jobs, "fox", "succeeded")
        before = directory_of(home, "fox").spec()
        with pytest.raises(
            JobDiffers, match=f"fox has done 2 steps already, and {steps} are asked for: ask for more, or"
        ):
            await start(jobs, "fox", data=OTHER, max_steps=steps, force=True)
        assert directory_of(home, "fox").spec() == before
        assert directory_of(home, "fox").data.read_bytes() == DATA

    with_jobs(work)


def test_what_was_asked_for_before_is_kept_and_only_its_name_finds_such_a_job(with_jobs, home):
    async def work(jobs):
        await start(jobs, "fox", max_steps=2)
        ended = await state(jobs, "fox", "succeeded")
        fox = directory_of(home, "fox")
        first = fox.spec().request
        await asyncio.to_thread(Checkpoints(fox).save, 2, lambda place: (place / "optimizer.pt").write_bytes(b"x"))
        await start(jobs, "fox", max_steps=9, data=OTHER, force=True)
        await state(jobs, "fox", "succeeded", after=ended.number)
        assert [(each.until, each.request) for each in fox.spec().before] == [(2, first)]
        assert (await start(jobs, "fox", max_steps=9, data=OTHER)).attached
        assert (await start(jobs, max_steps=9, data=OTHER)).job.name == "storyteller-1"

    with_jobs(work)


def test_ending_early_needs_something_to_validate_on(with_jobs):
    async def work(jobs):
        with pytest.raises(InvalidRequest, match="early_stopping needs something to validate on"):
            await start(jobs, "fox", early_stopping=2)
        assert jobs.bases.asked == []
        assert not (await start(jobs, "fox", early_stopping=2, validation_share=0.5)).attached

    with_jobs(work)


def test_an_adapter_does_not_become_a_model_by_force(with_jobs):
    async def work(jobs):
        await start(jobs, "fox")
        with pytest.raises(JobDiffers, match="cannot go on with another method"):
            await start(jobs, "fox", method="full", force=True)

    with_jobs(work)


def test_without_a_name_the_same_is_found_and_another_gets_the_next_number(with_jobs):
    async def work(jobs):
        names = [
            (await start(jobs, **options)).job.name
            for options in ({}, {}, {"seed": 1}, {"model": "/models/My Model"}, {"model": "owner/Tiny@main"}, {})
        ]
        assert names == ["storyteller-1", "storyteller-1", "storyteller-2", "my-model-1", "tiny-1", "storyteller-1"]

    with_jobs(work)


@pytest.mark.parametrize(
    ("text", "name"), [("Qwen3.5-0.8B", "qwen3.5-0.8b"), ("--Ä b__", "b"), ("…", "model"), ("a" * 90, "a" * 56)]
)
def test_a_text_is_made_fit_for_a_name(text, name):
    assert fitted(text) == name


@pytest.mark.parametrize("place", ["models", "adapters"])
def test_the_name_of_something_else_is_not_taken_from_it(with_jobs, home, place):
    async def work(jobs):
        (home / place / "fox").mkdir(parents=True)
        with pytest.raises(
            JobDiffers, match=f"'fox' is the name of something else already .*{place}/fox.: give another"
        ):
            await start(jobs, "fox")
        (home / place / "storyteller-1").mkdir()
        assert (await start(jobs)).job.name == "storyteller-2"
        with pytest.raises(JobDiffers, match="the bundled model"):
            await start(jobs, "storyteller")

    with_jobs(work)


@pytest.mark.parametrize("model", ["openai:gpt-4o", "http://somewhere/model", "https://host:8000+pip"])
def test_a_remote_endpoint_cannot_be_trained(with_jobs, model):
    async def work(jobs):
        with pytest.raises(InvalidRequest, match="is served elsewhere, and fine-tuning needs the weights"):
            await start(jobs, "fox", model=model)
        assert jobs.bases.asked == []

    with_jobs(work)


def test_what_is_not_there_leaves_nothing(with_jobs, home):
    async def work(jobs):
        with pytest.raises(DataNotFound):
            await jobs.start(JobRequest(data="0" * 64))
        assert jobs.bases.asked == []
        with pytest.raises(ModelNotFound):
            await start(jobs, "fox", model="missing")
        assert await jobs.listing() == []

    with_jobs(work)


def test_a_full_disk_leaves_no_half_of_a_job(with_jobs, home, monkeypatch):
    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    async def work(jobs):
        with monkeypatch.context() as patched:
            patched.setattr(Journal, "write", full)
            with pytest.raises(DiskFull, match="there is no space for a job in"):
                await start(jobs, "fox")
        assert [path.name for path in (home / "jobs").iterdir()] == [".data"]
        assert not (await start(jobs, "fox")).attached

    with_jobs(work)


def test_a_damaged_job_is_said_to_be_damaged_and_begins_anew_by_force(with_jobs, home):
    async def work(jobs):
        await start(jobs, "fox")
        await told(jobs, "fox", follow=True)
        fox = directory_of(home, "fox")
        fox.spec_file.write_text("{")
        with pytest.raises(JobError, match="the option force"):
            await start(jobs, "fox")
        with pytest.raises(DataNotFound):
            await jobs.start(JobRequest(data="0" * 64, name="fox", force=True))
        assert fox.spec_file.read_text() == "{"
        again = await start(jobs, "fox", data=OTHER, force=True)
        assert (again.job.name, again.attached, again.resumed) == ("fox", True, True)
        assert fox.data.read_bytes() == OTHER
        notes = [each.message for each in await told(jobs, "fox", follow=True) if isinstance(each, Noted)]
        assert notes == ["its job.json could not be read: nobody knows what the steps until now are made of"]

    with_jobs(work)


def test_a_damaged_job_that_runs_is_left_alone(with_jobs, home, monkeypatch):
    monkeypatch.setattr(starting, "LOCK_SECONDS", 0.0)

    async def work(jobs):
        await start(jobs, "fox", then="wait")
        await state(jobs, "fox", "running")
        fox = directory_of(home, "fox")
        fox.spec_file.write_text("{")
        with pytest.raises(JobInUse, match=r"fox runs, and its job\.json cannot be read"):
            await start(jobs, "fox", data=OTHER, force=True)
        assert (fox.spec_file.read_text(), fox.data.read_bytes()) == ("{", DATA)

    with_jobs(work)


def test_what_was_left_half_made_is_removed_when_nobody_makes_it_any_more(with_jobs, home, monkeypatch):
    monkeypatch.setattr(starting, "ABANDONED_SECONDS", -1.0)
    half = home / "jobs" / ".tmp-half"
    half.mkdir(parents=True)

    async def work(jobs):
        await start(jobs, "fox")
        await told(jobs, "fox", follow=True)

    with_jobs(work)


def test_every_job_begins_in_the_queue(with_jobs):
    async def work(jobs):
        await start(jobs, "fox", data=DATA)
        first, *_ = await told(jobs, "fox")
        assert isinstance(first, StateChanged)
        assert (first.number, first.state) == (1, "queued")

    with_jobs(work)


def test_from_which_columns_rows_came_makes_no_other_job():
    request = JobRequest(data="0" * 64, columns={"text": "body"})
    asked = JobSpec(id="1f", name="fox", created=1.0, request=request, source="/base", fingerprint="f")
    assert differences(asked, replace(asked, request=replace(request, columns={}))) == []
    assert JobSpec.from_json(asked.to_json()).request.columns == {"text": "body"}
