"""What somebody brings to a page: Streamlit forgets an upload when its page is left, a visit does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import streamlit as st

from seewhy.errors import SeewhyError
from seewhy.web.shell.parts import plain

T = TypeVar("T")


@dataclass(frozen=True)
class Brought(Generic[T]):
    """What was made of an upload; `key` is another for every upload."""

    key: str
    name: str
    content: T


def bring(slot: str, key: str, name: str, make: Callable[[], T]) -> T | None:
    """What `make` makes of an upload, made once for each; None where it cannot be used, which is told."""
    kept: Brought[T] | None = st.session_state.get(slot)
    if kept and kept.key == key:
        return kept.content
    try:
        content = make()
    except SeewhyError as error:
        st.error(str(error), icon=":material/broken_image:")
        return None
    st.session_state[slot] = Brought(key, name, content)
    return content


def brought_before(slot: str) -> Brought[T] | None:
    """What was brought last, of which people are told that it is still here."""
    kept: Brought[T] | None = st.session_state.get(slot)
    if kept:
        st.caption(f"Still {plain(kept.name)}. Another takes its place.")
    return kept


def forget(slot: str) -> None:
    """Somebody brings another, or takes it away."""
    st.session_state.pop(slot, None)
