from __future__ import annotations

import pytest

from seewhy.errors import UsageError
from seewhy.models import DEFAULT_MODEL
from seewhy.web.settings import Settings, settings


@pytest.fixture(autouse=True)
def fresh():
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_without_any_the_default_model_is_offered_and_results_are_private():
    found = Settings()
    assert found.models == (DEFAULT_MODEL,)
    assert (found.results, found.sign_in, found.public, found.queue_length) == ("private", "none", False, 200)


def test_lists_are_written_with_commas(monkeypatch):
    monkeypatch.setenv("SEEWHY_MODELS", "timm:resnet18, bundled:efficientnet-lite0,timm:resnet18,")
    monkeypatch.setenv("SEEWHY_API_KEYS", "one,two")
    assert settings().models == ("timm:resnet18", "bundled:efficientnet-lite0")
    assert settings().api_keys == ("one", "two")


def test_limits_are_in_units_that_people_use(monkeypatch):
    monkeypatch.setenv("SEEWHY_UPLOAD_MB", "3")
    monkeypatch.setenv("SEEWHY_UPLOAD_MEGAPIXELS", "2")
    assert (settings().upload_bytes, settings().upload_pixels) == (3 * 2**20, 2_000_000)


ON_SPACE = {
    "SPACE_ID": "ada/seewhy",
    "SPACE_HOST": "ada-seewhy.hf.space",
    "OPENID_PROVIDER_URL": "https://huggingface.co",
    "OAUTH_CLIENT_ID": "client",
    "OAUTH_CLIENT_SECRET": "secret",
}


def told(found: Settings):
    return found.embedded_in, found.address, found.oidc_provider, found.oidc_client_id, found.oidc_client_secret


class TestSpace:
    @pytest.fixture(autouse=True)
    def on_a_space(self, monkeypatch):
        for name, value in ON_SPACE.items():
            monkeypatch.setenv(name, value)

    def test_it_says_who_shows_it_where_it_is_and_who_knows_its_people(self):
        site = "https://huggingface.co"
        assert told(Settings()) == ((site,), "https://ada-seewhy.hf.space", site, "client", "secret")

    def test_who_runs_it_may_say_otherwise(self, monkeypatch):
        monkeypatch.setenv("SEEWHY_EMBEDDED_IN", "")
        monkeypatch.setenv("SEEWHY_ADDRESS", "https://example.org")
        assert told(Settings())[:2] == ((), "https://example.org")

    def test_elsewhere_such_variables_mean_other_things(self, monkeypatch):
        monkeypatch.delenv("SPACE_ID")
        assert told(Settings()) == ((), None, None, None, None)


def test_secrets_are_not_printed(monkeypatch):
    monkeypatch.setenv("SEEWHY_OIDC_CLIENT_SECRET", "hidden")
    assert "hidden" not in repr(Settings())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SEEWHY_QUEUE_LENGTH", "0"),
        ("SEEWHY_RESULTS", "shared"),
        ("SEEWHY_MODELS", ","),
        ("SEEWHY_UPLOAD_MB", "big"),
        ("SEEWHY_ADDRESS", "seewhy.example.org"),
        ("SEEWHY_PROXIES", "*"),
        ("SEEWHY_PROXIES", "proxy.example.org"),
        ("SEEWHY_PROXIES", "10.0.0.0/8,10.0.0.0/99"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_name(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=name):
        settings()


def test_nobody_is_believed_who_asks_unless_named(monkeypatch):
    assert Settings().proxies == ()
    monkeypatch.setenv("SEEWHY_PROXIES", "10.0.0.1, fc00::/7")
    assert Settings().proxies == ("10.0.0.1", "fc00::/7")


def test_the_app_is_reached_as_this_machine_and_under_the_names_it_was_given(monkeypatch):
    assert Settings().known_hosts == ("localhost", "127.0.0.1", "::1")
    monkeypatch.setenv("SEEWHY_ADDRESS", "https://a.example.org:8443/app")
    monkeypatch.setenv("SEEWHY_HOSTS", "b.example.org")
    assert Settings().known_hosts[3:] == ("b.example.org", "a.example.org")


def test_a_space_is_reached_through_its_own_proxy_and_under_its_own_name(monkeypatch):
    monkeypatch.setenv("SPACE_HOST", "me-seewhy.hf.space")
    assert (Settings().known_hosts[3:], Settings().proxies) == ((), ())
    monkeypatch.setenv("SPACE_ID", "me/seewhy")
    assert "me-seewhy.hf.space" in Settings().known_hosts
    assert "10.0.0.0/8" in Settings().proxies
