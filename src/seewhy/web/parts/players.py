"""Who is here: whoever has signed in, or a player whose name the browser keeps by a secret."""

from __future__ import annotations

from hashlib import sha256
from secrets import token_urlsafe

import streamlit as st

from seewhy.core.text import UNSEEN
from seewhy.errors import Conflict, SeewhyError
from seewhy.people.names import LONGEST_NAME
from seewhy.people.naming import AGREED
from seewhy.people.players import end_session, join, player_of
from seewhy.web.middleware.visits import PLAYER, secret_in
from seewhy.web.parts.page import heading, plain, refusal
from seewhy.web.parts.session import visitor
from seewhy.web.services.hub import services
from seewhy.web.services.storage import enter, people_store
from seewhy.web.settings import Settings
from seewhy.web.telling import told

SECRET, SAID = "player-secret", "player-said"
SHORT = 6  # hex digits that tell namesakes apart


def signed_in(chosen: Settings) -> bool:
    """Whether the pages may be shown; asks people to sign in where they have to and have not."""
    if chosen.sign_in != "oidc" or st.user.get("is_logged_in", False):
        return True
    heading("See why", "Why an image classifier decided what it did, and how far to believe the explanation.")
    st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login)
    if chosen.embedded_in:
        st.caption(f"Inside another site's page nobody can sign in: [open seewhy by itself]({chosen.address}).")
    return False


def account_menu(chosen: Settings) -> None:
    """Who has signed in, and the way out."""
    if chosen.sign_in != "oidc":
        return
    with (
        st.container(horizontal=True, horizontal_alignment="right", key="account"),
        st.popover(plain(_called()), icon=":material/account_circle:", type="tertiary"),
    ):
        st.caption("Other windows of this browser stay signed in until they are loaded again.")
        st.button("Sign out", icon=":material/logout:", on_click=st.logout)


def _called() -> str:
    """What the identity provider calls whoever has signed in."""
    return str(st.user.get("name") or st.user.get("preferred_username") or "Somebody")


def playing(page: str, why: str) -> str | None:
    """The name of whoever is here; asks for one where it is not known, on the page, saying `why`."""
    if services().settings.sign_in == "oidc":
        try:
            return join(people_store(), known_as(_called(), f"{st.user['iss']} {st.user['sub']}"))
        except Conflict as error:  # the host has banned them
            st.error(refusal(error), icon=":material/person_off:")
            return None
    name = player_of(people_store(), _secret())
    if name is None:
        _ask(page, why)
    return name


def player_menu(name: str) -> None:
    """Who is here, and a way to be somebody else."""
    if services().settings.sign_in == "oidc":
        return
    with st.popover(plain(name), icon=":material/person:", type="tertiary"):
        st.caption("This browser remembers you by this name.")
        st.button("Not me", icon=":material/logout:", on_click=_leave)


def known_as(name: str, identity: str) -> str:
    """What others call somebody who has signed in: it tells of the identity only that it is not a namesake's."""
    seen = UNSEEN.sub("", name)[: LONGEST_NAME // 2]
    return f"{seen} · {sha256(identity.encode()).hexdigest()[:SHORT]}"


def word_told(text: str, people: int, *, stands: bool) -> str:
    """What has become of a player's word: bold where it stands, and how many gave it."""
    givers = "you alone so far" if people < AGREED else f"{people} people"
    return f"{'**' + plain(text) + '**' if stands else plain(text)}: {givers}"


def _ask(page: str, why: str) -> None:
    with st.form(f"{page}-name", border=False, width=440):
        st.text_input("Your name", max_chars=LONGEST_NAME, placeholder="What the others will see", key=f"{page}-called")
        st.form_submit_button(why, type="primary", icon=":material/play_arrow:", on_click=_enter, args=[page])
    if said := st.session_state.pop(SAID, None):
        st.error(plain(said), icon=":material/person_off:")


def _enter(page: str) -> None:
    trusted = services().settings.sign_in == "names"
    called = st.session_state[f"{page}-called"] or ""
    try:
        enter(people_store(), called, trusted=trusted, visitor=visitor(), secret=_secret())
    except SeewhyError as error:
        st.session_state[SAID] = told(error)


def _leave() -> None:
    end_session(people_store(), _secret())


def _secret() -> str:
    """What a player is known by: the browser keeps it, or where it keeps nothing, this window."""
    kept = secret_in(st.context.cookies, PLAYER)
    return kept or st.session_state.setdefault(SECRET, token_urlsafe())
