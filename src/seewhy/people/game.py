"""The rules of Deep Reveal, as functions over the store.

A player sees the strongest 2 % of a picture by one cluster of the network, may ask for more, up to 30 %, and guesses
the class with a few words on what led there, or resigns. The class leaves the store with the outcome, never before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from seewhy.errors import Conflict, UsageError
from seewhy.images import open_image
from seewhy.people import leases
from seewhy.people.players import find_player
from seewhy.people.records import Outcome, RoundView
from seewhy.people.reveal import STAGES, reveal
from seewhy.people.rounds import find_round, map_in
from seewhy.people.scoring import points
from seewhy.people.store import Store, storable
from seewhy.people.tables import AnswerRow, LabelRow, PlayerRow, SeatRow

GOLD_EVERY = 8  # rounds; the second of each eight is a gold one while there are any
MOST_LABELS, LONGEST_LABEL = 20, 20_000  # labels, characters each
LAST_STAGE = STAGES - 1

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def next_round(store: Store, player: str) -> RoundView | None:
    """The round this player has begun, or else a new one; None when nothing is left to play.

    Raises:
        UnknownName: no such player.
    """

    def lease(session: Session) -> RoundView | None:
        who, now = find_player(session, player), store.clock()
        seat = leases.resume(session, who, now)
        if seat is None and _gold_is_due(session, who):
            seat = leases.take_gold(session, who, now)
        if seat is None:
            seat = leases.take_free(session, who, now)
        return None if seat is None else _view(session.get_one(SeatRow, seat))

    return store.transact(lease)


def show_more(store: Store, player: str, number: int, stage: int) -> RoundView:
    """Go on from `stage` of a round; asked twice for the same step, it is done once.

    Raises:
        UsageError: everything is shown.
        Conflict: the round is over for this player, or another has it now.
    """
    if stage >= LAST_STAGE:
        raise UsageError("all that a round shows is shown; guess or resign")
    with store.writing() as session:
        who = find_player(session, player)
        leases.deepen(session, who, number, stage, store.clock())
        return _view(_held(session, who, number))


def revealed(store: Store, player: str, number: int) -> NDArray[np.uint8]:
    """What the player may see of the picture now: uint8 `(H, W, 3)`, black where nothing is revealed.

    Raises:
        Conflict: the round is over for this player, or another has it now.
    """
    with store.reading() as session:
        seat = _held(session, find_player(session, player), number)
        row = seat.round
        asked = (row.picture.content, row.map, (row.rows, row.columns), seat.stage)
    return _revealed(*asked)


@lru_cache(maxsize=64)
def _revealed(content: bytes, values: bytes, grid: tuple[int, int], stage: int) -> NDArray[np.uint8]:
    """Kept, read-only, for the others who see the same: a class of 20 asks for little else."""
    found = reveal(open_image(content).pixels, map_in(values, grid), stage)
    found.setflags(write=False)
    return found


def whole(store: Store, player: str, number: int) -> NDArray[np.uint8]:
    """All of the picture, uint8 `(H, W, 3)`, for a player who has answered.

    Raises:
        Conflict: the player has not answered this round.
    """
    with store.reading() as session:
        who = find_player(session, player)
        answer = session.scalar(select(AnswerRow).filter_by(player_id=who.id, round_id=number))
        if answer is None:
            raise Conflict(f"round {number} is not over for this player; guess or resign, then all of it is shown")
        content = answer.round.picture.content
    return open_image(content).pixels


def guess(
    store: Store, player: str, number: int, choice: str, labels: Sequence[str], *, key: str, language: str = "en"
) -> Outcome:
    """End a round by naming a class, with words on what led there; sent again with the same key, it counts once.

    Labels are kept as typed, spaces at their ends aside; NUL, which no database keeps, becomes �.

    Raises:
        UsageError: the class is not among the options; no labels, too many or too long ones; no language tag.
        Conflict: the round is over for this player, another has it now, or the key stands for another answer.
    """
    words = tuple(storable(label).strip() for label in labels)
    if not 0 < len(words) <= MOST_LABELS or not all(words):
        raise UsageError(f"say in 1 to {MOST_LABELS} labels what led to the guess, none of them empty")
    if max(map(len, words)) > LONGEST_LABEL:
        raise UsageError(f"a label has {LONGEST_LABEL} characters at most; a few words are enough")
    if not _LANGUAGE.fullmatch(language):
        raise UsageError(f"a language is a tag such as en, it or pt-BR, not {language!r}")
    return _answer(store, player, number, storable(choice), words, key, language)


def resign(store: Store, player: str, number: int, *, key: str) -> Outcome:
    """End a round without a guess; sent again with the same key, it counts once.

    Raises:
        Conflict: as for `guess`.
    """
    return _answer(store, player, number, None, (), key, "en")


def _answer(
    store: Store, player: str, number: int, choice: str | None, labels: tuple[str, ...], key: str, language: str
) -> Outcome:
    if not key:
        raise UsageError("an answer has a key of its own, by which it is known when it is sent again")
    sent = (number, choice, labels, language)

    def keep(session: Session) -> Outcome:
        who = find_player(session, player)
        stage = leases.answered(session, who, number)  # first: whoever sends the same at once waits here
        known = session.scalar(select(AnswerRow).filter_by(player_id=who.id, key=storable(key)))
        if known is not None:
            return _resent(known, sent)
        row = find_round(session, number)
        if stage is None or session.scalar(select(AnswerRow.id).filter_by(player_id=who.id, round_id=number)):
            raise _over(number)
        if choice is not None and choice not in row.options:
            raise UsageError(f"{choice!r} is not among the classes to choose from: {', '.join(row.options)}")
        kept = [LabelRow(position=position, text=text) for position, text in enumerate(labels)]
        answer = AnswerRow(
            player_id=who.id,
            round_id=number,
            key=storable(key),
            guess=choice,
            stage=stage,
            language=language,
            given=store.clock(),
            labels=kept,
        )
        session.add(answer)
        session.flush()
        return _outcome(answer)

    return store.transact(keep)


def _resent(known: AnswerRow, sent: tuple[int, str | None, tuple[str, ...], str]) -> Outcome:
    if sent != (known.round_id, known.guess, tuple(label.text for label in known.labels), known.language):
        raise Conflict("this key stands for another answer, which is kept; send a new answer with a new key")
    return _outcome(known)


def _outcome(answer: AnswerRow) -> Outcome:
    true_class = answer.round.true_class
    won = answer.guess == true_class
    outcome = "resigned" if answer.guess is None else "won" if won else "lost"
    return Outcome(answer.round_id, outcome, true_class, points(answer.stage, won=won))


def _held(session: Session, player: PlayerRow, number: int) -> SeatRow:
    seat = session.scalar(select(SeatRow).filter_by(round_id=number, player_id=player.id))
    if seat is None or seat.expires is None:
        raise _over(number)
    return seat


def _over(number: int) -> Conflict:
    return Conflict(f"round {number} is over for this player, or its time ran out and another has it; take a new round")


def _view(seat: SeatRow) -> RoundView:
    if seat.expires is None:
        raise _over(seat.round_id)
    return RoundView(seat.round_id, seat.stage, tuple(seat.round.options), points(seat.stage, won=True), seat.expires)


def _gold_is_due(session: Session, player: PlayerRow) -> bool:
    """By how many answers the player has given."""
    given = session.scalar(select(func.count(AnswerRow.id)).where(AnswerRow.player_id == player.id)) or 0
    return given % GOLD_EVERY == 1
