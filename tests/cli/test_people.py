from __future__ import annotations

import pytest

from cli.nets import TOY
from people.samples import new_round
from seewhy.people.game import guess, next_round
from seewhy.people.players import join
from seewhy.people.rounds import add_rounds
from seewhy.people.store import open_store


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("SEEWHY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SEEWHY_DATABASE_URL", raising=False)
    return tmp_path / "home"


def test_from_rounds_to_simulated_words_and_back(seewhy, photos, tmp_path, monkeypatch):
    made = seewhy("people", "rounds", photos, "--model", TOY, "--simulated", "--overlap", "2")
    assert made.code == 0
    assert [row[0] for row in made.rows] == [str(photos / "a.png"), str(photos / "b.png")]
    count = sum(int(row[1]) for row in made.rows)
    assert count == sum(int(row[2]) for row in made.rows) > 0
    assert seewhy("people", "simulate", "--players", "3", "--json").json == {"simulated_answers": 2 * count}
    board = seewhy("people", "leaderboard", "--simulated")
    assert "answers still asked for: 0" in board.err
    assert len(board.rows) == 3
    assert all("(simulated)" in row[1] for row in board.rows)
    told = seewhy("people", "agreement", "--simulated")
    assert told.rows[0][0] == "all simulated players"
    assert seewhy("people", "agreement").rows == [["all people", "–"]]
    out = seewhy("people", "export", "--out", "out", "--json")
    assert out.json["answers.csv"] == 2 * count
    monkeypatch.setenv("SEEWHY_DATABASE_URL", f"sqlite:///{tmp_path / 'other.sqlite'}")
    assert seewhy("people", "import", tmp_path / "out/people.jsonl", "--json").json["answer"] == 2 * count
    assert seewhy("people", "import", tmp_path / "out/people.jsonl").rows == []


def test_people_are_told_from_simulated_players(seewhy, home):
    with open_store() as store:
        add_rounds(store, [new_round(1)])
        join(store, "[red]ann")
        guess(store, "[red]ann", next_round(store, "[red]ann").round, "cat", ["ears"], key="1")
    assert (home / "people.sqlite").exists()
    board = seewhy("people", "leaderboard", "--json")
    assert [(each["rank"], each["player"], each["points"], each["simulated"]) for each in board.json] == [
        (1, "[red]ann", 60, False)
    ]
    assert seewhy("people", "leaderboard").rows == [["1", "[red]ann", "60", "1", "0", "0"]]
    found = seewhy("people", "agreement", "--json").json
    assert (found["alpha"], found["players"][0]["guesses"], found["simulated"]) == (None, 1, False)


def test_what_failed_is_listed(seewhy, photos, broken):
    run = seewhy("people", "rounds", photos, "--model", TOY)
    assert run.code == 3
    assert str(broken) in run.err


def test_simulated_players_without_rounds_are_told_what_lacks(seewhy):
    run = seewhy("people", "simulate")
    assert (run.code, run.rows) == (0, [["0"]])
    assert "--simulated" in run.err


def test_wrong_usage_is_2(seewhy, monkeypatch, tmp_path):
    assert seewhy("people", "import", "missing.jsonl").code == 2
    monkeypatch.setenv("SEEWHY_DATABASE_URL", "nonsense")
    assert seewhy("people", "leaderboard").code == 2
    monkeypatch.setenv("SEEWHY_DATABASE_URL", f"sqlite:///{tmp_path}")
    run = seewhy("people", "leaderboard")
    assert run.code == 1
    assert "failed" in run.err


@pytest.fixture
def ann(home):
    with open_store() as store:
        add_rounds(store, [new_round(1)])
        join(store, "ann")
        guess(store, "ann", next_round(store, "ann").round, "cat", ["ears"], key="1")


def test_a_player_is_banned_and_let_in_again(seewhy, ann):
    assert seewhy("people", "ban", "ann", "--json").json == {"banned": ["ann"]}
    board = seewhy("people", "leaderboard")
    assert board.rows == []
    assert "banned: ann" in board.err
    lifted = seewhy("people", "ban", "ann", "--lift")
    assert (lifted.code, lifted.rows) == (0, [])
    assert "no player is banned" in lifted.err
    assert [row[1] for row in seewhy("people", "leaderboard").rows] == ["ann"]


def test_a_player_is_forgotten_only_where_that_is_agreed_to(seewhy, ann):
    refused = seewhy("people", "forget", "ann")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert [row[1] for row in seewhy("people", "leaderboard").rows] == ["ann"]
    gone = seewhy("people", "forget", "ann", "--yes", "--json").json["deleted"]
    assert (gone["player"], gone["answer"]) == (1, 1)
    assert seewhy("people", "leaderboard").rows == []


@pytest.mark.parametrize("asked", [("ban", "bob"), ("ban", "bob", "--lift"), ("forget", "bob", "--yes")])
def test_nobody_of_that_name_is_told(seewhy, ann, asked):
    run = seewhy("people", *asked)
    assert run.code == 2
    assert "bob" in run.err
