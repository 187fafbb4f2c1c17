"""Results to take away, as the command line writes them: report, pictures, raw maps and manifests by their names."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from seewhy.cases import find_counterfactuals, find_twins, open_cases
from seewhy.core.files import home
from seewhy.core.outcome import Outcome
from seewhy.core.progress import Progress
from seewhy.draw import OURS, Colors
from seewhy.images import Image, find_images, samples
from seewhy.models import Classifier
from seewhy.network.labels import lexicon, naming_of
from seewhy.people.rounds import answers
from seewhy.report.network import write_network_report
from seewhy.verbs.cases import CounterfactualsResult, TwinsResult
from seewhy.verbs.evaluate import evaluate
from seewhy.verbs.explanations import write_explanations
from seewhy.verbs.network import GlobalResult, explain_network, global_view
from seewhy.verbs.prototypes import explain_prototypes
from seewhy.verbs.result import Result
from seewhy.web.services.hub import services
from seewhy.web.services.results import Explained
from seewhy.web.services.storage import people_store

Files: TypeAlias = dict[str, bytes]

REPORT = "report.html"
TWINS = 5
TEXTS = (".html", ".json", ".csv", ".svg")
KEPT = (".", "ledger.lock")  # how names begin of what seewhy keeps to go on
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


def report_page(found: Result) -> bytes:
    """The report of a result whose other files nobody wants yet."""
    return without_homes(found.page().encode())


def result_files(found: Result) -> Files:
    """What a result saves, by its names."""
    return written(found.save)


def explanation_files(found: Explained, colors: Colors = OURS) -> Files:
    """Report, pictures, raw maps and manifests of one photo, by their names."""
    outcome = Outcome(found.image.name, found.explanations)
    failures = [Outcome(f"{found.image.name}, {method}", error=error) for method, error in found.failures.items()]
    return written(lambda folder: write_explanations([outcome, *failures], folder, colors))


def network_files(classifier: Classifier, image: Image, target: str | None, progress: Progress) -> Files:
    """The network layer by layer, in people's words where there are some."""
    picture = explain_network(classifier, image, target, naming=naming_of(classifier), progress=progress)
    return written(lambda folder: write_network_report(folder, [(picture, picture.save(folder / "network"))]))


def class_files(classifier: Classifier, index: int, progress: Progress) -> Files:
    """The report on a whole class; see `class_view`."""
    return result_files(class_view(classifier, index, progress))


def class_view(classifier: Classifier, index: int, progress: Progress) -> GlobalResult:
    """A whole class in the words of those who played, or where nobody did, of simulated players.

    They played with the pictures of a folder, or with the samples that the page Play begins with.

    Raises:
        UsageError: nobody said anything about these pictures as this class.
    """
    progress(0, None, "reading words")
    store = people_store()
    simulated = not answers(store, simulated=False, model=classifier.fingerprint)
    known = lexicon(store, classifier, simulated=simulated)
    folder = services().settings.photos
    pictures = find_images([folder]) if folder else list(samples().values())
    found, failures = global_view(classifier, pictures, [index], known, progress)
    name = classifier.categories[index] + (" (simulated players)" if simulated else "")
    return GlobalResult(name, found, classifier.name, failures)


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


def mistakes_files(classifier: Classifier, model: str, pictures: Path, progress: Progress) -> Files:
    """What a classifier gets wrong of the pictures that it has not learned from, each with a reason and twins."""
    return result_files(evaluate(classifier, pictures, model=model, progress=progress))


def written(write: Callable[[Path], object]) -> Files:
    """What `write` leaves in a folder, which is gone afterwards."""
    with TemporaryDirectory(prefix="seewhy-") as name:
        write(folder := Path(name))
        return files_below(folder)


def files_below(folder: Path) -> Files:
    """What people get of a folder of results: all but what seewhy keeps there to go on."""
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    kept = {name: path for name, path in paths.items() if not name.startswith(KEPT) and "/." not in name}
    found = {name: path.read_bytes() for name, path in kept.items()}
    return {name: without_homes(content) if name.endswith(TEXTS) else content for name, content in found.items()}


def without_homes(text: bytes) -> bytes:
    """The text without the names of folders that tell where this machine keeps things."""
    chosen = services().settings
    for folder in filter(None, (chosen.cases, chosen.photos, chosen.prototypes, chosen.studies)):
        text = text.replace(f"{folder}/".encode(), b"")
    return re.sub(re.escape(f"{home()}/".encode()) + TRAININGS, b"", text)
