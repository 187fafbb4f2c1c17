"""Names, and the secrets of sessions."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from seewhy.errors import Conflict, UnknownName, UsageError
from seewhy.people.players import begin_session, end_session, join, player_of


def test_a_name_is_tidied_and_stays_one_player(store):
    assert [join(store, name) for name in ("Ann  Lee", " Ann Lee\n", "Ann Lee")] == ["Ann Lee"] * 3
    with store.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM players")) == 1


@pytest.mark.parametrize("name", ["", "   ", "\n", "x" * 65])
def test_a_name_of_no_use_is_refused(store, name):
    with pytest.raises(UsageError, match="1 to 64"):
        join(store, name)


@pytest.mark.parametrize("name", ["=1+1", "<script>", "🦊", "a'b", "x" * 64, "\u202eevil", "a\0b"])
def test_any_other_name_is_kept(store, name):
    kept = join(store, name)
    assert kept == name.replace("\0", "�")
    assert player_of(store, begin_session(store, kept)) == kept


def test_a_person_and_a_simulated_player_never_share_a_name(store):
    join(store, "ann")
    join(store, "robot", simulated=True)
    with pytest.raises(Conflict, match="a person"):
        join(store, "ann", simulated=True)
    with pytest.raises(Conflict, match="simulated"):
        join(store, "robot")


def test_a_name_that_is_to_be_new_is_nobodys(store):
    assert join(store, "ann", fresh=True) == "ann"
    with pytest.raises(Conflict, match="choose another name"):
        join(store, " ann ", fresh=True)


def test_a_secret_stands_for_its_player_until_the_session_ends(store, clock):
    join(store, "ann")
    one, other = begin_session(store, "ann"), begin_session(store, "ann")
    assert one != other
    clock.move(hours=1)
    assert player_of(store, one) == "ann"
    end_session(store, one)
    assert player_of(store, one) is None
    assert player_of(store, other) == "ann"
    assert player_of(store, "\ud83d guess") is None


def test_the_database_holds_no_secret_but_when_it_was_used(store, clock):
    join(store, "ann")
    token = begin_session(store, "ann")
    clock.move(hours=1)
    player_of(store, token)
    with store.reading() as session:
        row = session.execute(text("SELECT * FROM sessions")).one()
    assert token not in map(str, row)
    assert str(row.seen).startswith("2026-01-01 01:00")


def test_nobody_has_no_session(store):
    with pytest.raises(UnknownName):
        begin_session(store, "nobody")
