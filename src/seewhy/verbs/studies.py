"""Studies that lie on disk, opened again."""

from __future__ import annotations

import json
from pathlib import Path

from seewhy.images import Entry, Folder
from seewhy.study.ledger import FAILURES, RESULTS, read, read_plan
from seewhy.study.plan import Failure, Result, Unit
from seewhy.study.summary import StudyResult

SOURCE = "source.json"  # where the pictures lay; not part of the results, which are the same wherever that was


def find_studies(folder: Path) -> dict[str, Path]:
    """The studies below `folder` that have results, by their paths within it; none where there is no such folder."""
    return {path.parent.relative_to(folder).as_posix(): path.parent for path in sorted(folder.rglob(RESULTS))}


def open_study(out: Path) -> StudyResult:
    """What `study` returned when it wrote to `out`; its pictures may have gone since.

    Raises:
        UsageError: there is no study, a run is writing to it just now, or it is damaged.
    """
    plan = read_plan(out)
    entries = tuple(Entry(path) for path in plan.images)
    return StudyResult(plan, read(out), tuple(_failures(out)), Folder(_source(out), entries))


def note_source(out: Path, pictures: Path) -> None:
    """Keep in mind where the pictures of a study lie."""
    out.mkdir(parents=True, exist_ok=True)
    (out / SOURCE).write_text(json.dumps({"pictures": str(pictures)}) + "\n", "utf-8")


def _source(out: Path) -> Path:
    try:
        return Path(json.loads((out / SOURCE).read_text("utf-8"))["pictures"])
    except (OSError, ValueError, KeyError, TypeError):
        return out / "pictures"


def _failures(out: Path) -> list[Result]:
    path = out / FAILURES
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    rows = [json.loads(line) for line in lines]
    return [
        Result(Unit(row["model"], row["method"], row["image"]), failure=Failure(row["error"], row["message"]))
        for row in rows
    ]
