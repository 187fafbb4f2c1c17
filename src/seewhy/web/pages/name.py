"""Name: people say what pieces of photos have in common in which a network sees the same, concept after concept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from seewhy.core.files import home
from seewhy.core.folders import MANIFEST
from seewhy.errors import SeewhyError
from seewhy.network.book import Concept
from seewhy.network.naming import Fate
from seewhy.people.names import LONGEST_WORDS
from seewhy.report.page import embed
from seewhy.verbs.concepts import ToName, name_concept, to_name
from seewhy.web.parts.figures import picture_html
from seewhy.web.parts.page import Page, heading, plain
from seewhy.web.parts.players import player_menu, playing, word_told
from seewhy.web.settings import Settings
from seewhy.web.telling import told

HOW = """
A network sees the same thing in all pieces of photos shown here. **What is it?** A word or two is enough: *fur, wheel,
grass, straight edges*. You cannot tell? Skip it. A word stands on every photo once two people agree.
"""
NOTHING = "There is nothing to name yet. This command finds what a network sees in photos:"
BUILD = "seewhy network concepts build photos/ --out {}"
SAID = "name-said"


def show() -> None:
    """Draw the page."""
    heading("What is the same here?", "A network sees one thing in several photos. People have a word for it, perhaps.")
    books = _books()
    if not books:
        st.info(NOTHING, icon=":material/label:")
        st.code(BUILD.format(_place() / "first"), language=None, wrap_lines=True)
        return
    name = playing("name", "Begin")
    if name is None:
        st.markdown(HOW)
        return
    with st.container(horizontal=True, horizontal_alignment="right"):
        with st.popover("How it goes", icon=":material/help:", type="tertiary"):
            st.markdown(HOW)
        player_menu(name)
    label = "Concepts of"
    folder = st.selectbox(label, books, format_func=lambda path: path.name) if len(books) > 1 else books[0]
    if problem := st.session_state.pop(SAID, None):
        st.warning(plain(problem), icon=":material/error:")
    try:
        found = to_name(folder, name)
    except SeewhyError as error:
        st.error(plain(told(error)), icon=":material/error:")
        return
    if found.concept:
        _ask(folder, name, found.concept, found)
    else:
        st.success("You have seen every concept. Thank you!", icon=":material/celebration:")
    _recall(found.said)


def offered(chosen: Settings) -> bool:
    """Where the host has put concepts; not where strangers come, whose words would pile up in the host's folder."""
    return not chosen.public and bool(_books())


def _place() -> Path:
    return home() / "concepts"


def _books() -> list[Path]:
    return [path.parent for path in sorted(_place().glob(f"*/{MANIFEST}"))]


def _ask(folder: Path, name: str, concept: Concept, found: ToName) -> None:
    st.progress(found.seen / found.concepts, f"{found.seen + 1} of {found.concepts}")
    for column, each in zip(st.columns(max(len(concept.examples), 1)), concept.examples, strict=False):
        column.html(picture_html(embed(each.pixels, "A piece of a photo")))
    key = f"name-word-{folder.name}-{concept.key}"
    with st.form(f"{key}-form", border=False):
        st.text_input("What do these pieces have in common?", max_chars=LONGEST_WORDS, placeholder="fur", key=key)
        st.form_submit_button(
            "That is it", type="primary", icon=":material/check:", on_click=_say, args=[folder, concept.key, name, key]
        )
    st.button(
        "I cannot tell", type="tertiary", icon=":material/skip_next:", on_click=_say, args=[folder, concept.key, name]
    )


def _say(folder: Path, concept: str, name: str, key: str | None = None) -> None:
    """Keep the word typed under `key`; without a key the player passes."""
    word = str(st.session_state[key] or "").strip() if key else ""
    if key and not word:
        st.session_state[SAID] = "Type a word, or skip the concept."
        return
    try:
        name_concept(folder, concept, word, name)
    except SeewhyError as error:
        st.session_state[SAID] = told(error)


def _recall(said: Sequence[Fate]) -> None:
    """What has become of the player's words."""
    if said:
        st.header("Your words", anchor=False)
        stand = sum(each.stands for each in said)
        st.caption(f"{stand} of {len(said)} stand on photos: two people or more say so.")
        for each in reversed(said):
            st.markdown(word_told(each.text, each.people, stands=each.stands))


PAGE = Page("Name", ":material/label:", "name", 55, show, offered)
