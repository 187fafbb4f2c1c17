"""`seewhy audit`: wrong reasons over a folder of photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seewhy.cli.console import Answer, Masks, Run, Table
from seewhy.cli.run import command


@command("model bands weights out seed device", out=Path("seewhy-audit"))
def audit(
    run: Run,
    photos: Annotated[Path, typer.Argument(help="A folder of pictures, plain or in a sub-folder for each class.")],
    masks: Masks = None,
    labels: Annotated[
        bool, typer.Option("--labels", help="The sub-folders are the true classes, named as the model calls them.")
    ] = False,
) -> Answer:
    """Look for what makes a model answer for wrong reasons, and try each suspect on photos that were not searched.

    Run it again to go on where it was interrupted.
    """
    from seewhy.report.audit import lead, power_words
    from seewhy.report.page import number
    from seewhy.verbs.audit import audit

    classifier = run.load()
    with run.progress() as progress:
        found = audit(classifier, photos, run.out, masks=masks, labels=labels, seed=run.seed, progress=progress)
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
    out: Annotated[Path, typer.Option(help="Folder for the repaired model and its report.")] = Path("seewhy-repaired"),
) -> Answer:
    """Change a model's last layer so that a finding no longer carries its class, and judge that on unseen photos."""
    from seewhy.models.load import architecture_of
    from seewhy.verbs.repair import repair

    with run.progress() as progress:
        found = repair(
            run.named,
            findings,
            data,
            number=number,
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
