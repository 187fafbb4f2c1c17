"""The server: Streamlit's own, with the REST interface mounted in it and a guard before both."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Mount

from seewhy.web.crowd import close_store
from seewhy.web.desk import desk
from seewhy.web.guard import BodyLimit, PaceLimit, SameOrigin, SecureHeaders, content_policy
from seewhy.web.rest.api import make_api
from seewhy.web.settings import Settings, settings
from seewhy.web.shell.look import THEME
from seewhy.web.sign_in import sign_in_secrets

SCRIPT = Path(__file__).parent / "shell/script.py"
LOOPBACK = "127.0.0.1"
SPARE = 1 << 20  # bytes of a request beside the photo in it


def guards(chosen: Settings) -> list[Middleware]:
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
        desk().warm_up()
        try:
            yield
        finally:
            desk().close()
            close_store()

    return st.App(
        SCRIPT,
        routes=[Mount("/api", app=make_api())],
        middleware=guards(chosen),
        secrets=sign_in_secrets(chosen),
        lifespan=lifespan,  # pyright: ignore[reportArgumentType]
    )


def serve(host: str, port: int) -> None:
    """Serve the app until it is stopped."""
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
        # The guard compares origins; Streamlit's own check wants a cookie that browsers keep from another site's frame.
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
