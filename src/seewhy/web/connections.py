"""What a connection may take of the server: how many there are, and how long each may keep it waiting.

The times are those of Apache's mod_reqtimeout: some seconds for the head, and a least pace for what follows.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from seewhy.web.visitors import plain, visitor_of

_visitor_of = lru_cache(4096)(visitor_of)


@dataclass(frozen=True)
class Limits:
    """Connections of one visitor and of all; seconds for what is awaited; bytes a second of a body at least.

    `proxies` stand for many visitors: theirs are bounded as all are.
    """

    each: int = 200
    all: int = 800
    proxies: tuple[str, ...] = ()
    head: float = 10
    body: float = 20
    answer: float = 60
    pace: float = 500
    tick: float = 1

    def crowded(self, address: str, others: list[str]) -> bool:
        """Whether one more connection from this address is too many."""
        if len(others) >= self.all:
            return True
        who = _visitor_of(address)
        return sum(_visitor_of(each) == who for each in others) >= self.each and not self._is_proxy(address)

    def _is_proxy(self, address: str) -> bool:
        peer = ip_address(plain(address))
        return any(peer in ip_network(each, strict=False) for each in self.proxies)


class TimedProtocol(H11Protocol):
    """uvicorn's HTTP, which ends connections that are too many, or that let it wait too long."""

    def __init__(self, *args: Any, limits: Limits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limits = limits
        self._phase: tuple[Any, ...] = ()
        self._left = limits.head
        self._received = self._resumed = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """See asyncio."""
        others = [client[0] for each in self.connections if (client := getattr(each, "client", None))]
        super().connection_made(transport)
        if self.client and self.limits.crowded(self.client[0], others):
            transport.abort()
        else:
            self.loop.call_later(self.limits.tick, self._tick)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._received += len(data)
        super().data_received(data)

    def resume_writing(self) -> None:
        """See asyncio."""
        self._resumed += 1
        super().resume_writing()

    def _tick(self) -> None:
        phase, seconds = self._awaited()
        gained = self._received / self.limits.pace if phase[0] == "body" else 0
        same = phase == self._phase
        self._phase, self._received = phase, 0
        self._left = min(self._left - self.limits.tick + gained, seconds) if same else seconds
        if seconds and self._left <= 0:
            self.transport.abort()
        else:
            self.loop.call_later(self.limits.tick, self._tick)

    def _awaited(self) -> tuple[tuple[Any, ...], float]:
        """What the connection is about, and the seconds that the client has for it; 0 where it is our turn."""
        if self.transport.is_closing():
            return ("closing",), self.limits.answer
        if self.transport.get_protocol() is not self:  # a WebSocket, which has pings of its own
            return ("upgraded",), 0
        if self.flow.write_paused:
            return ("answer", self._resumed), self.limits.answer
        if self.conn.their_state is h11.IDLE:
            return ("head", self.cycle), self.limits.head
        if self.conn.their_state is h11.SEND_BODY and self.conn.our_state is h11.DONE:
            return (
                "leftover",
                self.cycle,
            ), self.limits.head  # of a body that was refused: most read only when all is sent
        if self.conn.their_state is h11.SEND_BODY and not self.flow.read_paused:
            return ("body", self.cycle), self.limits.body
        return ("ours", self.cycle), 0
