"""Work whose result is a report with its files, as the command line writes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seewhy.core.progress import Progress
from seewhy.images import Image
from seewhy.models import Classifier
from seewhy.network.words import lexicon, naming_of
from seewhy.people.rounds import answers
from seewhy.report import (
    write_counterfactual_report,
    write_network_report,
    write_prototype_explanations_report,
    write_twins_report,
)
from seewhy.report.global_view import write_global_report
from seewhy.verbs import (
    explain_network,
    explain_prototypes,
    find_counterfactuals,
    find_twins,
    open_cases,
    save_prototype_explanations,
)
from seewhy.verbs.network import global_view
from seewhy.verbs.saving_cases import save_counterfactuals, save_twins
from seewhy.web.archive import Files, written
from seewhy.web.crowd import crowd


def network_files(classifier: Classifier, image: Image, target: str | None, progress: Progress) -> Files:
    """The network layer by layer, in people's words where there are some."""
    picture = explain_network(classifier, image, target, naming=naming_of(classifier), progress=progress)

    def write(folder: Path) -> None:
        write_network_report(folder, [(picture, picture.save(folder / "network"))])

    return written(write)


def class_files(classifier: Classifier, pictures: Sequence[Path], index: int, progress: Progress) -> Files:
    """A whole class in the words of those who played, or where nobody did, of simulated players.

    Raises:
        UsageError: nobody said anything about these pictures as this class.
    """
    progress(0, None, "reading words")
    store = crowd()
    simulated = not answers(store, simulated=False, model=classifier.fingerprint)
    known = lexicon(store, classifier, simulated=simulated)
    found, failures = global_view(classifier, pictures, [index], known, progress)
    name = classifier.categories[index] + (" (simulated players)" if simulated else "")

    def write(folder: Path) -> None:
        write_global_report(folder, name, found, classifier.name, failures)

    return written(write)


def twins_files(classifier: Classifier, cases: Path, image: Image, top: int, progress: Progress) -> Files:
    """The pictures of a case base that are most like this one."""
    progress(0, None, "opening the cases")
    opened = open_cases(cases, classifier)
    progress(0, None, "looking for twins")
    found = [find_twins(opened, image, top)]

    def write(folder: Path) -> None:
        save_twins(found, opened.base.about, folder)
        write_twins_report(folder, found, opened.base.about)

    return written(write)


def counterfactual_files(
    classifier: Classifier, cases: Path, image: Image, target: str | None, progress: Progress
) -> Files:
    """What would have turned the decision."""
    progress(0, None, "opening the cases")
    opened = open_cases(cases, classifier)
    found = [find_counterfactuals(opened, image, target, progress=progress)]

    def write(folder: Path) -> None:
        save_counterfactuals(found, opened.base.about, folder)
        write_counterfactual_report(folder, found, opened.base.about)

    return written(write)


def prototype_files(model: Path, image: Image, progress: Progress) -> Files:
    """This looks like that."""
    found = explain_prototypes(model, [image], progress=progress)

    def write(folder: Path) -> None:
        save_prototype_explanations(found, folder)
        write_prototype_explanations_report(folder, found)

    return written(write)
