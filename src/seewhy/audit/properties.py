"""Properties of whole photos: what is measured of each, and how a photo is given another's.

Some have a degree, as contrast or compression: a photo is changed by one strength after another until it has the degree
that is wanted. Colours have a value in each of a few cells; what a photo lacks of them is added smoothly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Protocol

import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, conv2d, interpolate, pad

GREY = (0.299, 0.587, 0.114)  # of red, green and blue. Source: ITU-R BT.601
OPPONENT = ((1 / 3, 1 / 3, 1 / 3), (0.5, 0.5, -1.0), (1.0, -1.0, 0.0))  # light, yellow or blue, red or green
LIGHT = 0.45  # of usual photos, on the mean
LEAST = 0.01  # to take logarithms of what may be nothing
FINE = 4  # a spectrum is this much finer than its photo has pixels
PERIODS = (4, 32)  # pixels between the borders of blocks
LOCAL = 9  # pixels over which the borders of blocks are held against what is beside them
SPECKLE = ((1.0, -2.0, 1.0), (-2.0, 4.0, -2.0), (1.0, -2.0, 1.0))  # sees noise and no edges. Source: Immerkær 1996
DEBLOCKING = 12  # quality


class Property(Protocol):
    """Something that every photo has more or less of."""

    def plain(self, length: int) -> Tensor:
        """What usual photos have: so many values."""
        ...

    @property
    def visible(self) -> float:
        """The least difference that people see."""
        ...

    def measure(self, pixels: Tensor) -> Tensor:
        """Of photos `(n, C, H, W)` in [0, 1], `(n, d)`."""
        ...

    def given(self, pixels: Tensor, values: Tensor, weight: Tensor) -> Tensor:
        """The photos with these values, `(d,)`, as far as each counts, `(d,)` in [0, 1]."""
        ...


@dataclass(frozen=True)
class Degree:
    """A property with one value, which grows with the strength of a change.

    Attributes:
        more: what a photo has that has much of it; empty where nobody would speak of it.
        less: what one has that has little.
        usual: the value of usual photos.
        visible: see `Property`.
        value: of one photo `(C, H, W)`.
        change: of a photo by a strength; 0 leaves it.
        strengths: ascending.
    """

    more: str
    less: str
    usual: float
    visible: float
    value: Callable[[Tensor], float]
    change: Callable[[Tensor, float], Tensor]
    strengths: Sequence[float]

    def plain(self, length: int) -> Tensor:
        """See `Property`."""
        return torch.full((length,), self.usual)

    def measure(self, pixels: Tensor) -> Tensor:
        """See `Property`."""
        return torch.tensor([[self.value(each)] for each in pixels])

    def given(self, pixels: Tensor, values: Tensor, weight: Tensor) -> Tensor:
        """See `Property`."""
        return torch.stack([self._given(each, float(values[0])) for each in pixels])

    def _given(self, photo: Tensor, value: float) -> Tensor:
        low, high = 0, len(self.strengths) - 1
        while high - low > 1:
            middle = (low + high) // 2
            below = self.value(self.change(photo, self.strengths[middle])) < value
            low, high = (middle, high) if below else (low, middle)
        changed = [self.change(photo, self.strengths[each]) for each in (low, high)]
        return min(changed, key=lambda each: abs(self.value(each) - value))


@dataclass(frozen=True)
class Colours:
    """The mean colours of `cells` × `cells` parts of a photo."""

    cells: int
    visible: float = 0.03

    def plain(self, length: int) -> Tensor:
        """See `Property`: grey."""
        coloured = length == len(GREY) * self.cells**2
        values = torch.tensor([LIGHT, 0.0, 0.0] if coloured else [LIGHT])
        return values.repeat_interleave(self.cells**2 if coloured else length)

    def measure(self, pixels: Tensor) -> Tensor:
        """See `Property`."""
        return torch.einsum("oc,nchw->nohw", _axes(pixels), adaptive_avg_pool2d(pixels, self.cells)).flatten(1)

    def given(self, pixels: Tensor, values: Tensor, weight: Tensor) -> Tensor:
        """See `Property`."""
        lacking = (weight * (values - self.measure(pixels))).unflatten(1, (-1, self.cells, self.cells))
        added = torch.einsum("co,nohw->nchw", torch.linalg.inv(_axes(pixels)), lacking)
        return (pixels + interpolate(added, pixels.shape[2:], mode="bilinear")).clamp(0, 1)


def _axes(pixels: Tensor) -> Tensor:
    """What colours are measured along: light and two of hue, of which photos have little; of others the channels."""
    channels = pixels.shape[1]
    return torch.tensor(OPPONENT) if channels == len(GREY) else torch.eye(channels)


# --- Degrees --------------------------------------------------------------------------------------------------------


def grey(photo: Tensor) -> Tensor:
    """A photo `(C, H, W)` in grey, `(H, W)`."""
    weights = torch.tensor(GREY) if len(photo) == len(GREY) else torch.full((len(photo),), 1 / len(photo))
    return torch.einsum("chw,c->hw", photo, weights)


def _contrast(photo: Tensor) -> float:
    return float(grey(photo).std())


def _scaled(photo: Tensor, strength: float) -> Tensor:
    mean = grey(photo).mean()
    return (mean + (photo - mean) * 2**strength).clamp(0, 1)


def _chroma(photo: Tensor) -> float:
    return float((photo - grey(photo)).abs().mean().add(2 * LEAST).log())


def _coloured(photo: Tensor, strength: float) -> Tensor:
    shade = grey(photo)
    return (shade + (photo - shade) * 2**strength).clamp(0, 1)


def _sharpness(photo: Tensor) -> float:
    seen = grey(photo)[None]
    fine = seen - avg_pool2d(seen, 3, 1, 1, count_include_pad=False)
    return float((fine.std() / (seen.std() + LEAST) + LEAST).log())


def _sharpened(photo: Tensor, strength: float) -> Tensor:
    """Blurred by a Gaussian of so many pixels where the strength is below 0; else sharpened by so much."""
    if strength < 0:
        return _blurred(photo, -strength)
    return (photo + strength * (photo - _blurred(photo, 1.0))).clamp(0, 1) if strength else photo


def _blurred(photo: Tensor, width: float) -> Tensor:
    reach = max(1, min(round(3 * width), min(photo.shape[1:]) - 1))
    bell = torch.exp(-torch.arange(-reach, reach + 1).float().square() / (2 * width**2))
    bell = bell / bell.sum()
    padded = pad(photo[:, None], (reach,) * 4, mode="reflect")
    return conv2d(conv2d(padded, bell[None, None, None]), bell[None, None, :, None])[:, 0]


def _noise(photo: Tensor) -> float:
    speckle = conv2d(grey(photo)[None, None], torch.tensor(SPECKLE)[None, None])
    return float((speckle.abs().median() / 6 + LEAST / 4).log())


def _noisy(photo: Tensor, strength: float) -> Tensor:
    if strength < 0:
        return _blurred(photo, -strength)
    drawn = torch.randn(photo.shape, generator=torch.Generator().manual_seed(0))
    return (photo + strength * drawn).clamp(0, 1)


def _blocks(photo: Tensor) -> float:
    """How far steps between neighbouring pixels come back at one period, against all other periods."""
    seen = grey(photo)
    power = torch.stack([_periodic(seen, 1), _periodic(seen.T, 1)])
    found: list[float] = []
    for each in power:
        length = len(each) - 1
        longest, shortest = (max(1, round(2 * length / period)) for period in reversed(PERIODS))
        combs = [each[base::base].mean() for base in range(longest, min(shortest, length // 2) + 1)]
        found.append(float((torch.stack(combs).max() / each.mean().clamp(min=1e-9)).log()) if combs else 0.0)
    return float(np.mean(found))


def _periodic(seen: Tensor, step: int) -> Tensor:
    """The power spectrum of the steps across columns, each against those beside it."""
    steps = (seen[:, step:] - seen[:, :-step]).abs().mean(0)
    usual = avg_pool2d(steps[None, None], (1, LOCAL), 1, (0, LOCAL // 2), count_include_pad=False)[0, 0]
    steps = steps / (usual + LEAST / 10)
    return torch.fft.rfft(steps - steps.mean(), FINE * len(steps)).abs().square()


def _compressed(photo: Tensor, strength: float) -> Tensor:
    """Saved as JPEG, the worse the stronger; below 0 the blocks are smoothed away (Nosratinia 2001)."""
    if strength == 0:
        return photo
    if strength > 0:
        return _saved(photo, round(100 - strength))
    shifts = [(down, 3 * down % 8) for down in range(8)]
    again = [torch.roll(_saved(torch.roll(photo, shift, (1, 2)), round(100 + strength)), (-shift[0], -shift[1]), (1, 2))
             for shift in shifts]  # fmt: skip
    return torch.stack(again).mean(0)


def _saved(photo: Tensor, quality: int) -> Tensor:
    channels = [photo] if len(photo) == len(GREY) else list(photo.split(1))
    return torch.cat([_as_jpeg(each, quality) for each in channels])


def _as_jpeg(photo: Tensor, quality: int) -> Tensor:
    """Of three channels or one."""
    pixels = (photo * 255).round().byte().permute(1, 2, 0).numpy()
    kept = BytesIO()
    Pillow.fromarray(pixels if pixels.shape[2] > 1 else pixels[..., 0]).save(kept, "JPEG", quality=quality)
    again = np.array(Pillow.open(kept)).reshape(pixels.shape)
    return torch.from_numpy(again).permute(2, 0, 1).float() / 255


PROPERTIES: Mapping[str, Property] = {
    "tint": Colours(1),
    "colours": Colours(8),
    "contrast": Degree("strong contrast", "weak contrast", 0.2, 0.02, _contrast, _scaled,
                       (-4, -3, -2, -1.5, -1, -0.7, -0.4, -0.2, 0, 0.2, 0.4, 0.7, 1, 1.5, 2)),
    "saturation": Degree("strong colour", "faint colour", -2.4, 0.5, _chroma, _coloured,
                         (-9, -3, -2, -1.5, -1, -0.6, -0.3, 0, 0.3, 0.6, 1, 1.5, 2, 3)),
    "sharpness": Degree("", "blur", -1.75, 0.2, _sharpness, _sharpened,
                        (-6, -4, -3, -2.2, -1.6, -1.2, -0.9, -0.7, -0.5, 0, 0.3, 0.7, 1.2, 2, 3)),
    "noise": Degree("noise", "", -5.2, 0.2, _noise, _noisy,
                    (-2, -1, -0.7, -0.5, 0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.14, 0.2)),
    "blocks": Degree("strong compression", "", 1.3, 0.5, _blocks, _compressed,
                     (-88, -70, 0, 20, 40, 55, 65, 75, 82, 87, 90, 92, 94, 96)),
}  # fmt: skip
