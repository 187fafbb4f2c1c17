"""What comes of a job: its values as JSON, and its files; the same for every question."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from seewhy.core.files import json_text
from seewhy.errors import UnknownName
from seewhy.verbs.compare import Comparison
from seewhy.verbs.result import Result
from seewhy.verbs.teach import TeachResult
from seewhy.web.services.hub import Services
from seewhy.web.services.jobs import SECRET, Job
from seewhy.web.services.reports import Files, explanation_files, files_below, result_files, without_homes
from seewhy.web.services.results import Explained
from seewhy.web.telling import without_places

NO_FILES = "this job left no files; its result says all there is"
ELSEWHERE = "what came of this job is on the page that asked for it, and nowhere else"
_lent: dict[str, Path] = {}  # by the ids that were given for them
NOT_READY = "the job '{}' is {}; name one that is done"


@dataclass(frozen=True)
class Found:
    """What came of a question that keeps no pixels: values, files, and what later questions may name by the job's id.

    Attributes:
        values: as the answer's type says.
        files: as the command line would have written them.
        model: the name by which a classifier is loaded that was made.
        folder: where it lies that later questions need, such as cases, concepts or findings.
    """

    values: Any
    files: Files
    model: str | None = None
    folder: Path | None = None


def found_of(result: Result, values: Any = None, *, model: str | None = None, folder: Path | None = None) -> Found:
    """A result as it is kept; `values` are the whole of it by default."""
    return Found(plain(result.to_dict() if values is None else values), result_files(result), model, folder)


def plain(values: Any) -> Any:
    """JSON values without what tells where this machine keeps things; errors lose every folder."""
    return _cleaned(json.loads(without_homes(json_text(values).encode())))


def told(result: Any) -> Any:
    """What came of a job, as the answer of its question.

    Raises:
        UnknownName: no question was asked.
    """
    match result:
        case Found():
            return result.values
        case Explained(explanations=found, failures=failures):
            words = {method: without_places(str(error)) for method, error in failures.items()}
            return {"explanations": [each.manifest() for each in found], "failures": words}
        case Comparison():
            return result.to_dict()
        case TeachResult():
            return plain(result.to_dict())
        case tuple():
            return {"predictions": [each.to_dict() for each in result]}
        case _:
            raise UnknownName(ELSEWHERE)


def files_of(result: Any) -> Files:
    """The files of a result, report among them.

    Raises:
        UnknownName: it has none.
    """
    match result:
        case Found(files=files) if files:
            return files
        case Explained():
            return explanation_files(result)
        case Comparison() | TeachResult():
            return result_files(result)
        case _:
            raise UnknownName(NO_FILES)


def model_of(at: Services, name: str | None) -> str:
    """The model that somebody names: one that is offered, or that a job has made; by default the first.

    Raises:
        UnknownName: there is none.
    """
    if name is None:
        return at.models.names[0]
    made = _made(at, name, lambda result: result.model if isinstance(result, Found | TeachResult) else None)
    return made or at.models.check(name)


def lend(folder: Path) -> str:
    """The id that leads to a folder, for whoever may read it: they sit at this machine, or it is of their visit."""
    known = next((each for each, lent_folder in _lent.items() if lent_folder == folder), None)
    secret = known or secrets.token_urlsafe(SECRET)
    _lent[secret] = folder
    return secret


def lent(name: str) -> Path | None:
    """The folder that `lend` gave this id for."""
    return _lent.get(name)


def folder_of(at: Services, job: str, name: str) -> Path:
    """What a job of the question `name` has left for later ones.

    Raises:
        UnknownName: there is no such job, or it left nothing of the kind.
    """

    def left(result: Any) -> Path | None:
        return result.folder if isinstance(result, Found) and result.folder and result.folder.name == name else None

    folder = lent(job) or _made(at, job, left)
    if folder is None:
        raise UnknownName(f"'{job[:80]}' is no job of /{name} that is still known; ask /{name} first")
    return folder


def results_of(at: Services, job: str) -> Callable[[], Files]:
    """What reads the files that a job has left, judgements of them among them.

    Raises:
        UnknownName: there is no such job, or it left none.
    """
    made = _made(at, job, lambda result: result if isinstance(result, Found) else None)
    if folder := lent(job) or (made and made.folder):
        return partial(files_below, folder)
    if not (made and made.files):
        raise UnknownName(f"'{job[:80]}' is no job that left results; ask /audit or /evaluate first")
    return lambda: made.files


def taught_of(at: Services, job: str) -> TeachResult | None:
    """What a job of /train has made; None of any other name."""
    return _made(at, job, lambda result: result if isinstance(result, TeachResult) else None)


def _made(at: Services, name: str, part: Callable[[Any], Any]) -> Any:
    try:
        job: Job[Any] = at.queue.find(name)
    except UnknownName:
        return None
    if not job.state.is_over:
        raise UnknownName(NOT_READY.format(name, job.state))
    return part(job.result)


def _cleaned(values: Any) -> Any:
    """Sentences about what went wrong name files without their folders."""
    if isinstance(values, list):
        return [_cleaned(each) for each in values]
    if not isinstance(values, dict):
        return values
    return {
        name: without_places(each) if name == "error" and isinstance(each, str) else _cleaned(each)
        for name, each in values.items()
    }
