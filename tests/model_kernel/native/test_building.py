"""Building C where it runs: once, only what is ours and whole, and never for longer than a while."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import time
from pathlib import Path

import pytest

from gpt_notebook.model_kernel.native import building

SOURCE = "int answer(void) { return 42; }\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "answer.c"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def builds(tmp_path: Path) -> Path:
    return tmp_path / "builds"


def built(source: Path, builds: Path) -> building.Built:
    return building.build(source, builds, load=ctypes.CDLL)


def compiler(path: Path, script: str) -> str:
    """Write a program that is taken for a compiler."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_source_becomes_a_library(source: Path, builds: Path) -> None:
    found = built(source, builds)
    assert ctypes.CDLL(str(found.path)).answer() == 42
    assert found.said.startswith("built by /")
    assert list(builds.iterdir()) == [found.path]


def test_next_process_finds_it_built(source: Path, builds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = built(source, builds)
    monkeypatch.setattr(building, "_run", lambda *_: pytest.fail("it was compiled again"))
    assert built(source, builds) == first


def test_another_source_is_another_build(source: Path, builds: Path) -> None:
    first = built(source, builds)
    source.write_text(SOURCE.replace("42", "43"))
    assert ctypes.CDLL(str(built(source, builds).path)).answer() == 43
    assert first.path.exists()


def test_another_processor_is_another_build(source: Path, builds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = built(source, builds)
    monkeypatch.setattr(building, "_processor", lambda: b"one without AVX512")
    assert built(source, builds).path != first.path


@pytest.mark.parametrize("damage", [b"", b"\x7fELF and no more"])
def test_damaged_build_is_made_again(source: Path, builds: Path, damage: bytes) -> None:
    path = built(source, builds).path
    path.unlink()
    path.write_bytes(damage)
    again = built(source, builds).path
    assert ctypes.CDLL(str(again)).answer() == 42
    assert list(builds.iterdir()) == [again]


def test_link_to_somewhere_else_is_not_followed(source: Path, builds: Path, tmp_path: Path) -> None:
    path = built(source, builds).path
    elsewhere = path.rename(tmp_path / "elsewhere.so")
    path.symlink_to(elsewhere)
    again = built(source, builds).path
    assert not again.is_symlink()


def test_build_that_cannot_be_loaded_any_more_is_made_again(source: Path, builds: Path) -> None:
    first = built(source, builds).path
    refused = []

    def load(path: str) -> None:
        if not refused:
            refused.append(path)
            message = "undefined symbol"
            raise OSError(message)

    again = building.build(source, builds, load=load)
    assert refused == [str(first)]
    assert again.path is not None


def test_build_that_nobody_may_touch_is_used(source: Path, builds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = built(source, builds)

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(building.os, "utime", refuse)
    assert built(source, builds) == first


def test_directory_of_somebody_else_is_not_used(source: Path, builds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builds.mkdir(mode=0o755)
    monkeypatch.setattr(building.os, "getuid", lambda: os.geteuid() + 1)
    assert "belongs to somebody else: set GPT_NOTEBOOK_COMPILED" in built(source, builds).said


def test_what_was_left_behind_is_removed(source: Path, builds: Path) -> None:
    for name, age in (("building-old", 2 * building.LEFT_SECONDS), ("building-now", 0)):
        (builds / name).mkdir(parents=True)
        os.utime(builds / name, (time.time() - age, time.time() - age))
    builds.chmod(0o700)
    built(source, builds)
    assert [path.name for path in builds.glob("building-*")] == ["building-now"]


def test_directory_that_others_can_write_to_is_not_used(source: Path, builds: Path) -> None:
    builds.mkdir()
    builds.chmod(0o777)
    found = built(source, builds)
    assert found.path is None
    assert "chmod 700" in found.said


def test_without_a_compiler_it_is_said_what_to_install(
    source: Path, builds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    found = built(source, builds)
    assert found.path is None
    assert "none of cc, gcc, clang is there" in found.said
    assert "install one, such as gcc" in found.said


@pytest.mark.parametrize("named", ["no-such-compiler -O2", 'gcc "-O2', "''"])
def test_compiler_that_is_named_and_not_there_is_named(
    source: Path, builds: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("CC", named)
    assert f"CC={named}, which is not there" in built(source, builds).said


def test_compiler_may_be_named_with_options(source: Path, builds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", f"{building.find_compiler()[0]} -g0")
    found = built(source, builds)
    assert ctypes.CDLL(str(found.path)).answer() == 42
    assert found.said.endswith(" -g0")


def test_compiler_that_never_stops_complaining_takes_no_memory(
    source: Path, builds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "CHOICES", ((),))
    monkeypatch.setenv("CC", compiler(tmp_path / "cc", "exec yes 'error: \033[2J on and on' >&2"))
    found = built(source, builds)
    assert found.path is None
    assert found.said.endswith("fails: error: [2J on and on")


def test_compiler_that_fails_is_quoted(
    source: Path, builds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", compiler(tmp_path / "cc", "echo 'answer.c:1: error: no such machine' >&2; exit 1"))
    found = built(source, builds)
    assert found.path is None
    assert found.said.endswith("fails: answer.c:1: error: no such machine")
    assert list(builds.iterdir()) == []


def test_options_that_a_compiler_does_not_know_are_left_out(
    source: Path, builds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (real,) = building.find_compiler()
    script = f'case "$*" in *native*|*openmp*) echo "error: unknown option" >&2; exit 1;; esac; exec {real} "$@"'
    monkeypatch.setenv("CC", compiler(tmp_path / "cc", script))
    assert ctypes.CDLL(str(built(source, builds).path)).answer() == 42


def test_compiler_that_hangs_is_ended_with_all_that_it_has_started(
    source: Path, builds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "SECONDS", 0.2)
    written = tmp_path / "child"
    monkeypatch.setenv("CC", compiler(tmp_path / "cc", f"sleep 60 & echo $! > {written}; wait"))
    found = built(source, builds)
    assert found.path is None
    assert "still busy after 0.2 seconds" in found.said
    child = int(written.read_text())
    end = time.monotonic() + 5
    while _runs(child) and time.monotonic() < end:
        time.sleep(0.01)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_library_that_cannot_be_loaded_is_built_otherwise(source: Path, builds: Path) -> None:
    tried = []

    def load(path: str) -> None:
        tried.append(path)
        if len(tried) == 1:
            message = "undefined symbol"
            raise OSError(message)

    assert building.build(source, builds, load=load).path is not None
    assert len(tried) == 2


def test_old_builds_are_let_go(source: Path, builds: Path) -> None:
    for number in range(building.KEPT + 2):
        source.write_text(SOURCE.replace("42", str(number)))
        newest = built(source, builds).path
        os.utime(newest, (number, number) if number < building.KEPT else None)
    assert len(list(builds.iterdir())) <= building.KEPT
    assert newest.exists()


def test_directory_that_cannot_be_made_is_named(source: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    found = built(source, file / "builds")
    assert found.path is None
    assert str(file) in found.said
