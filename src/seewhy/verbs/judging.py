"""What people say of findings: a wrong reason, fine, or unclear; a line for each judgement beside the audit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from typing_extensions import TypedDict

from seewhy.answers.dossier import Conclusion
from seewhy.core.files import write_whole
from seewhy.core.reading import read_json, read_lines
from seewhy.errors import UsageError
from seewhy.verbs.audit import FINDINGS

JUDGEMENTS = "judgements.jsonl"
VERDICTS = ("wrong reason", "fine", "unclear")
CURE = "remove it, and judge the findings again"


class _Told(TypedDict):
    sentence: str


@dataclass(frozen=True)
class Judgement:
    """What somebody says of a finding, counted from 1; a later one of the same person about it counts in its place."""

    finding: int
    verdict: str
    who: str
    note: str = ""


def judge_finding(audit: str | Path, finding: int, verdict: str, who: str, note: str = "") -> list[Judgement]:
    """Say of a finding of a saved audit whether it is a wrong reason; returns all that was said of the audit.

    Args:
        audit: the folder that `seewhy audit` wrote.
        finding: its number, counted from 1.
        verdict: one of `VERDICTS`.
        who: the name of whoever looked.
        note: why, in a sentence.

    Raises:
        UsageError: there is no such finding or verdict, or nobody is named.
    """
    folder = Path(audit)
    count = len(_findings(folder))
    if not 1 <= finding <= count:
        raise UsageError(f"{folder} has {count} findings, so there is none of the number {finding}")
    if verdict not in VERDICTS:
        raise UsageError(f"a verdict is {', '.join(VERDICTS)}; not {verdict}")
    if not who.strip():
        raise UsageError("a judgement needs the name of whoever looked")
    said = [*read_judgements(folder), Judgement(finding, verdict, who.strip(), note.strip())]
    lines = (json.dumps(asdict(each), ensure_ascii=False) + "\n" for each in said)
    write_whole(folder / JUDGEMENTS, "".join(lines).encode("utf-8", "replace"))
    return read_judgements(folder)


def read_judgements(audit: str | Path) -> list[Judgement]:
    """What was said of an audit's findings, of each person and finding the last.

    Raises:
        BadFile: the file is damaged.
    """
    path = Path(audit) / JUDGEMENTS
    said = read_lines(path, Judgement, CURE) if path.is_file() else []
    return [*{(each.who, each.finding): each for each in said}.values()]


def conclusions_of(root: Path) -> list[Conclusion]:
    """What people said of findings of every audit below a folder."""
    found: list[Conclusion] = []
    for path in sorted(root.rglob(JUDGEMENTS)):
        sentences = _findings(path.parent)
        for each in read_judgements(path.parent):
            note = f": {each.note}" if each.note else ""
            where = path.parent.relative_to(root).as_posix()
            about = sentences[each.finding - 1]["sentence"] if each.finding <= len(sentences) else "a finding of before"
            told = f"{where}, finding {each.finding}: {about}"
            found.append({"who": each.who, "text": f"{each.verdict}{note}", "about": told})
    return found


def _findings(folder: Path) -> Sequence[_Told]:
    return read_json(folder / FINDINGS, list[_Told], "run `seewhy audit` again")
