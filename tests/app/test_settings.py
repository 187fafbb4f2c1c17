from __future__ import annotations

import pytest

from seewhy.app.settings import Settings, settings
from seewhy.errors import UsageError
from seewhy.models import DEFAULT_MODEL


@pytest.fixture(autouse=True)
def fresh():
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_without_any_the_default_model_is_offered_and_results_are_private():
    found = Settings()
    assert found.models == (DEFAULT_MODEL,)
    assert (found.results, found.sign_in, found.public, found.queue_length) == ("private", "none", False, 30)


def test_lists_are_written_with_commas(monkeypatch):
    monkeypatch.setenv("SEEWHY_MODELS", "timm:resnet18, bundled:efficientnet-lite0,timm:resnet18,")
    monkeypatch.setenv("SEEWHY_API_KEYS", "one,two")
    assert settings().models == ("timm:resnet18", "bundled:efficientnet-lite0")
    assert settings().api_keys == ("one", "two")


def test_limits_are_in_units_that_people_use(monkeypatch):
    monkeypatch.setenv("SEEWHY_UPLOAD_MB", "3")
    monkeypatch.setenv("SEEWHY_UPLOAD_MEGAPIXELS", "2")
    assert (settings().upload_bytes, settings().upload_pixels) == (3 * 2**20, 2_000_000)


@pytest.mark.parametrize(
    ("name", "value"),
    [("SEEWHY_QUEUE_LENGTH", "0"), ("SEEWHY_RESULTS", "shared"), ("SEEWHY_MODELS", ","), ("SEEWHY_UPLOAD_MB", "big")],
)
def test_what_cannot_be_meant_is_refused_by_its_name(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=name):
        settings()
