"""What is left of a map that has not come to its end."""

from __future__ import annotations

import contextlib
import fcntl
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
        yield lambda path, **how: stack.enter_context(contextlib.closing(FinishedRows(path, fits=fits, **how)))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "maps" / "key.jsonl"


def fits(row, value):
    return row in range(100) and (isinstance(value, str) or value == ["b", "ü"])


def left_behind(path, values, fingerprint="f"):
    kept = FinishedRows(path, fits=fits)
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


@pytest.mark.parametrize(
    "torn", [b'{"row": 1, "val', b'{"row": 1, "value": "b"}', b"{}\n", b"\0\0\n", b"[]\n", b"[" * 100_000 + b"\n"]
)
def test_a_torn_end_is_overwritten(path, torn, opened):
    left_behind(path, {0: "a"})
    path.write_bytes(path.read_bytes() + torn)
    found = FinishedRows(path, fits=fits)
    assert found.values == {0: "a"}
    found.add(2, "c")
    found.close()
    assert opened(path).values == {0: "a", 2: "c"}


@pytest.mark.parametrize(
    "line", ['{"row": 1e999, "value": "x"}', '{"row": 1.0, "value": "x"}', '{"row": true, "value": "x"}',
             '{"row": -5, "value": "x"}', '{"row": 1, "value": {"a": [1]}}', '{"row": 1, "value": null}']
)  # fmt: skip
def test_what_can_be_no_row_is_not_taken_for_one(path, line, opened):
    left_behind(path, {0: "a"})
    path.write_bytes(path.read_bytes() + line.encode() + b"\n")
    left_behind(path, {2: "c"})
    assert opened(path).values == {0: "a", 2: "c"}


def test_what_is_not_to_be_gone_on_from_is_not_read(path, opened, monkeypatch):
    left_behind(path, {0: "a"})
    monkeypatch.setattr(FinishedRows, "_read", lambda *_: pytest.fail("it was read"))
    kept = opened(path, resume=False)
    assert (kept.values, kept.fingerprint, kept.kept, path.read_bytes()) == ({}, None, True, b"")


def test_a_link_is_not_followed(path, opened, tmp_path):
    other = tmp_path / "other"
    other.write_text("precious")
    path.parent.mkdir()
    path.symlink_to(other)
    kept = opened(path, resume=False)
    kept.begin("f")
    kept.add(0, "a")
    assert (other.read_text(), kept.kept) == ("precious", False)


def test_a_pipe_is_not_waited_for(path, opened):
    path.parent.mkdir()
    os.mkfifo(path)
    assert not opened(path).kept


def test_a_link_that_leads_nowhere_does_not_keep_others_from_leaving(path):
    for number in range(finished_rows.MOST_FILES):
        left_behind(path.with_name(f"{number}.jsonl"), {0: "a"})
    path.with_name("link.jsonl").symlink_to("nowhere")
    left_behind(path, {0: "a"})
    assert len([each for each in path.parent.iterdir() if not each.is_symlink()]) < finished_rows.MOST_FILES + 1


def test_a_file_that_says_nothing_leaves(path):
    left_behind(path, {0: "a"})
    found = FinishedRows(path, fits=fits)
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


def test_what_a_running_map_holds_stays_however_old(path, opened):
    running = opened(path.with_name("running.jsonl"))
    running.begin("f")
    running.add(0, "a")
    os.utime(path.with_name("running.jsonl"), (0, 0))
    for number in range(finished_rows.MOST_FILES):
        left_behind(path.with_name(f"{number}.jsonl"), {0: "a"})
    left_behind(path, {0: "a"})
    running.add(1, "b")
    running.close()
    assert opened(path.with_name("running.jsonl")).values == {0: "a", 1: "b"}


def test_a_file_that_is_removed_while_it_is_opened_is_made_anew(path, opened, monkeypatch):
    real, calls = fcntl.flock, []

    def flock(file, how):
        if not calls:
            path.unlink()
        calls.append(how)
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    left_behind(path, {0: "a"})
    assert opened(path).values == {0: "a"}


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
