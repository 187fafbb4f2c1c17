"""Names as people write them: `GradCAM`, `Grad_CAM` and `grad-cam` are one; what is unknown gets the nearest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from seewhy.errors import UnknownName

_JOINTS = re.compile(r"[^a-z0-9:]")


def canonical(name: str, known: Iterable[str], kind: str = "name", cure: str = "") -> str:
    """The one of `known` that `name` stands for: case, spaces, hyphens and underscores count for nothing, `+` is plus.

    Args:
        name: As somebody wrote it.
        known: The names that there are.
        kind: What they name, for the message.
        cure: What to do where no known name is near, such as a command that lists them.

    Raises:
        UnknownName: None of them, or several; the message lists the nearest.

    >>> canonical("GradCAMPlusPlus", ["grad-cam", "grad-cam++"])
    'grad-cam++'
    """
    names = [*known]
    if name in names:
        return name
    alike = [each for each in names if _squeezed(each) == _squeezed(name)]
    if len(alike) > 1:
        raise UnknownName(f"'{name}' may be any of {', '.join(sorted(alike))}; write the {kind} in full")
    if alike:
        return alike[0]
    raise unknown(kind, name, names, cure)


def unknown(kind: str, name: str, known: Iterable[str], cure: str = "") -> UnknownName:
    """The error for a `name` that nothing of this `kind` answers to: the nearest names, else the cure, else all names.

    >>> str(unknown("fill", "blak", ["black", "grey"]))
    "there is no fill 'blak'; nearest: black"
    """
    names = [*known]
    found = ", ".join(nearest(name, names)) or cure or ", ".join(sorted(names))
    return UnknownName(f"there is no {kind} '{name}'; nearest: {found}")


def nearest(name: str, known: Iterable[str], count: int = 4, cutoff: float = 0.3) -> list[str]:
    """The `count` names that look most like `name`, best first; none where nothing does, from 0 up to 1 for `cutoff`.

    Case counts for nothing, and `_` is `-`.

    >>> nearest("grad_cam", ["Grad-CAM", "lime"])
    ['Grad-CAM']
    """
    plain = {each.lower().replace("_", "-"): each for each in known}
    return [plain[each] for each in get_close_matches(name.lower().replace("_", "-"), plain, n=count, cutoff=cutoff)]


def _squeezed(name: str) -> str:
    return _JOINTS.sub("", name.casefold().replace("+", "plus"))
