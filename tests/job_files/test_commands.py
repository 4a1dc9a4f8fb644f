"""What a job is told."""

from __future__ import annotations

import errno
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from job_samples import make_job

from gpt_notebook.job_files import commands, reserve


@pytest.fixture
def directory(tmp_path):
    return make_job(tmp_path)


def numbers(directory, **options):
    return [each.number for each in commands.read(directory, **options)]


def test_commands_are_numbered_and_come_in_their_order(directory):
    assert commands.read(directory) == []
    assert commands.append(directory, "pause") == 1
    assert commands.append(directory, "learning_rate", 3e-4) == 2
    told = commands.read(directory)
    assert [(each.number, each.command, each.value) for each in told] == [
        (1, "pause", None),
        (2, "learning_rate", 3e-4),
    ]
    assert told[0].time <= told[1].time
    assert commands.read(directory, after=1) == told[1:]


def append_many(directory):
    return [commands.append(directory, "max_steps", 10.0) for _ in range(20)]


def test_processes_that_tell_it_something_at_once_take_no_number_twice(directory):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        told = [number for each in pool.map(append_many, [directory] * 3) for number in each]
    assert sorted(told) == numbers(directory) == list(range(1, 61))


def test_cut_off_at_any_byte_whole_commands_are_there_and_numbers_go_on(directory):
    for value in (1e-4, 2e-4):
        commands.append(directory, "learning_rate", value)
    whole = directory.control.read_bytes()
    for cut in range(len(whole) + 1):
        directory.control.write_bytes(whole[:cut])
        before = numbers(directory)
        number = commands.append(directory, "stop")
        assert numbers(directory) == [*range(1, number + 1)]
        assert numbers(directory)[: len(before)] == before


def test_a_command_of_a_later_version_is_left_out(directory):
    directory.control.write_text('{"number": 1, "command": "sing"}\nrubbish\n{"number": 2, "command": "stop"}\n')
    assert numbers(directory) == [2]
    assert commands.append(directory, "cancel") == 3


@pytest.mark.parametrize("value", ['"abc"', "NaN", "Infinity", "-1", "true", "[1]", "1" + "0" * 400])
def test_a_value_that_is_no_amount_is_left_out(directory, value):
    directory.control.write_text(f'{{"number": 1, "command": "max_steps", "value": {value}, "time": "soon"}}\n')
    commands.append(directory, "stop")
    assert numbers(directory) == [2]


def test_a_job_on_a_full_disk_can_still_be_told_to_stop(directory, monkeypatch):
    reserve.make(directory.path)
    write = commands.lines.os.write

    def limited(descriptor, data):
        if (directory.path / reserve.NAME).stat().st_size == reserve.BYTES:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr("gpt_notebook.job_files.lines.os.write", limited)
    assert commands.append(directory, "cancel") == 1
    assert numbers(directory) == [1]
