"""What earlier attempts have left, read from events."""

from __future__ import annotations

import math
import typing

import pytest

from gpt_notebook.job_events import CheckpointSaved, CommandDone, MemoryShort, Probed, StateChanged, Validated
from gpt_notebook.training.past import Past
from gpt_notebook.training.schedule import Change

HEAD: dict[str, typing.Any] = {"number": 1, "attempt": 1, "time": 1.0}


def validated(step, loss, measured_on="a"):
    return Validated(
        **HEAD,
        step=step,
        loss=loss,
        perplexity=None,
        accuracy=None,
        tokens=9,
        seconds=0.1,
        best=False,
        measured_on=measured_on,
    )


def told(number, command, value=None, *, obeyed=True, step=0):
    return CommandDone(**HEAD, command_number=number, command=command, value=value, obeyed=obeyed, step=step)


def test_of_a_job_without_events_there_is_nothing():
    assert Past.read([]) == Past()


def test_it_knows_what_was_measured_probed_saved_and_short():
    past = Past.read(
        [
            validated(0, 3.0),
            validated(2, None),
            Probed(**HEAD, step=2, index=0, prompt="a", text="b"),
            CheckpointSaved(**HEAD, step=2, bytes=1, digest="d", seconds=0.1),
            MemoryShort(**HEAD, step=2, micro_batch_size=4, accumulation=2),
        ]
    )
    assert (past.validations, past.probed) == ({0: 3.0, 2: math.inf}, {2: 1})
    assert (past.saved, past.micro_batch_size) == ({2}, 4)


def test_what_was_measured_after_the_step_that_is_gone_on_from_is_forgotten():
    past = Past.read([validated(0, 3.0), validated(4, 2.0), Probed(**HEAD, step=4, index=0, prompt="a", text="b")])
    past.until(3)
    assert (past.validations, past.probed) == ({0: 3.0}, {})


@pytest.mark.parametrize(
    ("samples", "left"), [("a", {0: 3.0, 2: 2.0}), ("b", {}), (None, {0: 3.0, 2: 2.0})], ids=["same", "other", "none"]
)
def test_losses_on_other_samples_are_forgotten(samples, left):
    past = Past.read([validated(0, 3.0), validated(2, 2.0)])
    past.measure_on(samples)
    assert past.validations == left


def test_losses_of_an_earlier_version_which_did_not_say_on_what_stay():
    past = Past.read([validated(0, 3.0, None)])
    past.measure_on("a")
    assert past.validations == {0: 3.0}


def test_after_samples_were_forced_only_losses_on_those_count():
    past = Past.read([validated(0, 3.0), validated(2, 2.0), validated(2, 5.0, "b")])
    past.measure_on("b")
    assert past.validations == {2: 5.0}


def test_a_last_word_holds_until_the_attempt_has_ended_or_the_job_is_resumed():
    assert Past.read([told(1, "pause")]).last_word.command == "pause"
    assert Past.read([told(1, "pause"), told(2, "resume")]).last_word is None
    assert Past.read([told(1, "stop"), StateChanged(**HEAD, state="succeeded")]).last_word is None
    assert Past.read([told(1, "stop", obeyed=False)]).last_word is None


def test_what_commands_set_holds_until_something_else_is_asked_for():
    past = Past.read(
        [
            told(1, "learning_rate", 3e-4, step=2),
            told(2, "max_steps", 50.0, step=3),
            told(3, "max_steps", 1.0, obeyed=False),
        ]
    )
    assert past.last_command == 3
    both = [Change(step=2, learning_rate=3e-4), Change(step=3, max_steps=50)]
    for chosen in ({"learning_rate": 1e-4, "max_steps": 9}, {"learning_rate": 1e-4, "max_steps": 9}):
        past.begin(chosen)
        assert past.changes == both
    past.begin({"learning_rate": 2e-4, "max_steps": 9})
    assert past.changes == both[1:]
