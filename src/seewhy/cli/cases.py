"""`seewhy cases`: decisions explained by pictures that the model treats alike, and by what would turn them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seewhy.cli import options
from seewhy.cli.console import finish, note, print_json, print_table, progress_bar, waiting

if TYPE_CHECKING:
    from seewhy.cases import Counterfactuals, Twins
    from seewhy.cases.twins import Beside
    from seewhy.verbs import Cases

app = typer.Typer(help="Explain by example: build a base of pictures, ask it for twins and counterfactuals.")

CasesFolder = Annotated[Path, typer.Option("--cases", help="What `seewhy cases build` made.")]
OwnModel = Annotated[
    str | None,
    typer.Option("--model", help="Default: the model that the cases were built with.", show_default=False),
]


@app.command("build")
def build(
    folder: Annotated[Path, typer.Argument(help="Pictures, plain or in a sub-folder for each class.")],
    model: options.Model = options.DEFAULT_MODEL,
    weights: options.Weights = None,
    embedding: Annotated[
        str,
        typer.Option(help="penultimate, cole, or a model as second encoder: timm:…, hf-hub:…, file:…"),
    ] = "penultimate",
    out: Annotated[Path, typer.Option(help="Folder for the case base; an older one is brought up to date.")] = Path(
        "seewhy-cases"
    ),
    device: options.Device = "auto",
    json: options.Json = False,
) -> None:
    """Embed the pictures of a folder, those alone that are new or changed, and store what the model says of them."""
    from seewhy.models import load
    from seewhy.verbs import build_cases

    with waiting(f"loading {model}"):
        classifier = load(model, weights, device)
    with progress_bar() as progress:
        built = build_cases(
            folder,
            classifier,
            out,
            embedding=_from_anywhere(embedding),
            model=_from_anywhere(model),
            weights=weights,
            device=device,
            progress=progress,
        )
    counts = {"cases": len(built.base), "embedded": built.embedded, "failed": len(built.failures)}
    if json:
        print_json(
            {
                **counts,
                "embedding": built.base.about.embedding,
                "fingerprint": built.base.about.fingerprint,
                "out": str(out),
            }
        )
    else:
        print_table("", ["cases", "newly embedded", "failed"], [[str(each) for each in counts.values()]])
    finish(built.failures, len(built.base) + len(built.failures))


@app.command("twins")
def twins(
    images: options.Images,
    cases: CasesFolder = Path("seewhy-cases"),
    beside: Annotated[
        Path | None,
        typer.Option(help="A second case base of the same pictures, by another encoder.", show_default=False),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many twins to show.")] = 5,
    model: OwnModel = None,
    weights: options.Weights = None,
    out: options.Out = Path("seewhy-out"),
    device: options.Device = "auto",
    json: options.Json = False,
) -> None:
    """Show the cases that are most like each picture to the model, and why."""
    from seewhy.images import find_images
    from seewhy.images.opening import open_each
    from seewhy.report import write_twins_report
    from seewhy.verbs import ask_each, find_twins, save_twins, twins_values

    opened, failures = open_each(find_images(images))
    first = _open(cases, model, weights, device)
    second = _open_beside(beside, first, device)
    with progress_bar() as progress:
        found, failed = ask_each(opened, lambda image: find_twins(first, image, top, second), progress)
    if found:
        save_twins(found, first.base.about, out)
        report = write_twins_report(out, found, first.base.about, failures + failed)
        if json:
            print_json([twins_values(each) for each in found])
        else:
            print_table("", ["image", "predicted", "twin", "similarity", "twin predicted", "label"], _rows(found))
        note(f"report: {report}")
    finish([(each.source, each.error) for each in failures + failed if each.error], len(opened) + len(failures))


@app.command("counterfactual")
def counterfactual(
    images: options.Images,
    cases: CasesFolder = Path("seewhy-cases"),
    target: Annotated[
        str | None, typer.Option(help="Class index or name. Default: any other class.", show_default=False)
    ] = None,
    model: OwnModel = None,
    weights: options.Weights = None,
    out: options.Out = Path("seewhy-out"),
    seed: options.Seed = 0,
    device: options.Device = "auto",
    json: options.Json = False,
) -> None:
    """Show what would have turned the model's decision about each picture."""
    from seewhy.images import find_images
    from seewhy.images.opening import open_each
    from seewhy.report import write_counterfactual_report
    from seewhy.verbs import ask_each, counterfactual_values, find_counterfactuals, save_counterfactuals

    opened, failures = open_each(find_images(images))
    base = _open(cases, model, weights, device)
    if target is not None:
        base.embedder.classifier.target(target)  # no such class is no matter of one picture
    with progress_bar() as progress:
        found, failed = ask_each(opened, lambda image: find_counterfactuals(base, image, target, seed=seed), progress)
    if found:
        save_counterfactuals(found, base.base.about, out)
        report = write_counterfactual_report(out, found, base.base.about, failures + failed)
        if json:
            print_json([counterfactual_values(each) for each in found])
        else:
            columns = ["image", "predicted", "what turns it", "predicted then", "how"]
            print_table("", columns, [row for each in found for row in _turns(each)])
        note(f"report: {report}")
    finish([(each.source, each.error) for each in failures + failed if each.error], len(opened) + len(failures))


def _open(folder: Path, model: str | None, weights: Path | None, device: str) -> Cases:
    from seewhy.models import load
    from seewhy.verbs import classifier_of_cases, open_cases

    stored, stored_weights = classifier_of_cases(folder)
    with waiting(f"loading {model or stored}"):
        classifier = load(model, weights, device) if model else load(stored, weights or stored_weights, device)
        return open_cases(folder, classifier, device)


def _open_beside(folder: Path | None, first: Cases, device: str) -> Cases | None:
    from seewhy.verbs import open_cases

    return open_cases(folder, first.embedder.classifier, device) if folder else None


def _from_anywhere(model: str) -> str:
    """The model's name, so that it means the same in whatever folder it is loaded again."""
    prefix, _, rest = model.partition(":")
    return f"{prefix}:{Path(rest).expanduser().resolve()}" if prefix in {"file", "onnx"} else model


def _rows(found: list[Twins]) -> list[list[str]]:
    rows: list[list[str]] = []
    for twins in found:
        for twin in twins.twins:
            case = twin.case
            words = [case.path, f"{case.similarity:.3f}", case.prediction.name, case.label or ""]
            rows.append([twins.image.name, twins.predictions[0].name, *words])
        if not twins.same_class:
            best = twins.predictions[0].name
            note(f"{twins.image.name}: no other case is predicted as {best}, so these are of any class")
        for copy in twins.left_out:
            note(f"{twins.image.name}: left out {copy.case.path}, {copy.reason}")
        if twins.beside:
            note(f"{twins.image.name}: {_agreement(twins.beside)}")
    return rows


def _agreement(beside: Beside) -> str:
    return (
        f"{beside.twins.embedding} has {beside.overlap:.0%} of the twins in common; rank correlation over "
        f"{beside.candidates} cases {beside.correlation:.2f}"
    )


def _turns(found: Counterfactuals) -> list[list[str]]:
    start = [found.image.name, found.predictions[0].name]
    rows: list[list[str]] = []
    if found.unlike:
        case = found.unlike.case
        rows.append([*start, f"being {case.path}", case.prediction.name, f"{case.similarity:.3f} alike"])
    if found.swap and found.unlike:
        swap = found.swap
        words = f"{len(swap.pairs)} of {swap.height * swap.width} parts of {found.unlike.case.path}"
        rows.append([*start, words, swap.prediction.name, f"{swap.area:.0%} of the picture, at layer {swap.layer}"])
    if found.removal:
        removal = found.removal
        words = f"{len(removal.hidden)} regions less"
        rows.append([*start, words, removal.prediction.name, f"{removal.area:.0%} of the picture hidden"])
    return rows or [[*start, "nothing was found", "", ""]]
