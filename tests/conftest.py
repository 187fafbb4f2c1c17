"""What tests of several rooms share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Gives the path of real test data below `SEEWHY_TEST_DATA`, and skips the test where it is absent."""
    root = Path(os.environ.get("SEEWHY_TEST_DATA") or ROOT.parent / "shared" / "data")

    def find(relative: str) -> Path:
        path = root / relative
        if not path.exists():
            pytest.skip(f"no {relative} in {root}; set SEEWHY_TEST_DATA to the folder of the test data")
        return path

    return find
