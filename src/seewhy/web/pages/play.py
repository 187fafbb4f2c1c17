"""Play: Deep Reveal. People guess what a network saw, and say what gave it away."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import streamlit as st

from seewhy.errors import SeewhyError
from seewhy.images import samples
from seewhy.network.labels import Lexicon, fates, lexicon
from seewhy.people import game
from seewhy.people.game import RoundResult, RoundView
from seewhy.people.names import LONGEST_WORDS
from seewhy.people.players import Standing, leaderboard, standing
from seewhy.people.reveal import SHARES, STAGES
from seewhy.people.rounds import answers
from seewhy.people.series import ROUNDS, Game, games, rounds_of_day
from seewhy.people.store import Store
from seewhy.report.page import counted, embed
from seewhy.verbs.people import make_rounds
from seewhy.web.parts.figures import picture_html, render
from seewhy.web.parts.jobs import follow
from seewhy.web.parts.page import Page, heading, plain, refusal
from seewhy.web.parts.players import player_menu, playing, word_told
from seewhy.web.parts.reports import show_part
from seewhy.web.parts.session import visitor
from seewhy.web.services.hub import services
from seewhy.web.services.storage import people_store
from seewhy.web.telling import told

RULES = """
1. You see a small piece of a photo. It is the piece that told the computer most.
2. **What does the computer say it is?** Choose. Mostly it is right. You cannot tell? Press **Show more**.
3. Say in a few words what gave it away, such as *pointed ears, whiskers*.
4. The less you needed to see, the more points you get: 60 at first, 10 less each time.

No idea? Press **Give up**, and you see the whole photo.
"""
COMMAND = "seewhy people rounds photos/"
OVERLAP = 20  # players that answer a round of the samples
LEADERS, SECONDS = 10, 5  # on the board; that it may be old
SHOWN, MINUTE = 30, 60  # of one's words, the newest; seconds that what has become of them may be old
ANY, TODAY = "Any", "Ten of today"
BETWEEN = re.compile(r"[,;\n]+")
ENDED, SAID = "play-ended", "play-said"


def show() -> None:
    """Draw the page."""
    heading("What did the network see?", "You see a piece of a photo. Guess the rest, and say what gave it away.")
    name = playing("play", "Play")
    if name is None:
        st.header("How to play", anchor=False)
        st.markdown(RULES)
        return
    with st.container(horizontal=True, horizontal_alignment="right"):
        with st.popover("How to play", icon=":material/help:", type="tertiary"):
            st.markdown(RULES)
        player_menu(name)
    if said := st.session_state.pop(SAID, None):
        st.warning(plain(said), icon=":material/error:")
    today = _today()
    ended: tuple[str, RoundResult] | None = st.session_state.get(ENDED)
    if ended and ended[0] == name:  # somebody else may have played here before
        _ended(*ended)
    elif view := game.next_round(people_store(), name, today):
        _round(name, view)
    elif today:
        _day_played(name, today)
    else:
        _nothing_left(name)
    _scores(name)


def _today() -> tuple[int, ...] | None:
    """The rounds of the day, where the player wants those; None for any."""
    rounds = rounds_of_day(people_store(), datetime.now(UTC).date())
    if not rounds:
        return None
    about = "The photos of today are the same for everybody."
    which = st.segmented_control("Photos", [ANY, TODAY], default=ANY, required=True, key="play-which", help=about)
    return rounds if which == TODAY else None


def _day_played(name: str, rounds: Sequence[int]) -> None:
    """What came of the day's rounds."""
    mine = Game(tuple(each for each in answers(people_store(), name) if each.round in rounds))
    photos = counted(len(mine.answers), "photo")
    words = f"Today is played: {photos}, {mine.won} right, {mine.points} points. Tomorrow there are others."
    st.success(words, icon=":material/celebration:")


def words_of(typed: str) -> list[str]:
    """What was typed, as single labels: commas, semicolons and new lines are between them."""
    return [word.strip() for word in BETWEEN.split(typed) if word.strip()]


def _round(name: str, view: RoundView) -> None:
    left, right = st.columns([1, 1.35], gap="large")
    share = f"{SHARES[view.stage]:.1%}".replace(".0%", "%").replace("%", " %")
    with left:
        shown = embed(
            game.revealed(people_store(), name, view.round), f"A piece of a photo: {share} of it, the rest is black"
        )
        st.html(picture_html(shown))
        st.button(
            "Show more",
            icon=":material/visibility:",
            disabled=view.stage == STAGES - 1,
            on_click=_try,
            args=[lambda: game.show_more(people_store(), name, view.round, view.stage)],
        )
    with right:
        look = f"Look {view.stage + 1} of {STAGES}: you see {share}"
        st.progress((view.stage + 1) / STAGES, f"{look}. A right guess is worth **{view.points} points** now.")
        with st.form(f"play-guess-{view.round}", border=False):
            options = sorted(view.options, key=str.casefold)
            st.pills("What does the network say it is?", options, format_func=plain, key=f"play-choice-{view.round}")
            st.text_input(
                "What gave it away?",
                placeholder="pointed ears, whiskers",
                max_chars=LONGEST_WORDS,
                key=f"play-words-{view.round}",
                help="A few words. Put commas between several things.",
            )
            st.form_submit_button(
                "Guess", type="primary", icon=":material/check:", on_click=_guess, args=[name, view.round]
            )
        st.button(
            "Give up",
            type="tertiary",
            icon=":material/flag:",
            on_click=_end,
            args=[name, lambda: game.resign(people_store(), name, view.round, key=_key(view.round))],
        )


def _guess(name: str, number: int) -> None:
    choice: str | None = st.session_state[f"play-choice-{number}"]
    labels = words_of(st.session_state[f"play-words-{number}"] or "")
    if choice is None or not labels:
        st.session_state[SAID] = "Choose what is in the photo, and say in a few words what gave it away."
        return
    _end(name, lambda: game.guess(people_store(), name, number, choice, labels, key=_key(number)))


def _key(number: int) -> str:
    """A player answers a round once, so that a second click is the same answer sent again."""
    return f"page-{number}"


def _end(name: str, answer: Callable[[], RoundResult]) -> None:
    def keep() -> None:
        st.session_state[ENDED] = (name, answer())
        _leaders.clear()

    _try(keep)


def _try(step: Callable[[], object]) -> None:
    """Do it, or tell why it could not be done."""
    try:
        step()
    except SeewhyError as error:
        st.session_state[SAID] = told(error)


def _ended(name: str, ended: RoundResult) -> None:
    left, right = st.columns([1, 1.35], gap="large")
    with left:
        st.html(
            picture_html(embed(game.whole(people_store(), name, ended.round), f"The whole photo: {ended.true_class}"))
        )
    with right:
        tell, words, icon = {
            "won": (st.success, f"**Right! {ended.points} points.**", ":material/celebration:"),
            "lost": (st.error, "**Not this time.**", ":material/close:"),
            "resigned": (st.info, "**You gave up.**", ":material/flag:"),
        }[ended.outcome]
        tell(f"{words} The network says {plain(ended.true_class)}.", icon=icon)
        st.caption("Networks err, too.")
        _again(name, ended.round)
        again, icon = st.session_state.pop, ":material/arrow_forward:"
        st.button("Next photo", type="primary", icon=icon, on_click=again, args=[ENDED, None])


def _again(name: str, number: int) -> None:
    """What the player had seen and said, and where they stand in this game of ten."""
    given = answers(people_store(), name)
    mine = next(each for each in reversed(given) if each.round == number)
    said = f"You said **{plain(mine.guess)}**: {plain(', '.join(mine.labels))}." if mine.guess else "You said nothing."
    st.markdown(f"{said} This is what you had seen:")
    st.html(picture_html(embed(game.piece(people_store(), name, number), "The piece of the photo that you had seen")))
    last = games(given)[-1]
    state = "This game is over" if last.over else f"Photo {len(last.answers)} of {ROUNDS} in this game"
    st.caption(f"{state}: {last.won} right, {last.points} points.")


def _nothing_left(name: str) -> None:
    """Nobody has made rounds yet, or this player has played them all."""
    if answers(people_store(), name):
        st.success("You have played everything there is. Thank you!", icon=":material/celebration:")
        return
    st.info("There is nothing to play yet.", icon=":material/extension:")
    if st.button("Make rounds from the sample photos", type="primary", icon=":material/auto_awesome:"):
        st.session_state["play-make"] = True
    if st.session_state.get("play-make"):
        _make()
    st.caption("Or make rounds from photos of your own:")
    st.code(COMMAND, language="shell")


def _make() -> None:
    model = services().models.names[0]
    made = follow(
        "play-rounds",
        model,
        lambda: services().submit(
            model,
            "making rounds from the sample photos",
            lambda classifier, tell: make_rounds(
                classifier, list(samples().values()), people_store(), overlap=OVERLAP, progress=tell
            ),
            visitor=visitor(),
        ),
    )
    if made is None:
        return
    st.session_state.pop("play-make")
    if any(each.value and each.value.rounds for each in made):
        st.rerun()
    nothing = "The network shows nothing that could be played."
    st.error(next((refusal(each.error) for each in made if each.error), nothing), icon=":material/error:")


def _scores(name: str) -> None:
    mine = standing(name, answers(people_store(), name))
    if mine.played:
        st.header("Your score", anchor=False)
        with st.container(horizontal=True):
            st.metric("Points", mine.points)
            st.metric("Won", mine.won)
            st.metric("Lost", mine.lost)
            st.metric("Given up", mine.resigned)
            if mine.mean_stage is not None:
                st.metric("Looks to win", f"{mine.mean_stage + 1:.1f}", help="How often you looked, of the rounds won.")
            st.metric("Words given", mine.labels)
        if mine.labels and st.toggle("What has become of my words", key="play-fates"):
            _fates(name)
    everybody = _leaders(people_store())
    board = [(place, each) for place, each in enumerate(everybody, 1) if place <= LEADERS or each.player == name]
    if board:
        st.header("Leaderboard", anchor=False)
        show_part("play-leaders", render("leaderboard.html", leaders=board, me=name))


def _fates(name: str) -> None:
    """Which of the player's words others gave, too: two people bring one onto pictures."""
    try:
        found = fates(_lexicon(people_store()), name)
    except SeewhyError as error:
        st.info(plain(told(error)), icon=":material/error:")
        return
    st.caption(f"{sum(each.stands for each in found)} of {len(found)} stand on pictures: two people or more say so.")
    for each in reversed(found[-SHOWN:]):
        dropped = f"{plain(each.text)}: left out, since it is the class itself or no word"
        st.markdown(dropped if each.label is None else word_told(each.text, each.people, stands=each.stands))


@st.cache_resource(ttl=MINUTE, show_spinner=False, hash_funcs={Store: lambda store: str(store.engine.url)})
def _lexicon(store: Store) -> Lexicon:
    return lexicon(store)


@st.cache_data(ttl=SECONDS, show_spinner=False, hash_funcs={Store: lambda store: str(store.engine.url)})
def _leaders(store: Store) -> list[Standing]:
    return leaderboard(answers(store, simulated=False))


PAGE = Page("Play", ":material/extension:", "play", 50, show)
