"""How many sessions a visitor may begin."""

from __future__ import annotations

import pytest

from seewhy.errors import OverBudget
from seewhy.web.services import newcomers
from seewhy.web.services.newcomers import MOST, WITHIN, Newcomers


@pytest.fixture
def now():
    return [0.0]


@pytest.fixture
def door(now):
    return Newcomers(lambda: now[0])


def test_within_the_hour_one_session_more_is_refused_and_others_come_in(door, now):
    for _ in range(MOST):
        now[0] += 1
        door.enter("ann")
    with pytest.raises(OverBudget) as refused:
        door.enter("ann")
    assert refused.value.retry_after == WITHIN - MOST + 1
    door.enter("bob")


def test_room_comes_back_with_the_oldest_session_and_a_refusal_takes_none(door, now):
    for _ in range(MOST):
        door.enter("ann")
    now[0] = WITHIN - 1
    with pytest.raises(OverBudget):
        door.enter("ann")
    now[0] = WITHIN
    for _ in range(MOST):
        door.enter("ann")


def test_so_many_visitors_are_remembered(door, monkeypatch):
    monkeypatch.setattr(newcomers, "KNOWN", 2)
    for visitor in ("ann", "bob", "eve"):
        door.enter(visitor)
    assert len(door._began) == 2


def test_forgotten_they_begin_anew(door):
    for _ in range(MOST):
        door.enter("ann")
    door.forget()
    door.enter("ann")
