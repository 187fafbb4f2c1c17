"""What somebody made, asked for or brought, which nobody else sees: of one window, and of all windows of a visit."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Timer
from typing import Any, TypeVar

import streamlit as st

from seewhy.verbs.teach import TeachResult
from seewhy.web.middleware.visits import secret_in
from seewhy.web.services.hub import services
from seewhy.web.services.jobs import Job
from seewhy.web.services.visits import Kept, Visit, digest
from seewhy.web.visitors import HERE, Visitor, person_of, visitor_of

T = TypeVar("T")

SESSION = "session"
GRACE = 120.0  # seconds: a browser that lost its connection may come back


class Session:
    """One window: for each thing that is asked in it, what was wanted and the job for it."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.jobs: dict[str, tuple[Hashable, Job[Any]]] = {}
        self._leaving: Timer | None = None
        self.stay()

    def stay(self) -> None:
        """Somebody is here, again."""
        if self._leaving:
            self._leaving.cancel()
        self.visit.windows.add(self)

    def leave(self) -> None:
        """Nobody is here; who does not come back soon will not see what is under way, so it stops."""
        self._leaving = Timer(GRACE, self._stop)
        self._leaving.daemon = True
        self._leaving.start()

    def drop(self, key: str) -> None:
        """Stop what this window asked for under this key, unless another window waits for it, too."""
        _, job = self.jobs.pop(key)
        others = (mine for each in [*self.visit.windows] if each is not self for _, mine in each.jobs.values())
        if job not in others:
            job.cancel()

    def _stop(self) -> None:
        for key in [*self.jobs]:
            self.drop(key)
        self.visit.windows.discard(self)


def session() -> Session:
    """The window that the page is drawn for."""
    if SESSION not in st.session_state:
        token = secret_in(st.context.cookies)
        st.session_state[SESSION] = Session(services().visits.find(token, visitor()) if token else Visit())
    found: Session = st.session_state[SESSION]
    _present(found)
    return found


@st.cache_resource(scope="session", show_spinner=False, on_release=Session.leave)
def _present(_session: Session) -> Session:
    """Asked anew when a browser comes back, for Streamlit releases what a session keeps as soon as the browser goes."""
    _session.stay()
    return _session


def visit() -> Visit:
    """The visit that the window belongs to."""
    return session().visit


def keep(change: Callable[[Kept], T]) -> T:
    """Change what is kept of the visit."""
    return visit().note(visitor(), change)


def trained() -> list[TeachResult]:
    """The classifiers of this visit that are still there, the newest first."""
    found = [each for each in reversed(visit().kept.trained.values()) if each.classifier.is_dir()]
    for each in found:
        services().models.admit(each.model)
    return found


def ask_for(key: str, wanted: Hashable, *, pressed: bool) -> bool:
    """Whether somebody has pressed a button for just this, now or before."""
    name = digest(key, wanted)
    if pressed and name not in visit().kept.asked:
        keep(lambda kept: kept.asked.append(name))
    return name in visit().kept.asked


def visitor() -> Visitor:
    """Who the page is drawn for: whoever signed in, else whoever comes from the address."""
    if st.user.get("is_logged_in", False):
        return person_of(f"{st.user.get('iss')} {st.user.get('sub')} {st.user.get('name')}")
    return visitor_of(st.context.ip_address or HERE)
