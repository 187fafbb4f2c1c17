"""`seewhy train`: a classifier from a folder of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seewhy.answers.folders import Evaluated, Trained
from seewhy.commands.console import (
    DEFAULT_MODEL,
    Answer,
    Classes,
    Regions,
    Run,
    Table,
    parse_regions,
    progress_table,
    split_commas,
)
from seewhy.commands.run import command
from seewhy.errors import UsageError

Labels = Annotated[
    Path | None,
    typer.Option(
        help="A CSV of each picture's labels: file and a 0/1 column for each, or file and labels joined by ;."
    ),
]


@command("weights seed device")
def train(
    run: Run,
    folder: Annotated[
        Path, typer.Argument(help="A sub-folder of pictures for each class, or train/ and val/ that hold these.")
    ],
    backbone: Annotated[
        str | None,
        typer.Option(
            help="What to start from: bundled:…, torchvision:…, timm:…, hf-hub:…, bcos:… or file:FOLDER. Default: "
            "bundled:efficientnet-lite0, of the recipe bcos bcos:small."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the classifier and its report; the same one goes on.")] = Path(
        "seewhy-model"
    ),
    recipe: Annotated[
        str,
        typer.Option(
            help="default; bcos: a network whose maps are exact; few-shot: episodes; source1: plain Adam on squeezed "
            "pictures."
        ),
    ] = "default",
    epochs: Annotated[int | None, typer.Option(min=0, help="Of the whole network. Default: 10.")] = None,
    head_epochs: Annotated[int | None, typer.Option(min=0, help="Of the new head alone, before. Default: 30.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Pictures in one step. Default: 32.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate of the whole network. Default: 1e-4.")] = None,
    split: Annotated[
        str, typer.Option(help="Share for training, or shares for training, validation, test. Default: 0.7.")
    ] = "",
    augment: Annotated[
        bool | None, typer.Option("--augment/--no-augment", help="Crops, mirror images and other light.")
    ] = None,
    class_weights: Annotated[
        bool, typer.Option("--class-weights", help="Count rare classes more, so that all weigh alike.")
    ] = False,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many epochs without gain, and keep the best.")
    ] = None,
    attention: Annotated[
        Path | None, typer.Option(help="Masks of what matters, named like the pictures: it learns to look there.")
    ] = None,
    attention_weight: Annotated[
        float, typer.Option(min=0, help="How much that counts beside getting the class right.")
    ] = 1.0,
    few_shot: Annotated[
        int | None,
        typer.Option(
            min=1, help="Learn to compare, by episodes that show so many photos of each class: for few photos."
        ),
    ] = None,
    classes: Classes = "",
    labels: Labels = None,
) -> Answer[Trained]:
    """Fine-tune a classifier on your own classes; run it again to go on where it was interrupted."""
    from seewhy.report.evaluate import headline, share_words
    from seewhy.report.train import EPOCH_COLUMNS, epoch_row
    from seewhy.train.recipe import BACKBONES, find_recipe
    from seewhy.verbs.train import train

    if few_shot is not None:
        given = {"--head-epochs": head_epochs, "--batch-size": batch_size, "--augment": augment}
        refused = [
            name for name, value in {**given, "--class-weights": class_weights or None}.items() if value is not None
        ]
        recipe = _of_episodes(recipe, refused)
    chosen = find_recipe(
        recipe,
        epochs=epochs,
        head_epochs=head_epochs,
        batch_size=batch_size,
        learning_rate=lr,
        split=_shares(split),
        augment=augment,
        class_weights=class_weights or None,
        patience=patience,
        shots=few_shot,
    )
    with progress_table(EPOCH_COLUMNS) as (progress, tell):
        found = train(
            folder,
            backbone or BACKBONES.get(recipe, DEFAULT_MODEL),
            out,
            recipe=chosen,
            classes=split_commas(classes),
            labels=labels,
            attention=attention,
            attention_weight=attention_weight,
            weights=run.weights,
            seed=run.seed,
            device=run.device,
            progress=progress,
            tell=lambda epoch: tell(epoch_row(epoch)),
        )
    figures = {part: headline(each) for part, each in found.evaluations.items()}
    rows = [[part, f"{len(found.evaluations[part].truth)}", share_words(share)] for part, (_, share) in figures.items()]
    return Answer(
        found.to_dict(),
        [Table(["part", "pictures", *{name for name, _ in figures.values()}], rows, found.model)],
        [*found.parts.notes, f"every other command opens it: --model {found.model}"],
        report=found.out / "report.html",
        failures=found.failures,
        asked=sum(len(part.entries) for part in found.parts.named.values()),
    )


def _of_episodes(recipe: str, refused: list[str]) -> str:
    """The recipe of `--few-shot`, where nothing else was asked for."""
    if recipe not in ("default", "few-shot"):
        raise UsageError(f"--few-shot is a recipe of its own; leave --recipe {recipe} out")
    if refused:
        raise UsageError(f"--few-shot learns from episodes on features as they are; leave {', '.join(refused)} out")
    return "few-shot"


def _shares(text: str) -> tuple[float, ...] | None:
    try:
        shares = tuple(float(part) for part in split_commas(text))
    except ValueError:
        raise UsageError(f"--split is one share, such as 0.7, or three, such as 0.6,0.2,0.2; not '{text}'") from None
    return (shares[0], 1 - shares[0]) if len(shares) == 1 else shares or None


@command("model bands weights out seed device", out=Path("seewhy-evaluation"))
def evaluate(
    run: Run,
    folder: Annotated[
        Path, typer.Argument(help="A sub-folder of pictures for each class, named as the model calls it, or test/.")
    ],
    method: Annotated[str, typer.Option(help="How mistakes are explained.")] = "grad-cam",
    regions: Regions = None,
    shown: Annotated[int, typer.Option(min=0, help="Explain so many mistakes, the surest first.")] = 12,
    classes: Classes = "",
    labels: Labels = None,
) -> Answer[Evaluated]:
    """Count what a classifier gets right, and show what it gets wrong: why, and which pictures it is like."""
    from seewhy.report.evaluate import accuracy_words, evaluation_table
    from seewhy.verbs.evaluate import evaluate, pictures_to_judge

    chosen, cut = split_commas(classes), parse_regions(regions) if regions else None
    pictures_to_judge(folder, chosen, labels, method, cut)  # before the model is loaded
    classifier = run.load()
    with run.progress() as progress:
        found = evaluate(
            classifier,
            folder,
            model=run.model,
            classes=chosen,
            labels=labels,
            method=method,
            regions=cut,
            shown=shown,
            seed=run.seed,
            progress=progress,
        )
    columns, rows = evaluation_table(found.evaluation)
    notes = [accuracy_words(found.evaluation)]
    if found.learned:
        notes.append(f"{found.learned} pictures that the model has learned from do not count")
    return Answer(
        found.to_dict(),
        [Table(columns, rows)],
        notes,
        result=found,
        failures=found.failures,
        asked=len(found.pictures) + len(found.failures),
    )
