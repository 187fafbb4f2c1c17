"""What the sources of models share: answers to unknown names and to missing networks."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches

from torch import Tensor

from seewhy.errors import ModelError, UnknownName
from seewhy.models.categories import Categories, imagenet

__all__ = ["categories_for", "check_known", "class_count", "downloading"]


def check_known(name: str, known: Sequence[str], source: str) -> None:
    """Refuse a model name that `source` does not have, with the nearest it has."""
    if name not in known:
        near = get_close_matches(name, known, n=4, cutoff=0.4)
        shown = ", ".join(f"'{source}:{other}'" for other in near) or "see `seewhy list models`"
        raise UnknownName(f"{source} has no classifier '{name}'; nearest: {shown}")


@contextmanager
def downloading(name: str) -> Generator[None]:
    """Turn every way in which a download fails into one error with its cure."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"the weights of {name} could not be fetched ({reason}). No network? "
            "Pass --weights PATH, or use the default model"
        ) from error


def class_count(weights: Mapping[str, Tensor]) -> int:
    """How many classes a state dict scores: the rows of its last tensor, which is the head's."""
    return int(list(weights.values())[-1].shape[0])


def categories_for(count: int) -> Categories:
    """ImageNet's class names for its 1000 classes, else numbers."""
    return imagenet() if count == len(imagenet()) else Categories.numbered(count)
