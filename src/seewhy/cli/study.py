"""`seewhy study`: which explanations to believe, for whole data sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seewhy.cli import options
from seewhy.cli.console import finish, note, print_json, print_table, progress_bar, waiting
from seewhy.errors import SeewhyError, UsageError

if TYPE_CHECKING:
    from seewhy.study.summary import StudyResult


def study(
    folder: Annotated[Path, typer.Argument(help="Pictures, plain or in a sub-folder for each class.")],
    models: Annotated[
        str, typer.Option("--models", "--model", help="Models, joined by commas; see `seewhy list models`.")
    ] = options.DEFAULT_MODEL,
    methods: Annotated[
        str,
        typer.Option(
            "--methods",
            "--method",
            help="Methods and controls, joined by commas. Default: grad-cam,expected-gradients,lime,control:random.",
        ),
    ] = "",
    metrics: Annotated[
        str,
        typer.Option(
            "--metrics",
            "--metric",
            help="Metrics, joined by commas. Default: confidence with the subject alone and hidden, ROAD, insertion − "
            "deletion; with masks three of localisation.",
        ),
    ] = "",
    masks: Annotated[
        Path | None,
        typer.Option(help="Folder of masks of the object, named like the pictures.", show_default=False),
    ] = None,
    weights: Annotated[
        list[Path] | None,
        typer.Option(help="A local file of weights; one for each model, in their order.", show_default=False),
    ] = None,
    executor: Annotated[str, typer.Option(help="local: processes of this machine; ray: a cluster.")] = "local",
    ray_address: Annotated[
        str | None, typer.Option(help="Of a running Ray cluster; without, one is started here.", show_default=False)
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="So many at once. Default: one for each processor.", show_default=False),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of one worker; other threads, other last digits.")] = 1,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Variations in one forward; other batches, other last digits.")
    ] = 16,
    cells: Annotated[
        int, typer.Option(min=0, help="Compare maps in so many cells a side; 0 leaves them as they are.")
    ] = 14,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Take so many pictures, spread over the folder.", show_default=False)
    ] = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop at the first failure instead of listing it and going on.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for results, tables and report; the same one goes on.")] = Path(
        "seewhy-study"
    ),
    seed: options.Seed = 0,
    device: options.Device = "auto",
    json: options.Json = False,
) -> None:
    """Score methods for models over a folder of pictures.

    Run it again to go on where it was interrupted, and to try again what failed.
    """
    from seewhy.report import write_study_report
    from seewhy.verbs import STUDY_METHODS, study

    named = options.split(models)
    with progress_bar() as progress:
        result = study(
            folder,
            named,
            options.split(methods) or STUDY_METHODS,
            options.split(metrics),
            out,
            masks=masks,
            weights=_weights(named, weights or []),
            device=device,
            executor=executor,
            ray_address=ray_address,
            workers=workers,
            threads=threads,
            batch_size=batch_size,
            cells=cells,
            limit=limit,
            seed=seed,
            fail_fast=fail_fast,
            progress=progress,
        )
    with waiting("writing the report"):
        report = write_study_report(out, result)
    _tell(result, json=json)
    note(f"report: {report}")
    told = {(each.unit.image, each.failure.message): each for each in result.failures if each.failure}
    failures = [(image, SeewhyError(message)) for image, message in told]
    finish(failures, len(failures) + len(result.plan.units) - len(result.failures))


def _weights(models: list[str], files: list[Path]) -> dict[str, Path]:
    if files and len(files) != len(models):
        raise UsageError(f"there are {len(models)} models and {len(files)} files of weights; give one for each model")
    return dict(zip(models, files, strict=False))


def _tell(result: StudyResult, *, json: bool) -> None:
    from seewhy.report.verdict import title_of
    from seewhy.report.words import number

    if json:
        print_json(result.rows())
        return
    metrics = result.scores[0].metrics
    rows: list[list[str]] = []
    for scores in result.scores:
        for method in scores.methods:
            means = (result.means.get((scores.model, metric.name, method)) for metric in metrics)
            rows.append([scores.model, title_of(method), *(number(mean.value) if mean else "–" for mean in means)])
    print_table("", ["model", "method", *(metric.title for metric in metrics)], rows)
