"""One picture asked about: which cases are copies of it, and which are nearest among the others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from PIL import Image as Pillow

from seewhy.cases.base import CaseBase
from seewhy.cases.embedders import EMBEDDINGS, Embedder, find_embedder
from seewhy.cases.manifest import MANIFEST
from seewhy.cases.storage import AGAIN
from seewhy.errors import BadFile
from seewhy.models import Prediction, Target
from seewhy.models.load import check_told

if TYPE_CHECKING:
    from seewhy.images import Image
    from seewhy.models import Classifier

SIDE = 8
# Of 64 bits. Between the 124,750 pairs of 500 photos no two differ in fewer than 7; after saving as JPEG again, scaling
# to half or brightening by a fifth a photo differs from itself in 7 at most, mostly in one.
SAME_PRINT, LIKE_PRINT = 4, 16
# Cosines alone would not do: those of the copies go from 0.67 to 0.99, and in a network that was trained long enough
# all pictures of a class may reach 0.999.
RELATED, SAME_VECTOR = 0.5, 0.999


@dataclass(frozen=True, eq=False)
class Cases:
    """A case base with what turns pictures into its vectors."""

    base: CaseBase
    embedder: Embedder


def open_cases(
    folder: str | Path, classifier: Classifier, device: str = "auto", *, embedding: str | None = None
) -> Cases:
    """Open a case base for `classifier`.

    Args:
        folder: as `seewhy cases build` wrote it.
        classifier: whose decisions the cases are to explain.
        device: of the second encoder, if there is one.
        embedding: the base's own, where that is code (`py:…`): a base names it, but only you have it run.

    Raises:
        BadFile: the base is damaged, or its embedding is code that you did not name.
        UsageError: there is none, or it was built with another classifier or embedding.
    """
    base = CaseBase.open(folder)
    stored = base.about.embedding
    if stored not in {*EMBEDDINGS, embedding}:
        check_told(stored, base.folder / MANIFEST, "--embedding")
    embedder = find_embedder(stored, classifier, device)
    base.about.check(base.folder, embedder)
    return Cases(base, embedder)


class Case(NamedTuple):
    """A picture of the case base: its row, its path, its class folder, what the classifier says, its cosine."""

    row: int
    path: str
    label: str | None
    prediction: Prediction
    similarity: float


class Copy(NamedTuple):
    """A case that is left out, and why."""

    case: Case
    reason: str


@dataclass(frozen=True, eq=False)
class Query:
    """A picture asked about: its vector `(D,)`, logits `(K,)` and likeliest classes, best first."""

    cases: Cases
    image: Image
    vector: np.ndarray
    logits: np.ndarray
    predictions: tuple[Prediction, ...]

    @classmethod
    def of(cls, cases: Cases, image: Image) -> Query:
        """Ask the network about `image`.

        Raises:
            BadFile: the base holds vectors or scores of another length than the network gives.
        """
        vectors, logits = cases.embedder([image])
        base = cases.base
        mine, theirs = (base.vectors.shape[1], base.logits.shape[1]), (vectors.shape[1], logits.shape[1])
        if mine != theirs:
            raise BadFile(
                f"the case base {base.folder} is damaged (it has {mine[0]} numbers and {mine[1]} scores for each case, "
                f"the network {theirs[0]} and {theirs[1]}); {AGAIN}"
            )
        classifier = cases.embedder.classifier
        ranked = classifier.ranked(classifier.head.probabilities(logits[0]))
        return cls(cases, image, vectors[0].numpy(), logits[0].numpy(), tuple(ranked))

    @property
    def predicted(self) -> int:
        """The class that the classifier gives it."""
        return self.predictions[0].index

    @cached_property
    def alike(self) -> np.ndarray:
        """Which cases are predicted as the picture is, bool `(n,)`."""
        return self.cases.base.predicted == self.predicted

    @cached_property
    def left_out(self) -> dict[int, str]:
        """Rows that are the picture itself, or nearly so, and why they are taken for it."""
        base = self.cases.base
        bits = differing_bits(base.prints, picture_print(self.image))
        near = np.flatnonzero(bits <= LIKE_PRINT)
        cosines = base.vectors[near] @ self.vector
        copied = (bits[near] <= SAME_PRINT) & (cosines > RELATED) | (cosines > SAME_VECTOR)
        found = dict.fromkeys(near[copied].tolist(), "nearly the same picture")
        same = np.flatnonzero((base.table["pixels"] == self.image.sha256).to_numpy())
        return found | dict.fromkeys(same.tolist(), "the picture itself")

    @property
    def copies(self) -> tuple[Copy, ...]:
        """The cases of `left_out`."""
        return tuple(Copy(self.case(row), why) for row, why in sorted(self.left_out.items()))

    def nearest(self, count: int, among: np.ndarray | None = None) -> list[int]:
        """Up to `count` nearest rows but copies, best first, of those where bool `among` `(n,)` is true, if given."""
        base = self.cases.base
        found = base.neighbours.nearest(self.vector[None], min(count + len(self.left_out), len(base)), among)
        return [row for row in found.rows[0].tolist() if row >= 0 and row not in self.left_out][:count]

    def case(self, row: int) -> Case:
        """A row of the base as people see it."""
        base, index = self.cases.base, int(self.cases.base.predicted[row])
        place = base.table.row(row, named=True)
        classifier = self.cases.embedder.classifier
        shares = classifier.head.probabilities(torch.from_numpy(np.array(base.logits[row], np.float64)))
        (prediction,) = (each for each in classifier.ranked(shares, 1, Target(index)) if each.index == index)
        return Case(row, place["path"], place["label"], prediction, float(base.vectors[row] @ self.vector))


# --- Fingerprints that survive scaling and saving again -----------------------------------------------------------


def picture_print(image: Image) -> int:
    """64 bits: whether each of 8 × 8 areas is brighter than its left neighbour. Source: Krawetz 2013, dHash."""
    grey = image.to_pil().convert("L").resize((SIDE + 1, SIDE), Pillow.Resampling.BOX)
    levels = np.asarray(grey, np.int16)
    bits = levels[:, 1:] > levels[:, :-1]
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def differing_bits(prints: np.ndarray, other: int) -> np.ndarray:
    """How many of the 64 bits of each of `prints`, uint64 `(n,)`, differ from those of `other`."""
    return np.bitwise_count(prints ^ np.uint64(other))
