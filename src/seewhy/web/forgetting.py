"""What people brought is kept for a day."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

DAY = 86_400


def forget_stale(paths: Iterable[Path], delete: Callable[[Path], object]) -> None:
    """Delete what was changed last a day ago or more; what cannot be deleted stays."""
    latest = time.time() - DAY
    for path in paths:
        with suppress(OSError):
            if path.stat().st_mtime < latest:
                delete(path)
