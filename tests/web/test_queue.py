from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Iterator

import numpy as np
import pytest

from seewhy.errors import Cancelled, OutOfTime, OverBudget, SeewhyError, UnknownName, UsageError
from seewhy.web.services import queue as queue_module
from seewhy.web.services.jobs import Job, State
from seewhy.web.services.queue import Lane, Queue
from seewhy.web.services.shelf import LEAST

SOON = 30.0  # seconds; a busy machine takes its time
AT_ONCE = 5.0


class Gate:
    """Work that runs until it is let through, and notes who was inside with it."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Semaphore(0), threading.Event()
        self.inside, self.most = 0, 0
        self.lock = threading.Lock()

    def __call__(self, job: Job[str]) -> str:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.entered.release()
        try:
            while not self.opened.wait(0.01):
                job.tell(1, 2, "at the gate")
        finally:
            with self.lock:
                self.inside -= 1
        return "through"

    def wait_inside(self) -> None:
        assert self.entered.acquire(timeout=SOON)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.opened.set()


@pytest.fixture
def queue() -> Iterator[Queue]:
    made = Queue([Lane("short", length=4, each=3)])
    yield made
    made.close()


def over(job: Job) -> State:
    assert job.wait(SOON)
    return job.state


def test_a_result_comes_back(queue):
    job = queue.submit(lambda _: 6 * 7, "sums", visitor="anna")
    assert over(job) is State.DONE
    assert job.result == 42
    assert queue.find(job.id) is job


def test_nothing_is_a_result_too(queue):
    job = queue.submit(lambda _: None, "nothing", visitor="anna")
    assert over(job) is State.DONE
    assert job.result is None


def test_ids_are_secrets(queue):
    ids = {queue.submit(lambda _: None, "", visitor="anna").id for _ in range(1)} | {
        queue.settled(None, "", visitor="anna").id for _ in range(50)
    }
    assert len(ids) == 51
    assert all(len(each) >= 43 for each in ids)  # 32 bytes in base64


def test_one_that_is_not_over_has_no_result(queue, gate):
    job = queue.submit(gate, "waiting", visitor="anna")
    with pytest.raises(Cancelled, match="no result"):
        _ = job.result


def test_progress_and_place_are_told(queue, gate):
    first, second, third = (queue.submit(gate, f"{n}", visitor="anna") for n in range(3))
    gate.wait_inside()
    assert [queue.status(each).ahead for each in (first, second, third)] == [0, 1, 2]
    deadline = time.monotonic() + SOON
    while queue.status(first).message != "at the gate":
        assert time.monotonic() < deadline
    assert (queue.status(first).done, queue.status(first).total) == (1, 2)


def test_the_one_past_the_bound_is_refused_and_told_when_to_come(queue, gate):
    jobs = [queue.submit(gate, "", visitor="anna") for _ in range(3)]
    with pytest.raises(OverBudget) as refused:
        queue.submit(gate, "", visitor="anna")
    assert refused.value.retry_after >= 1
    gate.opened.set()
    assert [over(job) for job in jobs] == [State.DONE] * 3
    assert over(queue.submit(gate, "", visitor="anna")) is State.DONE


def test_a_running_job_stops_when_it_next_reports(queue, gate):
    running, waiting = (
        queue.submit(gate, "first", visitor="anna"),
        queue.submit(lambda _: "ran", "second", visitor="anna"),
    )
    gate.wait_inside()
    start = time.monotonic()
    running.cancel()
    assert over(running) is State.CANCELLED
    assert over(waiting) is State.DONE
    assert time.monotonic() - start < AT_ONCE


def test_a_waiting_job_that_is_cancelled_never_runs_and_frees_its_place(queue, gate):
    ran = []
    queue.submit(gate, "", visitor="anna")
    gate.wait_inside()
    waiting = queue.submit(lambda _: ran.append(1), "", visitor="anna")
    queue.submit(gate, "", visitor="anna")
    waiting.cancel()
    assert over(waiting) is State.CANCELLED
    queue.submit(gate, "", visitor="anna")
    gate.opened.set()
    assert not ran


def test_to_cancel_what_is_over_changes_nothing(queue):
    job = queue.submit(lambda _: 1, "", visitor="anna")
    over(job)
    job.cancel()
    assert job.state is State.DONE
    assert job.result == 1


@pytest.mark.parametrize(
    ("error", "told"), [(UsageError("no such class"), "no such class"), (ValueError("boom"), "sums failed: boom")]
)
def test_an_error_ends_the_job_and_not_the_worker(queue, error, told):
    def fail(_):
        raise error

    job = queue.submit(fail, "sums", visitor="anna")
    assert over(job) is State.FAILED
    assert queue.status(job).error == told
    with pytest.raises(SeewhyError, match=told):
        _ = job.result
    assert over(queue.submit(lambda _: 1, "", visitor="anna")) is State.DONE


def test_what_is_known_takes_no_place(queue, gate):
    for _ in range(3):
        queue.submit(gate, "", visitor="anna")
    job = queue.settled("known", "", visitor="anna")
    assert job.result == "known"
    assert queue.find(job.id).state is State.DONE


def test_old_jobs_are_forgotten(queue):
    clock = [0.0]
    queue._kept._clock = lambda: clock[0]
    first = queue.settled(1, "", visitor="anna")
    assert queue.find(first.id)
    clock[0] = 86_401
    with pytest.raises(UnknownName):
        queue.find(first.id)
    queue.sweep()
    assert first.is_forgotten


def test_closing_stops_everything(gate):
    queue = Queue()
    running, waiting = queue.submit(gate, "", visitor="anna"), queue.submit(gate, "", visitor="anna")
    gate.wait_inside()
    queue.close()
    assert [over(running), over(waiting)] == [State.CANCELLED] * 2


@pytest.fixture
def lanes() -> Iterator[Queue]:
    made = Queue((Lane("short"), Lane("long")))
    yield made
    made.close()


def busy(job: Job[str]) -> str:
    """Work until it is stopped."""
    while True:
        job.tell(0, None, "busy")
        time.sleep(0.002)


def test_short_work_never_waits_behind_long_work(lanes, gate):
    long = lanes.submit(gate, "", visitor="anna", lane="long")
    gate.wait_inside()
    lanes.submit(gate, "", visitor="anna", lane="long")
    assert over(lanes.submit(lambda _: 1, "", visitor="anna")) is State.DONE
    assert long.state is State.RUNNING


def test_one_visitors_jobs_delay_another_by_none_but_the_one_that_runs(queue, gate):
    order = []
    first = queue.submit(gate, "", visitor="anna")
    gate.wait_inside()
    jobs = [queue.submit(lambda _: order.append("anna"), "", visitor="anna") for _ in range(2)]
    jobs += [queue.submit(lambda _: order.append("bert"), "", visitor="bert")]
    gate.opened.set()
    assert {over(job) for job in (first, *jobs)} == {State.DONE}
    assert order.index("bert") <= 1


def test_a_newcomer_does_not_wait_for_work_that_goes_on_for_long(queue):
    running = queue.submit(busy, "", visitor="anna")
    while running.clock.worked < 0.2:
        time.sleep(0.01)
    start = time.monotonic()
    assert over(queue.submit(lambda _: 1, "", visitor="bert")) is State.DONE
    assert time.monotonic() - start < AT_ONCE
    assert running.state is State.RUNNING
    running.cancel()


def test_work_that_runs_stands_aside_for_a_newcomer_and_then_goes_on(queue, gate):
    running = queue.submit(busy, "", visitor="anna")
    while running.clock.worked < 0.2:
        time.sleep(0.01)
    newcomer = queue.submit(gate, "", visitor="bert")
    gate.wait_inside()
    time.sleep(0.15)  # less than has been worked: whoever had less goes first until both had as much
    assert running.clock.aside > 0.05
    gate.opened.set()
    assert over(newcomer) is State.DONE
    before = running.clock.worked
    time.sleep(0.2)
    assert running.clock.worked > before
    running.cancel()
    assert over(running) is State.CANCELLED


def test_nobody_stands_aside_for_good(lanes, gate, monkeypatch):
    monkeypatch.setattr(queue_module, "PATIENCE", 0.2)
    long = lanes.submit(busy, "", visitor="anna", lane="long")
    short = lanes.submit(gate, "", visitor="bert")
    gate.wait_inside()
    deadline = time.monotonic() + SOON
    while long.clock.worked < 0.3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert long.clock.aside >= 0.15
    long.cancel()
    short.cancel()


def test_no_short_work_of_the_same_address_waits_for_the_end_of_what_turned_out_slow(gate):
    """As in a classroom: one explains by a method of a minute, and the others by quick ones."""
    queue = Queue([Lane("short", slow=0.1, spare=3)])
    try:
        slow = [queue.submit(busy, "", visitor="school") for _ in range(2)]
        for _ in range(3):
            assert over(queue.submit(lambda _: 1, "", visitor="school")) is State.DONE
        assert [each.state for each in slow] == [State.RUNNING] * 2
        quick = queue.submit(gate, "", visitor="school")
        gate.wait_inside()
        deadline = time.monotonic() + SOON
        while not all(each.clock.aside > 0 for each in slow):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        gate.opened.set()
        assert over(quick) is State.DONE
    finally:
        queue.close()


def test_however_much_slow_work_one_visitor_has_another_comes_in():
    queue = Queue([Lane("short", slow=0.05, spare=3)])
    try:
        slow = [queue.submit(busy, "", visitor="anna") for _ in range(6)]
        while sum(each.state is State.RUNNING for each in slow) < 3:
            time.sleep(0.01)
        assert over(queue.submit(lambda _: 1, "", visitor="bert")) is State.DONE
        assert sum(each.state is State.RUNNING for each in slow) == 3
    finally:
        queue.close()


def test_work_that_takes_too_long_is_ended_and_told_why():
    queue = Queue([Lane("short", seconds=0.3)])
    try:
        job = queue.submit(busy, "counting sheep", visitor="anna")
        assert over(job) is State.FAILED
        with pytest.raises(OutOfTime, match=r"counting sheep took more than 0\.3 s; ask for less"):
            _ = job.result
        assert over(queue.submit(lambda _: 1, "", visitor="anna")) is State.DONE
    finally:
        queue.close()


def test_time_that_was_spent_aside_is_not_counted():
    clock = Job(lambda _: 1, "", "anna", 0.2).clock
    clock.start()
    clock.stand_aside(lambda: time.sleep(0.3))
    assert clock.worked < 0.1
    assert clock.aside >= 0.3


def test_what_others_find_takes_no_result_from_who_asks_little():
    queue = Queue(kept=20 * LEAST)
    try:
        mine = queue.submit(lambda _: "mine", "", visitor="anna")
        assert over(mine) is State.DONE
        for _ in range(40):
            assert over(queue.submit(lambda _: "his", "", visitor="bert")) is State.DONE
            queue.settled("his", "", visitor="bert")
        assert queue.find(mine.id).result == "mine"
    finally:
        queue.close()


def test_what_was_known_takes_no_place_among_what_was_found():
    queue = Queue(kept=20 * LEAST)
    try:
        found = queue.submit(lambda _: "found", "", visitor="anna")
        assert over(found) is State.DONE
        for _ in range(40):
            queue.settled("known", "", visitor="anna")
        assert queue.find(found.id).result == "found"
    finally:
        queue.close()


def test_results_are_bounded_by_their_bytes():
    queue = Queue(kept=3 << 20)
    try:
        jobs = [queue.submit(lambda _: bytes(1 << 20), "", visitor="anna") for _ in range(6)]
        assert {over(job) for job in jobs} == {State.DONE}
        queue.submit(lambda _: 1, "", visitor="anna").wait(SOON)
        assert sum(job.is_forgotten for job in jobs) == 4
        with pytest.raises(Cancelled, match="no result"):
            _ = jobs[0].result
    finally:
        queue.close()


def test_an_error_holds_nothing_of_the_work_that_failed(queue):
    def fail(_):
        large = np.zeros(10)
        held.append(weakref.ref(large))
        raise UsageError("too large") from ValueError(large)

    held = []
    job = queue.submit(fail, "", visitor="anna")
    assert over(job) is State.FAILED
    for _ in range(2):
        with pytest.raises(UsageError, match="too large"):
            _ = job.result
    queue.submit(lambda _: 1, "", visitor="anna").wait(SOON)
    gc.collect()
    assert held[0]() is None


def test_a_result_is_made_whole_whenever_it_is_asked_for(queue):
    job = queue.submit(lambda _: "kept", "", visitor="anna", restore=str.upper)
    assert over(job) is State.DONE
    assert [job.result, job.result] == ["KEPT", "KEPT"]
