"""`seewhy study`: which explanations to believe, for whole data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from seewhy.answers.explaining import Compared
from seewhy.answers.folders import OverlayStudied, StudyAnswer, StudyStanding
from seewhy.commands.console import (
    DEFAULT_MODEL,
    Answer,
    Cells,
    Images,
    Masks,
    Regions,
    Run,
    Table,
    Target,
    Without,
    parse_regions,
    split_commas,
)
from seewhy.commands.run import command
from seewhy.core.text import duration, percent
from seewhy.errors import UsageError


@command("bands seed device")
def study(
    run: Run,
    folder: Annotated[
        Path,
        typer.Argument(
            help="Pictures, plain or in a sub-folder for each class; with --status the folder of a study's results."
        ),
    ],
    models: Annotated[
        str, typer.Option("--models", "--model", help="Models, joined by commas; see `seewhy list models`.")
    ] = DEFAULT_MODEL,
    methods: Annotated[
        str,
        typer.Option(
            "--methods",
            "--method",
            help="Methods and controls, joined by commas. Default: grad-cam, expected-gradients, lime and three "
            "controls.",
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
    masks: Masks = None,
    overlay: Annotated[
        Path | None,
        typer.Option(
            help="A picture with alpha to lay over what the network sees: explain the answers that it turns, whose "
            "reason is known. Metrics and masks are not asked then."
        ),
    ] = None,
    control: Annotated[
        str | None,
        typer.Option(help="With --overlay: the class to hold against. Default: another one for each photo."),
    ] = None,
    weights: Annotated[
        list[Path] | None, typer.Option(help="A local file of weights; one for each model, in their order.")
    ] = None,
    executor: Annotated[str, typer.Option(help="local: processes of this machine; ray: a cluster.")] = "local",
    ray_address: Annotated[
        str | None, typer.Option(help="Of a running Ray cluster; without, one is started here.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="So many at once. Default: one for each processor.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of one worker; other threads, other last digits.")] = 1,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Variations in one forward; other batches, other last digits.")
    ] = 16,
    cells: Cells = 14,
    limit: Annotated[int | None, typer.Option(min=1, help="Take so many pictures, spread over the folder.")] = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop at the first failure instead of listing it and going on.")
    ] = False,
    maps: Annotated[
        str, typer.Option(help="How large every map is kept: small (means of 28 × 28 cells), full, or none.")
    ] = "small",
    status: Annotated[
        bool,
        typer.Option(
            "--status", help="Instead of running: say how far the study in FOLDER is, also while it runs elsewhere."
        ),
    ] = False,
    so_far: Annotated[
        bool, typer.Option("--so-far", help="With --status: write the report on what is finished into FOLDER/so-far.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for results, tables and report; the same one goes on.")] = Path(
        "seewhy-study"
    ),
) -> Answer[StudyAnswer]:
    """Score methods for models over a folder of pictures.

    Run it again to go on where it was interrupted, and to try again what failed.
    """
    from seewhy.report.page import notes_of_all, number, title_of
    from seewhy.verbs.study import STUDY_METHODS, study

    if status:
        return _standing(folder, so_far=so_far)
    if so_far:
        raise UsageError("--so-far is what to do with --status; give that, and the folder of a study")
    named = split_commas(models)
    shared: dict[str, Any] = {
        "weights": _weights(named, weights or []),
        "device": run.device,
        "executor": executor,
        "ray_address": ray_address,
        "workers": workers,
        "threads": threads,
        "batch_size": batch_size,
        "cells": cells,
        "limit": limit,
        "seed": run.seed,
        "fail_fast": fail_fast,
        "maps": maps,
    }
    if overlay:
        if metrics or masks:
            raise UsageError("--overlay has its own questions; leave --metrics and --masks out")
        return _overlaid(run, folder, overlay, named, split_commas(methods), out, control, shared)
    if control:
        raise UsageError("--control is the class to hold against with --overlay; give the overlay, too")
    with run.progress() as progress:
        found = study(
            folder,
            named,
            split_commas(methods) or STUDY_METHODS,
            split_commas(metrics),
            out,
            masks=masks,
            progress=progress,
            **shared,
        )
    rows: list[list[str]] = []
    values, known, problems = found.rows(), found.means, found.problems
    for scores in found.scores:
        for method in scores.ordered:
            means = (known.get((scores.model, metric.name, method)) for metric in found.metrics)
            rows.append([scores.model, title_of(method), *(number(mean.value) if mean else "–" for mean in means)])
    return Answer(
        values,
        [Table(["model", "method", *(metric.title for metric in found.metrics)], rows)],
        notes_of_all(found.noted),
        result=found,
        failures=problems,
        asked=len(problems) + len(found.plan.units) - len(found.failures),
    )


def _standing(folder: Path, *, so_far: bool) -> Answer[StudyStanding]:
    """How far a study is, and the report on what is finished."""
    from seewhy.study.ledger import standing
    from seewhy.verbs.study import SO_FAR, study_so_far
    from seewhy.verbs.truth import is_overlay_study, overlay_so_far

    found = standing(folder)
    left = found.seconds_left
    rows = [
        ["units", f"{found.units:,}"],
        ["done", f"{found.done:,} ({percent(found.done / max(found.units, 1))})"],
        ["failed", f"{found.failed:,}"],
        ["running", "yes" if found.running else "no"],
        ["time left", "not known yet" if left is None else "about " + duration(left)],
    ]
    values = {**found._asdict(), "seconds_left": left}
    report = None
    if so_far:
        read = overlay_so_far if is_overlay_study(folder) else study_so_far
        report = read(folder, folder / SO_FAR).save(folder / SO_FAR)
    return Answer(values, [Table(["study", str(folder)], rows)], report=report)


def _overlaid(
    run: Run,
    folder: Path,
    overlay: Path,
    models: list[str],
    methods: list[str],
    out: Path,
    control: str | None,
    shared: dict[str, Any],
) -> Answer[OverlayStudied]:
    """The study of photos whose answer the overlay turns."""
    from seewhy.report.page import number, title_of
    from seewhy.verbs.truth import TRUTH_METHODS, overlay_study

    with run.progress() as progress:
        found = overlay_study(
            folder, overlay, models, methods or TRUTH_METHODS, out, control=control, progress=progress, **shared
        )
    rows = [
        [each.model, title_of(row.method), str(row.photos), *(number(mean.value) for mean in row[3:6])]
        for each in found.truths
        for row in each.rows
    ]
    told = found.to_dict()
    return Answer(
        told,
        [Table(["model", "method", "photos", "inside", "control class", "difference"], rows)],
        [] if run.json else [told["verdict"]],
        result=found,
        failures=found.problems,
        asked=len(found.problems) + len(found.plan.units) - len(found.failures),
    )


def _weights(models: list[str], files: list[Path]) -> dict[str, Path]:
    if files and len(files) != len(models):
        raise UsageError(f"there are {len(models)} models and {len(files)} files of weights; give one for each model")
    return dict(zip(models, files, strict=False))


@command("model bands weights out seed device")
def compare(
    run: Run,
    images: Images,
    method: Annotated[
        str, typer.Option("--method", "--methods", help="Methods, joined by commas; all; default: eight fast ones.")
    ] = "",
    metric: Annotated[
        str, typer.Option("--metric", "--metrics", help="Metrics, joined by commas; `seewhy list metrics` has them.")
    ] = "",
    masks: Masks = None,
    regions: Regions = None,
    target: Target = None,
    without: Without = "",
    cells: Cells = 14,
) -> Answer[Compared]:
    """Score several methods on the same pictures, and say which to believe."""
    from seewhy.images import check_masks, find_images
    from seewhy.report.page import notes_of_all, title_of
    from seewhy.report.study import cell_words
    from seewhy.verbs.compare import check_question, compare

    sources, methods, metrics = find_images(images), split_commas(method), split_commas(metric)
    cut = parse_regions(regions) if regions else None
    check_question(methods, metrics, masked=masks is not None, regions=cut)  # before the model is loaded
    if masks:
        check_masks(masks)
    classifier = run.load()
    with run.progress() as progress:
        found = compare(
            classifier,
            sources,
            methods,
            metrics,
            masks=masks,
            regions=cut,
            target=target,
            without=split_commas(without),
            cells=cells,
            seed=run.seed,
            progress=progress,
        )
    (scores,), known, problems = found.scores, found.means, found.problems
    values = found.to_dict()
    rows: list[list[str]] = []
    for name in scores.ordered:
        means = [known.get((scores.model, each.name, name)) for each in scores.metrics]
        rank = f"{scores.ranks[name]:.1f}" if name in scores.ranks else ""
        rows.append([title_of(name), rank, *(cell_words(mean) if mean else "–" for mean in means)])
    table = Table(["method", "mean rank", *(each.title for each in scores.metrics)], rows)
    failed = {each.source for each in problems} - set(found.explained)
    return Answer(
        values,
        [table] if found.explained else [],
        [values["verdict"], *notes_of_all(found.noted)] if found.explained and not run.json else [],
        found if found.explained else None,
        failures=problems,
        asked=len(problems) + len(sources) - len(failed),
    )
