"""How many sessions a visitor may begin: whoever takes name after name learns the class of round after round."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from math import ceil
from threading import Lock

from seewhy.errors import OverBudget
from seewhy.web.visitors import Visitor

MOST, WITHIN = 120, 3600.0  # sessions, seconds: several classes at school may share an address
KNOWN = 10_000  # visitors who are remembered


class Newcomers:
    """When each visitor began sessions, as far as it counts.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, Lock()
        self._began: OrderedDict[Visitor, deque[float]] = OrderedDict()

    def enter(self, visitor: Visitor) -> None:
        """Count one more session.

        Raises:
            OverBudget: the visitor has begun as many as one may; it says when to come again.
        """
        now = self._clock()
        with self._lock:
            times = self._began.setdefault(visitor, deque(maxlen=MOST))
            self._began.move_to_end(visitor)
            if len(self._began) > KNOWN:
                self._began.popitem(last=False)
            left = times[0] + WITHIN - now if len(times) == MOST else 0
            if left > 0:
                raise OverBudget(f"{MOST} sessions were begun from here within the hour; come again later", ceil(left))
            times.append(now)

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self._began.clear()
