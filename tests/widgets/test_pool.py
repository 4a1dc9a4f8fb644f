"""The threads of a panel: what comes first, and that they end."""

import queue
import threading

import pytest

from gpt_notebook.widgets import _pool
from gpt_notebook.widgets._pool import Pool


@pytest.fixture
def gate():
    gate = threading.Event()
    yield gate
    gate.set()


def test_the_newest_comes_first_and_what_nobody_waits_for_last(gate):
    pool, order, begun, done = Pool(workers=2), [], threading.Semaphore(0), threading.Event()
    release = threading.Event()  # one of the two threads, which then does all that is left
    for event in (gate, release):
        pool.submit(lambda event=event: begun.release() or event.wait(10))
        assert begun.acquire(timeout=10)
    for name, priority in [("old", 0), ("background, old", 1), ("new", 0), ("background, new", 1)]:
        pool.submit(lambda name=name: order.append(name), priority=priority)
    pool.submit(done.set, priority=2)
    release.set()
    assert done.wait(10)
    assert order == ["new", "old", "background, new", "background, old"]


def test_closing_forgets_what_waits(gate):
    pool, order, threads = Pool(workers=1), [], queue.Queue()
    pool.submit(lambda: threads.put(threading.current_thread()) or gate.wait(10))
    thread = threads.get(timeout=10)
    pool.submit(lambda: order.append("waiting"))
    pool.close()
    pool.submit(lambda: order.append("too late"))
    gate.set()
    thread.join(10)
    assert not thread.is_alive()
    assert order == []


def test_an_idle_thread_ends_and_another_begins(monkeypatch):
    monkeypatch.setattr(_pool, "IDLE_SECONDS", 0)
    pool, threads = Pool(), queue.Queue()
    for _ in range(3):
        pool.submit(lambda: threads.put(threading.current_thread()))
        thread = threads.get(timeout=10)
        thread.join(10)
        assert not thread.is_alive()
