"""Predict: what the classifier says of each picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seewhy.core.progress import Progress, silent
from seewhy.errors import SeewhyError
from seewhy.images import open_image
from seewhy.models import Classifier, Prediction


@dataclass(frozen=True)
class Answer:
    """The likeliest classes of one picture, or the error that stopped it."""

    source: str
    predictions: tuple[Prediction, ...] = ()
    error: SeewhyError | None = None


def predict_each(
    classifier: Classifier, sources: Sequence[str | Path], top: int = 5, progress: Progress = silent
) -> Iterator[Answer]:
    """The `top` likeliest classes of file after file; a bad one never stops the rest."""
    for done, source in enumerate(sources, start=1):
        try:
            yield Answer(str(source), tuple(classifier.predict(open_image(source), top)))
        except SeewhyError as error:
            yield Answer(str(source), error=error)
        progress(done, len(sources), "images")
