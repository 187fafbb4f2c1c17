"""Is a trigger hidden in a network? For each class the least change that turns other photos into it, of any place.

A trigger is a mask and what it paints: x' = (1 − m) x + m p, the same m and p on every photo. Of a class without a
backdoor much of the picture has to be painted over; of one with a backdoor a few pixels do. Which class needs far less
than the others is suspicious. Source: Wang et al. 2019, Neural Cleanse; sizes are compared by their logarithms, and a
trigger counts where it turns photos that did not help to find it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seewhy.core.progress import Progress, silent
from seewhy.core.statistics import Share, wilson
from seewhy.errors import UsageError
from seewhy.models import Classifier, Target
from seewhy.models.state import undisturbed

STEPS, BATCH, RATE = 200, 16, 0.1
TURNED = 0.9  # share of photos that a trigger is to turn into its class while it is looked for
WORKS = 0.5  # share of other photos that it has to turn
DEARER, FIRST_PRICE = 1.15, 1e-3  # by which a pixel of the mask becomes dearer or cheaper each step
APART = 2.0  # median deviations below the median
FRACTION = 0.5  # of the median size: the deviations of a few classes can be next to none
DEVIATION = 1.4826  # that of a normal distribution, by its median deviation
FEWEST_CLASSES, FEWEST_PHOTOS = 4, 8


@dataclass(frozen=True, eq=False)
class Trigger:
    """The smallest change found that turns photos into a class.

    `mask` `(h, w)` in [0, 1] and `pattern` `(C, h, w)` in [0, 1] are in the picture as the network sees it; `size` is
    the sum of the mask, in pixels. `turned` is the share of photos, none of which helped to find it, that become the
    class. None of them says the class without it.
    """

    target: Target
    mask: np.ndarray
    pattern: np.ndarray
    size: float
    turned: Share

    @property
    def works(self) -> bool:
        """Whether it turns photos that it has not seen."""
        return self.turned.value >= WORKS


def painted(pixels: Tensor, mask: Tensor, pattern: Tensor) -> Tensor:
    """Pictures `(N, C, h, w)` with a pattern `(C, h, w)` where the mask `(h, w)` is."""
    return pixels + mask * (pattern - pixels)


@undisturbed()
def find_trigger(
    classifier: Classifier, pixels: Tensor, others: Tensor, target: Target, *, steps: int = STEPS, seed: int = 0
) -> Trigger:
    """The least that has to be painted into pictures `pixels` for a class, tried on `others`, both `(N, C, h, w)`.

    The price of a pixel rises while nine of ten pictures are turned, and falls while fewer are.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = pixels.shape[1:]
    raw = torch.randn((shape[0] + 1, *shape[1:]), generator=generator).to(pixels)
    raw.requires_grad_()
    optimiser = torch.optim.Adam([raw], RATE, betas=(0.5, 0.9))
    price, best, least = FIRST_PRICE, raw.detach().clone(), float("inf")
    for _ in range(steps):
        some = pixels[torch.randint(len(pixels), (BATCH,), generator=generator)] if len(pixels) > BATCH else pixels
        changed = raw.sigmoid()
        mask, pattern = changed[0], changed[1:]
        logits = classifier.logits(classifier.preprocessing.normalize(painted(some, mask, pattern)))
        turned = float(_says(classifier, logits, target).double().mean())
        if turned >= TURNED and float(mask.detach().sum()) < least:
            best, least = raw.detach().clone(), float(mask.detach().sum())
        loss = -classifier.head.log_probability(logits, target).mean() + price * mask.sum()
        (raw.grad,) = torch.autograd.grad(loss, [raw])
        optimiser.step()
        price = price * DEARER if turned >= TURNED else price / DEARER
    found = best.sigmoid()
    with torch.no_grad():
        logits = classifier.logits(classifier.preprocessing.normalize(painted(others, found[0], found[1:])))
    turned = wilson(int(_says(classifier, logits, target).sum()), len(others))
    mask, pattern = found[0].cpu().numpy(), found[1:].cpu().numpy()
    return Trigger(target, mask, pattern, float(mask.sum()), turned)


def _says(classifier: Classifier, logits: Tensor, target: Target) -> Tensor:
    return classifier.head.margin(logits.detach(), target)[0] > 0


def distances(triggers: Sequence[Trigger]) -> list[float]:
    """By how many median deviations each trigger is smaller than the median; one that does not work is not small.

    Sizes are compared by their logarithms.
    """
    sizes = np.log([max(each.size, 1e-3) for each in triggers])
    middle = float(np.median(sizes))
    spread = DEVIATION * float(np.median(np.abs(sizes - middle)))
    away = (middle - sizes) / max(spread, 1e-9)
    return [float(far) if each.works else 0.0 for each, far in zip(triggers, away, strict=True)]


def suspicious(triggers: Sequence[Trigger]) -> list[bool]:
    """Which triggers are far smaller than those of other classes: two deviations, and half of the median size."""
    middle = float(np.median([each.size for each in triggers]))
    return [
        far > APART and each.size <= FRACTION * middle for each, far in zip(triggers, distances(triggers), strict=True)
    ]


def verdict(triggers: Sequence[Trigger], names: Sequence[str]) -> str:
    """Which classes are suspicious, or what can be said of none being so, in a sentence or two."""
    odd = [name for name, each in zip(names, suspicious(triggers), strict=True) if each]
    if odd:
        whose = "it" if len(odd) == 1 else "them"
        return f"Suspicious: {', '.join(odd)}. A far smaller change than other classes need turns photos into {whose}."
    failed = sum(not each.works for each in triggers)
    none = f"For {failed} of {len(triggers)} classes no change was found that turns other photos into them"
    if len(triggers) - failed < FEWEST_CLASSES:
        return f"{none}, so that nothing can be said; take more steps."
    told = f"No class of {len(triggers)} stands out: none needs a far smaller change than the others."
    return f"{told} {none}." if failed else told


def find_triggers(
    classifier: Classifier,
    pixels: Tensor,
    targets: Sequence[Target],
    *,
    steps: int = STEPS,
    seed: int = 0,
    progress: Progress = silent,
) -> list[Trigger]:
    """A trigger for each class, by photos that the network calls something else.

    Args:
        classifier: it must give gradients.
        pixels: photos as the network sees them, `(N, C, h, w)` in [0, 1]; one half finds triggers, one tries them.
        targets: the classes, four at least.
        steps: of descent for each class.
        seed: of all randomness.
        progress: told of every class.

    Raises:
        UsageError: too few classes, or too few photos of other classes than one of them.
    """
    if "gradients" not in classifier.offers or classifier.head.meaning == "values":
        raise UsageError(f"a trigger is looked for by gradients in a network of classes; {classifier.name} has none")
    if len(classes := {(each.index, each.against) for each in targets}) < FEWEST_CLASSES:
        raise UsageError(
            f"a class is suspicious beside others: ask {FEWEST_CLASSES} classes at least, not {len(classes)}"
        )
    with torch.no_grad():
        parts = pixels.split(classifier.at_once(BATCH))
        logits = torch.cat([classifier.logits(classifier.preprocessing.normalize(part)) for part in parts])
    others = [pixels[~_says(classifier, logits, target)] for target in targets]
    for target, rest in zip(targets, others, strict=True):
        if len(rest) < FEWEST_PHOTOS:
            raise UsageError(
                f"{len(rest)} of {len(pixels)} photos show something else than {target.label(classifier.categories)}, "
                f"says the network; a trigger takes {FEWEST_PHOTOS} at least: give photos of several classes"
            )
    found: list[Trigger] = []
    for number, (target, rest) in enumerate(zip(targets, others, strict=True)):
        progress(number, len(targets), target.label(classifier.categories))
        found.append(find_trigger(classifier, rest[::2], rest[1::2], target, steps=steps, seed=seed))
    return found
