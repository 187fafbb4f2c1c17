"""Names that are unknown, answered with the known ones most like them."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from seewhy.errors import UnknownName


def nearest(name: str, known: Iterable[str], count: int = 4, cutoff: float = 0.4) -> list[str]:
    """The known names most like `name`, the likest first; none where nothing is like it.

    Args:
        name: What somebody wrote.
        known: What they may have meant.
        count: So many at most.
        cutoff: How alike they must be, from 0 to 1.

    >>> nearest("grad_cam", ["grad-cam", "lime"])
    ['grad-cam']
    """
    return get_close_matches(name, known, n=count, cutoff=cutoff)


def unknown(
    what: str, name: str, known: Iterable[str], *, otherwise: str = "", count: int = 4, cutoff: float = 0.4
) -> UnknownName:
    """The error for a `name` that nothing answers to: the nearest names, else `otherwise`, else all there are.

    >>> str(unknown("there is no fill", "blak", ["black", "grey"]))
    "there is no fill 'blak'; nearest: black"
    """
    names = list(known)
    near = ", ".join(nearest(name, names, count, cutoff)) or otherwise or ", ".join(names)
    return UnknownName(f"{what} '{name}'; nearest: {near}")
