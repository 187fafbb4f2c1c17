"""One look at every photo of a folder: what the network answers, and where its evidence for the answer lies.

One forward and one backward for each batch. The evidence is gradient times activation at a late-middle layer, whose
features tell parts of photos apart. What was looked at is kept beside the result, so that another run goes on there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from seewhy.core.files import whole_file
from seewhy.core.outcome import Outcome
from seewhy.core.progress import Progress
from seewhy.core.reading import read_arrays
from seewhy.errors import BadFile, BadImage, ExplainError, UsageError
from seewhy.images.folder import Entry, Folder
from seewhy.models import Classifier
from seewhy.models.capture import capture
from seewhy.models.grids import folded
from seewhy.models.stages import stages

BATCH = 16
CELLS = 14  # of the evidence, a side at most
FINE = 8  # cells a side that a layer has at least to be a late-middle one
DIMENSIONS = 128  # to which features of cells are projected
EVIDENCE = "gradient × activation"
LOOKED, ASKED = "looked", "asked"
SEEN = ("pixels", "sizes", "probabilities", "evidence", "features")
Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Looked:
    """What was seen of `n` photos, in the order of `entries`.

    Attributes:
        entries: the photos.
        pixels: what the network sees of each, uint8 `(n, C, h, w)`.
        sizes: height and width of each photo itself, `(n, 2)`.
        probabilities: `(n, K)`.
        evidence: for the likeliest class, at least 0, `(n, g, g)`; adds up to 1 where there is any.
        features: of each cell, `(n, d, g, g)`.
        layer: where evidence and features come from.
    """

    entries: tuple[Entry, ...]
    pixels: NDArray[np.uint8]
    sizes: NDArray[np.int64]
    probabilities: Array
    evidence: Array
    features: Array
    layer: str

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def said(self) -> NDArray[np.int64]:
        """The likeliest class of each photo, `(n,)`."""
        return self.probabilities.argmax(1)

    def part(self, places: Sequence[int] | NDArray[np.int64]) -> Looked:
        """These of them, in this order."""
        rows = np.asarray(places, np.int64)
        return Looked(
            tuple(self.entries[row] for row in rows),
            self.pixels[rows],
            self.sizes[rows],
            self.probabilities[rows],
            self.evidence[rows],
            self.features[rows],
            self.layer,
        )


def look(classifier: Classifier, folder: Folder, kept: Path, progress: Progress) -> tuple[Looked, list[Outcome[None]]]:
    """Look at every photo that can be opened; photos that `kept` knows are not looked at again.

    Raises:
        UsageError: no photo can be opened, or the network gives values instead of classes.
        ExplainError: the network shows no layer that covers the picture.
    """
    if classifier.head.meaning == "values":
        raise UsageError("the network gives values, and an audit asks what raises a class; give a model of classes")
    if not {"layers", "gradients"} <= classifier.offers:
        raise ExplainError("the network shows neither layers nor gradients, so its evidence cannot be found")
    layer = middle_layer(classifier)
    kept.mkdir(parents=True, exist_ok=True)
    found: list[dict[str, np.ndarray]] = []
    entries: list[Entry] = []
    failures: list[Outcome[None]] = []
    for start in range(0, len(folder.entries), BATCH):
        some = folder.entries[start : start + BATCH]
        progress(start, len(folder.entries), "looking at photos")
        place = kept / f"{LOOKED}-{_key(classifier, folder, some, layer)}.npz"
        rows = _read(place, ("opened", "reasons", *SEEN))
        if rows is None:
            rows = _look(classifier, folder, some, layer)
            if len(rows["opened"]):
                _write(place, rows)
        mine = set(rows["opened"].tolist())
        entries += [entry for number, entry in enumerate(some) if number in mine]
        failures += _failed(rows, some)
        if mine:
            found.append(rows)
    if not entries:
        raise UsageError(f"none of the {len(folder.entries)} photos of {folder.root} can be opened")
    pixels, sizes, *numbers = (np.concatenate([rows[name] for rows in found]) for name in SEEN)
    probabilities, evidence, features = (each.astype(np.float32) for each in numbers)
    return Looked(tuple(entries), pixels, sizes, probabilities, evidence, features, layer), failures


def middle_layer(classifier: Classifier) -> str:
    """The deepest stage with at least `FINE` cells a side; where all are coarser, the one CAM methods explain."""
    grids = [(name, classifier.grid(name)) for name in stages(classifier)]
    fine = [name for name, grid in grids if grid is not None and min(grid.size) >= FINE]
    return fine[-1] if fine else classifier.default_layer


@dataclass(frozen=True, eq=False)
class Asking:
    """A network that is asked about changed photos; its answers are kept, so that another run does not ask again."""

    classifier: Classifier
    kept: Path

    def __call__(self, shown: Iterable[Tensor]) -> Array:
        """Probabilities `(n, K)` of what the network is shown, `(n, C, h, w)` in [0, 1] in parts of any length."""
        flow = chain.from_iterable(part.split(1) for part in shown)
        batches = iter(lambda: list(islice(flow, BATCH)), [])
        return np.concatenate([self._batch(torch.cat(batch)) for batch in batches])

    def _batch(self, pixels: Tensor) -> Array:
        pixels = (pixels * 255).round().to(torch.uint8)  # as a file would hold them
        content = self.classifier.fingerprint.encode() + pixels.contiguous().numpy().tobytes()
        place = self.kept / f"{ASKED}-{sha256(content).hexdigest()[:32]}.npz"
        rows = _read(place, ("probabilities",))
        if rows is None:
            rows = {"probabilities": self._ask(pixels.float() / 255)}
            _write(place, rows)
        return rows["probabilities"]

    def _ask(self, pixels: Tensor) -> Array:
        classifier = self.classifier
        x = classifier.preprocessing.normalize(pixels.to(classifier.device, classifier.dtype))
        with torch.no_grad():
            logits = torch.cat([classifier.logits(part) for part in x.split(classifier.at_once(BATCH))])
            return classifier.head.probabilities(logits.float()).cpu().numpy()


def _look(classifier: Classifier, folder: Folder, some: Sequence[Entry], layer: str) -> dict[str, np.ndarray]:
    opened: list[int] = []
    seen: list[Tensor] = []
    sizes: list[tuple[int, int]] = []
    reasons: list[str] = []
    for number, entry in enumerate(some):
        try:
            image = folder.image(entry)
            seen.append(classifier.preprocessing.pixels([image]))
        except BadImage as error:
            reasons.append(f"{number}:{error}")
        else:
            opened.append(number)
            sizes.append((image.height, image.width))
    found: dict[str, np.ndarray] = {"opened": np.array(opened, np.int64), "reasons": np.array(reasons, np.str_)}
    if not seen:
        return found
    pixels = torch.cat(seen)
    parts = [_explained(classifier, part, layer) for part in pixels.split(classifier.at_once(BATCH))]
    probabilities, evidence, features = (torch.cat(each).cpu().numpy() for each in zip(*parts, strict=True))
    return found | {
        "sizes": np.array(sizes, np.int64),
        "pixels": (pixels * 255).round().to(torch.uint8).numpy(),
        "probabilities": probabilities.astype(np.float32),
        "evidence": evidence.astype(np.float32),
        "features": features.astype(np.float16),
    }


def _explained(classifier: Classifier, pixels: Tensor, layer: str) -> tuple[Tensor, Tensor, Tensor]:
    """Probabilities, evidence and features of a batch, `(n, K)`, `(n, g, g)`, `(n, d, g, g)`."""
    x = classifier.preprocessing.normalize(pixels.to(classifier.device, classifier.dtype))
    with capture(classifier.module, [layer]) as seen:
        logits = classifier.logits(x)
        gradients = seen.gradients(logits.max(1).values.sum(), [layer])[layer]
        activations = seen[layer]
    grid = classifier.require_grid(layer)
    gradients, activations = (folded(grid, each) for each in (gradients, activations))
    evidence = _coarse((gradients * activations).sum(1, keepdim=True))[:, 0].clamp(min=0)
    total = evidence.sum((1, 2), keepdim=True)
    features = torch.einsum("nchw,cd->ndhw", _coarse(activations), _projection(activations))
    probabilities = classifier.head.probabilities(logits.detach().float())
    return probabilities, evidence / total.clamp(min=1e-12), features


def _coarse(maps: Tensor) -> Tensor:
    height, width = (min(side, CELLS) for side in maps.shape[2:])
    return adaptive_avg_pool2d(maps, (height, width))


def _projection(like: Tensor) -> Tensor:
    """Random directions, always the same: distances between cells stay as they were but for a few per cent."""
    channels = like.shape[1]
    if channels <= DIMENSIONS:
        return torch.eye(channels, device=like.device)
    drawn = torch.randn(channels, DIMENSIONS, generator=torch.Generator().manual_seed(0))
    return (drawn / DIMENSIONS**0.5).to(like.device)


def _key(classifier: Classifier, folder: Folder, some: Sequence[Entry], layer: str) -> str:
    """What an answer hangs on: the network, the layer and the bytes of the photos."""
    told = [classifier.fingerprint, layer, *(folder.hashes[entry.path] for entry in some)]
    return sha256(json.dumps(told).encode()).hexdigest()[:32]


def _read(place: Path, names: Sequence[str]) -> dict[str, np.ndarray] | None:
    """What was kept, or None where nothing is or it is damaged; then it is made anew."""
    if not place.exists():
        return None
    try:
        return read_arrays(place, "it is made anew", names, "fiuU")
    except BadFile:
        return None


def _write(place: Path, rows: dict[str, np.ndarray]) -> None:
    with whole_file(place) as file:
        np.savez(file, allow_pickle=False, **rows)


def _failed(rows: dict[str, np.ndarray], some: Sequence[Entry]) -> Iterator[Outcome[None]]:
    for told in rows["reasons"].tolist():
        number, _, words = told.partition(":")
        yield Outcome(some[int(number)].path, error=UsageError(words))
