"""Processes as workers: they compute, fail, die and end."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from seewhy.errors import SeewhyError
from seewhy.study import Local, Plan, Result, Unit, Work
from seewhy.study.executors import ATTEMPTS, LOST
from study import toys


def results(plan: Plan, work: Work, workers: int = 2, threads: int = 1) -> dict[Unit, Result]:
    found = [result for results in Local(workers).run([*plan.tasks], work, threads) for result in results]
    assert Counter(result.unit for result in found) == Counter(plan.units)
    return {result.unit: result for result in found}


def rows(found: dict[Unit, Result]) -> dict[Unit, tuple]:
    return {unit: result.rows for unit, result in found.items()}


def test_the_number_of_workers_changes_no_result(tmp_path: Path):
    plan, log = toys.plan(6), tmp_path / "log"
    alone, together = results(plan, toys.work(), workers=1), results(plan, toys.work(log, 0.01), workers=2)
    assert rows(alone) == rows(together)
    assert all(result.rows and result.failure is None and result.attempts == 1 for result in alone.values())
    prepared = Counter(line for line in log.read_text().splitlines() if line.startswith("prepare"))
    assert set(prepared.values()) == {1}
    assert all(result.seconds >= 0.01 for result in together.values())


def test_whatever_a_unit_does_only_it_fails(tmp_path: Path):
    images = ["a.png", "raises.png", "exits.png", "once.png", "nan.png", "killed.png", "z.png"]
    plan = toys.plan(images, models=1, methods=1)
    found = {unit.image: result for unit, result in results(plan, toys.work(tmp_path / "log")).items()}
    failures = {image: result.failure and result.failure.error for image, result in found.items()}
    assert failures == {
        "a.png": None,
        "raises.png": "ValueError",
        "exits.png": LOST,
        "once.png": None,
        "nan.png": "ValueError",
        "killed.png": LOST,
        "z.png": None,
    }
    attempts = {image: result.attempts for image, result in found.items() if result.attempts > 1}
    assert attempts == {"exits.png": ATTEMPTS, "once.png": 2, "killed.png": ATTEMPTS}
    assert found["raises.png"].failure == ("ValueError", "raises.png cannot be explained")


def test_a_method_that_kills_takes_nothing_from_the_others(tmp_path: Path):
    plan = replace(toys.plan(["a.png"], 1, 1), methods={"fatal": {}, "method0": {}})
    found = {unit.method: result for unit, result in results(plan, toys.work()).items()}
    assert found["method0"].rows
    assert found["fatal"].failure is not None
    assert found["fatal"].failure.error == LOST


def test_each_worker_sees_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    plan, work = toys.plan(6, 1, 1), Work(str, toys.report_gpu)
    done = [result for results in Local(2, gpus=2).run([*plan.tasks], work, 1) for result in results]
    assert {row["gpu"] for result in done for row in result.rows} == {"4", "7"}


def test_a_model_that_cannot_be_prepared_fails_its_units_only():
    plan = replace(toys.plan(2, methods=1), models={"broken": "0", "model0": "1"})
    found = results(plan, toys.work(), workers=1)
    assert {unit.model: result.failure and result.failure.message for unit, result in found.items()} == {
        "broken": "there is no such model",
        "model0": None,
    }


@pytest.mark.parametrize("threads", [1, 2])
def test_every_library_of_a_worker_keeps_to_its_threads(threads):
    found = results(toys.plan(1, 1, 1), Work(toys.load_torch, toys.report_threads), threads=threads)
    assert [result.rows for result in found.values()] == [({"threads": threads},)]


def test_a_worker_that_cannot_start_says_so(capfd):
    with pytest.raises(SeewhyError, match="exit code 1"):
        results(toys.plan(1), Work(str, toys.Stillborn()))
    assert "not in this process" in capfd.readouterr().err


def test_closing_ends_the_processes():
    before = set(psutil.Process().children())
    running = Local(2).run([*toys.plan(50).tasks], toys.work(delay=0.01), 1)
    next(running)
    assert len(workers_of(before)) == 2
    running.close()
    assert workers_of(before) == []


def workers_of(before: set[psutil.Process]) -> list[psutil.Process]:
    children = set(psutil.Process().children()) - before
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
