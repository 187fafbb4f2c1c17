"""What is in each picture: the likeliest classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from seewhy.core.outcome import Outcome, attempt
from seewhy.core.progress import Progress, silent
from seewhy.images import open_image
from seewhy.models import Classifier, Prediction


def predict_each(
    classifier: Classifier, sources: Sequence[str | Path], top: int = 5, progress: Progress = silent
) -> Iterator[Outcome[Sequence[Prediction]]]:
    """The `top` likeliest classes of file after file; a bad one never stops the rest."""
    for done, source in enumerate(sources, start=1):
        yield attempt(source, lambda source=source: classifier.predict(open_image(source), top))
        progress(done, len(sources), "images")
