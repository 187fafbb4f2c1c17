"""`seewhy judge`, `seewhy dossier` and `seewhy verify`: what was found, who concluded what, and whether it holds."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from seewhy.answers.dossier import Dossier, Judgement, Verified
from seewhy.commands.console import Answer, Run, Table
from seewhy.commands.run import CHANGED, command
from seewhy.errors import UsageError

Models = Annotated[
    list[str] | None, typer.Option("--model", help="A model that results are about, to be opened; can be repeated.")
]
Data = Annotated[list[Path] | None, typer.Option(help="A folder of the photos that results rest on; can be repeated.")]


@command()
def judge(
    findings: Annotated[Path, typer.Argument(help="The folder that `seewhy audit` wrote.")],
    number: Annotated[int, typer.Argument(help="Which finding, counted from 1.")],
    verdict: Annotated[str, typer.Argument(help="wrong reason, fine or unclear.")],
    who: Annotated[str, typer.Option(help="The name of whoever looked.")],
    why: Annotated[str, typer.Option(help="In a sentence.")] = "",
) -> Answer[list[Judgement]]:
    """Say of a finding whether it is a wrong reason; a dossier gathers it."""
    from seewhy.verbs.judging import judge_finding

    said = judge_finding(findings, number, verdict, who, why)
    rows = [[str(each.finding), each.verdict, each.who, each.note] for each in said]
    return Answer([asdict(each) for each in said], [Table(["finding", "verdict", "who", "why"], rows)])


@command("device")
def dossier(
    run: Run,
    folder: Annotated[Path, typer.Argument(help="Holds what audit, evaluate, study, repair and diff wrote.")],
    models: Models = None,
    data: Data = None,
    purpose: Annotated[str | None, typer.Option(help="What the model is meant for, in its maker's words.")] = None,
    concluded: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=TEXT", help="What somebody concluded of all of it; can be repeated."),
    ] = None,
) -> Answer[Dossier]:
    """Gather all results below a folder, computed again, into dossier.json and dossier.html there."""
    from seewhy.verbs.dossier import DOSSIER, PAGE, dossier

    with run.progress() as progress:
        found = dossier(
            folder,
            models=models or (),
            data=data or (),
            purpose=purpose,
            conclusions=_conclusions(concluded or []),
            device=run.device,
            progress=progress,
        )
    report = found.save(folder) / PAGE
    notes = [f"seal: {found.seal}", f"to have it checked: seewhy verify {folder / DOSSIER}"]
    return replace(Answer.of(found, notes=notes, report=report), result=None)


@command("out device", out=Path("seewhy-verified"))
def verify(
    run: Run,
    dossier: Annotated[Path, typer.Argument(help="dossier.json, or the folder that holds it.")],
    models: Models = None,
    data: Data = None,
    seal: Annotated[str | None, typer.Option(help="The seal that was noted when the dossier was made.")] = None,
) -> Answer[Verified]:
    """Compute every figure of a dossier again, and say what differs: figures, files, weights, photos, versions."""
    from seewhy.report.dossier import verify_words
    from seewhy.verbs.verify import verify

    with run.progress() as progress:
        found = verify(dossier, models=models or (), data=data or (), seal=seal, device=run.device, progress=progress)
    notes = [] if run.json else [verify_words(found.differences, found.checked), *found.unchecked]
    return Answer.of(found, notes=notes, code=0 if found.holds else CHANGED)


def _conclusions(told: list[str]) -> dict[str, str]:
    """`Ada=It may be used` as what Ada concluded."""
    found: dict[str, str] = {}
    for each in told:
        name, equals, text = each.partition("=")
        if not (equals and name.strip() and text.strip()):
            raise UsageError(f"--concluded wants a name and a text, such as 'Ada=It may be used', not '{each}'")
        found[name.strip()] = text.strip()
    return found
