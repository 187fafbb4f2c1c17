"""What Streamlit is told about signing in."""

from __future__ import annotations

import pytest

from seewhy.errors import UsageError
from seewhy.web.server import make_app
from seewhy.web.settings import Settings, sign_in_secrets

PROVIDER = {
    "sign_in": "oidc",
    "address": "https://seewhy.example.org/",
    "oidc_provider": "https://accounts.example.org/",
    "oidc_client_id": "seewhy",
    "oidc_client_secret": "secret",
}


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """A working folder and a home of one's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def test_the_settings_are_enough():
    auth = sign_in_secrets(Settings(**PROVIDER))["auth"]
    assert auth["redirect_uri"] == "https://seewhy.example.org/oauth2callback"
    assert auth["server_metadata_url"] == "https://accounts.example.org/.well-known/openid-configuration"
    assert (auth["client_id"], auth["client_secret"]) == ("seewhy", "secret")


def test_cookies_outlive_the_process_and_end_with_the_secret():
    keys = [
        sign_in_secrets(Settings(**PROVIDER | {"oidc_client_secret": secret}))["auth"]["cookie_secret"]
        for secret in ("secret", "secret", "another")
    ]
    assert keys[0] == keys[1] != keys[2]
    assert len(bytes.fromhex(keys[0])) == 32


def test_what_is_missing_is_named_before_the_server_starts():
    with pytest.raises(UsageError, match="SEEWHY_OIDC_CLIENT_SECRET, too") as told:
        make_app(Settings(**PROVIDER | {"oidc_client_secret": None}))
    assert "SEEWHY_ADDRESS" not in str(told.value)
    with pytest.raises(UsageError, match="SEEWHY_ADDRESS, SEEWHY_OIDC_PROVIDER"):
        make_app(Settings(sign_in="oidc"))


@pytest.mark.parametrize("folder", [".streamlit", "home/.streamlit"])
def test_streamlits_own_file_does_as_well(nowhere, folder):
    (nowhere / folder).mkdir(parents=True)
    (nowhere / folder / "secrets.toml").write_text("[auth]\nclient_id = 'seewhy'\n")
    assert sign_in_secrets(Settings(sign_in="oidc")) == {}


@pytest.mark.parametrize(
    ("content", "words"), [("[database]\npassword = 'x'", "SEEWHY_ADDRESS"), ("[auth", "secrets.toml cannot be read")]
)
def test_a_file_that_does_not_say_it_does_not(nowhere, content, words):
    (nowhere / ".streamlit").mkdir()
    (nowhere / ".streamlit/secrets.toml").write_text(content)
    with pytest.raises(UsageError, match=words):
        sign_in_secrets(Settings(sign_in="oidc"))


def test_where_nobody_signs_in_nothing_is_told():
    assert sign_in_secrets(Settings(**PROVIDER | {"sign_in": "names"})) == {}
