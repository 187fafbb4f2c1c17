"""Who is using the app, as far as the installation wants to know."""

from __future__ import annotations

import streamlit as st

from seewhy.web.settings import Settings
from seewhy.web.shell.parts import heading


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
        st.popover(called(), icon=":material/account_circle:", type="tertiary"),
    ):
        st.caption("Other windows of this browser stay signed in until they are loaded again.")
        st.button("Sign out", icon=":material/logout:", on_click=st.logout)


def called() -> str:
    """What the identity provider calls whoever has signed in."""
    return str(st.user.get("name") or st.user.get("preferred_username") or "Somebody")
