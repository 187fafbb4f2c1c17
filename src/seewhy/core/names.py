"""Names as people write them: `GradCAM`, `Grad_CAM` and `grad-cam` are one; what is unknown gets the nearest."""

from __future__ import annotations

import re
from collections.abc import Iterable

from seewhy.core.nearest import nearest
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
    near = nearest(name.lower().replace("_", "-"), names, cutoff=0.3)
    raise UnknownName(f"there is no {kind} '{name}'; nearest: {', '.join(near) or cure or ', '.join(sorted(names))}")


def _squeezed(name: str) -> str:
    return _JOINTS.sub("", name.casefold().replace("+", "plus"))
