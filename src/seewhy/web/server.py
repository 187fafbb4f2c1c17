"""The server: Streamlit's own, with the REST interface mounted in it and middleware before both."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.types import ASGIApp
from streamlit.config import get_option
from streamlit.web.bootstrap import load_config_options
from uvicorn import Config, Server

from seewhy.errors import UsageError
from seewhy.web.connections import Limits, TimedProtocol
from seewhy.web.logs import bound_log
from seewhy.web.middleware.bodies import BodyLimit, Room
from seewhy.web.middleware.origins import Doorkeeper, SecureHeaders, content_policy
from seewhy.web.middleware.pace import PaceLimit
from seewhy.web.middleware.uploads import DOOR, UploadDoor, sign_file_ids
from seewhy.web.middleware.visitors import Forwarded
from seewhy.web.middleware.visits import KeepsVisit
from seewhy.web.rest.api import make_api
from seewhy.web.services.hub import services
from seewhy.web.services.storage import close_store
from seewhy.web.settings import Settings, is_own, settings, sign_in_secrets

PARTS = Path(__file__).parent / "parts"
LOOPBACK = "127.0.0.1"
SPARE = 1 << 20  # bytes of a request beside the photo in it
MESSAGE = 4 << 20  # bytes of a request without a photo, or of what a window sends at once
PING = 30.0  # seconds after which a window that does not answer is closed
AWAY = 60  # seconds for a window to come back after its connection broke
BACKLOG = 2048  # connections that wait to be taken in
GRACE = 5  # seconds for what is being answered when the server is stopped
CLOSED = {"/_stcore/metrics"}  # where Streamlit would tell strangers how the server is doing


def middleware(chosen: Settings, key: bytes, host: str = LOOPBACK) -> list[Middleware]:
    """What every request passes, outermost first; `key` signs the ids of files, `host` is where the server listens."""
    room = Room(max(chosen.open_mb << 20, 5 * chosen.file_bytes))
    most = chosen.file_bytes + SPARE
    limits = {"/api/images": chosen.upload_bytes + SPARE, "/api/sets": most, DOOR: most}
    pace = (chosen.requests_a_minute, chosen.reads_a_minute, chosen.windows, chosen.messages_a_minute)
    return [
        Middleware(SecureHeaders, policy=content_policy(chosen.embedded_in)),
        Middleware(Forwarded, proxies=chosen.proxies),
        Middleware(Doorkeeper, hosts=(*chosen.known_hosts, host), closed=CLOSED),
        Middleware(PaceLimit, **dict(zip(("changes", "reads", "windows", "messages"), pace, strict=True))),
        Middleware(BodyLimit, most=MESSAGE, limits=limits, room=room),
        Middleware(UploadDoor, key=key, room=room),
        Middleware(KeepsVisit, framed=bool(chosen.embedded_in)),
    ]


def make_app(chosen: Settings, host: str = LOOPBACK) -> Any:
    """Pages at `/`, the REST interface at `/api`, as one ASGI application.

    Raises:
        UsageError: people have to sign in, and nobody said where.
    """
    import streamlit as st
    from streamlit.runtime import get_instance

    key = secrets.token_bytes()

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncGenerator[None]:
        sign_file_ids(get_instance().uploaded_file_mgr, key)
        services().start()
        try:
            yield
        finally:
            services().close()
            close_store()

    return st.App(
        PARTS / "script.py",
        routes=[Mount("/api", app=make_api())],
        middleware=middleware(chosen, key, host),
        secrets=sign_in_secrets(chosen),
        lifespan=lifespan,  # pyright: ignore[reportArgumentType]
    )


def serve(host: str, port: int, taken: Callable[[], None]) -> None:
    """Serve the app until it is stopped; all that it writes is for this account alone.

    Args:
        host: at which address to listen.
        port: where there.
        taken: called once that place is the app's.

    Raises:
        UsageError: something else listens there, or the address is not this machine's.
    """
    os.umask(0o077)
    with _listening(host, port) as place:
        taken()
        chosen = settings()
        load_config_options(configuration(chosen, host, port))
        bound_log()
        Server(transport(chosen, make_app(chosen, host))).run([place])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        both = host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        # Python adds to the system's words the address, which is told here anyway.
        why = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise UsageError(
            f"the app cannot listen at {host}, port {port} ({why}); choose another --host or --port"
        ) from error


def transport(chosen: Settings, app: ASGIApp) -> Config:
    """Uvicorn's settings. Who asks is our middleware's matter, so its own reading of headers is off."""
    limits = Limits(chosen.connections, 4 * chosen.connections, chosen.proxies)
    return Config(
        app,
        http=partial(TimedProtocol, limits=limits),  # pyright: ignore[reportArgumentType]
        ws="websockets-sansio",
        ws_max_size=MESSAGE,
        ws_ping_interval=PING,
        ws_ping_timeout=PING,
        ws_per_message_deflate=False,
        proxy_headers=False,
        server_header=False,
        access_log=False,
        use_colors=False,
        timeout_graceful_shutdown=GRACE,
        ssl_certfile=get_option("server.sslCertFile"),
        ssl_keyfile=get_option("server.sslKeyFile"),
    )


def configuration(chosen: Settings, host: str, port: int) -> dict[str, Any]:
    """Streamlit's settings: its own file of settings is not needed."""
    return {
        "server.address": host,
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.maxUploadSize": chosen.file_bytes >> 20,
        "server.maxWidgetStateSize": MESSAGE >> 20,
        "server.disconnectedSessionTTL": AWAY,
        # Our middleware compares origins; Streamlit's own check wants a cookie, which browsers keep from another
        # site's frame.
        "server.enableXsrfProtection": False,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "full" if chosen.tracebacks and is_own(host) else "none",
        "theme.base": str(PARTS / "theme.toml"),
    }
