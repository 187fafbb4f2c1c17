"""Whole runs: to the end, stopped, killed and taken up again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from seewhy.errors import Cancelled, UsageError
from seewhy.study import Local, run
from seewhy.study.ledger import LEDGER
from seewhy.study.results import FAILURES, MAPS, RESULTS
from study import toys

FILES = (RESULTS, FAILURES, MAPS)


def contents(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in FILES}


def kill_until_done(out: Path, log: Path, images: int, delay: float, kills: int, chance: np.random.Generator) -> int:
    """Run, killing the run so often; how many times it was killed before it was done."""
    units = len(toys.plan(images).units)
    done = 0
    for _ in range(kills):
        child = toys.begin(out, log, images, delay)
        # Killed at a moment of its own progress: anywhere between its start and its end, however fast the machine.
        goal = chance.integers(-1, units // kills)
        toys.wait_for(log, toys.scored(log).total() + goal, child)
        time.sleep(chance.uniform(0, 2 * delay if goal > 0 else 0.5))
        child.kill()
        done += child.wait() == -signal.SIGKILL
    assert toys.begin(out, log, images, delay).wait() == 0
    return done


def check_killed_runs(tmp_path: Path, images: int, kills: int) -> None:
    run(toys.plan(images), toys.work(), Local(2), tmp_path / "calm")
    out, log = tmp_path / "killed", tmp_path / "log"
    died = kill_until_done(out, log, images, 0.005, kills, np.random.default_rng(kills))
    assert died >= 0.8 * kills
    assert contents(out) == contents(tmp_path / "calm")
    begun = toys.scored(log)
    assert len(begun) == len(toys.plan(images).units)
    assert begun.total() - len(begun) <= 2 * 2 * died  # two workers lose a task each, of two methods


def test_a_run_killed_and_taken_up_again_ends_like_one_left_alone(tmp_path):
    check_killed_runs(tmp_path, images=10, kills=4)


@pytest.mark.heavy
def test_two_hundred_units_killed_at_twenty_five_moments_end_like_those_left_alone(tmp_path):
    check_killed_runs(tmp_path, images=50, kills=25)


@pytest.mark.parametrize("moment", ["os.fsync", "pathlib.Path.replace", "seewhy.study.results.failure_lines"])
def test_a_run_killed_while_it_writes_its_files_is_taken_up_again(tmp_path, moment):
    code = f"""
import sys; sys.path = {[str(Path(__file__).parents[1]), *sys.path]!r}
import os, pathlib, signal, seewhy.study.results
from study import toys
{moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
toys.run(toys.plan(2), toys.work(), toys.Local(1), pathlib.Path({str(tmp_path / "killed")!r}))"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    run(toys.plan(2), toys.work(), Local(1), tmp_path / "killed")
    run(toys.plan(2), toys.work(), Local(1), tmp_path / "calm")
    assert contents(tmp_path / "killed") == contents(tmp_path / "calm")


def test_results_are_sorted_and_the_same_whatever_the_workers_and_accidents(tmp_path):
    images = ["z.png", "once.png", "a.png", "raises.png"]
    plan = toys.plan(images, models=1)
    calm = run(plan, toys.work(), Local(1), tmp_path / "calm")
    rough = run(plan, toys.work(tmp_path / "log"), Local(3), tmp_path / "rough")
    assert contents(tmp_path / "calm") == contents(tmp_path / "rough")
    assert [result.unit.image for result in calm] == [result.unit.image for result in rough] == ["raises.png"] * 2
    found = pl.read_parquet(tmp_path / "calm" / RESULTS)
    keys = found.select("model", "method", "image").unique(maintain_order=True).rows()
    assert keys == sorted(unit for unit in plan.units if unit.image != "raises.png")
    assert found.columns == ["model", "method", "image", "metric", "value", "note"]


def test_failures_are_listed_and_the_run_ends(tmp_path):
    failed = run(toys.plan(["a.png", "raises.png", "exits.png", "garbled.png"], 1, 1), toys.work(), Local(2), tmp_path)
    listed = [json.loads(line) for line in (tmp_path / FAILURES).read_text("utf-8").splitlines()]
    assert [(each["image"], each["error"]) for each in listed] == [
        ("exits.png", "WorkerLost"),
        ("garbled.png", "ValueError"),
        ("raises.png", "ValueError"),
    ]
    assert [result.unit.image for result in failed] == [each["image"] for each in listed]
    assert pl.read_parquet(tmp_path / RESULTS)["image"].unique().to_list() == ["a.png"]


def test_a_finished_study_does_nothing_again_but_what_failed(tmp_path):
    plan, log = toys.plan(["a.png", "raises.png"], 1, 1), tmp_path / "log"
    run(plan, toys.work(log), Local(1), tmp_path / "out")
    before = contents(tmp_path / "out")
    (tmp_path / "out" / RESULTS).unlink()
    reported: list[tuple[int, int | None, str]] = []
    failed = run(plan, toys.work(log), Local(1), tmp_path / "out", lambda *now: reported.append(now))
    assert sorted(toys.scored(log).values()) == [1, 2]
    assert reported == [(1, 2, "units"), (2, 2, "units")]
    assert len(failed) == 1
    assert contents(tmp_path / "out") == before


def test_progress_counts_what_was_there_and_may_stop_the_run(tmp_path):
    plan, seen = toys.plan(5, 1, 1), list[int]()

    def stop_at_three(done: int, total: int | None, message: str) -> None:
        seen.append(done)
        if done == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        run(plan, toys.work(), Local(2), tmp_path, stop_at_three)
    assert not (tmp_path / RESULTS).exists()
    with pytest.raises(Cancelled):
        run(plan, toys.work(), Local(2), tmp_path, stop_at_three)
    run(plan, toys.work(), Local(2), tmp_path, lambda done, total, message: seen.append(done))
    assert seen == [0, 1, 2, 3, 3, 3, 4, 5]
    run(plan, toys.work(), Local(1), tmp_path / "calm")
    assert contents(tmp_path) == contents(tmp_path / "calm")


def test_a_second_run_on_the_folder_is_refused(tmp_path):
    child = toys.begin(tmp_path / "out", tmp_path / "log", 10, 0.2)
    try:
        toys.wait_for(tmp_path / "log", 1, child)
        with pytest.raises(UsageError, match="another run"):
            run(toys.plan(10), toys.work(), Local(1), tmp_path / "out")
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()
    run(toys.plan(10), toys.work(), Local(2), tmp_path / "out")


def test_a_changed_configuration_is_refused_with_the_difference(tmp_path):
    run(toys.plan(2), toys.work(), Local(1), tmp_path)
    before = contents(tmp_path)
    with pytest.raises(UsageError, match="batch_size: was 8, now 4"):
        run(replace(toys.plan(2), batch_size=4), toys.work(), Local(1), tmp_path)
    assert contents(tmp_path) == before


def test_workers_end_with_a_killed_run(tmp_path):
    psutil = pytest.importorskip("psutil")
    child = toys.begin(tmp_path / "out", tmp_path / "log", 50, 0.05)
    toys.wait_for(tmp_path / "log", 4, child)
    workers = psutil.Process(child.pid).children(recursive=True)
    child.kill()
    child.wait()
    assert len(workers) >= 2
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert alive == []
    assert (tmp_path / "out" / LEDGER).is_file()
