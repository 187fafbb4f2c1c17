"""What is known of each photo of an audit, as rows: all that is told of labels and quality follows from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import avg_pool2d

from seewhy.audit.looking import Looked
from seewhy.core.reading import damaged, read_csv, sound

DARK = 0.12  # mean brightness below which a photo is dark
BLURRED = 0.03  # contrast of neighbouring pixels, in units of the photo's own, below which it is blurred
TINY = 0.5  # of the shorter side of what the network sees: a smaller photo was blown up for it
PLAIN = 0.02  # contrast below which a photo shows nothing, so that it is not called blurred
POOR = ("dark", "blurred", "tiny")
NUMBERS = ("probability", "of_truth", "side", "brightness", "sharpness")
SEARCHED, TESTED = "searched", "tested"
CURE = "run `seewhy audit` again"
GREY = (0.299, 0.587, 0.114)  # of red, green and blue. Source: ITU-R BT.601


class Photo(NamedTuple):
    """One photo; `truth` is its label where it has one that the network knows, and empty else.

    Attributes:
        photo: its path below the folder.
        sha256: of its bytes.
        part: whether it was searched, or suspects were tried on it.
        answer: the likeliest class.
        probability: of the answer.
        truth: its label.
        of_truth: the probability of the label; NaN without one.
        side: its shorter side in pixels, in units of what the network sees.
        brightness: the mean, 0 to 1.
        sharpness: the contrast of neighbouring pixels, in units of the photo's own; NaN where it shows nothing.
        group: the number of photos like it, to the network.
    """

    photo: str
    sha256: str
    part: str
    answer: str
    probability: float
    truth: str
    of_truth: float
    side: float
    brightness: float
    sharpness: float
    group: int

    @property
    def wrong(self) -> bool:
        """Whether it has a label that is not the answer."""
        return self.truth not in {"", self.answer}

    @property
    def poor(self) -> tuple[str, ...]:
        """What its quality lacks, of `POOR`."""
        held = (self.brightness < DARK, self.sharpness < BLURRED, self.side < TINY)
        return tuple(word for word, holds in zip(POOR, held, strict=True) if holds)


def brightness_and_sharpness(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each of the photos, uint8 `(n, C, h, w)`, as the network sees them.

    Sharpness is what a blur over three pixels takes away, against the spread of the whole photo.
    """
    bright: list[float] = []
    sharp: list[float] = []
    weights = torch.tensor(GREY) if pixels.shape[1] == len(GREY) else torch.full((pixels.shape[1],), 1.0)
    for each in pixels:
        grey = torch.einsum("chw,c->hw", torch.from_numpy(each).float() / 255, weights / weights.sum())
        fine = grey - avg_pool2d(grey[None], 3, 1, 1, count_include_pad=False)[0]
        spread = float(grey.std())
        bright.append(float(grey.mean()))
        sharp.append(float(fine[1:-1, 1:-1].std()) / spread if spread > PLAIN else float("nan"))
    return np.array(bright), np.array(sharp)


def photo_rows(
    looked: Looked,
    hashes: Sequence[str],
    names: Sequence[str],
    truth: NDArray[np.int64] | None,
    searched: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> Iterator[Photo]:
    """A row for each photo, in their order; `names` are of the classes, `truth` is -1 where no label is known."""
    bright, sharp = brightness_and_sharpness(looked.pixels)
    first = {*searched.tolist()}
    view = min(looked.pixels.shape[2:])
    for place, entry in enumerate(looked.entries):
        label = -1 if truth is None else int(truth[place])
        said = int(looked.said[place])
        yield Photo(
            entry.path,
            hashes[place],
            SEARCHED if place in first else TESTED,
            names[said],
            float(looked.probabilities[place, said]),
            names[label] if label >= 0 else "",
            float(looked.probabilities[place, label]) if label >= 0 else float("nan"),
            float(looked.sizes[place].min()) / view,
            float(bright[place]),
            float(sharp[place]),
            int(groups[place]),
        )


def read_photos(path: Path) -> list[Photo]:
    """The rows of a file that an audit wrote.

    Raises:
        BadFile: it is none.
    """
    found: list[Photo] = []
    with sound(path, CURE):
        for row in read_csv(path, CURE, Photo._fields):
            values: dict[str, Any] = {**{name: row[name] for name in Photo._fields}, "group": int(row["group"])}
            values |= {name: float(row[name] or "nan") for name in NUMBERS}
            found.append(Photo(**values))
        if any(each.part not in {SEARCHED, TESTED} for each in found):
            raise damaged(path, "a photo was neither searched nor tested", CURE)
    return found


def cells(row: Photo) -> list[str | float | int | None]:
    """A row as cells of a table; NaN is empty."""
    return [None if isinstance(each, float) and np.isnan(each) else each for each in row]
