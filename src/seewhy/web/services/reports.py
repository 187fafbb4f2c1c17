"""Results to take away, as the command line writes them: report, pictures, raw maps and manifests by their names."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from seewhy.core.files import home
from seewhy.core.progress import Outcome, Progress
from seewhy.draw import OURS, Colors
from seewhy.images import Image
from seewhy.models import Classifier
from seewhy.network.labels import lexicon, naming_of
from seewhy.people.rounds import answers
from seewhy.report import (
    write_network_report,
)
from seewhy.verbs import (
    CounterfactualsResult,
    Result,
    TwinsResult,
    explain_network,
    explain_prototypes,
    find_counterfactuals,
    find_twins,
    open_cases,
    write_explanations,
)
from seewhy.verbs.network import GlobalResult, global_view
from seewhy.verbs.teach import TeachResult
from seewhy.web.services.hub import Explained
from seewhy.web.services.storage import people_store

Files: TypeAlias = dict[str, bytes]

REPORT = "report.html"
TWINS = 5
TEXTS = (".html", ".json", ".csv", ".svg")
TRAININGS = rb"(?:trainings/[\w-]+/(?:(?:classifier|cases|prototypes)/)?)?"


def report_of(files: Files) -> bytes:
    """The page among them."""
    return files[REPORT]


def zipped(files: Files) -> bytes:
    """All of them in one archive; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def result_files(found: Result) -> Files:
    """What a result saves, by its names."""
    with _scratch() as folder:
        return _files_in(found.save(folder))


def explanation_files(found: Explained, colors: Colors = OURS) -> Files:
    """Report, pictures, raw maps and manifests of one photo, by their names."""
    outcome = Outcome(found.image.name, found.explanations)
    failures = [Outcome(f"{found.image.name}, {method}", error=error) for method, error in found.failures.items()]
    with _scratch() as folder:
        write_explanations([outcome, *failures], folder, colors)
        return _files_in(folder)


def network_files(classifier: Classifier, image: Image, target: str | None, progress: Progress) -> Files:
    """The network layer by layer, in people's words where there are some."""
    picture = explain_network(classifier, image, target, naming=naming_of(classifier), progress=progress)
    with _scratch() as folder:
        write_network_report(folder, [(picture, picture.save(folder / "network"))])
        return _files_in(folder)


def class_files(classifier: Classifier, pictures: Sequence[Path], index: int, progress: Progress) -> Files:
    """A whole class in the words of those who played, or where nobody did, of simulated players.

    Raises:
        UsageError: nobody said anything about these pictures as this class.
    """
    progress(0, None, "reading words")
    store = people_store()
    simulated = not answers(store, simulated=False, model=classifier.fingerprint)
    known = lexicon(store, classifier, simulated=simulated)
    found, failures = global_view(classifier, pictures, [index], known, progress)
    name = classifier.categories[index] + (" (simulated players)" if simulated else "")
    return result_files(GlobalResult(name, found, classifier.name, failures))


def twins_files(classifier: Classifier, cases: Path, image: Image, progress: Progress) -> Files:
    """The pictures of a case base that are most like this one to the network."""
    progress(0, None, "opening the cases")
    opened = open_cases(cases, classifier)
    progress(0, None, "looking for twins")
    return result_files(TwinsResult([find_twins(opened, image, TWINS)], opened.base.about))


def counterfactual_files(classifier: Classifier, cases: Path, image: Image, progress: Progress) -> Files:
    """What would have turned the decision."""
    progress(0, None, "opening the cases")
    opened = open_cases(cases, classifier)
    found = find_counterfactuals(opened, image, progress=progress)
    return result_files(CounterfactualsResult([found], opened.base.about))


def prototype_files(model: Path, image: Image, progress: Progress) -> Files:
    """This looks like that."""
    return result_files(explain_prototypes(model, [image], progress=progress))


def training_page(found: TeachResult) -> bytes:
    """The report about a classifier that somebody trained."""
    return _file_in(found.classifier, REPORT)


def training_files(found: TeachResult) -> Files:
    """Classifier and prototypes, each in its folder, with their reports."""
    folders = (found.classifier, found.prototypes)
    return {f"{each.name}/{name}": content for each in folders for name, content in _files_in(each).items()}


@contextmanager
def _scratch() -> Generator[Path]:
    """A folder that is gone after use."""
    with TemporaryDirectory(prefix="seewhy-") as name:
        yield Path(name)


def _files_in(folder: Path) -> Files:
    """What lies in a folder, if there is one; its texts do not tell where this machine keeps things."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return {name: _file_in(folder, name) for name in names}


def _file_in(folder: Path, name: str) -> bytes:
    content = (folder / name).read_bytes()
    return re.sub(re.escape(f"{home()}/".encode()) + TRAININGS, b"", content) if name.endswith(TEXTS) else content
