"""Names, and the secrets of sessions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from seewhy.errors import Conflict, UnknownName, UsageError
from seewhy.people.names import looks
from seewhy.people.players import begin_session, end_session, join, player_of


def test_a_name_is_tidied_and_stays_one_player(store):
    assert [join(store, name) for name in ("Ann  Lee", " Ann Lee\n", "Ann Lee")] == ["Ann Lee"] * 3
    with store.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM players")) == 1


@pytest.mark.parametrize("name", ["", "   ", "\n", "x" * 65])
def test_a_name_of_no_use_is_refused(store, name):
    with pytest.raises(UsageError, match="player's name"):
        join(store, name)


@pytest.mark.parametrize("name", ["=1+1", "<script>", "🦊", "a'b", "x" * 64, "Zoë", "日本"])
def test_any_other_name_is_kept(store, name):
    kept = join(store, name)
    assert kept == name
    assert player_of(store, begin_session(store, kept)) == kept


@pytest.mark.parametrize(
    "name",
    ["\u202eevil", "a\0b", "An\u200bna", "An\u200dna", "Eve\x1b[2J", "a\x9bb", "\ud83d", "An\ufe0fna"],
    ids=ascii,
)
def test_a_name_that_hides_something_is_refused(store, name):
    with pytest.raises(UsageError, match="nobody can see"):
        join(store, name)


# Cyrillic, Greek, Cherokee, small capitals, full width, mathematical letters, another case.
ALIKE = ["\u0410nna", "Ann\u0430", "\u0391nna", "\u13aanna", "\u1d00nna", "\uff21nna", "\U0001d400nna", "anna", "ANNA"]


@pytest.mark.parametrize("name", ALIKE, ids=ascii)
@pytest.mark.parametrize("fresh", [True, False])
def test_a_name_that_looks_like_another_is_taken(store, name, fresh):
    join(store, "Anna")
    with pytest.raises(Conflict, match="looks like Anna"):
        join(store, name, fresh=fresh)
    assert [join(store, other) for other in ("Anja", "Hanna", "Anná", "An na")] == ["Anja", "Hanna", "Anná", "An na"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("BOB", "\u0412\u041e\u0412"),
        ("Ian", "lan"),
        ("Mary", "rnary"),
        ("Bob", "B0b"),
        ("\u0412\u043e\u0432\u0430", "\u0432\u043e\u0432\u0430"),
        ("Zoë", "zoe\u0308"),
        ("paypal", "\u0440\u0430\u0443\u0440\u0430l"),
    ],
    ids=ascii,
)
def test_pairs_that_look_alike(one, other):
    assert looks(one) & looks(other)


def test_of_two_who_join_under_one_look_at_once_one_gets_it(store):
    def enter(name):
        try:
            return join(store, name, fresh=True)
        except Conflict:
            return None

    with ThreadPoolExecutor(len(ALIKE)) as pool:
        assert len(list(filter(None, pool.map(enter, ALIKE)))) == 1


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
