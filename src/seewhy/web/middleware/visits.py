"""Secrets that each browser keeps, so that what somebody made, and their name, are theirs after a reload, too."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

VISIT, PLAYER = "seewhy-visit", "seewhy-player"
# What is brought goes when the browser is closed; a name is somebody's for longer.
LASTING = {VISIT: "", PLAYER: "; Max-Age=31536000"}
SECRET = re.compile(r"[\w-]{43}")


def secret_in(cookies: Mapping[str, str], name: str = VISIT) -> str | None:
    """The secret of this name among cookies; None where there is none that we gave."""
    found = str(cookies.get(name, ""))
    return found if SECRET.fullmatch(found) else None


class KeepsVisit:
    """Gives a browser its secrets with the page. No script reads them.

    Args:
        app: What is behind it.
        framed: Whether other sites show the app in a frame: there a browser keeps secrets for each of them apart.
    """

    def __init__(self, app: ASGIApp, *, framed: bool = False) -> None:
        self.app, self.framed = app, framed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        known = _cookies(headers.get("cookie", ""))
        missing = [name for name in LASTING if secret_in(known, name) is None]
        if "text/html" not in headers.get("accept", "") or not missing:
            await self.app(scope, receive, send)
            return
        across = "; Secure; SameSite=None; Partitioned" if self.framed else "; Secure; SameSite=Lax"
        sent = across if scope["scheme"] == "https" else "; SameSite=Lax"

        async def with_secrets(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = MutableHeaders(scope=message)
                for name in missing:
                    secret = f"{name}={secrets.token_urlsafe(32)}"
                    given.append("Set-Cookie", f"{secret}; Path=/; HttpOnly{LASTING[name]}{sent}")
                given["Cache-Control"] = "no-store"  # a secret is one browser's
            await send(message)

        await self.app(scope, receive, with_secrets)


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: each.value for name, each in SimpleCookie(header).items()}
    except CookieError:
        return {}
