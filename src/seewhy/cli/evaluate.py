"""`seewhy evaluate`: how good a classifier is on a folder of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seewhy.cli import options
from seewhy.cli.console import finish, note, print_json, print_table, progress_bar, waiting


def evaluate(
    folder: Annotated[
        Path, typer.Argument(help="A sub-folder of pictures for each class, named as the model calls it, or test/.")
    ],
    model: options.Model = options.DEFAULT_MODEL,
    method: Annotated[str, typer.Option(help="How mistakes are explained.")] = "grad-cam",
    shown: Annotated[int, typer.Option(min=0, help="Explain so many mistakes, the surest first.")] = 12,
    classes: Annotated[str, typer.Option(help="Take these class folders alone, joined by commas.")] = "",
    weights: options.Weights = None,
    out: Annotated[Path, typer.Option(help="Folder for the report and the figures.")] = Path("seewhy-evaluation"),
    seed: options.Seed = 0,
    device: options.Device = "auto",
    json: options.Json = False,
) -> None:
    """Count what a classifier gets right, and show what it gets wrong: why, and which pictures it is like."""
    from seewhy.models import load
    from seewhy.report import write_evaluate_report
    from seewhy.report.judging import accuracy_words
    from seewhy.verbs import evaluate, save_evaluation

    with waiting(f"loading {model}"):
        classifier = load(model, weights, device)
    with progress_bar() as progress:
        found = evaluate(
            folder,
            classifier,
            model,
            classes=options.split(classes),
            method=method,
            shown=shown,
            seed=seed,
            progress=progress,
        )
    save_evaluation(found, out)
    report = write_evaluate_report(out, found)
    if json:
        print_json(found.evaluation.to_dict())
    else:
        rows = [
            [each.name, str(each.pictures), *("" if share is None else f"{share:.1%}" for share in shares)]
            for each in found.evaluation.classes
            for shares in [(each.precision, each.recall, each.f1)]
        ]
        print_table("", ["class", "pictures", "precision", "recall", "F1"], rows)
    note(accuracy_words(found.evaluation))
    if found.learned:
        note(f"{found.learned} pictures that the model has learned from do not count")
    note(f"report: {report}")
    finish(found.failures, len(found.pictures) + len(found.failures))
