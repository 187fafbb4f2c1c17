"""Run a plan to its end, from wherever it stands."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from seewhy.core.progress import Progress, silent
from seewhy.study.executors import Executor
from seewhy.study.ledger import Ledger, open_ledger
from seewhy.study.plan import Plan
from seewhy.study.tables import write
from seewhy.study.work import Result, Work


def run(plan: Plan, work: Work[Any], executor: Executor, out: Path, progress: Progress = silent) -> list[Result]:
    """Do every unit of `plan` that `out` does not hold yet, then write `results.parquet` and `failures.jsonl` there.

    However an earlier run ended, this one takes up where it stood; only units that were being done, and those that
    failed, are done again.
    The files depend on plan and work alone: not on workers, interruptions or time.

    Returns:
        The units that failed.

    Raises:
        UsageError: `out` is in use, holds another study or is damaged.
        Cancelled: raised by `progress`; what is finished stays finished.
    """
    with open_ledger(out, plan) as ledger:
        _do_missing(plan, work, executor, ledger, progress)
        results = list(ledger.results())
        write(results, out)
    return [result for result in results if result.failure]


def _do_missing(plan: Plan, work: Work[Any], executor: Executor, ledger: Ledger, progress: Progress) -> None:
    units, finished = plan.units, ledger.finished()
    missing = [unit for unit in units if unit not in finished]
    progress(len(finished), len(units), "units")
    if not missing:
        return
    with closing(executor.run(missing, work, plan.threads)) as results:
        for done, result in enumerate(results, start=len(finished) + 1):
            ledger.record(result)
            progress(done, len(units), "units")
