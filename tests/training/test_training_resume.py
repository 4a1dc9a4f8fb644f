"""A job that was killed, paused or told to leave goes on as if it never had been."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from gpt_notebook.job_events import CheckpointSaved, CommandDone, Prepared, StateChanged, StepDone, Validated
from gpt_notebook.job_files import commands, publishing
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.journal import Journal
from training.tiny_jobs import before_passes, command_at, events, make_job, rows, same, train, weights

MANNERS = {
    "lora": {"method": "lora", "lora": {"dropout": 0.2}},
    "full": {"method": "full"},
    "full cosine, no accumulation": {"method": "full", "micro_batch_size": 4, "schedule": "cosine"},
    "lora padded": {"method": "lora", "packing": False, "micro_batch_size": 1},
}


class Killed(BaseException):
    """Ends a process wherever it is, as far as one can in the same process."""


@pytest.fixture(params=MANNERS)
def manner(request):
    return MANNERS[request.param]


def job(home, base, name, manner, **options):
    from gpt_notebook.job_protocol import LoraOptions

    options = {"epochs": 3, "batch_size": 4, "micro_batch_size": 2, "save_every": 2, "seed": 7} | manner | options
    if isinstance(lora := options.get("lora"), dict):
        options["lora"] = LoraOptions(**lora)
    return make_job(home, base, rows(11), validation=rows(3, first=50), name=name, **options)


def killed_at(monkeypatch, directory, step, cls=StepDone):
    """Run a job until it is killed right after an event."""
    write = Journal.write

    def write_and_die(journal, written, **fields):
        event = write(journal, written, **fields)
        if written is cls and fields["step"] == step:
            raise Killed
        return event

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "write", write_and_die)
        with pytest.raises(Killed):
            train(directory)


def losses(directory):
    """Return the loss of each step, which may have been told of in several attempts, but always alike."""
    found = {}
    for each in events(directory, StepDone):
        assert found.setdefault(each.step, each.loss) == each.loss
    return found


@pytest.mark.parametrize("step", [1, 3, 4, 7])
def test_a_job_killed_at_any_step_ends_with_the_same_weights(tmp_path, tiny_base, monkeypatch, manner, step):
    whole, broken = job(tmp_path, tiny_base, "whole", manner), job(tmp_path, tiny_base, "broken", manner)
    assert train(whole).state == "succeeded"
    killed_at(monkeypatch, broken, step)
    assert train(broken).state == "succeeded"
    assert same(weights(whole, 9), weights(broken, 9))
    assert losses(whole) == losses(broken)
    assert list(losses(broken)) == list(range(1, 10))


def test_a_job_may_be_killed_again_and_again(tmp_path, tiny_base, monkeypatch, manner):
    whole, broken = job(tmp_path, tiny_base, "whole", manner), job(tmp_path, tiny_base, "broken", manner)
    train(whole)
    for step in (2, 3, 4, 6, 8, 9):
        killed_at(monkeypatch, broken, step)
    train(broken)
    assert same(weights(whole, 9), weights(broken, 9))
    assert losses(whole) == losses(broken)


@pytest.mark.parametrize("cls", [CheckpointSaved, Validated])
def test_nothing_is_lost_that_was_done_between_two_steps(tmp_path, tiny_base, monkeypatch, cls):
    manner = {"validate_every": 2, "probes": ("the fox",), "probe_every": 2, "probe_tokens": 5}
    whole, broken = job(tmp_path, tiny_base, "whole", manner), job(tmp_path, tiny_base, "broken", manner)
    train(whole)
    killed_at(monkeypatch, broken, 4, cls)
    train(broken)

    def told(directory):
        return {
            (each.type, each.step, getattr(each, "text", None)) for each in events(directory) if hasattr(each, "step")
        }

    assert told(whole) - told(broken) == set()
    assert same(weights(whole, 9), weights(broken, 9))


def test_a_checkpoint_that_was_saved_but_not_told_of_is_told_of(tmp_path, tiny_base, monkeypatch):
    broken = job(tmp_path, tiny_base, "broken", {})
    write = Journal.write

    def die_before(journal, cls, **fields):
        if cls is CheckpointSaved and fields["step"] == 4:
            raise Killed
        return write(journal, cls, **fields)

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "write", die_before)
        with pytest.raises(Killed):
            train(broken)
    train(broken)
    assert [each.step for each in events(broken, CheckpointSaved)] == [2, 4, 6, 8, 9]
    assert [each.step for each in events(broken, Prepared)] == [0, 4]


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("last", [publishing, JobDirectory])
def test_the_name_and_the_best_are_made_up_for_after_the_last_checkpoint(
    tmp_path, tiny_base, monkeypatch, method, last
):
    options = {"method": method, "validate_every": 3, "save_every": 3, "max_steps": 6, "learning_rate": 1e-2}
    whole, broken = (job(tmp_path, tiny_base, name, options) for name in ("whole", "broken"))
    train(whole)
    name = "publish" if last is publishing else "write_best"
    do = getattr(last, name)

    def die_at_the_end(*arguments):
        if arguments[-1] == 6:
            raise Killed
        return do(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(last, name, die_at_the_end)
        with pytest.raises(Killed):
            train(broken)
    assert train(broken).state == "succeeded"
    assert broken.best_step() == whole.best_step() == 6
    place = "adapters" if method == "lora" else "models"
    assert (tmp_path / place / "broken").readlink() == Path(
        "..", "jobs", "broken", *(("checkpoints", "6") if method == "full" else ())
    )


def test_pause_saves_and_resume_goes_on_exactly(tmp_path, tiny_base, monkeypatch, manner):
    whole = job(tmp_path, tiny_base, "whole", manner, save_every=100)
    paused = job(tmp_path, tiny_base, "paused", manner, save_every=100)
    train(whole)
    command_at(monkeypatch, paused, 5, ("pause",))
    assert events(paused, StateChanged)[-1].state == "paused"
    assert events(paused, StateChanged)[-1].reason == "user"
    assert events(paused, CheckpointSaved)[-1].step == 5
    commands.append(paused, "resume")
    assert train(paused).state == "succeeded"
    assert [(each.command, each.obeyed) for each in events(paused, CommandDone)] == [("pause", True), ("resume", True)]
    assert same(weights(whole, 9), weights(paused, 9))
    assert losses(whole) == losses(paused)


def test_a_process_that_has_to_go_gives_up_its_step_and_saves_the_last_one(tmp_path, tiny_base, monkeypatch, manner):
    whole = job(tmp_path, tiny_base, "whole", manner, save_every=100)
    left = job(tmp_path, tiny_base, "left", manner, save_every=100)
    train(whole)
    leave, passes = threading.Event(), []

    def leave_in_the_middle(trainer):
        passes.append(trainer.state.global_step)
        if passes.count(5) == 1:
            leave.set()

    with monkeypatch.context() as patched:
        before_passes(patched, leave_in_the_middle)
        outcome = train(left, leave=leave)
    assert (outcome.state, outcome.reason) == ("paused", "user")
    assert events(left, CheckpointSaved)[-1].step == 5
    train(left)
    assert same(weights(whole, 9), weights(left, 9))
    assert losses(whole) == losses(left)
