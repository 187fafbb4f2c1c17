"""The method that explains this classifier best, as far as tests can tell."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from seewhy.core.files import cache_folder, private_file, private_folder, write_json
from seewhy.core.progress import Progress, silent
from seewhy.core.reading import read_json
from seewhy.errors import BadFile, ExplainError, UnknownName, UsageError
from seewhy.images import Image, find_images
from seewhy.images.opening import open_each
from seewhy.methods import lacking, method_info
from seewhy.methods.method import DEFAULT_METHOD
from seewhy.models import Classifier
from seewhy.report.page import counted, title_of

METRICS = ("road", "insertion-minus-deletion", "infidelity")
MOST = 16  # pictures


def best_method(classifier: Classifier, folder: Path | None = None, progress: Progress = silent) -> tuple[str, str]:
    """The name of the method, and in a sentence why it.

    With a folder of pictures by `calibrate`, whose answer is kept for this classifier; without one by an answer that
    was kept. With neither it is Grad-CAM, or the first method that suits a classifier without gradients.
    """
    if folder:
        images = list(open_each(find_images([folder])[:MOST])[0].values())
        if not images:
            raise UsageError(f"none of the pictures in {folder} can be opened, so there is nothing to calibrate on")
        path = _file(classifier)
        found = calibrate(classifier, images, progress)
        private_folder(path.parent)
        write_json(path, found)
        private_file(path)
    if kept := _kept(classifier):
        title, alike = title_of(kept["method"]), len(kept["recommended"]) - 1
        over = f"over ROAD, insertion − deletion and infidelity on {counted(kept['images'], 'picture')}"
        if alike < 0:
            return kept["method"], f"{title}: the best mean rank {over}, yet no method is known to beat the controls"
        among = f", among {alike + 1} that beat the controls and cannot be told apart" if alike else ""
        return kept["method"], f"{title}: the best mean rank {over}{among}"
    name = DEFAULT_METHOD if not lacking(method_info(DEFAULT_METHOD), classifier) else _first(classifier)
    return name, (
        f"{method_info(name).title}, untested: nothing is known of this model yet; --calibrate FOLDER tests eight "
        "methods on up to 16 of its pictures"
    )


def calibrate(classifier: Classifier, images: Sequence[Image], progress: Progress = silent) -> dict[str, Any]:
    """The best of the methods that the verdict recommends on these pictures, with all ranks, as plain JSON values.

    Where it recommends none, it is the method with the best mean rank.

    Raises:
        SeewhyError: none of the pictures could be explained; it is the first one's.
    """
    from seewhy.verbs.compare import score_each, scoring_for  # who explains without it needs no studies

    found = score_each(classifier, images, scoring_for(classifier, metrics=METRICS), progress=progress)
    if not found.explained:
        raise next(iter(found.errors.values()), ExplainError("none of the pictures could be explained; try others"))
    recommended = found.recommended
    return {
        "method": (recommended or found.judged.order or found.scores[0].rivals)[0],
        "images": len(found.explained),
        "ranks": found.scores[0].ranks,
        "recommended": [*recommended],
    }


def _first(classifier: Classifier) -> str:
    """The first of the fast methods that suit it."""
    from seewhy.verbs.compare import chosen_methods

    return chosen_methods(classifier)[0]


def _file(classifier: Classifier) -> Path:
    return cache_folder() / "best" / f"{classifier.fingerprint}.json"


class Kept(TypedDict):
    """What `calibrate` found."""

    method: str
    images: int
    ranks: dict[str, float]
    recommended: list[str]


def _kept(classifier: Classifier) -> Kept | None:
    """What was kept; nothing if it is damaged, or names a method that is gone."""
    with suppress(BadFile, UnknownName):
        kept = read_json(_file(classifier), Kept, "")
        method_info(kept["method"])
        return kept
    return None
