"""Buckets of tokens: bursts, refilling, and who is forgotten."""

from __future__ import annotations

import pytest

from seewhy.web import buckets as module
from seewhy.web.buckets import Buckets


@pytest.fixture
def now(monkeypatch):
    found = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: found[0])
    return found


def test_one_fills_again(now):
    buckets = Buckets(2)
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 30]
    now[0] = 30.0
    assert [buckets.take("a"), buckets.take("a")] == [0, 30]


def test_each_visitor_has_their_own(now):
    buckets = Buckets(1)
    assert [buckets.take("a"), buckets.take("b")] == [0, 0]
    assert buckets.take("a") > 0


def test_a_flood_of_others_gives_nobody_a_fresh_one(now, monkeypatch):
    monkeypatch.setattr(module, "VISITORS", 5)
    buckets = Buckets(1)
    assert [buckets.take("mine"), buckets.take("mine") > 0] == [0, True]
    for number in range(100):
        now[0] += 0.01
        buckets.take(str(number))
    assert len(buckets) == 6
    assert buckets.take("mine") > 0


def test_who_was_away_for_a_minute_is_forgotten(now):
    buckets = Buckets(5)
    for number in range(100):
        buckets.take(str(number))
    now[0] = module.MINUTE
    buckets.take("new")
    assert len(buckets) == 1
