"""Who leaves in the middle leaves no work behind."""

from __future__ import annotations

import threading

import pytest

from seewhy.web.parts import session
from seewhy.web.parts.session import Session
from seewhy.web.services.jobs import State
from seewhy.web.services.queue import Queue
from seewhy.web.services.visits import Visit

SOON = 10


@pytest.fixture
def queue():
    made = Queue()
    yield made
    made.close()


def begun(queue) -> Session:
    """A session whose only job goes on until it is stopped."""
    found, running = Session(Visit()), threading.Event()

    def work(job):
        running.set()
        while not job.stopped.is_set():
            threading.Event().wait(0.01)
        job.check()

    found.jobs["key"] = ("anything", queue.submit(work, "counting sheep", visitor="a"))
    assert running.wait(SOON)
    return found


def test_work_stops_when_nobody_comes_back(queue, monkeypatch):
    monkeypatch.setattr(session, "GRACE", 0.05)
    found = begun(queue)
    found.leave()
    _, job = found.jobs["key"]
    assert job.wait(SOON)
    assert job.state is State.CANCELLED


def test_work_goes_on_where_somebody_comes_back_in_time(queue, monkeypatch):
    monkeypatch.setattr(session, "GRACE", 0.3)
    found = begun(queue)
    _, job = found.jobs["key"]
    found.leave()
    found.stay()
    assert not job.wait(0.8)
