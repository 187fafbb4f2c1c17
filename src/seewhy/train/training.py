"""What came of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seewhy.errors import BadImage
from seewhy.models import Classifier
from seewhy.train.evaluate import Evaluation
from seewhy.train.finetune import Epoch
from seewhy.train.parts import Parts
from seewhy.train.recipe import Recipe


@dataclass(frozen=True)
class Training:
    """A trained classifier, how it came to be, and how good it is on each part it did not learn from.

    `failures` are pictures that could not be opened.
    """

    out: Path
    backbone: str
    classifier: Classifier
    recipe: Recipe
    parts: Parts
    epochs: Sequence[Epoch]
    evaluations: Mapping[str, Evaluation]
    failures: Sequence[tuple[str, BadImage]]

    @property
    def model(self) -> str:
        """The name by which every other command opens it."""
        return f"file:{self.out}"
