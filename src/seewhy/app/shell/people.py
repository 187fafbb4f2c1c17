"""Who is using the app, as far as the installation wants to know."""

from __future__ import annotations

import streamlit as st

from seewhy.app.settings import Settings

__all__ = ["signed_in"]


def signed_in(chosen: Settings) -> bool:
    """Whether the pages may be shown; asks people to sign in where they have to and have not."""
    if chosen.sign_in != "oidc" or st.user.get("is_logged_in", False):
        return True
    st.title("seewhy")
    st.write("See why an image classifier decided what it did.")
    st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login)
    return False
