"""The ledger: what it keeps, whom it refuses, and what it survives."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seewhy.errors import UsageError
from seewhy.study import Failure, Plan, Result
from seewhy.study.executors import LOST
from seewhy.study.ledger import LEDGER, Standing, open_ledger, read_plan, reading_ledger, standing
from study import toys

PLAN = toys.plan(3)
RESULTS = [
    Result(PLAN.units[2], ({"metric": "é", "value": 0.1 + 0.2, "none": None, "yes": True},), None, 1.5, 2),
    Result(PLAN.units[0], (), Failure("ValueError", "no\nway"), 0.25, 1),
    Result(PLAN.units[1], ({"value": 1e-300}, {"value": -1}), None, 0.0, 1),
]


def noise(length: int) -> str:
    """What does not pack."""
    return "".join(map(chr, np.random.default_rng(0).integers(0x100, 0x2000, length)))


def record(folder: Path, results: Sequence[Result] = RESULTS, plan: Plan = PLAN) -> None:
    with open_ledger(folder, plan) as ledger:
        for result in results:
            ledger.record([result])


def recorded(folder: Path) -> list[Result]:
    with open_ledger(folder, PLAN) as ledger:
        return list(ledger.results())


def test_what_is_recorded_comes_back_sorted_and_exactly(tmp_path):
    record(tmp_path / "new/folder")
    assert recorded(tmp_path / "new/folder") == sorted(RESULTS, key=lambda result: result.unit)


def test_what_failed_is_not_finished(tmp_path):
    record(tmp_path, [*RESULTS, Result(PLAN.units[3], (), Failure(LOST, "died"), 0.0, 3)])
    with open_ledger(tmp_path, PLAN) as ledger:
        tasks = [*PLAN.tasks]
        assert [task.methods for task in tasks[:2]] == [("method0", "method1")] * 2
        assert ledger.unfinished(PLAN) == [*tasks[2:], *tasks[:2]], "what failed comes last"
        ledger.record([Result(PLAN.units[3], ({"value": 1},))])
        assert ledger.unfinished(PLAN) == [*tasks[2:], tasks[0]]
        assert len(list(ledger.results())) == 4


def test_another_configuration_is_refused_and_the_difference_named(tmp_path):
    record(tmp_path)
    other = replace(PLAN, seed=5, methods={"method0": {"samples": 3}})
    with pytest.raises(UsageError, match=r"methods: no longer method1; methods\.method0\.samples: was 0, now 3; seed:"):
        record(tmp_path, plan=other)
    assert len(recorded(tmp_path)) == len(RESULTS)


def test_nobody_else_may_open_it_until_it_is_closed(tmp_path):
    with open_ledger(tmp_path, PLAN) as ledger:
        with pytest.raises(UsageError, match="another run"):
            record(tmp_path)
        elsewhere = fresh_python(f"record(Path({str(tmp_path)!r}))")
        assert "another run is writing" in elsewhere.stderr
        ledger.record([RESULTS[0]])
    assert fresh_python(f"record(Path({str(tmp_path)!r}), RESULTS[1:])").returncode == 0
    assert len(recorded(tmp_path)) == 3


def test_what_was_committed_outlives_a_killed_process_and_its_lock_does_not(tmp_path):
    code = f"""
import os, signal
with open_ledger(Path({str(tmp_path)!r}), PLAN) as ledger:
    for result in RESULTS:
        ledger.record([result])
    os.kill(os.getpid(), signal.SIGKILL)"""
    assert fresh_python(code).returncode == -9
    assert len(recorded(tmp_path)) == 3


def fresh_python(code: str) -> subprocess.CompletedProcess[str]:
    header = "from pathlib import Path\nfrom study.test_ledger import *\nfrom study.test_ledger import open_ledger\n"
    path = [str(Path(__file__).parents[1]), *sys.path]
    code = f"import sys\nsys.path = {path!r}\n{header}{code}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("where", ["head", "all", "middle"])
def test_a_damaged_ledger_says_so_and_what_to_do(tmp_path, where):
    record(tmp_path, [replace(RESULTS[0], unit=unit, rows=({"note": noise(3000)},)) for unit in PLAN.units])
    content = bytearray((tmp_path / LEDGER).read_bytes())
    start, end = {"head": (0, 16), "all": (0, len(content)), "middle": (4096, len(content))}[where]
    content[start:end] = b"\xa5" * (end - start)
    (tmp_path / LEDGER).write_bytes(content)
    with pytest.raises(UsageError, match=r"is damaged .* delete it"):
        recorded(tmp_path)


def test_a_log_cut_anywhere_loses_its_end_only(tmp_path):
    """As power may fail while it is written: commits are there from the first on, or not at all."""
    live, cut = tmp_path / "live", tmp_path / "cut"
    with open_ledger(live, PLAN) as ledger:
        for result in RESULTS:
            ledger.record([result])
        content = {path.name: path.read_bytes() for path in live.iterdir()}
    log = content[f"{LEDGER}-wal"]
    counts = []
    for length in range(0, len(log) + 1, 509):
        shutil.rmtree(cut, ignore_errors=True)
        cut.mkdir()
        (cut / LEDGER).write_bytes(content[LEDGER])
        (cut / f"{LEDGER}-wal").write_bytes(log[:length])
        found = recorded(cut)
        assert {result.unit for result in found} == {result.unit for result in RESULTS[: len(found)]}
        counts.append(len(found))
    assert counts == sorted(counts)
    assert counts[0] == 0


def test_a_folder_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        record(tmp_path / "file")
    with pytest.raises(UsageError, match="cannot be written"):
        record(tmp_path / "file/below")


def test_a_full_disk_says_so(tmp_path):
    with open_ledger(tmp_path, PLAN) as ledger:
        pages = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
        ledger._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(UsageError, match="full"):
            ledger.record([replace(RESULTS[0], rows=({"note": noise(10**5)},))])
        ledger.record([RESULTS[1]])
    assert recorded(tmp_path) == [RESULTS[1]]


def test_it_is_a_plain_database(tmp_path):
    record(tmp_path)
    with sqlite3.connect(tmp_path / LEDGER) as connection:
        assert connection.execute("SELECT sum(seconds), max(attempts) FROM units").fetchone() == (1.75, 2)


def test_a_ledger_of_an_older_version_is_read(tmp_path):
    record(tmp_path)
    with sqlite3.connect(tmp_path / LEDGER) as connection:
        connection.executescript("DROP TABLE runs; DROP TABLE maps; UPDATE units SET rows = '[]' WHERE error IS NULL;")
    assert read_plan(tmp_path) == PLAN
    assert standing(tmp_path)[:3] == (12, 2, 1)
    with reading_ledger(tmp_path) as ledger:
        assert [result.rows for result in ledger.results()] == [(), (), ()]
    assert len(recorded(tmp_path)) == 3


def test_how_far_a_study_is_comes_with_the_time_left(tmp_path):
    assert Standing(10, 3, 1, 20.0, 2, running=True).seconds_left == 20 / 4 * 6 / 2
    assert Standing(10, 0, 0, 0.0, 2, running=True).seconds_left is None
    with open_ledger(tmp_path, PLAN) as ledger:
        ledger.begin(3)
        ledger.record(RESULTS)
        assert standing(tmp_path) == (12, 2, 1, 1.75, 3, True)
    with sqlite3.connect(tmp_path / LEDGER) as connection:
        connection.execute("UPDATE runs SET workers = 'many'")
    with pytest.raises(UsageError, match="of another type"):
        standing(tmp_path)


def test_the_results_of_a_task_are_recorded_together_or_not_at_all(tmp_path):
    with open_ledger(tmp_path, PLAN) as ledger:
        with pytest.raises(TypeError):
            ledger.record([RESULTS[0], replace(RESULTS[1], rows=({"value": object()},), failure=None)])  # type: ignore[dict-item]
        assert list(ledger.results()) == []
        ledger.record(RESULTS)
        assert len(list(ledger.results())) == 3
