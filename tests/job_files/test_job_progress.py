"""How far a job is, by its events alone."""

from __future__ import annotations

import json

import pytest
from job_samples import Attempt, make_job, step_fields, validated_fields, write_adapter

from gpt_notebook.job_events import CommandDone, MemoryShort, StateChanged, StepDone, Validated
from gpt_notebook.job_files import job_progress, lock
from gpt_notebook.job_files.checkpoints import Checkpoints
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.protocol import encode


@pytest.fixture
def directory(tmp_path):
    return make_job(tmp_path)


def test_before_anything_has_happened_it_is_queued(directory):
    found = job_progress.info(directory, running=False)
    assert (found.state, found.step, found.attempt, found.result, found.checkpoints) == ("queued", 0, 0, None, ())
    assert (found.id, found.name, found.model, found.created) == ("3f", "pip", "storyteller", 1.5)
    assert found.directory == str(directory.path)


def test_a_job_that_runs_says_how_far_it_is(directory):
    attempt = Attempt(directory, learning_rate=1e-4).steps(10)
    attempt.dies()
    with lock.hold(directory):
        found = job_progress.info(directory, running=True)
        assert found.pid == lock.holder(directory).pid
    assert (found.state, found.step, found.max_steps, found.epoch, found.loss) == ("running", 10, 30, 1.0, 1.0)
    assert (found.tokens_per_second, found.seconds_left) == (200.0, 10.0)
    assert (found.validation_loss, found.attempt, found.chosen) == (10.0, 1, {"learning_rate": 1e-4})
    assert found.started is not None
    assert found.ended is None


def test_one_that_runs_and_whose_lock_nobody_holds_has_died(directory):
    Attempt(directory).steps(3).dies()
    found = job_progress.info(directory, running=False)
    assert (found.state, found.reason, found.pid) == ("failed", "died", None)
    assert "start it again" in found.message
    assert found.ended is not None
    assert found.seconds_left is None


@pytest.mark.parametrize(
    ("state", "reason"),
    [("paused", "user"), ("succeeded", None), ("failed", "oom"), ("cancelled", "user"), ("queued", None)],
)
def test_one_that_has_said_why_it_does_not_run_has_not_died(directory, state, reason):
    attempt = Attempt(directory).steps(3)
    said = attempt.events.write(StateChanged, state=state, reason=reason, message="so it is", step=3)
    attempt.dies()
    found = job_progress.info(directory, running=False)
    assert (found.state, found.reason, found.message) == (state, reason, "so it is")
    assert found.ended == (said.time if state in ("succeeded", "failed", "cancelled") else None)


def test_commands_change_what_was_chosen_and_are_known_by_number(directory):
    attempt = Attempt(directory, learning_rate=1e-4, micro_batch_size=8).steps(1)
    for number, command, value, obeyed in [
        (1, "learning_rate", 3e-4, True),
        (2, "max_steps", 50.0, True),
        (3, "max_steps", 1.0, False),
    ]:
        attempt.events.write(CommandDone, command_number=number, command=command, value=value, obeyed=obeyed)
    attempt.events.write(MemoryShort, step=1, micro_batch_size=4, accumulation=2)
    attempt.dies()
    found = job_progress.progress(directory)
    assert (found.last_command, found.max_steps) == (3, 50)
    assert found.chosen == {"learning_rate": 3e-4, "max_steps": 50, "micro_batch_size": 4}


def test_what_commands_have_changed_stays_when_the_job_goes_on_unless_something_else_is_asked_for(directory):
    first = Attempt(directory, learning_rate=1e-4, max_steps=30).steps(1)
    for number, command, value in [(1, "learning_rate", 3e-4), (2, "max_steps", 50.0)]:
        first.events.write(CommandDone, command_number=number, command=command, value=value, obeyed=True)
    first.dies()
    Attempt(directory, begins=1, learning_rate=1e-4, max_steps=30).dies()
    assert job_progress.progress(directory).chosen == {"learning_rate": 3e-4, "max_steps": 50}
    Attempt(directory, begins=1, learning_rate=2e-4, max_steps=30).dies()
    assert job_progress.progress(directory).chosen == {"learning_rate": 2e-4, "max_steps": 50}


def test_what_was_set_before_the_first_attempt_holds_in_it(directory):
    with Journal(directory.events) as events:
        fields = {"command_number": 1, "command": "learning_rate", "value": 3e-4, "obeyed": True}
        events.write(CommandDone, **fields)
    Attempt(directory, learning_rate=1e-4, batch_size=8).dies()
    assert job_progress.progress(directory).chosen == {"learning_rate": 3e-4, "batch_size": 8}


def test_the_learning_rate_is_that_of_the_last_step_or_what_it_was_set_to_until_it_waits_again(directory):
    attempt = Attempt(directory, learning_rate=1e-4).steps(1)
    done = job_progress.info(directory, running=True).learning_rate
    attempt.events.write(CommandDone, command_number=1, command="learning_rate", value=3e-4, obeyed=True)
    told = job_progress.info(directory, running=True).learning_rate
    attempt.events.write(StateChanged, state="queued")
    attempt.dies()
    assert (done, told) == (1e-4, 3e-4)
    assert job_progress.info(directory, running=False).learning_rate is None


def test_a_job_that_goes_on_beyond_its_end_does_not_know_yet_how_far(directory):
    attempt = Attempt(directory).steps(30)
    assert job_progress.progress(directory).max_steps == 30
    attempt.events.write(StateChanged, state="queued")
    assert job_progress.progress(directory).max_steps is None
    attempt.dies()


def test_losses_on_other_samples_are_told_no_more(directory):
    first = Attempt(directory, measured_on="a").steps(10)
    for step in (5, 10):
        Checkpoints(directory).save(step, write_adapter)
        first.saved(step, loss=10.0)
    first.dies()
    second = Attempt(directory, begins=10)
    second.events.write(Validated, **validated_fields(10, 3.0, measured_on="b"))
    second.dies()
    found = job_progress.info(directory, running=False)
    assert (found.validation_loss, [each.loss for each in found.checkpoints]) == (3.0, [None, 3.0])


def test_its_checkpoints_are_those_that_are_there_with_their_losses(directory):
    attempt = Attempt(directory).steps(10)
    for step in (5, 8, 10):
        Checkpoints(directory).save(step, write_adapter)
        attempt.saved(step, loss=7.5 if step == 8 else None)
    attempt.dies()
    Checkpoints(directory).prune(keep_last=1)
    directory.write_best(5)
    found = job_progress.info(directory, running=False)
    told = [(each.step, each.can_resume, each.loss, each.best) for each in found.checkpoints]
    assert told == [(5, False, 10.0, True), (8, False, 7.5, False), (10, True, 10.0, False)]
    assert (found.best_step, found.result) == (5, "storyteller+pip")


def test_what_it_makes_is_named_as_others_ask_for_it(tmp_path):
    directory = make_job(tmp_path, "whole", method="full")
    Checkpoints(directory).save(1, write_adapter)
    assert job_progress.info(directory, running=False).result == "whole"


def test_a_validation_that_is_no_number_is_none_and_does_not_hide_how_far_it_is(directory):
    attempt = Attempt(directory).steps(4)
    attempt.events.write(StepDone, **step_fields(5))
    attempt.events.write(Validated, **validated_fields(5, float("nan")))
    attempt.dies()
    found = job_progress.info(directory, running=False)
    assert (found.step, found.loss, found.validation_loss) == (5, 2.0, None)
    json.dumps(encode(found), allow_nan=False)


def test_an_attempt_that_went_back_does_not_boast_of_what_is_no_more(directory):
    Attempt(directory).steps(12).dies()
    Attempt(directory, begins=3).dies()
    found = job_progress.info(directory, running=True)
    assert (found.step, found.loss, found.validation_loss, found.tokens_per_second) == (3, 1.0, None, None)
