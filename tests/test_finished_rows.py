"""What is left of a map that has not come to its end."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path

import pytest

from gpt_notebook import finished_rows
from gpt_notebook.finished_rows import FinishedRows, key_of


@pytest.fixture
def opened():
    """Opens what is kept, for as long as the test lasts."""
    with contextlib.ExitStack() as stack:
        yield lambda path: stack.enter_context(contextlib.closing(FinishedRows(path)))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "maps" / "key.jsonl"


def left_behind(path, values, fingerprint="f"):
    kept = FinishedRows(path)
    kept.begin(fingerprint)
    for row, value in values.items():
        kept.add(row, value)
    kept.close()


def test_what_was_done_is_found_again(path, opened):
    left_behind(path, {0: "a", 5: ["b", "ü"]})
    found = opened(path)
    assert (found.values, found.fingerprint, found.kept) == ({0: "a", 5: ["b", "ü"]}, "f", True)


def test_it_is_the_owners_alone(path):
    left_behind(path, {0: "a"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_more_is_added_to_what_was_there(path, opened):
    left_behind(path, {0: "a"})
    left_behind(path, {1: "b"})
    assert opened(path).values == {0: "a", 1: "b"}


def test_values_of_other_weights_are_forgotten(path, opened):
    left_behind(path, {0: "a", 1: "b"})
    left_behind(path, {2: "c"}, fingerprint="other")
    found = opened(path)
    assert (found.values, found.fingerprint) == ({2: "c"}, "other")


@pytest.mark.parametrize("torn", [b'{"row": 1, "val', b'{"row": 1, "value": "b"}', b"{}\n", b"\0\0\n", b"[]\n"])
def test_a_torn_end_is_overwritten(path, torn, opened):
    left_behind(path, {0: "a"})
    path.write_bytes(path.read_bytes() + torn)
    found = FinishedRows(path)
    assert found.values == {0: "a"}
    found.add(2, "c")
    found.close()
    assert opened(path).values == {0: "a", 2: "c"}


def test_a_file_that_says_nothing_leaves(path):
    left_behind(path, {0: "a"})
    found = FinishedRows(path)
    found.forget()
    found.close()
    assert not path.exists()


def test_two_at_once_do_not_mix(path, opened):
    first, second = opened(path), opened(path)
    first.begin("f")
    second.begin("f")
    first.add(0, "a")
    second.add(0, "b")
    second.close()
    assert (first.kept, second.kept) == (True, False)
    first.close()
    assert opened(path).values == {0: "a"}


def test_where_nothing_can_be_kept_the_map_goes_on(path, opened):
    path.parent.write_text("a file")
    kept = opened(path)
    kept.begin("f")
    kept.add(0, "a")
    assert (kept.values, kept.kept) == ({0: "a"}, False)


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_full_disk_does_not_end_a_map(path, opened):
    kept = opened(path)
    kept.begin("f")
    with Path("/dev/full").open("r+b", buffering=0) as full:
        os.dup2(full.fileno(), kept._file.fileno())
    kept.add(0, "a")
    assert (kept.values, kept.kept) == ({0: "a"}, False)


def test_only_the_newest_stay(path):
    for number in range(finished_rows.MOST_FILES + 5):
        each = path.with_name(f"{number}.jsonl")
        left_behind(each, {0: "a"})
        os.utime(each, (number, number))
    left_behind(path, {0: "a"})
    names = {each.stem for each in path.parent.iterdir()}
    assert len(names) == finished_rows.MOST_FILES
    assert {"key", "24", "23"} <= names
    assert "0" not in names


def test_large_ones_leave_first_what_is_old(path, monkeypatch):
    monkeypatch.setattr(finished_rows, "MOST_BYTES", 500)
    for number in range(3):
        each = path.with_name(f"{number}.jsonl")
        left_behind(each, {0: "a" * 200})
        os.utime(each, (number, number))
    left_behind(path, {0: "a"})
    assert sorted(each.stem for each in path.parent.iterdir()) == ["1", "2", "key"]


def test_the_key_depends_on_everything():
    assert len({key_of(what) for what in ([["a"], 1], [["a"], 2], [["b"], 1], [["a", None], 1])}) == 4
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
