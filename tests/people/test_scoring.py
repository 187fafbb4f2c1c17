"""Points, by hand."""

from __future__ import annotations

from people.samples import answer
from seewhy.people.game import points
from seewhy.people.players import Standing, leaderboard, standing

ANSWERS = [
    answer(1, "ann", "cat", stage=0, labels=("ears", "fur")),
    answer(2, "ann", "dog", stage=1),
    answer(3, "ann", "cat", stage=5),
    answer(4, "ann", None, stage=5),
    answer(1, "bob", "cat", stage=0),
    answer(2, "bob", "cat", stage=5),
    answer(1, "cy", None, stage=2, simulated=True),
]


def test_points_fall_with_the_stage():
    assert [points(stage, won=True) for stage in range(6)] == [60, 50, 40, 30, 20, 10]
    assert {points(stage, won=False) for stage in range(6)} == {0}


def test_a_standing_by_hand():
    assert standing("ann", ANSWERS[:4]) == Standing("ann", 70, 2, 1, 1, 2.5, 4)
    assert standing("ann", ANSWERS[:4]).played == 4
    assert standing("cy", ANSWERS[6:]) == Standing("cy", 0, 0, 0, 1, None, 0, simulated=True)
    assert standing("new", []) == Standing("new", 0, 0, 0, 0, None, 0)


def test_of_equals_who_needed_fewer_rounds_stands_first():
    assert [(each.player, each.points) for each in leaderboard(ANSWERS)] == [("bob", 70), ("ann", 70), ("cy", 0)]
    assert leaderboard([]) == []
