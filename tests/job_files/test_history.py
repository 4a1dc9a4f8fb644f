"""What has happened in a job: no step twice and no gap, however many attempts have died on the way."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from job_samples import make_job, prepared_fields, step_fields, validated_fields, write_adapter

from gpt_notebook.job_files import history, journal, lock
from gpt_notebook.job_files.checkpoints import Checkpoints
from gpt_notebook.job_files.history import History, Progress, counted
from gpt_notebook.job_files.journal import Journal, Reader
from gpt_notebook.job_protocol import (
    CheckpointSaved,
    CommandDone,
    MemoryShort,
    Noted,
    Prepared,
    Probed,
    StateChanged,
    StepDone,
    Validated,
)
from gpt_notebook.protocol import encode


@pytest.fixture
def directory(tmp_path):
    return make_job(tmp_path)


class Attempt:
    """An attempt of a job as its events tell it; the losses say which attempt has done a step."""

    def __init__(self, directory, *, begins=0, **chosen):
        self.directory, self.step = directory, begins
        self.number = Journal.next_attempt(directory.events)
        self.events = Journal(directory.events, attempt=self.number)
        self.events.write(StateChanged, state="running")
        self.events.write(Prepared, **prepared_fields(begins, **chosen))

    def steps(self, count, *, save_at=()):
        for _ in range(count):
            self.step += 1
            self.events.write(StepDone, **step_fields(self.step, loss=float(self.number)))
            if self.step % 5 == 0:
                self.events.write(Validated, **validated_fields(self.step, 10.0 * self.number))
                self.events.write(Probed, step=self.step, index=0, prompt="Once", text=str(self.number))
            if self.step in save_at:
                self.saved(self.step)
        return self

    def saved(self, step, **fields):
        self.events.write(CheckpointSaved, step=step, bytes=1, digest="d", seconds=0.1, **fields)

    def dies(self, *, torn=b""):
        self.events.close()
        if torn:
            with self.directory.events.open("ab") as file:
                file.write(torn)


def curve(directory, **options):
    found = counted(journal.read(directory.events), **options)
    return [(each.step, each.loss) for each in found if isinstance(each, StepDone)]


def of(cls, events):
    return [each for each in events if isinstance(each, cls)]


# --- what counts ----------------------------------------------------------------------------------------------------


def test_of_steps_that_were_done_twice_the_later_ones_count(directory):
    Attempt(directory).steps(7, save_at=[5]).dies()
    Attempt(directory, begins=5).steps(3).dies()
    assert curve(directory) == [(step, 1.0) for step in range(1, 6)] + [(step, 2.0) for step in range(6, 9)]


def test_what_came_of_steps_that_do_not_count_goes_with_them(directory):
    Attempt(directory).steps(12, save_at=[5, 10]).dies()
    Attempt(directory, begins=5).steps(1).dies()
    found = counted(journal.read(directory.events))
    for cls in (Validated, Probed, CheckpointSaved):
        assert [each.step for each in of(cls, found)] == [5]
    assert len(of(StateChanged, found)) == len(of(Prepared, found)) == 2


def test_a_checkpoint_that_is_still_there_stays(directory):
    Attempt(directory).steps(12, save_at=[5, 10]).dies()
    Attempt(directory, begins=5).steps(1).dies()
    found = counted(journal.read(directory.events), kept={10}.__contains__)
    assert [each.step for each in of(CheckpointSaved, found)] == [5, 10]
    assert [each.step for each in of(Validated, found)] == [5]


def test_an_attempt_that_goes_back_for_lack_of_memory_counts_its_steps_once(directory):
    attempt = Attempt(directory).steps(7, save_at=[5])
    attempt.events.write(MemoryShort, step=5, micro_batch_size=2, accumulation=4)
    attempt.step = 5
    attempt.steps(4).dies()
    assert [step for step, _ in curve(directory)] == list(range(1, 10))


def test_what_comes_again_without_a_word_takes_the_place_of_the_first(directory):
    attempt = Attempt(directory)
    for loss in (1.0, 2.0):
        attempt.events.write(Probed, step=0, index=0, prompt="a", text=str(loss))
        attempt.events.write(Probed, step=0, index=1, prompt="b", text=str(loss))
        attempt.events.write(Validated, **validated_fields(0, loss))
    attempt.steps(3)
    attempt.step = 1
    attempt.steps(1).dies()
    found = counted(journal.read(directory.events))
    assert [(each.index, each.text) for each in of(Probed, found)] == [(0, "2.0"), (1, "2.0")]
    assert [each.loss for each in of(Validated, found)] == [2.0]
    assert [step for step, _ in curve(directory)] == [1, 2]


def test_messages_and_commands_stay_whatever_becomes_of_their_step(directory):
    attempt = Attempt(directory).steps(9)
    attempt.events.write(Noted, message="look", step=9)
    attempt.events.write(CommandDone, command_number=1, command="learning_rate", value=1e-3, obeyed=True, step=9)
    attempt.dies()
    Attempt(directory).steps(1).dies()
    found = counted(journal.read(directory.events))
    assert len(of(Noted, found)) == len(of(CommandDone, found)) == 1


attempts = st.lists(
    st.tuples(st.integers(0, 17), st.integers(1, 6), st.binary(max_size=5), st.booleans()), min_size=1, max_size=8
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lives=attempts)
def test_over_attempts_that_die_anywhere_no_step_comes_twice_and_none_is_missing(directory, lives):
    directory.events.unlink(missing_ok=True)
    saved, reached, follower, live = 0, 0, Reader(directory.events), History()
    progress = Progress()
    for count, save_every, torn, goes_back in lives:
        # What it goes on from is sometimes older than the newest, when that was damaged.
        begins = max(0, saved - 4) if goes_back else saved
        attempt = Attempt(directory, begins=begins)
        attempt.steps(count, save_at=range(begins + save_every, begins + count + 1, save_every))
        attempt.dies(torn=torn.replace(b"\n", b""))
        saved = begins + count // save_every * save_every
        reached = begins + count
        for event in follower.read():
            live.add(event)
            progress.add(event)
        steps = [step for step, _ in curve(directory)]
        assert steps == list(range(1, reached + 1))
        assert live.events == counted(journal.read(directory.events))
        assert progress.step == reached


def test_fifty_thousand_steps_are_told_again_after_every_attempt(directory):
    Attempt(directory).steps(1).dies()
    lines = directory.events.read_bytes().splitlines(keepends=True)
    step = json.loads(lines[2])
    with directory.events.open("ab") as file:
        for number in range(2, 50_001):
            file.write(json.dumps({**step, "number": number + 2, "step": number}).encode() + b"\n")
    Attempt(directory, begins=40_000).steps(2).dies()
    assert [step for step, _ in curve(directory)] == list(range(1, 40_003))
    found = history.info(directory, running=False)
    assert (found.step, found.loss) == (40_002, 2.0)


# --- how far it is --------------------------------------------------------------------------------------------------


def test_before_anything_has_happened_it_is_queued(directory):
    found = history.info(directory, running=False)
    assert (found.state, found.step, found.attempt, found.result, found.checkpoints) == ("queued", 0, 0, None, ())
    assert (found.id, found.name, found.model, found.created) == ("3f", "pip", "storyteller", 1.5)
    assert found.directory == str(directory.path)


def test_a_job_that_runs_says_how_far_it_is(directory):
    attempt = Attempt(directory, learning_rate=1e-4).steps(10)
    attempt.dies()
    with lock.hold(directory):
        found = history.info(directory, running=True)
        assert found.pid == lock.holder(directory).pid
    assert (found.state, found.step, found.max_steps, found.epoch, found.loss) == ("running", 10, 30, 1.0, 1.0)
    assert (found.tokens_per_second, found.seconds_left) == (200.0, 10.0)
    assert (found.validation_loss, found.attempt, found.chosen) == (10.0, 1, {"learning_rate": 1e-4})
    assert found.started is not None
    assert found.ended is None


def test_one_that_runs_and_whose_lock_nobody_holds_has_died(directory):
    Attempt(directory).steps(3).dies()
    found = history.info(directory, running=False)
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
    found = history.info(directory, running=False)
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
    found = history.progress(directory)
    assert (found.last_command, found.max_steps) == (3, 50)
    assert found.chosen == {"learning_rate": 3e-4, "max_steps": 50, "micro_batch_size": 4}


def test_what_commands_have_changed_stays_when_the_job_goes_on_unless_something_else_is_asked_for(directory):
    first = Attempt(directory, learning_rate=1e-4, max_steps=30).steps(1)
    for number, command, value in [(1, "learning_rate", 3e-4), (2, "max_steps", 50.0)]:
        first.events.write(CommandDone, command_number=number, command=command, value=value, obeyed=True)
    first.dies()
    Attempt(directory, begins=1, learning_rate=1e-4, max_steps=30).dies()
    assert history.progress(directory).chosen == {"learning_rate": 3e-4, "max_steps": 50}
    Attempt(directory, begins=1, learning_rate=2e-4, max_steps=30).dies()
    assert history.progress(directory).chosen == {"learning_rate": 2e-4, "max_steps": 50}


def test_its_checkpoints_are_those_that_are_there_with_their_losses(directory):
    attempt = Attempt(directory).steps(10)
    for step in (5, 8, 10):
        Checkpoints(directory).save(step, write_adapter)
        attempt.saved(step, loss=7.5 if step == 8 else None)
    attempt.dies()
    Checkpoints(directory).prune(keep_last=1)
    directory.write_best(5)
    found = history.info(directory, running=False)
    told = [(each.step, each.can_resume, each.loss, each.best) for each in found.checkpoints]
    assert told == [(5, False, 10.0, True), (8, False, 7.5, False), (10, True, 10.0, False)]
    assert (found.best_step, found.result) == (5, "storyteller+pip")


def test_what_it_makes_is_named_as_others_ask_for_it(tmp_path):
    directory = make_job(tmp_path, "whole", method="full")
    Checkpoints(directory).save(1, write_adapter)
    assert history.info(directory, running=False).result == "whole"


def test_a_loss_that_is_no_number_is_none_and_does_not_hide_how_far_it_is(directory):
    attempt = Attempt(directory).steps(4)
    attempt.events.write(StepDone, **step_fields(5, loss=float("nan")))
    attempt.events.write(Validated, **validated_fields(5, float("nan")))
    attempt.dies()
    found = history.info(directory, running=False)
    assert (found.step, found.loss, found.validation_loss) == (5, None, None)
    json.dumps(encode(found), allow_nan=False)


def test_an_attempt_that_went_back_does_not_boast_of_what_is_no_more(directory):
    Attempt(directory).steps(12).dies()
    Attempt(directory, begins=3).dies()
    found = history.info(directory, running=True)
    assert (found.step, found.loss, found.validation_loss, found.tokens_per_second) == (3, 1.0, None, None)
