"""Signing in with an identity provider: what Streamlit, which does it, has to know."""

from __future__ import annotations

import hmac
import tomllib
from pathlib import Path
from typing import Any

from seewhy.errors import UsageError
from seewhy.web.settings import Settings

NEEDED = ("address", "oidc_provider", "oidc_client_id", "oidc_client_secret")
FILE = ".streamlit/secrets.toml"  # Streamlit's own, in the working folder or at home
METADATA = "/.well-known/openid-configuration"


def sign_in_secrets(chosen: Settings) -> dict[str, Any]:
    """Streamlit's section `[auth]`; nothing where nobody has to sign in, or Streamlit's own file of secrets has it.

    The key of its cookies is made from the client's secret, so that people stay signed in when the app starts again.

    Source: the metadata's place is that of OpenID Connect Discovery 1.0, section 4.

    Raises:
        UsageError: people have to sign in, and nobody said where.
    """
    if chosen.sign_in != "oidc" or (not chosen.oidc_provider and _in_file()):
        return {}
    missing = [f"SEEWHY_{name.upper()}" for name in NEEDED if not getattr(chosen, name)]
    if missing:
        raise UsageError(f"with SEEWHY_SIGN_IN=oidc the app needs {', '.join(missing)}, too; see docs/deploying.md")
    address, provider, client, secret = (str(getattr(chosen, name)).rstrip("/") for name in NEEDED)
    auth = {
        "redirect_uri": f"{address}/oauth2callback",
        "cookie_secret": hmac.digest(secret.encode(), b"seewhy cookies", "sha256").hex(),
        "client_id": client,
        "client_secret": secret,
        "server_metadata_url": f"{provider}{METADATA}",
        "client_kwargs": {"scope": "openid profile"},  # a name is all that is wanted
    }
    return {"auth": auth}


def _in_file() -> bool:
    """Whether the file has the section; to ask Streamlit would settle its settings too early."""
    return any("auth" in _read(folder / FILE) for folder in (Path.cwd(), Path.home()))


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
