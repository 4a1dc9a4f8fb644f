"""Events on disk: whoever dies in the middle of a line, no number comes twice and nothing whole is lost."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from job_samples import ESTIMATE, prepared_fields, step_fields, validated_fields

from gpt_notebook.job_events import (
    CheckpointPruned,
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
from gpt_notebook.job_files import journal, lines, reserve
from gpt_notebook.job_files.journal import KNOWN, Journal, Reader, read, read_only

SAMPLES = [
    (
        StateChanged,
        {"state": "failed", "reason": "error", "message": "half a pair: \ud800, a line\nand more", "step": 3},
    ),
    (Prepared, prepared_fields(0, learning_rate=1e-4, targets=["c_attn"])),
    (StepDone, step_fields(1)),
    (Validated, validated_fields(1, 2.5)),
    (Probed, {"step": 1, "index": 0, "prompt": "Once", "text": " upon a \x00 time"}),
    (CheckpointSaved, {"step": 1, "bytes": 10, "digest": "ab", "seconds": 0.1}),
    (CheckpointPruned, {"step": 1, "gone": True}),
    (CommandDone, {"command_number": 1, "command": "pause", "obeyed": True}),
    (MemoryShort, {"step": 1, "micro_batch_size": 2, "accumulation": 4}),
    (Noted, {"message": "hello"}),
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.jsonl"


def numbers(path, **options):
    return [event.number for event in read(path, **options)]


def write_notes(path, *messages, attempt=1):
    with Journal(path, attempt=attempt) as events:
        return [events.write(Noted, message=message) for message in messages]


def test_every_event_comes_back_as_it_was_written(path):
    with Journal(path, attempt=3) as events:
        written = [events.write(cls, **fields) for cls, fields in SAMPLES]
    assert list(read(path)) == written
    assert [each.number for each in written] == list(range(1, len(SAMPLES) + 1))
    assert {each.attempt for each in written} == {3}
    assert {type(each) for each in written} == set(KNOWN.values())
    assert written[1].estimate == ESTIMATE


def test_a_measure_that_is_no_number_becomes_none_as_json_has_no_word_for_it(path):
    with Journal(path, attempt=1) as events:
        step = events.write(StepDone, **step_fields(1) | {"grad_norm": float("inf")})
        validated = events.write(Validated, **validated_fields(1, float("nan")))
    assert (step.grad_norm, validated.loss, validated.accuracy) == (None, None, 0.5)
    assert list(read(path)) == [step, validated]
    assert "NaN" not in path.read_text()


def test_an_event_lacks_no_field(path):
    with Journal(path, attempt=1) as events:
        with pytest.raises(TypeError, match="message"):
            events.write(Noted)
        assert events.write(Noted, message="next").number == 1


def test_numbers_go_on_in_the_next_attempt(path):
    assert Journal.next_attempt(path) == 1
    write_notes(path, "a", "b", attempt=1)
    assert Journal.next_attempt(path) == 2
    write_notes(path, "c", attempt=2)
    with Journal(path) as events:
        assert events.write(Noted, message="in the same").attempt == 2
    assert numbers(path) == [1, 2, 3, 4]
    assert numbers(path, after=2) == [3, 4]


def test_before_the_first_attempt_there_is_none(path):
    with Journal(path) as events:
        assert events.write(StateChanged, state="queued").attempt == 0
    assert Journal.next_attempt(path) == 1


def test_two_who_write_at_once_take_no_number_twice(path):
    with Journal(path, attempt=1) as one, Journal(path, attempt=2) as other:

        def write(events):
            for _ in range(200):
                events.write(Noted, message="x")

        threads = [threading.Thread(target=write, args=(each,)) for each in (one, other)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert numbers(path) == list(range(1, 401))


# --- torn lines -----------------------------------------------------------------------------------------------------


def test_cut_off_at_any_byte_all_whole_events_are_there_and_numbers_go_on(path):
    with Journal(path, attempt=1) as events:
        for cls, fields in SAMPLES:
            events.write(cls, **fields)
    whole = path.read_bytes()
    ends = [end for end, byte in enumerate(whole, start=1) if byte == ord("\n")]
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        before = sum(end <= cut for end in ends)
        assert numbers(path) == list(range(1, before + 1))
        with Journal(path, attempt=2) as events:
            number = events.write(Noted, message="and on").number
        # One that lacks only its newline has been finished now.
        assert number == before + 1 + (cut + 1 in ends)
        assert numbers(path) == list(range(1, number + 1))


@pytest.mark.parametrize(("torn", "number"), [('{"number": 2, "m": "%s', 1), ('{"number": 2, "m": "%s"}', 2)])
def test_a_torn_line_of_many_blocks_is_put_together_as_it_was_written_and_read_once(path, monkeypatch, torn, number):
    monkeypatch.setattr(lines, "BLOCK", 1000)
    write_notes(path, "a")
    line = (torn % "".join(map(str, range(20_000)))).encode()
    with path.open("ab") as file:
        file.write(line)
    blocks, tried = [], []
    pread, parsed = os.pread, lines.parsed
    monkeypatch.setattr(os, "pread", lambda *where: blocks.append(pread(*where)) or blocks[-1])
    monkeypatch.setattr(lines, "parsed", lambda line: tried.append(line) or parsed(line))
    with path.open("rb") as file:
        found, is_torn = lines.last(file.fileno())
    assert (found["number"], is_torn) == (number, True)
    assert tried[0] == line
    assert sum(map(len, blocks)) <= path.stat().st_size + 1


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.tuples(st.integers(0, 4), st.binary(max_size=12), st.floats(0, 1)), max_size=6))
def test_whatever_deaths_leave_behind_numbers_count_up(path, parts):
    path.unlink(missing_ok=True)
    seen = []
    reader = Reader(path)
    for attempt, (count, garbage, share) in enumerate(parts, start=1):
        written = write_notes(path, *(f"{attempt} {each}" for each in range(count)), attempt=attempt)
        seen += reader.read()
        assert not written or seen[-1] == written[-1]
        # It dies in the middle of a line, and what the disk then has may be anything but a newline.
        torn = json.dumps({"type": "note", "number": len(seen) + 1, "attempt": attempt, "time": 1.0, "message": "x"})
        with path.open("ab") as file:
            file.write(torn.encode()[: int(share * (len(torn) - 1))] + garbage.replace(b"\n", b"\0"))
    last = write_notes(path, "last", attempt=99)
    seen += reader.read()
    assert seen[-1] == last[0]
    assert [each.number for each in seen] == list(range(1, len(seen) + 1))
    assert seen == list(read(path))
    assert Journal.next_attempt(path) == 100


def test_lines_that_say_nothing_known_are_skipped(path):
    write_notes(path, "a")
    other = [
        b"[]",
        b"null",
        b'{"type": "note", "number": 1, "attempt": 1, "time": 1.0, "message": "again"}',
        b"\0" * 50,
        b"{" * 100_000,
        b'{"type": "of a later version", "number": 2, "attempt": 1, "time": 1.0}',
        b'{"type": "note", "number": "3", "attempt": 1, "time": 1.0, "message": "x"}',
        b'{"type": "note", "number": 3, "attempt": 1, "time": 1.0}',
        b'{"type": "note", "number": 4, "attempt": 1, "time": 1.0, "message": "a", "later": true}',
    ]
    with path.open("ab") as file:
        file.write(b"\n".join(other) + b"\n")
    assert [event.message for event in read(path)] == ["a", "a"]
    assert write_notes(path, "b")[0].number == 5


def test_a_line_longer_than_a_block_is_found_from_the_end(path):
    for message in ("x" * lines.BLOCK * 3, "short", "y" * lines.BLOCK, "z" * (lines.BLOCK - 77)):
        write_notes(path, message)
    assert numbers(path) == [1, 2, 3, 4]


# --- reading while others write -------------------------------------------------------------------------------------


def test_two_readers_get_each_event_once_while_it_is_written(path):
    line = json.dumps({"type": "note", "number": 1, "attempt": 1, "time": 1.0, "message": "é"}).encode() + b"\n"
    one, other = Reader(path), Reader(path)
    assert list(one.read()) == []
    with path.open("ab", buffering=0) as file:
        for byte in line:
            assert list(one.read()) == []
            file.write(bytes([byte]))
    (event,) = one.read()
    assert list(one.read()) == []
    write_notes(path, "b")
    assert [each.number for each in one.read()] == [2]
    assert [each.number for each in other.read()] == [1, 2]
    assert next(iter(read(path))) == event


def test_a_reader_that_stops_half_way_goes_on_there(path):
    write_notes(path, "a", "b", "c")
    reader = Reader(path)
    assert next(reader.read()).number == 1
    assert [each.number for each in reader.read()] == [2, 3]


def test_a_reader_outlives_that_a_power_cut_takes_the_last_events(path):
    write_notes(path, "a", "b")
    reader = Reader(path)
    assert len(list(reader.read())) == 2
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"\n") + 1])
    write_notes(path, "again", "new")
    assert [each.message for each in reader.read()] == ["new"]


def test_events_of_one_kind_are_read_past_all_others_and_what_is_torn(path):
    with Journal(path, attempt=1) as journal:
        journal.write(StateChanged, state="running")
        journal.write(StepDone, **step_fields(1))
        journal.write(StateChanged, state="paused", reason="user")
    with path.open("ab") as file:
        file.write(b'{"type": "state", "number": 4, "state": 7}\n{"type": "state", "nu')
    assert [event.state for event in read_only(path, StateChanged)] == ["running", "paused"]


def test_a_hundred_thousand_events_are_read(path):
    with Journal(path, attempt=1) as events:
        first = events.write(StepDone, **step_fields(1))
    line = path.read_bytes()
    with path.open("ab") as file:
        file.writelines(line.replace(b'"number": 1,', b'"number": %d,' % number) for number in range(2, 100_001))
    found = list(read(path))
    assert len(found) == 100_000
    assert found[-1] == dataclasses.replace(first, number=100_000)
    assert numbers(path, after=99_998) == [99_999, 100_000]


# --- a full disk ----------------------------------------------------------------------------------------------------


@pytest.fixture
def full_disk(path, monkeypatch):
    """Let every write to events fail, or stop half way, as long as the reserve is what it was."""
    write = os.write
    room = {"bytes": 0}

    def limited(descriptor, data):
        reserved = (path.parent / reserve.NAME).stat().st_size if (path.parent / reserve.NAME).exists() else 0
        left = reserve.BYTES - reserved + room["bytes"]
        if left <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(descriptor, bytes(data)[:left])
        room["bytes"] -= written
        return written

    def fill(*, but=0):
        room["bytes"] = but
        monkeypatch.setattr("gpt_notebook.job_files.lines.os.write", limited)

    return fill


@pytest.mark.parametrize("but", [0, 1, 40])
def test_the_event_that_says_that_the_disk_is_full_has_room(path, full_disk, but):
    with Journal(path, attempt=1) as events:
        events.write(Noted, message="before")
        whole = path.read_bytes()
        full_disk(but=but)
        with pytest.raises(OSError, match="No space"):
            events.write(StepDone, **step_fields(1))
        assert path.read_bytes() == whole
        said = [events.write(StateChanged, state="paused", reason="disk_full", message="x" * 200) for _ in range(20)]
    assert [each.number for each in said] == list(range(2, 22))
    assert list(read(path))[1:] == said


def test_when_the_reserve_is_used_up_that_is_said(path, full_disk):
    with Journal(path, attempt=1) as events:
        full_disk()
        for _ in range(20):
            events.write(StateChanged, state="paused", message="x" * 10_000)
        with pytest.raises(OSError, match="No space"):
            events.write(StateChanged, state="paused", message="x" * reserve.BYTES)
    assert numbers(path) == list(range(1, 21))


def test_the_reserve_is_made_anew_by_the_next_attempt(path):
    write_notes(path, "a")
    assert (path.parent / reserve.NAME).stat().st_size == reserve.BYTES
    while reserve.release(path.parent):
        pass
    assert (path.parent / reserve.NAME).stat().st_size == 0
    write_notes(path, "b")
    assert (path.parent / reserve.NAME).stat().st_size == reserve.BYTES


def test_what_must_outlast_a_power_cut_is_synced_and_what_comes_often_is_not(path, monkeypatch):
    synced = []
    monkeypatch.setattr(journal, "sync", synced.append)
    with Journal(path, attempt=1) as events:
        lasting = set()
        for cls, fields in SAMPLES:
            events.write(cls, **fields)
            if synced:
                lasting.add(cls)
                synced.clear()
        assert lasting == {StateChanged, Prepared, CheckpointSaved, CheckpointPruned, CommandDone, MemoryShort}


@pytest.mark.parametrize(
    ("cls", "fields", "wrong"),
    [
        (StepDone, step_fields(1), {"loss": "low"}),
        (StepDone, step_fields(1), {"step": "1"}),
        (StepDone, step_fields(1), {"step": True}),
        (StepDone, step_fields(1), {"loss": None}),
        (StepDone, step_fields(1), {"step": 10**400}),
        (StepDone, step_fields(1), {"memory": -(10**400)}),
        (StepDone, step_fields(1), {"time": 2**63}),
        (StateChanged, {"state": "paused"}, {"time": None}),
        (StateChanged, {"state": "paused"}, {"state": 3}),
        (Prepared, prepared_fields(0), {"max_steps": [3]}),
        (Prepared, prepared_fields(0), {"estimate": 3}),
        (CommandDone, {"command_number": 1, "command": "pause", "obeyed": True}, {"command_number": None}),
    ],
)
def test_a_line_with_values_of_other_types_says_nothing(path, cls, fields, wrong):
    with Journal(path, attempt=1) as events:
        line = json.dumps(
            {"type": cls.type, "number": 1, "attempt": 1, "time": 1.5, **fields, **wrong}, default=vars_of
        )
        path.write_text(line + "\n")
        events.write(Noted, message="after it")
    assert [event.type for event in read(path)] == ["note"]


def vars_of(value):
    return dataclasses.asdict(value)


def test_a_number_that_nobody_can_read_says_nothing(path):
    digits = "9" * 5000
    path.write_text(f'{{"type": "note", "number": {digits}, "attempt": 1, "time": 1, "message": "x"}}\n')
    write_notes(path, "after it")
    assert [event.message for event in read(path)] == ["after it"]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: path.symlink_to(path.name)])
def test_what_is_no_file_has_no_events_and_keeps_nobody_waiting(path, make):
    make(path)
    assert list(read(path)) == []
    with pytest.raises(OSError, match=r"no file|symbolic links"):
        Journal.next_attempt(path)
