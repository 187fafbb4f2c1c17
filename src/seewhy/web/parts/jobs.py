"""A job under way on a page, and its result to see and to take away."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable
from typing import Any, TypeVar
from urllib.parse import urlencode

import streamlit as st

from seewhy.errors import OverBudget, QueueFull, SeewhyError
from seewhy.web.parts.page import refusal
from seewhy.web.parts.session import session, visitor
from seewhy.web.rest.found import Found
from seewhy.web.rest.jobs import QUESTIONS
from seewhy.web.services.hub import services
from seewhy.web.services.jobs import Job, State, Status
from seewhy.web.services.reports import Files, zipped

T = TypeVar("T")

GLANCE, STEP = 0.25, 0.2  # seconds: before a bar is shown, between two looks at a job


def follow(key: str, wanted: Hashable, ask: Callable[[], Job[T]], doing: str = "") -> T | None:
    """The result of the job that `ask` hands in for what is `wanted`; shows its progress, and a way to stop it.

    None while there is no result, which is told. Another request takes the place of the one before. `doing` says what
    waits, where several do.
    """
    job = _current(key, wanted, ask)
    if job is None:
        return None
    if not job.wait(GLANCE):
        _show(key, job, doing)
    return _outcome(key, job)


def answered(key: str, name: str, doing: str = "", **asked: Any) -> Found | None:
    """What comes of one of the questions that programs ask, too; None as in `follow`."""
    question = QUESTIONS[name]
    body = question.body(**asked)
    return follow(key, body.model_dump_json(), lambda: question.hand_in(services(), body, visitor()), doing)


def drop_others(start: str, wanted: Container[str]) -> None:
    """Stop what was asked for under keys that begin so, and is wanted no more."""
    for key in [*session().jobs]:
        if key.startswith(start) and key not in wanted:
            session().drop(key)


def downloads(
    key: str,
    name: str,
    page: Callable[[], bytes],
    files: Callable[[], Files] | None = None,
    everything: str = "Pictures and raw maps",
) -> None:
    """The report, and everything where there is more; made when somebody asks for it."""
    with st.container(horizontal=True):
        icon = ":material/description:"
        st.download_button(
            "Report", page, f"{name}.html", "text/html", key=f"{key}-report", icon=icon, on_click="ignore"
        )
        if files:
            icon, archive = ":material/folder_zip:", f"{name}.zip"
            st.download_button(
                everything,
                lambda: zipped(files()),
                archive,
                "application/zip",
                key=f"{key}-zip",
                icon=icon,
                on_click="ignore",
            )
        with st.popover("Share", icon=":material/share:"):
            st.caption("Whoever has this link sees the same photo and the same answer, while the photo is kept.")
            st.code(f"{st.context.url or ''}?{urlencode(st.query_params.to_dict())}", language=None, wrap_lines=True)


def _current(key: str, wanted: Hashable, ask: Callable[[], Job[T]]) -> Job[T] | None:
    """The job for what is wanted, handed in if it is not yet; None where it is refused, which is told."""
    here = session()
    kept = here.jobs.get(key)
    if kept and kept[0] == wanted and not kept[1].is_forgotten:
        return kept[1]
    if kept:
        here.drop(key)
    try:
        job = here.visit.job(key, wanted) or ask()
    except QueueFull as full:
        many = refusal(full) if isinstance(full, OverBudget) else "Many people are asking right now."
        words = f"{many} Please try again in {full.retry_after} s."
        st.warning(words, icon=":material/hourglass:")
        st.button("Try again", key=f"{key}-again")
        return None
    except SeewhyError as error:
        st.error(refusal(error), icon=":material/error:")
        return None
    here.jobs[key] = (wanted, job)
    here.visit.begin(key, wanted, job)
    return job


def _show(key: str, job: Job[Any], doing: str) -> None:
    """A bar and a button until the job is over; a click on any other thing leaves this run and comes back."""
    place = st.empty()
    with place.container(horizontal=True, vertical_alignment="center"):
        bar = st.progress(0.0, doing or "Waiting")
        st.button("Stop", key=f"{key}-stop", icon=":material/stop_circle:", on_click=job.cancel)
    while not job.wait(STEP):
        bar.progress(*_words(services().queue.status(job)))
    place.empty()


def _words(status: Status) -> tuple[float, str]:
    if status.state is State.WAITING:
        return 0.0, f"Waiting: {status.ahead} ahead of you" if status.ahead else "Waiting"
    share = min(status.done / status.total, 1.0) if status.total else 0.0
    return share, status.message[:1].upper() + status.message[1:] or "At work"


def _outcome(key: str, job: Job[T]) -> T | None:
    try:
        return job.result
    except SeewhyError as error:
        if job.state is State.CANCELLED:
            st.info("Stopped.", icon=":material/stop_circle:")
        else:
            st.error(refusal(error), icon=":material/error:")
    st.button("Start again", key=f"{key}-again", on_click=_forget, args=[key])
    return None


def _forget(key: str) -> None:
    if key in session().jobs:
        session().drop(key)
