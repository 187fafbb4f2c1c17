"""What is kept of a result: everything but the pixels of the photo that it is about, which its store has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from seewhy.errors import SeewhyError
from seewhy.images import Image
from seewhy.methods import Explanation
from seewhy.verbs import Comparison
from seewhy.web.services.jobs import untraced
from seewhy.web.services.photos import Photo

T = TypeVar("T")

NO_PIXELS = np.zeros((1, 1, 3), np.uint8)


@dataclass(frozen=True)
class Explained:
    """What each method found in a photo, and why others found nothing."""

    image: Image
    explanations: tuple[Explanation, ...]
    failures: Mapping[str, SeewhyError]


PICTURED = (Explanation, Explained, Comparison)  # results that hold images


def about(found: T, image: Image) -> T:
    """The same result with this image, wherever it holds one."""
    match found:
        case Explanation():
            return replace(found, image=image)
        case Explained():
            return replace(found, image=image, explanations=tuple(about(each, image) for each in found.explanations))
        case Comparison():
            explained = {
                name: replace(
                    scored,
                    image=image,
                    explanations={method: about(each, image) for method, each in scored.explanations.items()},
                    errors=_untraced(scored.errors),
                )
                for name, scored in found.explained.items()
            }
            return replace(found, explained=explained)
        case _:
            return found


def pixelless(photo: Photo | Image) -> Image:
    """An image of this name and these notes that shows nothing."""
    return Image(NO_PIXELS, photo.name, photo.notes, composite=photo.composite)


def without_pixels(found: T) -> T:
    """What to keep of a result about one photo; its errors hold nothing but their words."""
    match found:
        case Explanation():
            return about(found, pixelless(found.image))
        case Explained():
            return about(replace(found, failures=_untraced(found.failures)), pixelless(found.image))
        case Comparison():
            (scored,) = found.explained.values()
            return about(found, pixelless(scored.image))
        case _:
            return found


def _untraced(errors: Mapping[str, SeewhyError]) -> dict[str, SeewhyError]:
    return {name: untraced(error) for name, error in errors.items()}
