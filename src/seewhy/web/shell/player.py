"""Who plays and draws: a name, and a secret that the browser keeps so that it is theirs tomorrow, too."""

from __future__ import annotations

from hashlib import sha256

import streamlit as st

from seewhy.errors import SeewhyError
from seewhy.people.players import LONGEST_NAME, end_session, join, player_of
from seewhy.web.canvas.device import device_secret
from seewhy.web.crowd import crowd, enter
from seewhy.web.desk import desk
from seewhy.web.shell.people import called

NAME, TOKEN, FORGET, SAID = "player", "player-token", "player-forget", "player-said"
SHORT = 6  # hex digits that tell namesakes apart


def playing(page: str, why: str) -> str | None:
    """The name of whoever is here; asks for one where it is not known, on the page, saying `why`."""
    if desk().settings.sign_in == "oidc":
        return _signed_in()
    forget = bool(st.session_state.pop(FORGET, False))
    kept = device_secret("player-device", st.session_state.get(TOKEN), forget=forget)
    if NAME not in st.session_state and kept and not forget and (name := player_of(crowd(), kept)):
        st.session_state[NAME], st.session_state[TOKEN] = name, kept
    if NAME not in st.session_state:
        _ask(page, why)
    return st.session_state.get(NAME)


def player_menu(name: str) -> None:
    """Who is here, and a way to be somebody else."""
    if desk().settings.sign_in == "oidc":
        return
    with st.popover(name, icon=":material/person:", type="tertiary"):
        st.caption("This browser remembers you by this name.")
        st.button("Not me", icon=":material/logout:", on_click=_leave)


def known_as(name: str, identity: str) -> str:
    """What others call somebody who has signed in: it tells of the identity only that it is not a namesake's."""
    return f"{name[: LONGEST_NAME // 2]} · {sha256(identity.encode()).hexdigest()[:SHORT]}"


def _ask(page: str, why: str) -> None:
    with st.form(f"{page}-name", border=False, width=440):
        st.text_input("Your name", max_chars=LONGEST_NAME, placeholder="What the others will see", key=f"{page}-called")
        st.form_submit_button(why, type="primary", icon=":material/play_arrow:", on_click=_enter, args=[page])
    if said := st.session_state.pop(SAID, None):
        st.error(said, icon=":material/person_off:")


def _enter(page: str) -> None:
    trusted = desk().settings.sign_in == "names"
    try:
        found = enter(crowd(), st.session_state[f"{page}-called"] or "", trusted=trusted)
    except SeewhyError as error:
        st.session_state[SAID] = str(error)
        return
    st.session_state[NAME], st.session_state[TOKEN] = found


def _leave() -> None:
    end_session(crowd(), st.session_state.pop(TOKEN, ""))
    st.session_state.pop(NAME, None)
    st.session_state[FORGET] = True


def _signed_in() -> str:
    """The name of whom the identity provider knows."""
    return join(crowd(), known_as(called(), f"{st.user['iss']} {st.user['sub']}"))
