"""What has happened in a job: no step twice and no gap, however many attempts have died on the way."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from job_samples import Attempt, make_job, validated_fields

from gpt_notebook.job_events import (
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
from gpt_notebook.job_files import job_progress, journal
from gpt_notebook.job_files.history import History, counted
from gpt_notebook.job_files.job_progress import Progress
from gpt_notebook.job_files.journal import Reader


@pytest.fixture
def directory(tmp_path):
    return make_job(tmp_path)


def curve(directory):
    found = counted(journal.read(directory.events))
    return [(each.step, each.loss) for each in found if isinstance(each, StepDone)]


def of(cls, events):
    return [each for each in events if isinstance(each, cls)]


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


def test_of_validations_on_other_samples_after_the_same_step_both_count(directory):
    Attempt(directory, measured_on="a").steps(5, save_at=[5]).dies()
    second = Attempt(directory, begins=5)
    for loss in (3.0, 4.0):
        second.events.write(Validated, **validated_fields(5, loss, measured_on="b"))
    second.dies()
    validated = of(Validated, counted(journal.read(directory.events)))
    assert [(each.step, each.loss, each.measured_on) for each in validated] == [(5, 10.0, "a"), (5, 4.0, "b")]


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
    found = job_progress.info(directory, running=False)
    assert (found.step, found.loss) == (40_002, 2.0)
