"""The truth test: photos whose answer an overlay turns, so that it is known what explanations have to show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from seewhy.core.files import write_whole
from seewhy.core.outcome import Outcome
from seewhy.core.progress import Progress, silent
from seewhy.errors import SeewhyError, UsageError
from seewhy.methods import Method
from seewhy.models import DEFAULT_MODEL, load
from seewhy.report.page import counted
from seewhy.report.study_tables import latex, markdown
from seewhy.report.truth import truth_grids, truth_page, truth_words
from seewhy.study import run
from seewhy.study.ledger import read_plan
from seewhy.study.maps import check_maps
from seewhy.study.overlay import Overlay
from seewhy.study.plan import Plan
from seewhy.study.plan import Result as Done
from seewhy.study.results import read
from seewhy.study.score import BATCH, CELLS
from seewhy.study.truth import ASKED, Question, truth_work
from seewhy.study.truth_summary import ModelTruth, truth_of
from seewhy.verbs.result import Result
from seewhy.verbs.study import (
    LATEX,
    MARKDOWN,
    FailFast,
    check_executor,
    check_room,
    chosen_executor,
    device_kind,
    known_model,
    note_source,
    noted_overlay,
    study_pictures,
    weight_files,
    write_finished,
)

if TYPE_CHECKING:
    import polars as pl

TRUTH_METHODS = ("grad-cam", "layer-cam", "eigen-cam", "lrp", "deep-lift", "integrated-gradients", "smooth-grad")


@dataclass(frozen=True, eq=False)
class OverlayStudy(Result):
    """What `overlay_study` found: a row for each unit and question, each model's truth, and what failed."""

    plan: Plan
    table: pl.DataFrame
    failures: tuple[Done, ...]
    overlay: str

    @cached_property
    def truths(self) -> list[ModelTruth]:
        """Each model's figures, methods in the order of their differences to the control class."""
        return truth_of(self.table.iter_rows(named=True), self.plan, self.failures)

    @property
    def problems(self) -> list[Outcome[Any]]:
        """What failed, each reason once for a picture."""
        told = {(each.unit.image, each.failure.message): each for each in self.failures if each.failure}
        return [Outcome(image, error=SeewhyError(message)) for image, message in told]

    @override
    def to_dict(self) -> dict[str, Any]:
        """What became of each model's answers, in words and in figures."""
        return {
            "verdict": " ".join(map(truth_words, self.truths)),
            "overlay": self.overlay,
            "models": [each.plain() for each in self.truths],
        }

    @override
    def rows(self) -> list[dict[str, Any]]:
        """A row for each model and method, best first."""
        return [
            {"model": each.model, "turned_to": each.turned_to, **row.plain()}
            for each in self.truths
            for row in each.rows
        ]

    @override
    def page(self) -> str:
        """The report."""
        counts = Counter((each.unit.method, each.failure.message) for each in self.failures if each.failure)
        told = [
            {"source": f"{method}, {counted(count, 'photo')}", "error": message}
            for (method, message), count in counts.items()
        ]
        return truth_page(self.truths, self.overlay, told)

    @override
    def write(self, folder: Path) -> None:
        """Write the report and its values, and tables for papers as Markdown and LaTeX."""
        super().write(folder)
        tables = truth_grids(self.truths)
        for name, text in {MARKDOWN: markdown(tables), LATEX: latex(tables)}.items():
            write_whole(folder / name, text.encode("utf-8", "replace"))


def overlay_study(
    folder: str | Path,
    overlay: str | Path,
    models: Sequence[str] = (DEFAULT_MODEL,),
    methods: Sequence[str | Method] = TRUTH_METHODS,
    out: str | Path = "seewhy-study",
    *,
    control: str | int | None = None,
    weights: Mapping[str, str | Path] | None = None,
    device: str = "auto",
    executor: str = "local",
    ray_address: str | None = None,
    workers: int | None = None,
    threads: int = 1,
    batch_size: int = BATCH,
    cells: int = CELLS,
    limit: int | None = None,
    seed: int = 0,
    fail_fast: bool = False,
    maps: str = "small",
    progress: Progress = silent,
) -> OverlayStudy:
    """Lay something over every picture, and explain the answers that it turns: the reason of these is known.

    A picture counts if it turns to the class that most of a model's pictures turn to. Each method explains it for that
    class and for a control class; the share of its evidence in the overlay's place, for the one minus the other, says
    whether it shows the reason. What `out` holds of the same study already is not done again.

    Args:
        folder: pictures, plain or in sub-folders.
        overlay: a picture with alpha, for the square that the network sees, such as letters or a stamp.
        models: names as `seewhy.load` takes them.
        methods: names or objects.
        out: where results and the ledger of what is finished go.
        control: the control class, by name or index; by default, and for pictures that it answers, another one for each
            picture, drawn by the seed.
        weights: local files with weights, by the models' names.
        device: as `seewhy.load` takes it.
        executor: `local` or `ray`.
        ray_address: of a running cluster.
        workers: how many pictures are worked on at once; by default one for each processor, or one for each GPU.
        threads: of one worker.
        batch_size: variations in one forward.
        cells: for the deletion, maps are means of so many cells a side; 0 leaves them as they are.
        limit: take so many pictures, spread over the folder.
        seed: of all randomness.
        fail_fast: stop at the first task that fails.
        maps: how large the maps of the class that a photo turned to are kept: `small`, `full` or `none`.
        progress: told of units; raise `Cancelled` in it to stop, and run again to go on.

    Raises:
        UsageError: what is asked for does not fit together, `out` holds another study, or the overlay is none.
        ModelError: a model cannot be loaded.
    """
    if not (models and methods):
        raise UsageError("a study takes a model and a method at least; without naming any, it has its own")
    check_executor(executor, ray_address)
    check_maps(maps)
    pictures = study_pictures(Path(folder), None, limit)
    laid, chosen = Overlay.open(overlay), Method.registry.chosen(methods)
    files = weight_files(models, weights)
    known = {model: known_model(model, chosen, files.get(model), device, progress) for model in models}
    question = Question(
        chosen,
        laid,
        _control(control, models, files, device),
        cells=cells,
        batch_size=batch_size,
        seed=seed,
        maps=maps,
    )
    kind = device_kind(known)
    plan = question.plan({model: each.fingerprint for model, each in known.items()}, pictures.hashes, threads, kind)
    check_room(Path(out), len(pictures.entries) * len(chosen), known, maps)
    crew = chosen_executor(executor, workers, threads, ray_address, kind)
    note_source(Path(out), pictures, laid.name)
    work = truth_work(question, pictures, files, device)
    failures = run(plan, work, FailFast(crew) if fail_fast else crew, Path(out), progress)
    return OverlayStudy(plan, read(Path(out)), tuple(failures), laid.name)


def overlay_so_far(out: Path, into: Path) -> OverlayStudy:
    """What `overlay_study` would return if it were done with what is finished in `out`; a run may go on meanwhile.

    The tables and maps of it are written to the folder `into`.

    Raises:
        UsageError: there is no study, or it is damaged.
    """
    plan = read_plan(out)
    failures = write_finished(out, into)
    return OverlayStudy(plan, read(into), failures, noted_overlay(out) or "the overlay")


def is_overlay_study(out: Path) -> bool:
    """Whether the study in a folder is one of an overlay.

    Raises:
        UsageError: there is no study, or it is damaged.
    """
    return set(read_plan(out).metrics) == set(ASKED)


def _control(named: str | int | None, models: Sequence[str], weights: Mapping[str, Path], device: str) -> int | None:
    """The index of the control class, which is the same for every model.

    Raises:
        UsageError: a model does not know it, or it has another place there, or gives values instead of classes.
    """
    found: set[int | None] = set()
    for model in models:
        classifier = load(model, weights.get(model), device)
        if classifier.head.meaning == "values":
            raise UsageError(f"{model} gives values, so an overlay turns no answer of it; give a model of classes")
        found.add(None if named is None else classifier.target(named).index)
    if len(found) > 1:
        raise UsageError(f"the control class {named} has another place in each model; make a study for each")
    return found.pop()
