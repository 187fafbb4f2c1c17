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
