"""`seewhy audit`: wrong reasons over a folder of photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seewhy.answers.folders import Audited, Different, Repaired
from seewhy.commands.console import Answer, Images, Masks, Run, Table, Without, split_commas
from seewhy.commands.run import CHANGED, command
from seewhy.errors import UsageError

FOLDERS = "folders"


@command("model bands weights out seed device", out=Path("seewhy-audit"))
def audit(
    run: Run,
    photos: Annotated[Path, typer.Argument(help="A folder of pictures, plain or in a sub-folder for each class.")],
    masks: Masks = None,
    labels: Annotated[
        str | None,
        typer.Option(
            help="The true classes, named as the model calls them: folders, where sub-folders are, or a CSV file with "
            "a column of files and one of labels."
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="NUMBER=NAME", help="What to call a finding, counted from 1; can be repeated."),
    ] = None,
    without: Without = "",
) -> Answer[Audited]:
    """Look for what makes a model answer for wrong reasons, and try each suspect on photos that were not searched.

    Run it again to go on where it was interrupted.
    """
    from seewhy.report.audit import lead, power_words
    from seewhy.report.page import number
    from seewhy.verbs.audit import audit

    names = parse_names(name or [])
    classifier = run.load()
    with run.progress() as progress:
        found = audit(
            classifier,
            photos,
            run.out,
            masks=masks,
            labels=labels == FOLDERS or labels or False,
            names=names,
            without=split_commas(without),
            seed=run.seed,
            progress=progress,
        )
    rows = [
        [
            classifier.categories[each.suspect.target],
            "yes" if each.passed else "no",
            number(100 * each.paste.interval[0], 1),
            number(each.p_paste),
            str(len(found.photos_of(each))),
        ]
        for each in found.tried
    ]
    return Answer(
        found.to_dict(),
        [Table(["class", "found", "points", "p", "photos"], rows)],
        [] if run.json else [lead(found), power_words(found.power)],
        result=found,
        failures=found.failures,
        asked=len(found.found_on) + len(found.others) + len(found.failures),
    )


@command("weights seed device")
def repair(
    run: Run,
    model: Annotated[str, typer.Argument(help="bundled:…, torchvision:…, timm:… or file:FOLDER.")],  # noqa: ARG001 - in run
    findings: Annotated[Path, typer.Option(help="The folder that `seewhy audit` of this model wrote.")],
    data: Annotated[Path, typer.Option(help="A sub-folder of photos for each class, named as the model calls it.")],
    number: Annotated[int, typer.Option(min=1, help="Which finding, counted from 1.")] = 1,
    ways: Annotated[
        str,
        typer.Option(
            help="What to try, joined by commas: last-layer (seconds), augmentation, right-reasons, energy (minutes, "
            "the whole network). Default: the last layer, and the others where that is not enough."
        ),
    ] = "",
    masks: Masks = None,
    out: Annotated[Path, typer.Option(help="Folder for the repaired model and its report.")] = Path("seewhy-repaired"),
) -> Answer[Repaired]:
    """Change a model so that a finding no longer carries its class, and judge that on unseen photos."""
    from seewhy.models.load import architecture_of
    from seewhy.verbs.repair import repair

    with run.progress() as progress:
        found = repair(
            run.named,
            findings,
            data,
            number=number,
            ways=split_commas(ways),
            masks=masks,
            weights=run.weights,
            device=run.device,
            seed=run.seed,
            progress=progress,
        )
    architecture_of(run.named, found.classifier)  # refused before anything is written
    opened = [f"every other command opens it: --model file:{out}"] if found.usable else []
    return Answer.of(
        found,
        notes=[found.verdict, *opened],
        failures=found.failures,
        asked=sum(found.counts) + len(found.failures),
    )


@command("bands seed device")
def diff(
    run: Run,
    images: Images,
    models: Annotated[list[str], typer.Option("--model", help="The model as it was; and again: as it is now.")],
    method: Annotated[str, typer.Option(help="Which method explains both; see `seewhy list methods`.")] = "grad-cam",
    findings: Annotated[
        list[Path] | None,
        typer.Option(help="The folders of audits of both models, given twice: new and lost findings are told."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="End with exit code 4 where a reason changed or a finding is new.")
    ] = False,
    out: Annotated[  # noqa: ARG001 - counts in the run
        Path, typer.Option(help="Folder for the report, summary.md for a pull request, and junit.xml.")
    ] = Path("seewhy-diff"),
) -> Answer[Different]:
    """Find photos to which two models give one answer for different reasons."""
    from seewhy.methods import find_method
    from seewhy.models import load
    from seewhy.report.diff import lead, test_words
    from seewhy.verbs.diff import diff

    if len(models) != 2:
        raise UsageError("give --model twice: the model as it was, and as it is now")
    if findings and len(findings) != 2:
        raise UsageError("give --findings twice: the folder of the first model's audit, and of the second's")
    chosen = find_method(method)
    first, second = (load(each, device=run.device) for each in models)
    with run.progress() as progress:
        found = diff(
            images,
            first,
            second,
            names=(models[0], models[1]),
            method=chosen,
            findings=(findings[0], findings[1]) if findings else None,
            seed=run.seed,
            progress=progress,
        )
    worse = bool(found.changed or (found.findings or {}).get("new"))
    return Answer.of(
        found,
        notes=[] if run.json else [lead(found), *test_words(found)],
        failures=found.failures,
        asked=len(found.same) + len(found.answers) + len(found.failures),
        code=CHANGED if check and worse else 0,
    )


def parse_names(told: list[str]) -> dict[int, str]:
    """`1=letters` as the name of finding 1."""
    found: dict[int, str] = {}
    for each in told:
        number, equals, name = each.partition("=")
        if not (equals and number.strip().isdecimal() and name.strip()):
            raise UsageError(f"--name wants the number of a finding and a name, such as 1=letters, not '{each}'")
        found[int(number)] = name.strip()
    return found
