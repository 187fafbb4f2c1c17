"""A host's tools: ban, lift, forget."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import text

from people.samples import new_round, rounds
from seewhy.errors import Conflict, UnknownName
from seewhy.people.agreement import agreement
from seewhy.people.exchange import export_lines, import_lines
from seewhy.people.game import guess, next_round, resign, show_more
from seewhy.people.hosts import ban, banned_players, forget, lift
from seewhy.people.masks import drawn, save_mask
from seewhy.people.players import begin_session, join, leaderboard, player_of
from seewhy.people.rounds import add_rounds, answers, open_seats, played_classes
from seewhy.people.store import PlayerRow, open_store

PHOTO = ("cat.jpg", "ab" * 32, "cat")
TABLES = ("players", "sessions", "answers", "labels", "masks", "mask_revisions")


@pytest.fixture
def eve(store):
    """Somebody who has played a round, a gold one, holds a third, and has drawn; beside ann, who has as well."""
    add_rounds(store, [*rounds(3, overlap=1), new_round(9, gold=True)])
    for name in ("eve", "ann"):
        join(store, name)
        for number in range(2):
            view = next_round(store, name)
            guess(store, name, view.round, view.options[0], ["ears", "fur"], key=str(number))
        for base in range(2):
            save_mask(store, name, *PHOTO, np.ones((4, 5 + base), bool)[:, :5] * (base == 0), base=base, key=str(base))
    assert open_seats(store) == 1
    next_round(store, "eve")
    return "eve"


def counts(store):
    with store.reading() as session:
        return {table: session.scalar(text(f"SELECT count(*) FROM {table}")) for table in TABLES}  # noqa: S608


def test_who_is_banned_is_out_and_counts_no_more_until_the_ban_is_lifted(store, eve):
    token, before = begin_session(store, eve), counts(store)
    held = next_round(store, eve)
    ban(store, eve)
    ban(store, eve)  # twice is once
    assert banned_players(store) == [eve]
    assert player_of(store, token) is None
    for act in (
        lambda: join(store, eve),
        lambda: begin_session(store, eve),
        lambda: next_round(store, eve),
        lambda: show_more(store, eve, held.round, 0),
        lambda: guess(store, eve, held.round, held.options[0], ["x"], key="new"),
        lambda: resign(store, eve, held.round, key="new"),
        lambda: save_mask(store, eve, *PHOTO, np.zeros((4, 5), bool), base=2, key="new"),
    ):
        with pytest.raises(Conflict, match="banned"):
            act()
    with pytest.raises(Conflict, match="looks like eve"):
        join(store, "\u0435v\u0435", fresh=True)
    assert [each.player for each in leaderboard(answers(store))] == ["ann"]
    assert answers(store, eve) == []
    assert {each.player for each in drawn(store)} == {"ann"}
    assert [each.player for each in agreement(store).players] == ["ann"]
    assert open_seats(store) == 2  # what eve had answered, and the one she held
    assert len(played_classes(store, "toy")) == 2
    after = counts(store)
    assert after == {**before, "sessions": after["sessions"]}  # nothing else is deleted
    lift(store, eve)
    assert banned_players(store) == []
    assert len(answers(store, eve)) == 2
    assert join(store, eve) == eve
    seen = {each.round for each in answers(store, eve)}
    while view := next_round(store, eve):
        assert view.round not in seen
        seen.add(view.round)
        guess(store, eve, view.round, view.options[0], ["x"], key=f"after {view.round}")


def test_others_answer_in_place_of_a_banned_player(store, eve):
    ban(store, eve)
    while view := next_round(store, "ann"):
        guess(store, "ann", view.round, view.options[0], ["x"], key=f"more {view.round}")
    assert open_seats(store) == 0
    lift(store, eve)
    assert len(answers(store)) == 6
    assert open_seats(store) == 0


def test_who_is_forgotten_is_gone_and_others_stay(store, eve):
    begin_session(store, eve)
    before, kept = counts(store), answers(store, "ann")
    gone = forget(store, eve)
    assert gone == {"player": 1, "answer": 2, "label": 4, "mask": 1, "state of a mask": 2, "session": 1}
    names = ("player", "session", "answer", "label", "mask", "state of a mask")
    assert counts(store) == {table: before[table] - gone[name] for table, name in zip(TABLES, names, strict=True)}
    assert answers(store) == kept
    assert not any("eve" in line for line in export_lines(store))
    assert open_seats(store) == 2
    assert join(store, eve, fresh=True) == eve  # anybody's now
    assert len(drawn(store)) == 1


def test_nobody_is_neither_banned_nor_forgotten(store):
    for act in (ban, lift, forget):
        with pytest.raises(UnknownName):
            act(store, "nobody")


def test_a_name_of_old_that_cannot_be_typed_is_found_as_it_is_shown(store):
    with store.writing() as session:
        session.add(PlayerRow(name="\x1b[2JEve", simulated=False, joined=store.clock()))
    ban(store, "\\x1b[2JEve")
    assert banned_players(store) == ["\x1b[2JEve"]
    assert forget(store, "\\x1b[2JEve") == {"player": 1}


def test_a_state_of_a_mask_goes_with_its_mask_alone(store, eve):
    with pytest.raises(Exception, match=r"never changed|the database failed"), store.writing() as session:
        session.execute(text("DELETE FROM mask_revisions"))
    with store.writing() as session:
        session.execute(text("DELETE FROM masks"))
    assert counts(store)["mask_revisions"] == 0


def test_a_ban_goes_along_with_an_export(store, eve, tmp_path):
    ban(store, eve)
    lines = list(export_lines(store))
    with open_store(f"sqlite:///{tmp_path / 'other.sqlite'}") as other:
        import_lines(other, lines)
        assert banned_players(other) == [eve]
        assert list(export_lines(other)) == lines
