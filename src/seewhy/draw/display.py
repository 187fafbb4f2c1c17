"""Pictures before somebody's eyes: in the notebook, or in a window."""

from __future__ import annotations

import os
import sys
from typing import Any

from PIL import Image, ImageShow

from seewhy.core.progress import in_notebook
from seewhy.errors import UsageError

CURE = ".save(folder) writes it, and .picture() gives it as a Pillow picture"


def display(picture: Image.Image, title: str, notebook: Any = None) -> None:
    """Show a picture in the notebook that runs us, else in a window.

    Args:
        picture: What the window shows.
        title: The window's.
        notebook: What a notebook shows instead, anything with `_repr_html_`.

    Raises:
        UsageError: There is neither a notebook nor a display, as over SSH and in containers.
    """
    if in_notebook():
        from IPython.display import display as show

        show(picture if notebook is None else notebook)
        return
    if not _has_display():
        raise UsageError(f"there is no display to show {title} on; {CURE}")
    if not ImageShow.show(picture, title=title):
        raise UsageError(f"no program that shows pictures was found for {title}; {CURE}")


def _has_display() -> bool:
    if sys.platform in {"win32", "darwin"}:
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
