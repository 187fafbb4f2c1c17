"""`seewhy compare`: which explanation to believe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seewhy.cli import options
from seewhy.cli.run import Answer, Run, Table, command


@command("model weights out seed device")
def compare(
    run: Run,
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
) -> Answer:
    """Score several methods on the same pictures, and say which to believe."""
    from seewhy.images import find_images
    from seewhy.report.verdict import cell_words, study_verdict, title_of
    from seewhy.verbs import compare

    sources = find_images(images)
    classifier = run.load()
    with run.progress() as progress:
        found = compare(
            classifier,
            sources,
            options.split(method),
            options.split(metric),
            masks=masks,
            target=target,
            cells=cells,
            seed=run.seed,
            progress=progress,
        )
    (scores,) = found.scores
    rows: list[list[str]] = []
    for name in scores.ordered:
        means = [found.means.get((scores.model, each.name, name)) for each in scores.metrics]
        rank = f"{scores.ranks[name]:.1f}" if name in scores.ranks else ""
        rows.append([title_of(name), rank, *(cell_words(mean) if mean else "–" for mean in means)])
    table = Table(["method", "mean rank", *(each.title for each in scores.metrics)], rows)
    failed = {each.source for each in found.problems} - set(found.explained)
    return Answer(
        found.to_dict(),
        [table] if found.explained else [],
        [study_verdict(found)] if found.explained and not run.json else [],
        found if found.explained else None,
        failures=found.problems,
        asked=len(found.problems) + len(sources) - len(failed),
    )
