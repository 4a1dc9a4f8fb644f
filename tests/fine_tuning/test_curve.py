"""The packed curve of a job counts as its history does, stays small, and tells only what is new."""

from __future__ import annotations

import dataclasses
import random
import tracemalloc

import numpy as np
import pytest

from gpt_notebook.fine_tuning import curve as module
from gpt_notebook.fine_tuning.curve import COLUMNS, Curve
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
from gpt_notebook.job_files import history
from gpt_notebook.job_protocol import Estimate

ESTIMATE = Estimate(bytes=1, weights=1, training_state=1, activations=1, seconds=1.0, steps=1, tokens=1, free=1)


class Story:
    """Events one after the other, two seconds apart."""

    def __init__(self):
        self.events = []
        self.attempt = 1
        self.now = 100.0

    def add(self, cls, **fields):
        self.now += 2
        self.events.append(cls(number=len(self.events) + 1, attempt=self.attempt, time=self.now, **fields))
        return self

    def begin(self, step=0):
        self.add(StateChanged, state="running", step=step)
        return self.add(
            Prepared, step=step, max_steps=99, samples=1, validation_samples=1, tokens=1, counted=1, cut=0, dropped=0,
            trainable=1, parameters=1, chosen={}, estimate=ESTIMATE, threads=1, device="cpu",
        )  # fmt: skip

    def steps(self, *steps, loss=2.0):
        for step in steps:
            self.add(
                StepDone, step=step, epoch=0.1, loss=loss, learning_rate=1e-3, grad_norm=None, tokens=10, seconds=0.5,
                memory=7,
            )  # fmt: skip
        return self

    def checked(self, step, loss=1.0, **fields):
        said = {"perplexity": 2.0, "accuracy": 0.5, "tokens": 1, "seconds": 0.1, "best": True} | fields
        return self.add(Validated, step=step, loss=loss, **said)

    def probed(self, step, text="a fox", index=0):
        return self.add(Probed, step=step, index=index, prompt="Once", text=text)


def numbers(curve, name):
    return list(curve.column(name))


def test_a_row_has_the_numbers_of_its_step():
    curve = Curve.of(Story().begin().steps(1, 2).events)
    assert len(curve) == 2
    assert [numbers(curve, name)[1] for name in COLUMNS if name != "grad_norm"] == pytest.approx(
        [2, 2.0, 1e-3, 20.0, 7, 6.0]
    )
    assert np.isnan(numbers(curve, "grad_norm")).all()


def test_pauses_take_no_time():
    story = Story().begin().steps(1).add(StateChanged, state="paused", step=1)
    story.now += 5000
    story.add(StateChanged, state="queued", step=1)
    curve = Curve.of(story.begin(1).steps(2).events)
    assert numbers(curve, "seconds") == [4.0, 10.0]


def test_the_time_after_a_death_is_no_training():
    story = Story().begin().steps(1, 2)
    story.now += 5000
    assert numbers(Curve.of(story.begin(1).steps(2).events), "seconds") == [4.0, 10.0]


@pytest.mark.parametrize("seed", range(20))
def test_what_counts_is_what_the_history_counts(seed):
    story, chance, step = Story().begin(), random.Random(seed), 0
    for _ in range(80):
        step += 1
        match chance.randrange(12):
            case 0:
                step = chance.randrange(step)
                story.begin(step)
            case 1:
                step = chance.randrange(step)
                story.add(MemoryShort, step=step, micro_batch_size=1, accumulation=2)
            case 2:
                story.steps(step).checked(step, loss=chance.random())
            case 3:
                story.steps(step).add(CheckpointSaved, step=step, bytes=1, digest="d", seconds=0.1)
            case 4:
                story.steps(step).probed(step, text=str(chance.random()))
            case _:
                story.steps(step, loss=chance.random())
    curve, counted = Curve.of(story.events), history.counted(story.events)
    expected = [(each.step, np.float32(each.loss)) for each in counted if isinstance(each, StepDone)]
    assert list(zip(numbers(curve, "step"), numbers(curve, "loss"), strict=True)) == expected
    for kind, cls in (("validation", Validated), ("checkpoint", CheckpointSaved), ("state", StateChanged)):
        assert [each["number"] for each in curve.marks if each["kind"] == kind] == [
            each.number for each in counted if isinstance(each, cls)
        ]
    assert [each["text"] for each in curve.probes] == [each.text for each in counted if isinstance(each, Probed)]


@pytest.mark.parametrize("seed", range(20))
def test_whoever_is_told_now_and_then_knows_the_same_in_the_end(seed):
    story, chance, step = Story().begin(), random.Random(seed), 0
    for _ in range(120):
        step += 1
        if chance.random() < 0.1:
            step = chance.randrange(step)
            story.begin(step)
        else:
            story.steps(step, loss=chance.random())
            if chance.random() < 0.3:
                story.checked(step).probed(step, text=str(chance.random()))
    curve, told = Curve(), _Told()
    for event in story.events:
        curve.add(event)
        if chance.random() < 0.2:
            told.take(curve)
    told.take(curve)
    np.testing.assert_array_equal(told.rows, curve.rows)
    assert told.marks == {each["number"]: each for each in curve.marks}
    assert told.probes == {(each["step"], each["index"]): each["text"] for each in curve.probes}


class _Told:
    def __init__(self):
        self.rows, self.marks, self.probes, self.number = [], {}, {}, 0

    def take(self, curve):
        changes = curve.since(number=self.number, rows=len(self.rows) // module.WIDTH)
        self.rows[changes.row * module.WIDTH :] = list(changes.rows)
        back = changes.rewound_to
        if back is not None:
            self.marks = {number: mark for number, mark in self.marks.items() if mark["step"] < back}
            self.probes = {key: text for key, text in self.probes.items() if key[0] < back}
        self.marks |= {each["number"]: each for each in changes.marks}
        self.probes |= {(each["step"], each["index"]): each["text"] for each in changes.probes}
        self.number = changes.number


def test_nothing_new_is_nothing():
    curve = Curve.of(Story().begin().steps(1, 2).checked(2).events)
    changes = curve.since(number=curve.number, rows=2)
    assert (changes.row, len(changes.rows), changes.rewound_to, changes.marks, changes.probes) == (2, 0, None, [], [])


def test_who_has_missed_more_turns_than_are_known_is_told_everything(monkeypatch):
    story = Story().begin().steps(1, 2, 3)
    monkeypatch.setattr(module, "MAX_TURNS", 2)
    curve = Curve()
    curve._turns = type(curve._turns)(maxlen=2)
    for event in story.begin(2).steps(3).begin(1).steps(2, 3).begin(2).steps(3).events:
        curve.add(event)
    changes = curve.since(number=5, rows=3)
    assert (changes.row, changes.rewound_to) == (0, 0)


def test_an_event_that_comes_twice_counts_once():
    story = Story().begin().steps(1).add(Noted, message="by the way")
    curve = Curve.of([*story.events, *story.events])
    assert (len(curve), sum(each["kind"] == "note" for each in curve.marks)) == (1, 1)


def test_a_command_says_what_became_of_it():
    fields = {"command_number": 1, "command": "pause", "obeyed": False, "message": "it has ended", "step": 3}
    (mark,) = Curve.of(Story().add(CommandDone, **fields).events).marks
    assert (mark["kind"], mark["command"], mark["obeyed"], mark["message"]) == (
        "command",
        "pause",
        False,
        "it has ended",
    )


def test_of_very_many_marks_the_oldest_go_and_it_is_said(monkeypatch):
    monkeypatch.setattr(module, "MAX_MARKS", {"validation": 3, "checkpoint": 1})
    story = Story().begin()
    for step in range(1, 6):
        story.steps(step).checked(step)
    curve = Curve.of(story.events)
    assert [each["step"] for each in curve.marks if each["kind"] == "validation"] == [3, 4, 5]
    assert curve.since(number=0, rows=0).omitted == 2


def test_of_very_many_probes_the_first_round_stays(monkeypatch):
    monkeypatch.setattr(module, "MAX_PROBES", 3)
    story = Story().begin().probed(0)
    for step in range(1, 6):
        story.steps(step).probed(step)
    curve = Curve.of(story.events)
    assert [each["step"] for each in curve.probes] == [0, 4, 5]
    assert curve.omitted == 3


def test_a_hundred_thousand_steps_are_less_than_three_megabytes():
    story, curve = Story().begin(), Curve()
    (event,) = story.steps(1).events[2:]
    tracemalloc.start()
    try:
        for number in range(1, 100_001):
            curve.add(dataclasses.replace(event, number=number, step=number, time=float(number)))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(curve) == 100_000
    assert taken < 3_000_000
