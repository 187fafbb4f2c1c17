"""What somebody made or asked for in this visit, which nobody else sees."""

from __future__ import annotations

from collections.abc import Hashable
from threading import Timer
from typing import Any

import streamlit as st

from seewhy.web.queue import Job
from seewhy.web.teaching import Taught

VISIT = "visit"
GRACE = 120.0  # seconds: a browser that lost its connection may come back


class Visit:
    """The classifiers that were trained, and for each thing that is asked, what was wanted and the job for it."""

    def __init__(self) -> None:
        self.taught: list[Taught] = []
        self.asked: dict[str, tuple[Hashable, Job[Any]]] = {}
        self._leaving: Timer | None = None

    def stay(self) -> None:
        """Somebody is here, again."""
        if self._leaving:
            self._leaving.cancel()

    def leave(self) -> None:
        """Nobody is here; who does not come back soon will not see what is under way, so it stops."""
        self._leaving = Timer(GRACE, self._stop)
        self._leaving.daemon = True
        self._leaving.start()

    def _stop(self) -> None:
        for _, job in self.asked.values():
            job.cancel()


def visit() -> Visit:
    """The visit that the page is drawn for."""
    found: Visit = st.session_state.setdefault(VISIT, Visit())
    _present(found)
    return found


@st.cache_resource(scope="session", show_spinner=False, on_release=Visit.leave)
def _present(_visit: Visit) -> Visit:
    """Asked anew when a browser comes back, for Streamlit releases what a session keeps as soon as the browser goes."""
    _visit.stay()
    return _visit
