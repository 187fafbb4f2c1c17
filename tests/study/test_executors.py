"""How units are dealt, with workers that exist only here and die as they are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.errors import SeewhyError
from seewhy.study import Result, Task
from seewhy.study.executors import ATTEMPTS, LOST, Done, Lost, deal

TASKS = [Task("model", f"{number}.png", ("method",)) for number in range(12)]


class Actor:
    """Dies of a unit as often as `deaths` says, and before it is ready while `stillborn` are left."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        self.task: Task | None = None
        self.dismissed = False

    def give(self, task: Task) -> None:
        assert not self.dismissed
        self.task = task

    def take(self) -> Done | Lost | None:
        if self.task is None:
            self.crew.stillborn -= 1
            return Lost("exit code 1") if self.crew.stillborn >= 0 else None
        self.crew.deaths[self.task] -= 1
        return Lost("exit code -9") if self.crew.deaths[self.task] >= 0 else tuple(map(Result, self.task.units))

    def dismiss(self) -> None:
        self.dismissed = True


class Crew:
    def __init__(self, deaths: dict[Task, int] | None = None, stillborn: int = 0, turns: Sequence[int] = ()) -> None:
        self.deaths = Counter(deaths or {})
        self.stillborn = stillborn
        self.turns = [*turns]
        self.hired: list[Actor] = []
        self.most = 0

    def hire(self) -> Actor:
        self.hired.append(Actor(self))
        return self.hired[-1]

    def first(self, busy: Sequence[Actor]) -> Actor:
        self.most = max(self.most, len(busy))
        return busy[(self.turns.pop() if self.turns else 0) % len(busy)]


@given(
    deaths=st.dictionaries(st.sampled_from(TASKS), st.integers(0, 5)),
    stillborn=st.integers(0, ATTEMPTS - 1),
    workers=st.integers(1, 20),
    turns=st.lists(st.integers(0, 20), max_size=40),
)
def test_every_unit_comes_back_once_whoever_dies(deaths, stillborn, workers, turns):
    crew = Crew(deaths, stillborn, turns)
    results = {result.unit.image: result for (result,) in deal(TASKS, crew, workers)}
    assert sorted(results) == sorted(task.image for task in TASKS)
    for task in TASKS:
        result, fatal = results[task.image], deaths.get(task, 0) >= ATTEMPTS
        assert result.attempts == min(deaths.get(task, 0) + 1, ATTEMPTS)
        assert (result.failure is not None) == fatal
        assert not result.failure or result.failure.error == LOST
    assert crew.most <= min(workers, len(TASKS))
    assert all(actor.dismissed for actor in crew.hired)


def test_nothing_to_do_needs_nobody():
    crew = Crew()
    assert list(deal([], crew, 4)) == []
    assert crew.hired == []


def test_a_worker_gets_nothing_new_before_its_last_result_is_seen_to():
    crew = Crew()
    results = deal(TASKS, crew, 1)
    assert next(results)[0].unit.image == TASKS[0].image
    assert crew.hired[0].task == TASKS[0]
    next(results)
    assert crew.hired[0].task == TASKS[1]


def test_a_unit_to_be_done_again_goes_to_whoever_is_idle():
    crew = Crew({TASKS[1]: 1}, turns=[0, 0, 0, 0])
    assert [result.attempts for (result,) in deal(TASKS[:2], crew, 2)] == [1, 2]
    assert len(crew.hired) == 2


def test_closing_dismisses_everybody():
    crew = Crew()
    results = deal(TASKS, crew, 3)
    next(results)
    results.close()
    assert [actor.dismissed for actor in crew.hired] == [True] * 3


def test_workers_that_never_get_ready_stop_the_run():
    crew = Crew(stillborn=100)
    with pytest.raises(SeewhyError, match="exit code 1"):
        list(deal(TASKS, crew, 2))
    assert all(actor.dismissed for actor in crew.hired)


def test_a_task_that_costs_too_many_workers_is_done_method_by_method():
    task = Task("model", "a.png", ("good", "bad"))
    crew = Crew({task: ATTEMPTS, task._replace(methods=("bad",)): ATTEMPTS})
    found = {result.unit.method: result for results in deal([task], crew, 2) for result in results}
    assert found["good"].failure is None
    assert found["bad"].failure is not None
    assert found["bad"].failure.error == LOST
    assert len(crew.hired) == 2 * ATTEMPTS
