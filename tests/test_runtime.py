"""The runtime directory: trusted only where nobody else can get in."""

from __future__ import annotations

import errno
import os
import threading

import pytest

from gpt_notebook.errors import RuntimeDirectoryError
from gpt_notebook.runtime import RuntimeDirectory
from gpt_notebook.settings import Settings


@pytest.fixture
def directory(tmp_path):
    made = RuntimeDirectory.of(Settings(runtime_dir=tmp_path / "run"))
    made.create()
    return made


def test_it_and_what_is_in_it_are_for_its_owner_only(directory):
    token = directory.token()
    assert len(token) >= 32
    assert directory.token() == token
    assert directory.path.stat().st_mode & 0o777 == 0o700
    assert (directory.path / "token").stat().st_mode & 0o777 == 0o600


def test_writers_of_the_token_that_come_at_once_agree(directory):
    everybody_is_there = threading.Barrier(8)
    tokens = []

    def ask():
        everybody_is_there.wait(10)
        tokens.append(directory.token())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tokens) == 8
    assert len(set(tokens)) == 1
    assert sorted(each.name for each in directory.path.iterdir()) == ["token", "token.lock"]


@pytest.mark.parametrize("damaged", ["", "short", "\0" * 43, "tökén" * 10])
def test_a_token_that_protects_nothing_is_replaced(directory, damaged):
    path = directory.path / "token"
    path.write_text(damaged)
    path.chmod(0o600)
    token = directory.token()
    assert len(token) >= 32
    assert path.read_text() == token == directory.token()


@pytest.mark.parametrize(
    ("number", "reason"), [(errno.ENOSPC, "no space left there"), (errno.EROFS, "Read-only file system")]
)
def test_a_place_that_takes_nothing_more_is_refused(directory, monkeypatch, number, reason):
    def fails(_descriptor):
        raise OSError(number, os.strerror(number))

    directory.check_room()
    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(RuntimeDirectoryError, match=rf"{reason}.*GPT_NOTEBOOK_RUNTIME_DIR"):
        directory.check_room()
    assert list(directory.path.iterdir()) == []


def test_the_way_in_changes_with_each_of_its_parts(directory):
    def put(name, text):
        (directory.path / name).unlink(missing_ok=True)
        (directory.path / name).write_text(text)
        (directory.path / name).chmod(0o600)
        return directory.way_in()

    directory.token()
    seen = [directory.way_in(), put("address", "unix:x"), put("model-kernel.sock", ""), put("token", "x" * 40)]
    assert len(set(seen)) == len(seen)
    assert directory.way_in() == seen[-1]


def test_the_lock_names_the_process_that_serves(directory):
    with directory.lock("server", wait=0):
        assert directory.read_pid() is None
        directory.write_pid()
        assert directory.read_pid() == os.getpid()


def test_a_directory_that_others_can_enter_is_refused(directory):
    directory.path.chmod(0o755)
    with pytest.raises(RuntimeDirectoryError, match="open to other users: run  chmod 700"):
        directory.create()


def test_a_link_in_its_place_is_refused(directory, tmp_path):
    directory.path.rename(tmp_path / "elsewhere")
    directory.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RuntimeDirectoryError, match="is not a directory: remove it"):
        directory.create()


def test_a_token_that_others_can_read_is_refused(directory):
    directory.token()
    (directory.path / "token").chmod(0o644)
    with pytest.raises(RuntimeDirectoryError, match="not yours alone: delete it"):
        directory.token()


def test_a_token_that_is_a_link_is_refused(directory, tmp_path):
    (tmp_path / "theirs").write_text("known to somebody")
    (directory.path / "token").symlink_to(tmp_path / "theirs")
    with pytest.raises(RuntimeDirectoryError, match="GPT_NOTEBOOK_RUNTIME_DIR"):
        directory.token()


def test_a_lock_has_one_holder_at_a_time(directory):
    with directory.lock("server", wait=0) as first:
        with directory.lock("server", wait=0) as second:
            assert (first, second) == (True, False)
    with directory.lock("server", wait=0) as free:
        assert free


def test_an_address_is_read_as_it_was_written(directory):
    assert directory.read_address() is None
    directory.write_address("unix:/run/model-kernel.sock")
    assert directory.read_address() == "unix:/run/model-kernel.sock"


def test_a_path_that_is_too_long_for_a_socket_is_known(tmp_path):
    assert not RuntimeDirectory(tmp_path / ("x" * 100)).socket_fits
