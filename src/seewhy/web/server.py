"""The server: Streamlit's own, with the REST interface mounted in it and middleware before both."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Mount

from seewhy.web.middleware import BodyLimit, PaceLimit, SameOrigin, SecureHeaders, content_policy
from seewhy.web.rest.api import make_api
from seewhy.web.services.hub import services
from seewhy.web.services.storage import close_store
from seewhy.web.settings import Settings, settings, sign_in_secrets

SCRIPT = Path(__file__).parent / "parts/script.py"
LOOPBACK = "127.0.0.1"
SPARE = 1 << 20  # bytes of a request beside the photo in it

LIGHT = {
    "primaryColor": "#b34a0c",
    "backgroundColor": "#ffffff",
    "secondaryBackgroundColor": "#f5f4f2",
    "textColor": "#1b1f24",
    "linkColor": "#9c4209",
    "borderColor": "#dfe2e6",
}
DARK = {
    "primaryColor": "#f0a06a",
    "backgroundColor": "#14171a",
    "secondaryBackgroundColor": "#1e2226",
    "textColor": "#e8eaed",
    "linkColor": "#f0a06a",
    "borderColor": "#31373d",
}
THEME: dict[str, Any] = {
    "theme.baseRadius": "medium",
    "theme.headingFontSizes": ["2.4rem", "1.75rem", "1.35rem", "1.1rem", "1rem", "1rem"],
    "theme.headingFontWeights": [650, 650, 650, 600, 600, 600],
    **{f"theme.light.{name}": value for name, value in LIGHT.items()},
    **{f"theme.dark.{name}": value for name, value in DARK.items()},
}


def middleware(chosen: Settings) -> list[Middleware]:
    """What every request passes, outermost first."""
    hosts = [Middleware(TrustedHostMiddleware, allowed_hosts=_hosts(chosen))] if chosen.hosts else []
    return [
        Middleware(SecureHeaders, policy=content_policy(chosen.embedded_in)),
        *hosts,
        Middleware(SameOrigin),
        Middleware(PaceLimit, a_minute=chosen.requests_a_minute),
        Middleware(BodyLimit, most=chosen.upload_bytes + SPARE),
    ]


def make_app(chosen: Settings) -> Any:
    """Pages at `/`, the REST interface at `/api`, as one ASGI application.

    Raises:
        UsageError: people have to sign in, and nobody said where.
    """
    import streamlit as st

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncGenerator[None]:
        services().start()
        try:
            yield
        finally:
            services().close()
            close_store()

    return st.App(
        SCRIPT,
        routes=[Mount("/api", app=make_api())],
        middleware=middleware(chosen),
        secrets=sign_in_secrets(chosen),
        lifespan=lifespan,  # pyright: ignore[reportArgumentType]
    )


def serve(host: str, port: int) -> None:
    """Serve the app until it is stopped; all that it writes is for this account alone."""
    os.umask(0o077)
    chosen = settings()
    make_app(chosen).run(config=configuration(chosen, host, port))


def configuration(chosen: Settings, host: str, port: int) -> dict[str, Any]:
    """Streamlit's settings: its own file of settings is not needed."""
    return {
        "server.address": host,
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.maxUploadSize": chosen.upload_mb if chosen.public else max(chosen.upload_mb, chosen.training_mb),
        # Our middleware compares origins; Streamlit's own check wants a cookie, which browsers keep from another
        # site's frame.
        "server.enableXsrfProtection": False,
        "server.allowedHosts": _hosts(chosen),
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none" if chosen.public else "full",
        **THEME,
    }


def _hosts(chosen: Settings) -> list[str]:
    """Those that are named, and this machine itself, whose health check asks; any, where none is named."""
    return [*chosen.hosts, LOOPBACK] if chosen.hosts else []
