"""Buckets of tokens that fill evenly: how often something may happen."""

from __future__ import annotations

import time
from collections import OrderedDict

MINUTE = 60.0
VISITORS = 10_000  # who are told apart at a time
CROWD = "crowd"  # who come when so many are here already


class Buckets:
    """A bucket of tokens for each visitor, so that a short burst is no offence.

    A bucket that nobody touched for the whole span is full, and says no more than none: only such are forgotten. Where
    more visitors come than can be told apart, the newcomers share one bucket, and who was there keeps theirs.

    Args:
        tokens: that a full bucket has, and that fall into an empty one within the span.
        seconds: the span.
    """

    def __init__(self, tokens: int, seconds: float = MINUTE) -> None:
        self.tokens, self.seconds = float(tokens), seconds
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, who: str) -> float:
        """Take one token; else the seconds until there is one."""
        now = time.monotonic()
        while self._buckets and now - next(iter(self._buckets.values()))[1] >= self.seconds:
            self._buckets.popitem(last=False)
        if who not in self._buckets and len(self._buckets) >= VISITORS:
            who = CROWD
        left, since = self._buckets.pop(who, (self.tokens, now))
        left = min(left + (now - since) * self.tokens / self.seconds, self.tokens)
        allowed = left >= 1
        self._buckets[who] = (left - allowed, now)
        return 0.0 if allowed else (1 - left) * self.seconds / self.tokens
