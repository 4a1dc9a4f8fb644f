from __future__ import annotations

import queue
import threading

import pytest

from gpt_notebook.model_kernel.scheduler import Scheduler, Work


class Counting(Work):
    """Emits its name and number at each step."""

    def __init__(self, name, steps, heard, *, fails_at=None, before_step=lambda: None):
        super().__init__()
        self.name, self.steps, self.done = name, steps, 0
        self.fails_at, self.before_step = fails_at, before_step
        self.emit = lambda item: heard.put((name, item))

    def step(self):
        self.before_step()
        if self.cancelled:
            return False
        if self.done == self.fails_at:
            raise RuntimeError(self.name)
        self.done += 1
        self.emit(self.done)
        return self.done < self.steps


@pytest.fixture
def heard():
    return queue.Queue()


@pytest.fixture
def scheduler():
    scheduler = Scheduler("test")
    yield scheduler
    scheduler.close()


def until_ended(heard, count):
    items = []
    while count:
        items.append(heard.get(timeout=10))
        count -= items[-1][1] is None or isinstance(items[-1][1], BaseException)
    return items


def test_works_take_turns_and_neither_waits_for_the_others_end(scheduler, heard):
    both_there = threading.Event()
    first = Counting("a", 5, heard, before_step=lambda: both_there.wait(10))
    scheduler.submit(first)
    scheduler.submit(Counting("b", 5, heard))
    both_there.set()
    order = [name for name, item in until_ended(heard, 2) if item is not None]
    assert "".join(order) in ("ababababab", "aababababb")


def test_a_step_that_fails_ends_its_own_work_only(scheduler, heard):
    scheduler.submit(Counting("bad", 9, heard, fails_at=2))
    scheduler.submit(Counting("good", 9, heard))
    items = until_ended(heard, 2)
    assert [item for name, item in items if name == "good"] == [*range(1, 10), None]
    *before, error = [item for name, item in items if name == "bad"]
    assert before == [1, 2]
    assert isinstance(error, RuntimeError)


def test_cancelled_work_ends_before_its_next_step(scheduler, heard):
    turn, may_go_on = threading.Event(), threading.Event()

    def pause():
        if work.done == 2:
            turn.set()
            may_go_on.wait(10)

    work = Counting("a", 100, heard, before_step=pause)
    scheduler.submit(work)
    assert turn.wait(10)
    work.cancelled = True
    may_go_on.set()
    assert until_ended(heard, 1) == [("a", 1), ("a", 2), ("a", None)]


def test_closing_ends_it_while_work_goes_on(heard):
    scheduler = Scheduler("test")
    scheduler.submit(Counting("endless", 10**9, heard))
    heard.get(timeout=10)
    scheduler.close()
    assert not scheduler._thread.is_alive()


def test_a_listener_that_fails_does_not_end_the_scheduler(scheduler, heard):
    class GoneError(Exception):
        pass

    def gone(_):
        raise GoneError

    deaf = Counting("deaf", 3, heard)
    deaf.emit = gone
    scheduler.submit(deaf)
    scheduler.submit(Counting("b", 2, heard))
    assert [item for _, item in until_ended(heard, 1)] == [1, 2, None]


def test_work_that_must_wait_has_no_turns_until_it_is_submitted_again(scheduler, heard):
    work = Counting("a", 3, heard)
    ahead = queue.Queue()
    work.must_wait = lambda: ahead.put(work.done) is None and work.done == 2
    scheduler.submit(work)
    assert [ahead.get(timeout=10), ahead.get(timeout=10)] == [1, 2]
    scheduler.submit(Counting("b", 2, heard))
    assert [item for name, item in until_ended(heard, 1) if name == "a"] == [1, 2]
    scheduler.submit(work)
    assert until_ended(heard, 1) == [("a", 3), ("a", None)]
