"""`seewhy evaluate`: how good a classifier is on a folder of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seewhy.cli import options
from seewhy.cli.run import Answer, Run, Table, command


@command("model weights out seed device", out=Path("seewhy-evaluation"))
def evaluate(
    run: Run,
    folder: Annotated[
        Path, typer.Argument(help="A sub-folder of pictures for each class, named as the model calls it, or test/.")
    ],
    method: Annotated[str, typer.Option(help="How mistakes are explained.")] = "grad-cam",
    shown: Annotated[int, typer.Option(min=0, help="Explain so many mistakes, the surest first.")] = 12,
    classes: Annotated[str, typer.Option(help="Take these class folders alone, joined by commas.")] = "",
) -> Answer:
    """Count what a classifier gets right, and show what it gets wrong: why, and which pictures it is like."""
    from seewhy.report.evaluate import accuracy_words
    from seewhy.verbs import evaluate

    classifier = run.load()
    with run.progress() as progress:
        found = evaluate(
            classifier,
            folder,
            model=run.model,
            classes=options.split(classes),
            method=method,
            shown=shown,
            seed=run.seed,
            progress=progress,
        )
    rows = [
        [each.name, str(each.pictures), *("" if share is None else f"{share:.1%}" for share in shares)]
        for each in found.evaluation.classes
        for shares in [(each.precision, each.recall, each.f1)]
    ]
    notes = [accuracy_words(found.evaluation)]
    if found.learned:
        notes.append(f"{found.learned} pictures that the model has learned from do not count")
    return Answer(
        found.to_dict(),
        [Table(["class", "pictures", "precision", "recall", "F1"], rows)],
        notes,
        result=found,
        failures=found.failures,
        asked=len(found.pictures) + len(found.failures),
    )
