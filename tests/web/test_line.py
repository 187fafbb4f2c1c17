"""Whose turn it is."""

from __future__ import annotations

import pytest

from seewhy.errors import OverBudget, QueueFull
from seewhy.web.services.line import HALF, Line, Use


def filled(line, **many):
    for visitor, count in many.items():
        for number in range(count):
            line.add(visitor, f"{visitor} {number}", 1)
    return line


def turns(line, count, seconds=lambda job: 1.0):
    """Who comes in which order, one after the other."""
    order = []
    for _ in range(count):
        visitor, job = line.peek()
        assert line.start(visitor) == job
        line.end(visitor, seconds(job))
        order.append(job)
    return order


def test_visitors_take_turns_however_many_one_hands_in():
    line = filled(Line(100, 30), anna=20, bert=2)
    assert turns(line, 5) == ["anna 0", "bert 0", "anna 1", "bert 1", "anna 2"]


def test_turns_are_measured_in_seconds():
    line = filled(Line(100, 30), anna=9, bert=9)
    order = turns(line, 9, lambda job: 4.0 if job.startswith("anna") else 1.0)
    assert [each[0] for each in order] == [*"abbbbabbb"]


def test_whoever_comes_late_waits_for_one_at_most():
    line = filled(Line(100, 30), anna=20)
    turns(line, 10)
    filled(line, bert=1)
    assert "bert 0" in turns(line, 2)


def test_who_worked_alone_before_owes_nothing():
    line = filled(Line(100, 30), anna=10)
    turns(line, 9)
    filled(line, bert=5)
    assert "anna 9" in turns(line, 2)


def test_to_have_waited_elsewhere_gives_no_credit():
    line = filled(Line(100, 30), anna=2, bert=1)
    turns(line, 3)  # all gone
    filled(line, anna=20)
    turns(line, 10)
    filled(line, bert=10)
    assert [each[0] for each in turns(line, 6)].count("b") <= 4


def test_one_visitor_never_fills_it_and_newcomers_find_a_place():
    line = Line(100, 100)
    with pytest.raises(QueueFull):
        filled(line, anna=100)
    assert len(line) == 75
    filled(line, **{f"newcomer {number}": 1 for number in range(25)})
    with pytest.raises(QueueFull):
        line.add("one more", "job", 1)


def test_a_visitor_has_so_many_places():
    line = filled(Line(100, 5), anna=5)
    with pytest.raises(OverBudget, match="5 of your requests") as refused:
        line.add("anna", "job", 7)
    assert refused.value.retry_after == 7
    filled(line, bert=5)
    line.start("anna")
    with pytest.raises(OverBudget):  # what runs counts, too
        line.add("anna", "job", 7)


def test_a_visitor_of_whom_less_runs_comes_first():
    line = filled(Line(100, 30), anna=3, bert=1)
    line.start("anna")
    assert line.peek() == ("bert", "bert 0")
    assert line.peek(lambda visitor: visitor == "anna") == ("anna", "anna 1")


def test_how_many_come_before_is_told():
    line = filled(Line(100, 30), anna=3, bert=10)
    line.start("bert")
    assert [line.ahead("anna", f"anna {number}") for number in range(3)] == [2, 4, 6]
    assert line.ahead("anna", "unknown") == 0


def test_those_who_left_are_forgotten():
    line = Line(100, 30)
    for number in range(1000):
        filled(line, **{f"visitor {number}": 1})
        turns(line, 1)
    assert not line._had
    assert len(line) == 0


def test_half_of_what_was_used_is_forgotten_after_a_while():
    now = [0.0]
    use = Use(lambda: now[0])
    use.add("anna", 8)
    use.add("anna", 2)
    now[0] = HALF
    assert use.of("anna") == pytest.approx(5)
    now[0] = 20 * HALF
    use.add("bert", 1)
    assert use._used.keys() == {"bert"}
