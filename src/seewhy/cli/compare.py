"""`seewhy compare`: which explanation to believe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seewhy.cli import options
from seewhy.cli.console import finish, note, print_json, print_table, progress_bar, waiting

if TYPE_CHECKING:
    from seewhy.study.comparison import Comparison


def compare(
    images: options.Images,
    method: Annotated[
        str, typer.Option("--method", "--methods", help="Methods, joined by commas; all; default: eight fast ones.")
    ] = "",
    metric: Annotated[
        str, typer.Option("--metric", "--metrics", help="Metrics, joined by commas; `seewhy list metrics` has them.")
    ] = "",
    masks: Annotated[
        Path | None,
        typer.Option(help="Folder of masks of the object, named like the pictures.", show_default=False),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help='Class index, name or "A vs B". Default: what the model predicts.', show_default=False),
    ] = None,
    cells: Annotated[
        int, typer.Option(min=0, help="Compare maps in so many cells a side; 0 leaves them as they are.")
    ] = 14,
    model: options.Model = options.DEFAULT_MODEL,
    weights: options.Weights = None,
    out: options.Out = Path("seewhy-out"),
    seed: options.Seed = 0,
    device: options.Device = "auto",
    json: options.Json = False,
) -> None:
    """Score several methods on the same pictures, and say which to believe."""
    from seewhy.images import find_images
    from seewhy.models import load
    from seewhy.report import write_compare_report
    from seewhy.verbs import Contest, compare, open_each, save_comparison, view_masks

    opened, failures = open_each(find_images(images))
    with waiting(f"loading {model}"):
        classifier = load(model, weights, device)
        contest = Contest.of(
            classifier,
            options.split(method),
            options.split(metric),
            target=target,
            masked=masks is not None,
            cells=cells,
            seed=seed,
        )
        shown = view_masks(classifier, opened, masks) if masks and opened else {}
    with progress_bar() as progress:
        found = compare(classifier, list(opened.values()), contest, masks=shown, progress=progress)
    failures += found.failures
    _tell(found, json=json)
    if found.trials:
        save_comparison(found, out)
        note(f"report: {write_compare_report(out, found, failures)}")
    finish([(each.source, each.error) for each in failures if each.error], len(found.trials) + len(failures))


def _tell(found: Comparison, *, json: bool) -> None:
    from seewhy.report.verdict import cell_words, title_of, verdict
    from seewhy.verbs import comparison_rows

    if json:
        print_json({"best": found.best, "verdict": verdict(found), "scores": comparison_rows(found)})
        return
    if not found.trials:
        return
    rows: list[list[str]] = []
    for method in (*found.ranks, *found.controls):
        rank = found.mean_rank(method)
        cells: list[Any] = [found.cell(each, method) for each in found.metrics]
        rank_words = "" if rank is None else f"{rank:.1f}"
        rows.append([title_of(method), rank_words, *(cell_words(cell) if cell else "–" for cell in cells)])
    print_table("", ["method", "mean rank", *(each.title for each in found.metrics)], rows)
    note(verdict(found))
