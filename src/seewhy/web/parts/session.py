"""What somebody made, asked for or uploaded in this session, which nobody else sees."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Timer
from typing import Any, Generic, TypeVar

import streamlit as st

from seewhy.errors import SeewhyError
from seewhy.verbs import TeachResult
from seewhy.web.parts.page import plain
from seewhy.web.services.jobs import Job
from seewhy.web.telling import told
from seewhy.web.visitors import HERE, Visitor, person_of, visitor_of

T = TypeVar("T")

SESSION = "session"
GRACE = 120.0  # seconds: a browser that lost its connection may come back


class Session:
    """The classifiers that were trained, and for each thing that is asked, what was wanted and the job for it."""

    def __init__(self) -> None:
        self.trained: list[TeachResult] = []
        self.jobs: dict[str, tuple[Hashable, Job[Any]]] = {}
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
        for _, job in self.jobs.values():
            job.cancel()


def session() -> Session:
    """The session that the page is drawn for."""
    found: Session = st.session_state.setdefault(SESSION, Session())
    _present(found)
    return found


@st.cache_resource(scope="session", show_spinner=False, on_release=Session.leave)
def _present(_session: Session) -> Session:
    """Asked anew when a browser comes back, for Streamlit releases what a session keeps as soon as the browser goes."""
    _session.stay()
    return _session


def visitor() -> Visitor:
    """Who the page is drawn for: whoever signed in, else whoever comes from the address."""
    if st.user.get("is_logged_in", False):
        return person_of(f"{st.user.get('iss')} {st.user.get('sub')} {st.user.get('name')}")
    return visitor_of(st.context.ip_address or HERE)


@dataclass(frozen=True)
class Upload(Generic[T]):
    """What was made of an upload, since Streamlit forgets it when its page is left; `key` is another for each."""

    key: str
    name: str
    content: T


def keep_upload(slot: str, key: str, name: str, make: Callable[[], T]) -> T | None:
    """What `make` makes of an upload, made once for each; None where it cannot be used, which is told."""
    kept: Upload[T] | None = st.session_state.get(slot)
    if kept and kept.key == key:
        return kept.content
    try:
        content = make()
    except SeewhyError as error:
        st.error(told(error), icon=":material/broken_image:")
        return None
    st.session_state[slot] = Upload(key, name, content)
    return content


def last_upload(slot: str) -> Upload[T] | None:
    """The upload of this session, of which people are told that it is still here."""
    kept: Upload[T] | None = st.session_state.get(slot)
    if kept:
        st.caption(f"Still {plain(kept.name)}. Another takes its place.")
    return kept


def forget_upload(slot: str) -> None:
    """Called when somebody uploads another, or takes it away."""
    st.session_state.pop(slot, None)
