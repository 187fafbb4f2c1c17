"""Study: models × methods × metrics over a folder of pictures, run to the end whatever happens on the way."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from seewhy.core.progress import Progress, silent
from seewhy.errors import ExplainError, UnknownName, UsageError
from seewhy.images import Folder
from seewhy.methods import Method, find_method
from seewhy.metrics import CONTROLS, Metric, find_metric
from seewhy.models import DEFAULT_MODEL, load
from seewhy.study import Executor, Local, Ray, Result, Unit, Work, run
from seewhy.study.ledger import read
from seewhy.study.scoring import Scoring, pinned
from seewhy.study.summary import StudyResult
from seewhy.verbs.compare import MASK_METRICS, check_masked
from seewhy.verbs.studies import note_source

# Those of the study that this one began with, and chance.
STUDY_METHODS = ("grad-cam", "expected-gradients", "lime", "control:random")
STUDY_METRICS = (
    *("average-drop-hard", "increase-in-confidence-hard"),
    *("average-drop-hard-removed", "increase-in-confidence-hard-removed"),
    *("road", "insertion-minus-deletion"),
)
CONTROL = "control:"
T = TypeVar("T", Method, Metric)
BATCH = 16  # from here on float32 convolutions of one image do not depend on their neighbours on a CPU


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
    cells: int = 14,
    limit: int | None = None,
    seed: int = 0,
    fail_fast: bool = False,
    progress: Progress = silent,
) -> StudyResult:
    """Explain every picture by every method for every model, and score it by every metric.

    What `out` holds of the same study already is not done again, but for what failed; a study that was interrupted
    goes on where it stood.
    Equal arguments give equal bytes of `results.parquet`, whatever the executor and the number of workers.

    Args:
        folder: pictures, plain or in a sub-folder for each class.
        models: names as `seewhy.load` takes them.
        methods: names of methods, and of controls such as `control:random`.
        metrics: by default those of `STUDY_METRICS`, and with masks three of localisation.
        out: where results and the ledger of what is finished go.
        masks: a folder of masks of the object, named like the pictures.
        weights: local files with weights, by the models' names.
        device: as `seewhy.load` takes it.
        executor: `local` for processes of this machine, `ray` for a cluster.
        ray_address: of a running cluster; without, Ray starts one on this machine.
        workers: how many units are done at once; by default one for each processor, or one on a GPU.
        threads: of one worker; it decides the last bits of sums, and thus is part of the study.
        batch_size: variations in one forward; the same is true of it.
        cells: metrics of faithfulness see maps as means of so many cells a side, so that areas and single pixels are
            compared like with like; 0 leaves maps as they are.
        limit: take so many pictures, spread over the folder.
        seed: of all randomness.
        fail_fast: stop at the first unit that fails, instead of listing it and going on.
        progress: told of units; raise `Cancelled` in it to stop, and run again to go on.

    Raises:
        UsageError: what is asked for does not fit together, or `out` holds another study.
        ModelError: a model cannot be loaded.
        ExplainError: a unit failed, and `fail_fast` was asked for.
    """
    if not (models and methods):
        raise UsageError("a study takes a model and a method at least; without naming any, it has its own")
    scoring = Scoring(
        folder=_pictures(Path(folder), masks, limit),
        methods=_methods(methods, batch_size),
        metrics=_metrics(metrics, masked=masks is not None),
        weights={model: Path(path).resolve() for model, path in (weights or {}).items()},
        device=device,
        cells=cells,
        batch_size=batch_size,
        seed=seed,
    )
    if stray := sorted(scoring.weights.keys() - set(models)):
        raise UsageError(f"there are weights for {', '.join(stray)}, which is none of the models")
    known = {model: _known(model, scoring, progress) for model in models}
    plan = scoring.plan({model: each.fingerprint for model, each in known.items()}, threads)
    one_each = 1 if any(each.on_gpu for each in known.values()) else max((os.cpu_count() or 1) // threads, 1)
    crew = _executor(executor, workers or one_each, ray_address)
    note_source(Path(out), scoring.folder.root)
    failures = run(plan, scoring.work, _FailFast(crew) if fail_fast else crew, Path(out), progress)
    return StudyResult(plan, read(Path(out)), tuple(failures), scoring.folder)


class _Known(NamedTuple):
    """What has to be known of a model before the study begins."""

    fingerprint: str
    on_gpu: bool


def _known(model: str, scoring: Scoring, progress: Progress) -> _Known:
    """Load a model for a moment: one that does not load or suit is better found out now than by every unit."""
    progress(0, None, f"loading {model}")
    classifier = load(model, scoring.weights.get(model), scoring.device)
    for name, method in scoring.methods.items():
        if lacking := sorted(method.info.needs - classifier.offers):
            raise UsageError(f"{name} needs {', '.join(lacking)}, which {model} does not offer; leave one of them out")
    return _Known(classifier.fingerprint, classifier.device.type != "cpu")


def _pictures(folder: Path, masks: str | Path | None, limit: int | None) -> Folder:
    # Workers may run in another folder.
    found = Folder.open(folder.resolve(), Path(masks).resolve() if masks else None)
    if limit is None or limit >= len(found.entries):
        return found
    if limit < 1:
        raise UsageError(f"limit is how many pictures to take, at least 1, not {limit}")
    spread = (place * len(found.entries) // limit for place in range(limit))
    return replace(found, entries=tuple(found.entries[place] for place in spread))


def _methods(methods: Sequence[str | Method], batch_size: int) -> dict[str, Method]:
    made = [_find_any(each) if isinstance(each, str) else each for each in methods]
    return {name: pinned(method, batch_size) for name, method in _by_name(made).items()}


def _find_any(name: str) -> Method:
    """A method or a control."""
    if not name.startswith(CONTROL):
        return find_method(name)
    if (control := name.removeprefix(CONTROL)) not in CONTROLS:
        known = ", ".join(CONTROL + each for each in CONTROLS)
        raise UnknownName(f"there is no control '{name}'; there are {known}")
    return CONTROLS[control]()


def _metrics(metrics: Sequence[str | Metric], *, masked: bool) -> tuple[Metric, ...]:
    wanted = metrics or (*STUDY_METRICS, *(MASK_METRICS if masked else ()))
    made = tuple(_by_name([find_metric(each) if isinstance(each, str) else each for each in wanted]).values())
    check_masked(made, masked=masked)
    return made


def _by_name(made: Sequence[T]) -> dict[str, T]:
    found = {each.info.name: each for each in made}
    for name, kept in found.items():
        if any(each != kept for each in made if each.info.name == name):
            raise UsageError(f"{name} is asked for twice, with different settings; make a study of each")
    return found


@dataclass(frozen=True)
class _FailFast:
    """Ends the run at the first failure, after it is recorded."""

    executor: Executor

    def run(self, units: Sequence[Unit], work: Work[Any], threads: int) -> Generator[Result]:
        """See `Executor.run`."""
        with closing(self.executor.run(units, work, threads)) as results:
            for result in results:
                yield result
                if result.failure:
                    raise ExplainError(
                        f"{result.unit.method} for {result.unit.model} failed on {result.unit.image}: "
                        f"{result.failure.message} Run again without stopping at failures to do the rest"
                    )


def _executor(name: str, workers: int, address: str | None) -> Executor:
    if name == "ray":
        return Ray(workers, address)
    if name != "local":
        raise UnknownName(f"there is no executor '{name}'; there are local and ray")
    if address:
        raise UsageError("an address is of a Ray cluster; give --executor ray")
    return Local(workers)
