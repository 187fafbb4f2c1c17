"""How many sessions a visitor may begin."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from seewhy.errors import OverBudget
from seewhy.people.store import Store
from seewhy.web import buckets
from seewhy.web.services import storage
from seewhy.web.services.storage import HOUR, SESSIONS, close_store, enter, people_store


@pytest.fixture
def now(monkeypatch) -> list[float]:
    found = [0.0]
    monkeypatch.setattr(buckets.time, "monotonic", lambda: found[0])
    return found


@pytest.fixture
def store(tmp_path, monkeypatch, now) -> Iterator[Store]:
    monkeypatch.setenv("SEEWHY_HOME", str(tmp_path))
    monkeypatch.setattr(storage, "SESSIONS", 3)
    close_store()
    yield people_store()
    close_store()


def begin(store: Store, visitor: str) -> None:
    enter(store, "ann", trusted=True, visitor=visitor)


def test_one_session_more_is_refused_and_others_come_in(store, now):
    for _ in range(3):
        begin(store, "here")
    with pytest.raises(OverBudget, match="come again later") as refused:
        begin(store, "here")
    assert refused.value.retry_after == HOUR / 3
    begin(store, "elsewhere")
    now[0] = HOUR / 3
    begin(store, "here")
    with pytest.raises(OverBudget):
        begin(store, "here")


def test_a_flood_of_others_lets_nobody_begin_anew(store, monkeypatch):
    monkeypatch.setattr(buckets, "VISITORS", 2)
    for _ in range(3):
        begin(store, "here")
    for number in range(3):
        begin(store, f"visitor {number}")
    with pytest.raises(OverBudget):
        begin(store, "here")


def test_there_is_room_for_a_school():
    assert SESSIONS >= 100
