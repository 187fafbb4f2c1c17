"""What a class looks like to the network: two pictures made without a photo, each with how far it succeeds.

The *phase picture* holds the spectrum of natural pictures fixed, and lets their phases alone be found: it stays among
pictures that could be. Source: Fel et al. 2023, MACO (arXiv 2306.06805). The spectrum is the mean one of given photos;
without any, the law of natural pictures, amplitude 1 / frequency (Field 1987), along three axes of colour (Ruderman et
al. 1998).

The *accumulated picture* is added to noise: of the gradients on many noise pictures what they agree on survives, the
rest averages out. Where the network's last maps see nothing, it is faded. Source: Akhtar & Jalwana 2023 (arXiv
2303.17836), built from its description.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from seewhy.core.progress import Progress, silent
from seewhy.core.statistics import Share, wilson
from seewhy.errors import UsageError
from seewhy.models import Classifier, Target, capture, folded
from seewhy.models.preprocessing import COLOURS
from seewhy.models.state import undisturbed

STEPS, CROPS, RATE = 160, 4, 1.0
LARGER = 1.25  # times the side of what the network sees, so that crops differ
NEAREST = 0.6  # of the picture's side: the smallest crop
NOISE = 0.05
ROUNDS, TOGETHER = 100, 12
MIDDLE, SPREAD = 0.5, 0.25  # of the noise that the accumulated picture is added to
BALL = 0.12  # the most that it changes a pixel by, as the root of the mean square
STRIDE = 0.02  # of a step, at the pixel that changes most
REFINED = 25  # steps from one fading to the next
ASKED = 32  # crops, or noise pictures, on which success is counted
# Luminance, blue against yellow, red against green; and how much pictures vary along each.
AXES = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, -2.0], [1.0, -1.0, 0.0]]) / torch.tensor([[3.0], [6.0], [2.0]]).sqrt()
VARIES = (1.0, 0.28, 0.11)
CONTRAST = 0.22  # of the pixels along luminance, as a standard deviation


@dataclass(frozen=True, eq=False)
class PhasePicture:
    """A picture `(C, h, w)` in [0, 1]; `felt` `(h, w)` is where the class hung on its pixels.

    `said` counts of how many crops the network says the class, `probability` is the mean over them.
    """

    pixels: np.ndarray
    felt: np.ndarray
    said: Share
    probability: float


@dataclass(frozen=True, eq=False)
class AccumulatedPicture:
    """What is added to noise, `(C, h, w)`. `said` counts fresh noise pictures that become the class with it.

    `before` is the share of them that are the class without.
    """

    change: np.ndarray
    said: Share
    before: float


@dataclass(frozen=True, eq=False)
class ClassPicture:
    """A class as the network sees it."""

    target: Target
    label: str
    phase: PhasePicture
    accumulated: AccumulatedPicture


@undisturbed()
def class_picture(
    classifier: Classifier,
    target: Target,
    *,
    photos: Tensor | None = None,
    steps: int = STEPS,
    rounds: int = ROUNDS,
    seed: int = 0,
    progress: Progress = silent,
) -> ClassPicture:
    """What a class looks like to the network.

    Args:
        classifier: it must offer gradients, and take pictures in grey or colour.
        target: the class, or "A vs B".
        photos: as the network sees them, `(N, C, h, w)` in [0, 1]: the phase picture has their spectrum.
        steps: of the phase picture, four crops each.
        rounds: of the accumulated picture, twelve noise pictures each.
        seed: of all randomness.
        progress: told of every step.

    Raises:
        UsageError: the network gives values, no gradients, or takes other channels.
    """
    if "gradients" not in classifier.offers or classifier.head.meaning == "values":
        raise UsageError(f"a class is drawn by the gradients of a network of classes; {classifier.name} has none")
    channels = classifier.preprocessing.channels
    if channels not in {1, COLOURS}:
        raise UsageError(f"a class is drawn in grey or in colour; {classifier.name} takes {channels} channels")
    generator = torch.Generator().manual_seed(seed)
    size = round(classifier.preprocessing.size[0] * LARGER), round(classifier.preprocessing.size[1] * LARGER)
    amplitudes = natural_spectrum(*size, channels)
    if photos is not None and len(photos):
        amplitudes = spectrum_of(interpolate(photos.float().cpu(), size, mode="bilinear", antialias=True))
    return ClassPicture(
        target,
        target.label(classifier.categories),
        phase_picture(classifier, target, amplitudes, size, generator, steps=steps, progress=progress),
        accumulated_picture(classifier, target, generator, rounds=rounds, progress=progress),
    )


def spectrum_of(pixels: Tensor) -> Tensor:
    """The mean amplitudes `(C, h, w // 2 + 1)` of pictures `(N, C, h, w)` along their axes of colour; of the mean 0."""
    along = torch.einsum("nchw,ac->nahw", pixels, AXES.to(pixels)) if pixels.shape[1] == COLOURS else pixels
    amplitudes = torch.fft.rfft2(along).abs().mean(0)
    amplitudes[:, 0, 0] = 0
    return amplitudes


def natural_spectrum(height: int, width: int, channels: int) -> Tensor:
    """Amplitudes `(channels, h, w // 2 + 1)` of natural pictures, for `torch.fft.rfft2` of their axes of colour.

    Amplitude falls as 1 / frequency; pixels along luminance vary by `CONTRAST`; the mean is 0.
    """
    down, across = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    frequency = (down.square() + across.square()).sqrt()
    fall = torch.where(frequency > 0, 1 / frequency.clamp(min=1 / max(height, width)), 0.0)
    # Parseval: all but the first column, and the last of an even width, stand for two.
    twice = torch.full_like(fall, 2.0)
    twice[:, 0] = 1
    if width % 2 == 0:
        twice[:, -1] = 1
    length = (fall.square() * twice).sum().sqrt() / (height * width)
    return torch.stack([fall * CONTRAST * each / length for each in VARIES[:channels]])


def drawn(phases: Tensor, amplitudes: Tensor, size: tuple[int, int]) -> Tensor:
    """The picture `(C, h, w)` with these phases and amplitudes `(C, h, w // 2 + 1)`, bent softly into [0, 1]."""
    along = torch.fft.irfft2(torch.polar(amplitudes, phases), s=size)
    colours = torch.einsum("ahw,ac->chw", along, AXES.to(along)) if len(along) == COLOURS else along
    return (4 * colours).sigmoid()  # of slope 1 at mid-grey


def phase_picture(
    classifier: Classifier,
    target: Target,
    amplitudes: Tensor,
    size: tuple[int, int],
    generator: torch.Generator,
    *,
    steps: int = STEPS,
    progress: Progress = silent,
) -> PhasePicture:
    """The phases with which crops of a picture `size` large of these amplitudes speak most for the class."""
    start = torch.randn((len(amplitudes), *size), generator=generator)
    phases = torch.fft.rfft2(start).angle().requires_grad_()
    optimiser = torch.optim.NAdam([phases], RATE)
    felt = torch.zeros(size)
    for step in range(steps):
        progress(step, steps, "phase picture")
        pixels = drawn(phases, amplitudes, size)
        crops = _crops(classifier, pixels, CROPS, generator)
        crops = crops + NOISE * torch.randn(crops.shape, generator=generator)
        score = classifier.head.log_odds(_asked(classifier, crops), target).mean()
        gradient, (phases.grad,) = _both(score, pixels, phases)
        felt += gradient.abs().sum(0)
        optimiser.step()
    with torch.no_grad():
        pixels = drawn(phases, amplitudes, size)
        crops = _crops(classifier, pixels, ASKED, generator)
        logits = torch.cat([_asked(classifier, part) for part in crops.split(classifier.at_once(TOGETHER))])
    probability = float(classifier.head.probability(logits, target).mean())
    return PhasePicture(pixels.numpy(), felt.numpy(), _said(classifier, logits, target), probability)


def accumulated_picture(
    classifier: Classifier,
    target: Target,
    generator: torch.Generator,
    *,
    rounds: int = ROUNDS,
    progress: Progress = silent,
) -> AccumulatedPicture:
    """What gradients on noise pictures agree on, in steps of Adam, within a ball."""
    shape = (classifier.preprocessing.channels, *classifier.preprocessing.size)
    change, first, second = (torch.zeros(shape) for _ in range(3))
    for step in range(1, rounds + 1):
        progress(step - 1, rounds, "accumulated picture")
        x = (_noise(TOGETHER, shape, generator) + change).clamp(0, 1).requires_grad_()
        score = classifier.head.log_probability(_asked(classifier, x), target).sum()
        (slopes,) = torch.autograd.grad(score, [x])
        lengths = slopes.flatten(1).norm(dim=1).clamp(min=1e-20)
        mean = (slopes / lengths[:, None, None, None]).mean(0).cpu()
        first, second = first.lerp(mean, 0.1), second.lerp(mean.square(), 0.001)
        move = (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-12)
        change = change + STRIDE * move / move.abs().max().clamp(min=1e-12)
        change = change * min(1.0, BALL / max(float(change.square().mean().sqrt()), 1e-12))
        if step % REFINED == 0 and step < rounds:
            change = change * _seen(classifier, MIDDLE + change)
    fresh = _noise(ASKED, shape, generator)
    with torch.no_grad():
        before, after = (
            torch.cat([_asked(classifier, part) for part in pictures.split(classifier.at_once(TOGETHER))])
            for pictures in (fresh.clamp(0, 1), (fresh + change).clamp(0, 1))
        )
    return AccumulatedPicture(change.numpy(), _said(classifier, after, target), _said(classifier, before, target).value)


def _asked(classifier: Classifier, pixels: Tensor) -> Tensor:
    """Logits of pixels in [0, 1], with gradients back to them."""
    return classifier.logits(classifier.preprocessing.normalize(pixels.to(classifier.device, classifier.dtype))).cpu()


def _both(score: Tensor, pixels: Tensor, phases: Tensor) -> tuple[Tensor, tuple[Tensor]]:
    """The score's gradient in pixels, and the loss's in phases by way of them."""
    (gradient,) = torch.autograd.grad(score, [pixels], retain_graph=True)
    (slope,) = torch.autograd.grad(pixels, [phases], grad_outputs=-gradient)
    return gradient, (slope,)


def _crops(classifier: Classifier, pixels: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """So many crops of a picture `(C, h, w)` from chance places and of chance sizes, as large as the network sees.

    The picture goes on at its other side, so that no place is in more crops than another.
    """
    height, width = pixels.shape[1:]
    found: list[Tensor] = []
    for share, down, across in torch.rand((count, 3), generator=generator).tolist():
        tall, wide = (round(side * (NEAREST + (1 - NEAREST) * share)) for side in (height, width))
        part = pixels.roll((round(height * down), round(width * across)), (1, 2))[None, :, :tall, :wide]
        found.append(interpolate(part, classifier.preprocessing.size, mode="bilinear", antialias=True))
    return torch.cat(found)


def _noise(count: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return MIDDLE + SPREAD * torch.randn((count, *shape), generator=generator)


def _said(classifier: Classifier, logits: Tensor, target: Target) -> Share:
    return wilson(int((classifier.head.margin(logits, target)[0] > 0).sum()), len(logits))


def _seen(classifier: Classifier, pixels: Tensor) -> Tensor:
    """How much of a picture the network's last maps see, `(h, w)` in [0, 1]: all of it above Otsu's threshold."""
    from skimage.filters import threshold_otsu

    if "layers" not in classifier.offers:
        return torch.ones(pixels.shape[1:])
    layer = classifier.default_layer
    grid = classifier.require_grid(layer)
    with capture(classifier.module, [layer], gradients=False) as kept, torch.no_grad():
        _asked(classifier, pixels[None])
        maps = folded(grid, kept[layer]).abs().mean(1, keepdim=True).float().cpu()
    whole = interpolate(maps, pixels.shape[1:], mode="bilinear")[0, 0]
    whole = whole / whole.max().clamp(min=1e-12)
    strong = float(threshold_otsu(whole.numpy())) if float(np.ptp(whole.numpy())) > 0 else 0.0
    return torch.where(whole >= strong, 1.0, whole)
