"""How an attempt ends, and what its last words advise."""

from __future__ import annotations

import errno

import pytest

from gpt_notebook.training.outcome import ENDINGS, is_disk_full, saying_why, what_helps
from gpt_notebook.training.past import LAST_WORDS


def test_every_last_word_has_an_ending():
    assert {command: (ENDINGS[command].state, ENDINGS[command].reason) for command in LAST_WORDS} == {
        "pause": ("paused", "user"),
        "stop": ("succeeded", "stopped"),
        "cancel": ("cancelled", "user"),
    }


@pytest.mark.parametrize(
    ("step", "saved", "advice"),
    [
        (0, 0, "choose another dtype, or another model"),
        (3, 3, "there is none before it: begin again with a lower learning_rate"),
        (5, 3, "goes on from step 3: go on with a lower learning_rate"),
    ],
)
def test_what_helps_depends_on_how_far_back_one_can_go(step, saved, advice):
    assert what_helps(step, saved).endswith(advice)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_known_by_its_number_its_words_and_as_a_cause(number):
    full = OSError(number, "x")
    assert is_disk_full(full)
    assert is_disk_full(ValueError("SafetensorError: No space left on device (os error 28)"))
    wrapped = RuntimeError("while saving")
    wrapped.__cause__ = full
    assert is_disk_full(wrapped)


@pytest.mark.parametrize("error", [None, OSError(errno.EACCES, "Permission denied"), RuntimeError("shapes differ")])
def test_anything_else_is_no_full_disk(error):
    assert not is_disk_full(error)


def test_what_torch_cannot_write_although_there_is_room_stays_what_it_was(tmp_path):
    @saying_why(tmp_path)
    def write():
        msg = "unexpected pos 64 vs 0"
        raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match="unexpected pos"):
        write()
    assert list(tmp_path.iterdir()) == []
