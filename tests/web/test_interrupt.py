from __future__ import annotations

import threading

import pytest
import torch

import zoo
from seewhy.errors import Cancelled
from seewhy.web.services.jobs import interruptible

X = torch.zeros(1, 3, 32, 32)


def stop():
    raise Cancelled("stopped")


def test_a_forward_stops_before_its_next_module():
    ran = []
    network = zoo.network("gap-linear")
    network.head.register_forward_hook(lambda *_: ran.append("head"))
    calls = iter([None, None, None])

    def check():
        if next(calls, "over") == "over":
            stop()

    with interruptible(check), pytest.raises(Cancelled):
        network(X)  # itself, conv, relu, head
    assert not ran


def test_other_threads_and_later_work_are_left_alone():
    network, outcomes = zoo.network("gap-linear"), []
    with interruptible(stop):
        thread = threading.Thread(target=lambda: outcomes.append(network(X).shape))
        thread.start()
        thread.join()
        with pytest.raises(Cancelled):
            network(X)
    assert outcomes == [(1, zoo.CLASSES)]
    assert network(X).shape == (1, zoo.CLASSES)
