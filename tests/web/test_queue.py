from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from seewhy.errors import Cancelled, QueueFull, SeewhyError, UnknownName, UsageError
from seewhy.web.services.queue import KEPT, Job, Queue, State

SOON = 5.0


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
    made = Queue(length=3)
    yield made
    made.close()


def over(job: Job) -> State:
    assert job.wait(SOON)
    return job.state


def test_a_result_comes_back(queue):
    job = queue.submit(lambda _: 6 * 7, "sums")
    assert over(job) is State.DONE
    assert job.result == 42
    assert queue.find(job.id) is job


def test_nothing_is_a_result_too(queue):
    job = queue.submit(lambda _: None, "nothing")
    assert over(job) is State.DONE
    assert job.result is None


def test_ids_are_secrets(queue):
    ids = {queue.submit(lambda _: None, "").id for _ in range(1)} | {queue.settled(None, "").id for _ in range(50)}
    assert len(ids) == 51
    assert all(len(each) >= 43 for each in ids)  # 32 bytes in base64


def test_one_that_is_not_over_has_no_result(queue, gate):
    job = queue.submit(gate, "waiting")
    with pytest.raises(Cancelled, match="no result"):
        _ = job.result


def test_progress_and_place_are_told(queue, gate):
    first, second, third = (queue.submit(gate, f"{n}") for n in range(3))
    gate.wait_inside()
    assert [queue.status(each).ahead for each in (first, second, third)] == [0, 1, 2]
    deadline = time.monotonic() + SOON
    while queue.status(first).message != "at the gate":
        assert time.monotonic() < deadline
    assert (queue.status(first).done, queue.status(first).total) == (1, 2)


def test_the_one_past_the_bound_is_refused_and_told_when_to_come(queue, gate):
    jobs = [queue.submit(gate, "") for _ in range(3)]
    with pytest.raises(QueueFull) as refused:
        queue.submit(gate, "")
    assert refused.value.retry_after >= 1
    gate.opened.set()
    assert [over(job) for job in jobs] == [State.DONE] * 3
    assert over(queue.submit(gate, "")) is State.DONE


def test_a_running_job_stops_when_it_next_reports(queue, gate):
    running, waiting = queue.submit(gate, "first"), queue.submit(lambda _: "ran", "second")
    gate.wait_inside()
    start = time.monotonic()
    queue.cancel(running)
    assert over(running) is State.CANCELLED
    assert over(waiting) is State.DONE
    assert time.monotonic() - start < 2


def test_a_waiting_job_that_is_cancelled_never_runs_and_frees_its_place(queue, gate):
    ran = []
    queue.submit(gate, "")
    gate.wait_inside()
    waiting = queue.submit(lambda _: ran.append(1), "")
    queue.submit(gate, "")
    queue.cancel(waiting)
    assert over(waiting) is State.CANCELLED
    queue.submit(gate, "")
    gate.opened.set()
    assert not ran


def test_to_cancel_what_is_over_changes_nothing(queue):
    job = queue.submit(lambda _: 1, "")
    over(job)
    queue.cancel(job)
    assert job.state is State.DONE
    assert job.result == 1


@pytest.mark.parametrize(
    ("error", "told"), [(UsageError("no such class"), "no such class"), (ValueError("boom"), "sums failed: boom")]
)
def test_an_error_ends_the_job_and_not_the_worker(queue, error, told):
    def fail(_):
        raise error

    job = queue.submit(fail, "sums")
    assert over(job) is State.FAILED
    assert queue.status(job).error == told
    with pytest.raises(SeewhyError, match=told):
        _ = job.result
    assert over(queue.submit(lambda _: 1, "")) is State.DONE


def test_jobs_on_one_model_take_turns(gate):
    queue = Queue(length=9, workers=3)
    try:
        jobs = [queue.submit(gate, "", alone="model") for _ in range(3)]
        gate.wait_inside()
        time.sleep(0.1)
        assert gate.most == 1
        gate.opened.set()
        assert [over(job) for job in jobs] == [State.DONE] * 3
        assert gate.most == 1
    finally:
        queue.close()


def test_a_busy_model_does_not_hold_up_another(gate):
    queue = Queue(length=9, workers=2)
    try:
        queue.submit(gate, "", alone="busy")
        gate.wait_inside()
        queue.submit(gate, "", alone="busy")
        assert over(queue.submit(lambda _: 1, "", alone="free")) is State.DONE
    finally:
        gate.opened.set()
        queue.close()


def test_what_is_known_takes_no_place(queue, gate):
    for _ in range(3):
        queue.submit(gate, "")
    job = queue.settled("known", "")
    assert job.result == "known"
    assert queue.find(job.id).state is State.DONE


def test_old_jobs_are_forgotten(queue):
    first = queue.settled(1, "")
    for _ in range(KEPT):
        queue.settled(1, "")
    with pytest.raises(UnknownName):
        queue.find(first.id)


def test_closing_stops_everything(gate):
    queue = Queue(length=9)
    running, waiting = queue.submit(gate, ""), queue.submit(gate, "")
    gate.wait_inside()
    queue.close()
    assert [over(running), over(waiting)] == [State.CANCELLED] * 2
