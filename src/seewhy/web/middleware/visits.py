"""A secret that each browser keeps, so that what somebody made is theirs after a reload, too."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "seewhy-visit"
SECRET = re.compile(r"[\w-]{43}")


def visit_token(cookies: Mapping[str, str]) -> str | None:
    """The secret among these cookies; None where there is none that we gave."""
    found = str(cookies.get(COOKIE, ""))
    return found if SECRET.fullmatch(found) else None


class KeepsVisit:
    """Gives a browser its secret with the page. No script reads it, and it goes when the browser is closed.

    Args:
        app: What is behind it.
        framed: Whether other sites show the app in a frame: there a browser keeps a secret for each of them apart.
    """

    def __init__(self, app: ASGIApp, *, framed: bool = False) -> None:
        self.app, self.framed = app, framed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if "text/html" not in headers.get("accept", "") or visit_token(_cookies(headers.get("cookie", ""))):
            await self.app(scope, receive, send)
            return
        across = "; Secure; SameSite=None; Partitioned" if self.framed else "; Secure; SameSite=Lax"
        kept = across if scope["scheme"] == "https" else "; SameSite=Lax"
        secret = f"{COOKIE}={secrets.token_urlsafe(32)}; Path=/; HttpOnly{kept}"

        async def with_secret(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = MutableHeaders(scope=message)
                given.append("Set-Cookie", secret)
                given["Cache-Control"] = "no-store"  # a secret is one browser's
            await send(message)

        await self.app(scope, receive, with_secret)


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: each.value for name, each in SimpleCookie(header).items()}
    except CookieError:
        return {}
