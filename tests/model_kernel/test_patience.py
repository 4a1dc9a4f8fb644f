"""Patient work beside others and alone. Time is here what the works say that their steps take."""

from __future__ import annotations

import functools
import itertools
import threading

import pytest

from gpt_notebook.errors import RequestCancelled
from gpt_notebook.model_kernel.scheduler import LONGEST_STEP, PATIENT_SHARE, QUIET, SHORTEST_STEP, Scheduler, Work

PRICE = (1 - PATIENT_SHARE) / PATIENT_SHARE
"""Seconds that others have worked for each second of a patient step."""


class Stage:
    """A scheduler with a clock, a record of the steps as (name, began, ended), and of each work's end: (when, error)."""

    def __init__(self):
        self.now, self.record, self.ends = 0.0, [], {}
        self._ended = threading.Semaphore(0)
        self.scheduler = Scheduler("stage", clock=lambda: self.now)

    def enter(self, *works):
        """Submit works; they are there at the next turn if this is called within a step."""
        for work in works:
            work.emit = functools.partial(self._end, work.name)
            self.scheduler.submit(work)

    def play(self, *works, ends):
        """Let works begin in the same turn, and return the record once so many have ended."""
        opening = Timed(self, "opening", [0.0], then={1: lambda: self.enter(*works)})
        opening.patient = True
        self.scheduler.submit(opening)
        for _ in range(ends):
            assert self._ended.acquire(timeout=10)
        return self.record[1:]

    def _end(self, name, error):
        self.ends[name] = (self.now, error)
        self._ended.release()


class Timed(Work):
    """Takes some seconds for each step, and does something during one."""

    def __init__(self, stage, name, durations, *, then=()):
        super().__init__()
        self.stage, self.name, self.durations, self.then = stage, name, durations, dict(then)
        self.done, self.suggested = 0, []

    def duration(self):
        return self.durations[self.done]

    def step(self):
        self.check_cancelled()
        self.suggested.append(self.seconds)
        began = self.stage.now
        self.stage.now += self.duration()
        self.stage.record.append((self.name, began, self.stage.now))
        self.done += 1
        if self.done in self.then:
            self.then[self.done]()
        return self.done < len(self.durations)


class Patient(Timed):
    """Takes as long as was suggested where its durations say None."""

    patient = True

    def duration(self):
        given = super().duration()
        return self.seconds if given is None else given


@pytest.fixture
def stage():
    stage = Stage()
    yield stage
    stage.scheduler.close()


def taken(record, *names):
    return sum(ended - began for name, began, ended in record if name in names)


def until(record, name):
    """The record up to the last step of one work."""
    return record[: max(i for i, step in enumerate(record) if step[0] == name) + 1]


@pytest.mark.parametrize("token", [0.003, 0.03, 0.3])
@pytest.mark.parametrize("names", ["p", "pqr"])
def test_all_patient_work_together_gets_its_share_beside_a_generation(stage, token, names):
    patient = [Patient(stage, name, [None] * 1000) for name in names]
    record = until(stage.play(Timed(stage, "g", [token] * 500), *patient, ends=1), "g")
    assert taken(record, *names) == pytest.approx(PATIENT_SHARE * record[-1][2], abs=LONGEST_STEP)


def test_beside_very_slow_steps_it_takes_less_rather_than_seem_to_hang_them(stage):
    patient = Patient(stage, "p", [None] * 100)
    record = until(stage.play(Timed(stage, "g", [3.0] * 20), patient, ends=1), "g")
    assert taken(record, "p") == pytest.approx(19 * LONGEST_STEP)


def test_two_generations_have_the_share_of_the_others_between_them(stage):
    works = [Timed(stage, name, [0.02] * 500) for name in "ab"]
    record = until(stage.play(*works, Patient(stage, "p", [None] * 1000), ends=2), "b")
    assert taken(record, "p") / record[-1][2] == pytest.approx(PATIENT_SHARE, abs=0.005)


def test_a_long_step_is_paid_for_by_a_long_pause(stage):
    record = stage.play(Timed(stage, "g", [0.03] * 1000), Patient(stage, "p", [1.0] * 3), ends=2)
    steps = [step for step in record if step[0] == "p"]
    assert len(steps) == 3
    for (_, _, ended), (_, began, _) in itertools.pairwise(steps):
        assert began - ended == pytest.approx(1.0 * PRICE, abs=2 * 0.03)


def test_what_a_long_round_earned_is_not_spent_in_a_row(stage):
    long_prompt, tokens = 60.0, [0.01] * 50
    record = stage.play(Timed(stage, "g", [long_prompt, *tokens]), Patient(stage, "p", [None] * 50), ends=1)
    prefill, first, *rest = until(record, "g")
    assert (prefill[0], first[0]) == ("g", "p")
    assert first[2] - first[1] == pytest.approx(LONGEST_STEP)
    assert taken(rest, "p") <= PATIENT_SHARE * (rest[-1][2] - rest[0][1]) + SHORTEST_STEP


def test_alone_it_runs_freely_with_long_steps(stage):
    work = Patient(stage, "p", [None] * 20)
    record = stage.play(work, ends=1)
    assert record[-1][2] == pytest.approx(20 * LONGEST_STEP)
    assert set(work.suggested) == {LONGEST_STEP}


def test_debt_does_not_delay_it_once_it_is_alone(stage):
    generation = Timed(stage, "g", [0.03] * 2)
    record = stage.play(generation, Patient(stage, "p", [5.0, None, None]), ends=2)
    assert [name for name, _, _ in record] == ["g", "p", "g", "p", "p"]


def test_debt_is_forgiven_when_the_others_have_been_away(stage):
    later = Timed(stage, "later", [0.03] * 2)
    durations = [5.0, QUIET, 0.01, None]
    patient = Patient(stage, "p", durations, then={3: lambda: stage.enter(later)})
    record = stage.play(Timed(stage, "g", [0.03] * 2), patient, ends=3)
    assert [name for name, _, _ in record] == ["g", "p", "g", "p", "p", "later", "p", "later"]


def test_debt_outlives_the_gap_between_two_generations(stage):
    later = Timed(stage, "later", [0.03] * 2)
    patient = Patient(stage, "p", [5.0, 0.01, None], then={2: lambda: stage.enter(later)})
    record = stage.play(Timed(stage, "g", [0.03] * 2), patient, ends=3)
    assert [name for name, _, _ in record] == ["g", "p", "g", "p", "later", "later", "p"]


def test_time_alone_is_neither_debt_nor_credit(stage):
    generation = Timed(stage, "g", [0.03] * 3)
    patient = Patient(stage, "p", [9.0] * 3 + [None] * 3, then={3: lambda: stage.enter(generation)})
    record = stage.play(patient, ends=2)
    assert [name for name, _, _ in record[:6]] == ["p", "p", "p", "g", "p", "g"]


@pytest.mark.parametrize("names", ["p", "pqr"])
def test_a_newcomer_waits_for_no_more_than_the_step_in_progress(stage, names):
    generation = Timed(stage, "g", [0.03])
    first, *others = [Patient(stage, name, [None] * 5) for name in names]
    first.then = {2: lambda: stage.enter(generation)}
    order = [name for name, _, _ in stage.play(first, *others, ends=1 + len(names))]
    newcomer = order.index("g")
    assert order[:newcomer].count("p") == 2
    assert order[newcomer - 1] == "p"


@pytest.mark.parametrize("beside", [[], [0.03] * 500])
def test_patient_works_take_turns(stage, beside):
    patient = [Patient(stage, name, [None] * 4) for name in "pqr"]
    generation = [Timed(stage, "g", beside)] if beside else []
    record = stage.play(*generation, *patient, ends=3 + len(generation))
    assert "".join(name for name, _, _ in record if name != "g") == "pqr" * 4


def test_it_is_told_to_be_short_beside_others_and_long_when_they_are_gone(stage):
    work = Patient(stage, "p", [None] * 100)
    stage.play(Timed(stage, "g", [0.03] * 5), work, ends=2)
    beside = 1 + int(QUIET / SHORTEST_STEP)
    assert set(work.suggested[:beside]) == {SHORTEST_STEP}
    assert set(work.suggested[beside + 5 :]) == {LONGEST_STEP}


def test_beside_slow_steps_its_own_may_be_longer(stage):
    work = Patient(stage, "p", [None] * 5)
    stage.play(Timed(stage, "g", [0.3] * 10), work, ends=2)
    assert work.suggested[0] == pytest.approx(0.3 / PRICE)


def test_cancelled_it_ends_at_once_though_it_may_not_run(stage):
    patient = Patient(stage, "p", [100.0] * 3)
    generation = Timed(stage, "g", [0.03] * 10, then={3: lambda: setattr(patient, "cancelled", True)})
    record = stage.play(generation, patient, ends=2)
    ended, error = stage.ends["p"]
    assert isinstance(error, RequestCancelled)
    assert [name for name, _, _ in record] == ["g", "p", *"g" * 9]
    assert ended <= record[4][2]


def test_a_patient_step_that_fails_ends_its_own_work_only(stage):
    def fail():
        raise IndexError

    bad = Patient(stage, "bad", [None] * 3, then={2: fail})
    record = stage.play(bad, Timed(stage, "g", [0.3] * 5), Patient(stage, "good", [None] * 3), ends=3)
    assert isinstance(stage.ends["bad"][1], IndexError)
    assert stage.ends["good"][1] is stage.ends["g"][1] is None
    assert [sum(step[0] == name for step in record) for name in ("bad", "g", "good")] == [2, 5, 3]
