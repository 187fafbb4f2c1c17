"""Where seewhy keeps what it wants to find again."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """`SEEWHY_HOME`, or the user's folder for application data; it need not be there yet."""
    if given := os.environ.get("SEEWHY_HOME"):
        return Path(given).expanduser()
    from platformdirs import user_data_path

    return user_data_path("seewhy", appauthor=False)


def cache_folder() -> Path:
    """What can be computed again; it need not be there yet."""
    return home() / "cache"
