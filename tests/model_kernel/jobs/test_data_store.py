"""Data on their way in: whole and checked, or gone."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import time

import pytest

from gpt_notebook.errors import DataNotFound, DiskFull, InvalidRequest, PayloadTooLarge
from gpt_notebook.model_kernel.jobs import data_store
from gpt_notebook.model_kernel.jobs.data_store import DataStore
from model_kernel.jobs.company_of_jobs import pieces

ROWS = b"".join(json.dumps({"text": "ä fox " * i}, ensure_ascii=False).encode() + b"\n" for i in range(50))


@pytest.fixture
def store(home):
    return DataStore(home, max_bytes=10_000)


def kept(store, *parts):
    return asyncio.run(store.keep(pieces(*parts)))


def left(home):
    return sorted(path.name for path in (home / "jobs" / ".data").glob("*"))


@pytest.mark.parametrize("size", [1, 7, 1000, len(ROWS)])
def test_data_are_what_was_sent_however_they_are_cut(store, home, size):
    info = kept(store, *(ROWS[i : i + size] for i in range(0, len(ROWS), size)))
    assert (info.digest, info.rows, info.bytes) == (hashlib.sha256(ROWS).hexdigest(), 50, len(ROWS))
    assert store.find(info.digest).read_bytes() == ROWS
    assert left(home) == [f"{info.digest}.jsonl"]
    assert store.find(info.digest).stat().st_mode & 0o077 == 0


def test_blocks_that_end_in_the_middle_of_a_character_are_put_together(store, monkeypatch):
    monkeypatch.setattr(data_store, "BLOCK", 5)
    assert kept(store, *(ROWS[i : i + 5] for i in range(0, len(ROWS), 5))).rows == 50


def test_a_last_line_needs_no_end(store):
    assert kept(store, b'{"text": "a"}\n{"text": "b"}').rows == 2


def test_the_same_data_are_kept_once(store, home):
    first, second = kept(store, ROWS), kept(store, ROWS)
    assert first == second
    assert len(left(home)) == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the data have no rows"),
        (b'{"text": "a"}\n{"text": \n', r"line 2 is no JSON \(Expecting value"),
        (b'{"text": "a"}\n\n{"text": "b"}\n', "line 2 is empty: send one JSON object a line"),
        (b'["a"]\n', r"line 1 is no JSON object but \['a'\]"),
        (b'{"text": "a"}\n{"text": "\xff"}\n', r"line 2 is not UTF-8 \(byte 10\)"),
        (b"[" * 100_000, "the data are larger than 10 kB: send fewer rows"),
        (b"[" * 9_000 + b"\n", "line 1 is no JSON"),
        (b'{"text": "' + b"a" * 20_000 + b'"}', "larger than .* raise GPT_NOTEBOOK_MAX_DATA"),
        (b"PK\x03\x04\x14\x00\x08\xff", "line 1 is not UTF-8"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_leaves_nothing(store, home, data, message):
    with pytest.raises(InvalidRequest, match=message) as raised:
        kept(store, data)
    assert "\n" not in raised.value.message
    assert left(home) == []


def test_a_line_may_not_grow_without_end(home, monkeypatch):
    monkeypatch.setattr(data_store, "MAX_LINE", 3000)
    monkeypatch.setattr(data_store, "BLOCK", 1000)
    store = DataStore(home, max_bytes=10**9)
    with pytest.raises(PayloadTooLarge, match="line 2 is longer than"):
        kept(store, b'{"text": "a"}\n', *([b"x" * 1000] * 50))
    assert left(home) == []


def test_whoever_vanishes_leaves_nothing(store, home, monkeypatch):
    monkeypatch.setattr(data_store, "BLOCK", 100)

    async def work():
        written = asyncio.Event()

        async def half():
            yield ROWS[:500]
            yield ROWS[500:1000]
            written.set()
            await asyncio.get_running_loop().create_future()

        sending = asyncio.create_task(store.keep(half()))
        await written.wait()
        assert [name[:5] for name in left(home)] == [".tmp-"]
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

    asyncio.run(work())
    assert left(home) == []


def test_whoever_sends_nothing_for_long_has_vanished(store, home, monkeypatch):
    monkeypatch.setattr(data_store, "SILENT_SECONDS", 0.01)

    async def stalled():
        yield ROWS[:100]
        await asyncio.get_running_loop().create_future()

    with pytest.raises(InvalidRequest, match="the data have not gone on"):
        asyncio.run(store.keep(stalled()))
    assert left(home) == []


def test_a_full_disk_is_said_in_one_line_and_nothing_is_left(store, home, monkeypatch):
    class Full:
        """A file on a disk that takes a hundred bytes."""

        def __init__(self, file):
            self.file = file
            self.taken = 0

        def write(self, data):
            if self.taken >= 100:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.taken += (count := self.file.write(data[:60]))
            return count

        def __getattr__(self, name):
            return getattr(self.file, name)

    real = open
    monkeypatch.setattr(data_store, "open", lambda *a, **k: Full(real(*a, **k)), raising=False)
    with pytest.raises(DiskFull, match=r"no space left.*make room"):
        kept(store, ROWS)
    assert left(home) == []


def test_data_are_on_the_disk_before_they_have_their_name_and_then_the_name_too(store, home, monkeypatch):
    done = []
    monkeypatch.setattr(data_store, "sync", lambda _: done.append(left(home)[0][:5]))
    monkeypatch.setattr(data_store.Disk, "sync", lambda _, path: done.append(path.name))
    kept(store, ROWS)
    assert done == [".tmp-", ".data"]


def test_data_that_no_job_has_leave_after_some_days(store, home):
    digests = [kept(store, b'{"text": "%d"}' % i).digest for i in range(3)]
    os.link(store.find(digests[0]), home / "jobs" / "a job's")
    abandoned = home / "jobs" / ".data" / ".tmp-abandoned"
    abandoned.touch()
    long_ago = time.time() - 2 * data_store.KEPT_SECONDS
    for path in (store.find(digests[0]), store.find(digests[1]), abandoned):
        os.utime(path, (long_ago, long_ago))
    store.tidy()
    assert left(home) == sorted(f"{digests[i]}.jsonl" for i in (0, 2))
    with pytest.raises(DataNotFound, match=r"are not here \(any more\): send them again"):
        store.find(digests[1])


def test_data_that_are_sent_again_stay(store):
    digest = kept(store, ROWS).digest
    long_ago = time.time() - 2 * data_store.KEPT_SECONDS
    os.utime(store.find(digest), (long_ago, long_ago))
    kept(store, ROWS)
    store.tidy()
    store.find(digest)
