"""What is kept of whom, when all is full or old."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import planted
from seewhy.web.services.shelf import LEAST, Shelf, size_of

MB = 1 << 20


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def gone() -> list[str]:
    return []


@pytest.fixture
def shelf(now, gone) -> Shelf[str, str]:
    return Shelf(10 * MB, 60, gone.append, lambda: now[0])


def put(shelf, *names, owner="anna", size=MB):
    for name in names:
        shelf.put(name, name, owner, size)


def test_the_owner_loses_the_oldest_and_is_told(shelf, gone):
    put(shelf, *"abcdefghijkl")
    assert gone == ["a", "b"]
    assert (shelf.get("a"), shelf.get("l")) == (None, "l")


def test_what_was_asked_for_is_not_the_oldest(shelf, gone):
    put(shelf, *"abcdefghij")
    shelf.get("a")
    put(shelf, "k")
    assert gone == ["b"]


def test_who_holds_little_loses_nothing_however_much_another_brings(shelf, gone):
    put(shelf, "mine", "mine too", owner="anna")
    put(shelf, *(f"his {number}" for number in range(100)), owner="bert")
    assert shelf.get("mine")
    assert shelf.get("mine too")
    assert all(each.startswith("his") for each in gone)


def test_newcomers_find_room_where_one_has_filled_all(shelf):
    put(shelf, *(f"his {number}" for number in range(100)), owner="bert")
    put(shelf, *(f"{number}" for number in range(5)), owner="anna")
    assert shelf.held_by("anna") == shelf.held_by("bert") == 5 * MB


def test_whether_something_would_stay_is_known_before(shelf):
    put(shelf, *"abcdefghij", owner="bert")
    assert shelf.has_room("anna", 9 * MB)
    assert not shelf.has_room("anna", 10 * MB)
    assert not shelf.has_room("bert", MB)


def test_one_thing_that_is_larger_than_all_room_is_not_kept(shelf, gone):
    put(shelf, "other", owner="bert")
    put(shelf, "vast", size=11 * MB)
    assert gone == ["vast"]
    assert shelf.get("other")


def test_small_things_count_too(gone):
    shelf = Shelf(10 * LEAST, 60, gone.append)
    put(shelf, *map(str, range(25)), size=1)
    assert len(gone) == 15


def test_what_is_old_is_not_given_and_goes_with_the_next_sweep(shelf, now, gone):
    put(shelf, "a")
    now[0] = 59
    assert shelf.get("a")  # to ask for it makes it no younger
    put(shelf, "b")
    now[0] = 60
    assert shelf.get("a") is None
    assert "a" not in shelf
    assert not gone
    shelf.sweep()
    assert gone == ["a"]
    assert shelf.get("b")
    assert shelf.held_by("anna") == MB


def test_what_is_put_again_counts_once(shelf):
    for size in (5 * MB, 2 * MB):
        put(shelf, "a", size=size)
    assert shelf.held_by("anna") == 2 * MB
    assert shelf.pop("a") == "a"
    assert shelf.held_by("anna") == 0


@dataclass
class Held:
    array: np.ndarray
    again: np.ndarray


@pytest.mark.parametrize(
    ("thing", "size"),
    [
        (np.zeros(MB, np.uint8), MB),
        ({"a": [b"x" * MB], "b": (np.zeros(MB, np.uint8),)}, 2 * MB),
        (np.zeros(MB, np.uint8)[:10], MB),  # a view keeps all of it
        (planted.picture(), 64 * 64 * 3),
        (None, 0),
    ],
)
def test_sizes_are_those_of_what_is_held(thing, size):
    assert size <= size_of(thing) <= size + 2000


def test_what_is_held_twice_counts_once():
    array = np.zeros(MB, np.uint8)
    assert size_of(Held(array, array)) < MB + 2000
