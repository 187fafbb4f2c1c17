"""Who asks: the address of a visitor, as far as it can be believed."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from seewhy.web.visitors import Visitor, plain, visitor_of


def visitor(scope: Scope) -> Visitor:
    """Who asks in this scope, as far as an address tells."""
    return visitor_of((scope.get("client") or (None,))[0])


async def refuse(
    scope: Scope, receive: Receive, send: Send, status: int, why: str, headers: dict[str, str] | None = None
) -> None:
    """Answer a request, or the opening of a WebSocket, with a status and a sentence."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    await JSONResponse({"detail": why}, status, headers)(scope, receive, send)


class Forwarded:
    """Puts into the scope what named proxies say about who asks, and nothing that anybody else says.

    The address is the last one of X-Forwarded-For that no proxy has: what stands before it, a client may have written.
    Other headers of this kind (Forwarded, X-Real-IP, X-Forwarded-Host) are never read.
    """

    def __init__(self, app: ASGIApp, proxies: Sequence[str] = ()) -> None:
        self.app = ProxyHeadersMiddleware(app, list(proxies))  # pyright: ignore[reportArgumentType]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if client := scope.get("client"):
            scope["client"] = (plain(client[0]), client[1])
        await self.app(scope, receive, send)  # pyright: ignore[reportArgumentType]
