"""How much each visitor may ask: buckets of tokens that fill evenly, for requests, windows and their messages."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, OrderedDict

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seewhy.web.middleware.visitors import refuse, visitor

SAFE = {"GET", "HEAD", "OPTIONS"}
COSTLY = ("/report.html", "/files.zip")  # are made anew each time they are read
MINUTE = 60.0
VISITORS = 10_000  # who are told apart at a time
CROWD = "crowd"  # who come when so many are here already
WAIT = "Too many requests; wait a little."
CLOSE = "Too many windows are open from here; close one."


class Buckets:
    """A bucket of `a_minute` tokens for each visitor, so that a short burst is no offence.

    A bucket that nobody touched for a minute is full, and says no more than none: only such are forgotten. Where more
    visitors come than can be told apart, the newcomers share one bucket, and who was there keeps theirs.
    """

    def __init__(self, a_minute: int) -> None:
        self.a_minute = float(a_minute)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, who: str) -> float:
        """Take one token; else the seconds until there is one."""
        now = time.monotonic()
        while self._buckets and now - next(iter(self._buckets.values()))[1] >= MINUTE:
            self._buckets.popitem(last=False)
        if who not in self._buckets and len(self._buckets) >= VISITORS:
            who = CROWD
        left, since = self._buckets.pop(who, (self.a_minute, now))
        left = min(left + (now - since) * self.a_minute / MINUTE, self.a_minute)
        allowed = left >= 1
        self._buckets[who] = (left - allowed, now)
        return 0.0 if allowed else (1 - left) * MINUTE / self.a_minute


class PaceLimit:
    """Answers 429 to a visitor who asks too much.

    Requests that change something have one bucket, and so has reading, with more tokens. A WebSocket is a window of the
    app: so many may be open, as many may be opened in a minute, and their messages are read no faster than they may
    come.
    """

    def __init__(self, app: ASGIApp, changes: int, reads: int, windows: int, messages: int) -> None:
        self.app, self.windows = app, windows
        self.changes, self.reads = Buckets(changes), Buckets(reads)
        self.openings, self.messages = Buckets(windows), Buckets(messages)
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http":
            await self._request(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._window(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        cheap = scope["method"] in SAFE and not scope["path"].endswith(COSTLY)
        if seconds := (self.reads if cheap else self.changes).take(visitor(scope)):
            await refuse(scope, receive, send, 429, WAIT, {"Retry-After": str(math.ceil(seconds))})
        else:
            await self.app(scope, receive, send)

    async def _window(self, scope: Scope, receive: Receive, send: Send) -> None:
        who = visitor(scope)
        if self._open[who] >= self.windows:
            await refuse(scope, receive, send, 429, CLOSE)
            return
        if seconds := self.openings.take(who):
            await refuse(scope, receive, send, 429, WAIT, {"Retry-After": str(math.ceil(seconds))})
            return

        async def paced() -> Message:
            message = await receive()
            while message["type"] == "websocket.receive" and (seconds := self.messages.take(who)):
                await asyncio.sleep(seconds)
            return message

        self._open[who] += 1
        try:
            await self.app(scope, paced, send)
        finally:
            self._open[who] -= 1
            if not self._open[who]:
                del self._open[who]
