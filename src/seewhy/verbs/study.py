"""Study: models × methods × metrics over a folder of pictures, run to the end whatever happens on the way."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import disk_usage
from typing import Any, NamedTuple, NotRequired

import torch
from typing_extensions import TypedDict, override

from seewhy.core.files import write_json, write_whole
from seewhy.core.progress import Progress, silent
from seewhy.core.reading import read_json
from seewhy.core.text import shown
from seewhy.errors import BadFile, ExplainError, UnknownName, UsageError
from seewhy.images import Entry, Folder
from seewhy.methods import Method, lacking
from seewhy.metrics import Metric
from seewhy.models import DEFAULT_MODEL, load
from seewhy.report.page import PAGE, notes_of_all
from seewhy.report.study import study_page
from seewhy.report.study_photos import shown_photos
from seewhy.report.study_tables import grids, latex, markdown
from seewhy.report.verdict import study_verdict
from seewhy.study import Executor, Local, Plan, Ray, Task, Work, run
from seewhy.study import Result as Done
from seewhy.study.ledger import read_plan, reading_ledger
from seewhy.study.maps import bytes_kept, check_maps
from seewhy.study.results import RESULTS, read, read_failures, write
from seewhy.study.score import BATCH, CELLS, Scoring, study_work
from seewhy.study.summary import StudyResult, plain_verdicts
from seewhy.verbs.compare import MASK_METRICS, checked_metrics
from seewhy.verbs.result import Result

# Those of the study that this one began with, and what knows nothing of the network.
STUDY_METHODS = (
    *("grad-cam", "expected-gradients", "lime"),
    *("control:random", "control:gaussian", "control:sobel"),
)
STUDY_METRICS = (
    *("average-drop-hard", "increase-in-confidence-hard"),
    *("average-drop-hard-removed", "increase-in-confidence-hard-removed"),
    *("road", "insertion-minus-deletion"),
)
MARKDOWN, LATEX = "tables.md", "tables.tex"
SOURCE = "source.json"  # where the pictures lay; not part of the results, which are the same wherever that was
SO_FAR = "so-far"  # of the results: the report on what is finished
NOTE_BYTES = 1 << 20


class _Source(TypedDict):
    """What stands in `SOURCE`."""

    pictures: str
    classes: NotRequired[list[str]]
    overlay: NotRequired[str]


class Study(StudyResult, Result):
    """What `study` found, or `open_study` read again: every score, means, ranks, a verdict, and what failed."""

    @override
    def to_dict(self) -> dict[str, Any]:
        """The verdict on each model, also in words, on each of the first pictures alone, the `rows`, and notes."""
        return {
            "verdict": study_verdict(self),
            "judged": {model: verdict.plain() for model, verdict in self.verdicts.items()},
            "photo_verdicts": plain_verdicts(self, shown_photos(self)),
            "scores": self.rows(),
            "notes": notes_of_all(self.noted),
        }

    @override
    def page(self) -> str:
        """The report."""
        return study_page(self)

    @override
    def write(self, folder: Path) -> None:
        """Write the report, and tables for papers as Markdown and LaTeX."""
        page, tables = self.page(), grids(self.scores, self.means, self.failed)
        for name, text in {MARKDOWN: markdown(tables), LATEX: latex(tables), PAGE: page}.items():
            write_whole(folder / name, text.encode("utf-8", "replace"))


def study(
    folder: str | Path,
    models: Sequence[str] = (DEFAULT_MODEL,),
    methods: Sequence[str | Method] = STUDY_METHODS,
    metrics: Sequence[str | Metric] = (),
    out: str | Path = "seewhy-study",
    *,
    masks: str | Path | None = None,
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
) -> Study:
    """Explain every picture by every method for every model, and score it by every metric.

    What `out` holds of the same study already is not done again, but for what failed; a study that was interrupted
    goes on where it stood.
    Equal arguments give equal bytes of `results.parquet`, whatever the executor and the number of workers.

    Args:
        folder: pictures, plain or in a sub-folder for each class.
        models: names as `seewhy.load` takes them.
        methods: names of methods, and of controls such as `control:random`.
        metrics: names or objects; by default those of `STUDY_METRICS`, and with masks three of localisation.
        out: where results and the ledger of what is finished go.
        masks: a folder of masks of the object, named like the pictures.
        weights: local files with weights, by the models' names.
        device: as `seewhy.load` takes it.
        executor: `local` for processes of this machine, `ray` for a cluster.
        ray_address: of a running cluster; without, Ray starts one on this machine.
        workers: how many pictures are worked on at once; by default one for each processor, or one for each GPU, of
            this machine or of the cluster.
        threads: of one worker; it decides the last bits of sums, and thus is part of the study.
        batch_size: variations in one forward; the same is true of it.
        cells: metrics of faithfulness see maps as means of so many cells a side, so that areas and single pixels are
            compared like with like; 0 leaves maps as they are.
        limit: take so many pictures, spread over the folder.
        seed: of all randomness.
        fail_fast: stop at the first task that fails, instead of listing it and going on.
        maps: how large every map is kept: `small` as means of 28 × 28 cells, `full`, or `none`.
        progress: told of units; raise `Cancelled` in it to stop, and run again to go on.

    Raises:
        UsageError: what is asked for does not fit together, or `out` holds another study.
        ModelError: a model cannot be loaded.
        ExplainError: a unit failed, and `fail_fast` was asked for.
    """
    if not (models and methods):
        raise UsageError("a study takes a model and a method at least; without naming any, it has its own")
    check_executor(executor, ray_address)
    check_maps(maps)
    pictures = study_pictures(Path(folder), masks, limit)
    asked = Scoring(
        Method.registry.chosen(methods),
        checked_metrics(
            metrics or (*STUDY_METRICS, *(MASK_METRICS if masks is not None else ())), masked=masks is not None
        ),
        cells=cells,
        batch_size=batch_size,
        seed=seed,
    ).for_pictures(len(pictures.entries))
    files = weight_files(models, weights)
    known = {model: known_model(model, asked.methods, files.get(model), device, progress) for model in models}
    fingerprints = {model: each.fingerprint for model, each in known.items()}
    kind = device_kind(known)
    plan = asked.plan(fingerprints, pictures.hashes, pictures.mask_hashes, threads, maps, kind)
    check_room(Path(out), len(pictures.entries) * len(asked.methods), known, maps)
    crew = chosen_executor(executor, workers, threads, ray_address, kind)
    note_source(Path(out), pictures)
    work = study_work(asked, pictures, files, device, maps)
    failures = run(plan, work, FailFast(crew) if fail_fast else crew, Path(out), progress)
    return Study(plan, read(Path(out)), tuple(failures), pictures, stored=Path(out))


def weight_files(models: Sequence[str], weights: Mapping[str, str | Path] | None) -> dict[str, Path]:
    """Where the weights of models lie, by their names, whatever folder a worker is started in.

    Raises:
        UsageError: there are weights for none of the models.
    """
    files = {model: Path(path).resolve() for model, path in (weights or {}).items()}
    if stray := sorted(files.keys() - set(models)):
        raise UsageError(f"there are weights for {', '.join(stray)}, which is none of the models")
    return files


def find_studies(folder: Path) -> dict[str, Path]:
    """The studies below `folder` that have results, by their paths within it; none where there is no such folder."""
    found = [path.parent for path in sorted(folder.rglob(RESULTS)) if path.parent.name != SO_FAR]
    return {each.relative_to(folder).as_posix(): each for each in found}


def open_study(out: Path) -> Study:
    """What `study` returned when it wrote to `out`; its pictures may have gone since.

    Raises:
        UsageError: there is no study, it is damaged, or tells of what is not known.
    """
    plan = _known_plan(out)
    return Study(plan, read(out), tuple(read_failures(out)), _pictures(out, plan), stored=out)


def study_so_far(out: Path, into: Path) -> Study:
    """What `study` would return if it were done with what is finished in `out`; a run may go on there meanwhile.

    The tables and maps of it are written to the folder `into`.

    Raises:
        UsageError: there is no study, it is damaged, or tells of what is not known.
    """
    plan = _known_plan(out)
    failures = write_finished(out, into)
    return Study(plan, read(into), failures, _pictures(out, plan), stored=into)


def write_finished(out: Path, into: Path) -> tuple[Done, ...]:
    """Write tables and maps of what is finished in `out` to the folder `into`; gives what failed.

    Raises:
        UsageError: there is no study, or it is damaged.
    """
    into.mkdir(parents=True, exist_ok=True)
    with reading_ledger(out) as ledger:
        return tuple(write(ledger.results(), ledger.maps(), into))


def _known_plan(out: Path) -> Plan:
    plan = read_plan(out)
    for kind, names, registry in (("method", plan.methods, Method.registry), ("metric", plan.metrics, Metric.registry)):
        if missing := sorted(set(names) - {each.name for each in registry.all()}):
            raise UsageError(
                f"the study in {out} tells of the {kind} {shown(missing[0])}, which is not known here; "
                "see its report, or install the package that brings it"
            )
    return plan


def note_source(out: Path, pictures: Folder, overlay: str = "") -> None:
    """Keep in mind where the pictures of a study lie, in which classes, and what is laid over them."""
    out.mkdir(parents=True, exist_ok=True)
    laid = {"overlay": overlay} if overlay else {}
    write_json(out / SOURCE, {"pictures": str(pictures.root), "classes": [*pictures.classes], **laid})


def noted_overlay(out: Path) -> str:
    """What a study lays over pictures, by its name; a note that is damaged is as good as none."""
    with suppress(BadFile):
        return read_json(out / SOURCE, _Source, "", NOTE_BYTES).get("overlay", "")
    return ""


def _pictures(out: Path, plan: Plan) -> Folder:
    """The pictures, where they lay; they are not needed, so that a note that is damaged is as good as none."""
    with suppress(BadFile):
        noted = read_json(out / SOURCE, _Source, "", NOTE_BYTES)
        classes = tuple(noted.get("classes", ()))
        entries = (Entry(path, path.partition("/")[0] if classes else None) for path in plan.images)
        return Folder(Path(noted["pictures"]), tuple(entries), classes)
    return Folder(out / "pictures", tuple(map(Entry, plan.images)))


class Known(NamedTuple):
    """A model that loads: its fingerprint, the kind of its device, and how large what it sees is."""

    fingerprint: str
    device: str
    size: tuple[int, int]


def known_model(
    model: str, methods: Mapping[str, Method], weights: Path | None, device: str, progress: Progress
) -> Known:
    """What is known of a model; what does not load or suit is found out now, not by every task."""
    progress(0, None, f"loading {model}")
    classifier = load(model, weights, device)
    for name, method in methods.items():
        if missing := lacking(method, classifier):
            raise UsageError(f"{name} needs {', '.join(missing)}, which {model} does not offer; leave one of them out")
    return Known(classifier.fingerprint, classifier.device.type, classifier.preprocessing.size)


def device_kind(known: Mapping[str, Known]) -> str:
    """The kinds of device that models are on: for most studies one, such as `cpu`."""
    return ", ".join(sorted({each.device for each in known.values()}))


def check_room(out: Path, maps: int, known: Mapping[str, Known], size: str) -> None:
    """Refuse to keep more maps of each model than the disk holds, before anything is computed.

    Raises:
        UsageError: they take more than what is free.
    """
    needed = 2 * maps * sum(bytes_kept(each.size, size) for each in known.values())  # in the ledger, too
    there = next(each for each in (out, *out.absolute().parents) if each.exists())
    if needed > (free := disk_usage(there).free):
        smaller = "none" if size == "small" else "small or none"
        raise UsageError(
            f"maps kept {size} take {needed / 1e9:.1f} GB, and the disk of {out} has {free / 1e9:.1f} GB left; "
            f"ask for maps={smaller} (--maps), or give another folder"
        )


def study_pictures(folder: Path, masks: str | Path | None, limit: int | None) -> Folder:
    """The pictures of a study, as many as are asked for, spread over the folder."""
    # Workers may run in another folder.
    found = Folder.open(folder.resolve(), Path(masks).resolve() if masks else None)
    if limit is None or limit >= len(found.entries):
        return found
    if limit < 1:
        raise UsageError(f"limit is how many pictures to take, at least 1, not {limit}")
    spread = (place * len(found.entries) // limit for place in range(limit))
    return replace(found, entries=tuple(found.entries[place] for place in spread))


@dataclass(frozen=True)
class FailFast:
    """Ends the run at the first failure, after it is recorded."""

    executor: Executor

    @property
    def workers(self) -> int:
        """See `Executor.workers`."""
        return self.executor.workers

    def run(self, tasks: Sequence[Task], work: Work, threads: int) -> Generator[tuple[Done, ...]]:
        """See `Executor.run`."""
        with closing(self.executor.run(tasks, work, threads)) as each:
            for results in each:
                yield results
                for result in results:
                    if result.failure:
                        raise ExplainError(
                            f"{result.unit.method} for {result.unit.model} failed on {result.unit.image}: "
                            f"{result.failure.message} Run again without stopping at failures to do the rest"
                        )


def chosen_executor(name: str, workers: int | None, threads: int, address: str | None, kind: str) -> Executor:
    """Who does the tasks on this kind of device: processes of this machine, or a Ray cluster.

    By default there is one for each processor that `threads` leave, or for each GPU.
    """
    check_executor(name, address)
    on_gpu = "cuda" in kind
    if name == "ray":  # a cluster says itself how many fit; one of this machine's own is as large as is asked for
        return Ray(workers or (0 if address else _usual(kind, threads)), address, gpus=1 if on_gpu else 0)
    return Local(workers or _usual(kind, threads), torch.cuda.device_count() if on_gpu else 0)


def _usual(kind: str, threads: int) -> int:
    if "cuda" in kind:
        return max(torch.cuda.device_count(), 1)
    return max((os.cpu_count() or 1) // threads, 1) if kind == "cpu" else 1


def check_executor(name: str, address: str | None) -> None:
    """Refuse what names none, before a model is loaded."""
    if name not in ("local", "ray"):
        raise UnknownName(f"there is no executor '{name}'; there are local and ray")
    if address and name == "local":
        raise UsageError("an address is of a Ray cluster; give --executor ray")
