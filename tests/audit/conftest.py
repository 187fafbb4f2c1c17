"""Networks that learned of tagged and of plain pictures, once for all tests of the room."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit import tagged
from seewhy.models import Classifier

PER_CLASS = 20


@pytest.fixture(scope="session")
def fooled() -> Classifier:
    return tagged.trained(tagged.OFTEN)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """New pictures, nearly every cross with its tag."""
    return tagged.write(tmp_path_factory.mktemp("tagged"), PER_CLASS, 0, tagged.OFTEN)


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same pictures without tags."""
    return tagged.write(tmp_path_factory.mktemp("plain"), PER_CLASS, 0, 0)
