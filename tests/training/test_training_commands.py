"""What a job is told while it trains."""

from __future__ import annotations

import pytest

from gpt_notebook.job_events import CheckpointSaved, CommandDone, Prepared, StateChanged, StepDone
from gpt_notebook.job_files import commands
from gpt_notebook.job_files.journal import Journal
from training.tiny_jobs import command_at, events, make_job, rows, same, train, weights


@pytest.fixture
def make(tmp_path, tiny_base):
    def make(name="pip", **options):
        options = {"max_steps": 8, "batch_size": 2, "learning_rate": 0.01, "warmup_steps": 0, "save_every": 3} | options
        return make_job(tmp_path, tiny_base, rows(6), name=name, **options)

    return make


def rates(directory):
    return {each.step: each.learning_rate for each in events(directory, StepDone)}


def acknowledged(directory):
    return [(each.command_number, each.command, each.step, each.obeyed) for each in events(directory, CommandDone)]


def test_the_learning_rate_falls_to_the_end_by_default(make):
    train(pip := make())
    assert rates(pip) == pytest.approx({step: 0.01 * (1 - (step - 1) / 8) for step in range(1, 9)})


def test_another_learning_rate_holds_from_the_next_step_and_falls_from_there(make, monkeypatch):
    command_at(monkeypatch, pip := make(), 4, ("learning_rate", 0.5))
    assert acknowledged(pip) == [(1, "learning_rate", 4, True)]
    assert rates(pip)[4] == pytest.approx(0.01 * 5 / 8)
    assert [rates(pip)[step] for step in (5, 6, 7, 8)] == pytest.approx([0.5, 0.375, 0.25, 0.125])


@pytest.mark.parametrize("steps", [5, 20])
def test_another_number_of_steps_moves_the_end_of_the_schedule(make, monkeypatch, steps):
    outcome = command_at(monkeypatch, pip := make(), 4, ("max_steps", float(steps)))
    assert outcome.state == "succeeded"
    assert list(rates(pip)) == list(range(1, steps + 1))
    assert rates(pip)[5] == pytest.approx(0.01 * (1 - 4 / steps))
    assert events(pip, CheckpointSaved)[-1].step == steps


@pytest.mark.parametrize("steps", [2, 4])
def test_no_more_steps_than_are_done_are_refused(make, monkeypatch, steps):
    outcome = command_at(monkeypatch, pip := make(), 4, ("max_steps", float(steps)))
    assert (outcome.state, max(rates(pip))) == ("succeeded", 8)
    (said,) = events(pip, CommandDone)
    assert (said.obeyed, said.step) == (False, 4)
    assert said.message.startswith("step 4 is done: ask for more than 4 steps, or stop it, which keeps what there is")


def test_what_commands_changed_survives_a_death_to_the_bit(make, monkeypatch):
    whole, broken = make("whole"), make("broken")
    told = [("learning_rate", 0.02), ("max_steps", 10.0)]
    command_at(monkeypatch, whole, 5, *told)
    write = Journal.write

    def write_and_die(journal, cls, **fields):
        event = write(journal, cls, **fields)
        if cls is StepDone and fields["step"] == 6:
            raise KeyboardInterrupt
        return event

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "write", write_and_die)
        with pytest.raises(KeyboardInterrupt):
            command_at(patched, broken, 5, *told)
    assert train(broken).state == "succeeded"
    assert [each.step for each in events(broken, Prepared)] == [0, 3]
    assert len(acknowledged(broken)) == 2
    assert rates(whole) == rates(broken)
    assert same(weights(whole, 10), weights(broken, 10))


def test_stop_keeps_what_there_is(make, monkeypatch):
    outcome = command_at(monkeypatch, pip := make(), 4, ("stop",))
    assert (outcome.state, outcome.reason) == ("succeeded", "stopped")
    assert events(pip, CheckpointSaved)[-1].step == 4
    assert acknowledged(pip) == [(1, "stop", 4, True)]


def test_cancel_ends_after_the_step_and_saves_nothing_more(make, monkeypatch):
    outcome = command_at(monkeypatch, pip := make(), 5, ("cancel",))
    assert outcome.state == "cancelled"
    assert max(rates(pip)) == 5
    assert events(pip, CheckpointSaved)[-1].step == 3


def test_a_pause_that_is_taken_back_in_time_is_none(make, monkeypatch):
    outcome = command_at(monkeypatch, pip := make(), 4, ("pause",), ("resume",))
    assert outcome.state == "succeeded"
    assert acknowledged(pip) == [(1, "pause", 4, False), (2, "resume", 4, True)]


def test_a_pause_before_the_first_step_is_obeyed_too(make):
    commands.append(pip := make(), "pause")
    assert train(pip).state == "paused"
    assert not events(pip, StepDone)
    commands.append(pip, "resume")
    assert train(pip).state == "succeeded"


def test_an_end_that_was_acknowledged_is_not_gone_back_on(make, monkeypatch):
    pip = make()
    write = Journal.write

    def write_and_die(journal, cls, **fields):
        event = write(journal, cls, **fields)
        if cls is CommandDone:
            raise KeyboardInterrupt
        return event

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "write", write_and_die)
        with pytest.raises(KeyboardInterrupt):
            command_at(patched, pip, 4, ("stop",))
    assert events(pip, StateChanged)[-1].state == "running"
    outcome = train(pip)
    assert (outcome.state, outcome.reason) == ("succeeded", "stopped")
    assert max(rates(pip)) == 4
