"""`seewhy people words` and `seewhy network global`, from rounds to pages."""

from __future__ import annotations

import json

import pytest

from seewhy.people.game import guess, next_round
from seewhy.people.players import join
from seewhy.people.store import open_store

TOY = "py:planted:classifier"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SEEWHY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SEEWHY_DATABASE_URL", raising=False)


@pytest.fixture
def red(tmp_path):
    import planted

    folder = tmp_path / "red"
    folder.mkdir()
    planted.picture().to_pil().save(folder / "red.png")
    return folder


def play(*labels: str) -> None:
    with open_store() as store:
        join(store, "ann")
        while view := next_round(store, "ann"):
            guess(store, "ann", view.round, "red", labels, key=f"round {view.round}")


def test_words_are_printed_clean(seewhy, red):
    assert "nobody has typed any words yet" in seewhy("people", "words").err
    assert seewhy("people", "rounds", red, "--model", TOY, "--overlap", "1").code == 0
    play("wheel", "Wheels!", "shit", "red")
    shown = seewhy("people", "words")
    assert shown.code == 0
    (row,) = shown.rows
    assert row[0] == "red"
    assert row[1] in {"wheel", "wheels"}
    assert "dropped: offensive" in shown.err
    found = seewhy("people", "words", "--json").json
    assert found["labels"][0]["about"] == "red"
    assert found["simulated"] is False
    assert seewhy("people", "words", "--simulated").rows == []


def test_a_class_in_words(seewhy, red, tmp_path):
    seewhy("people", "rounds", red, "--model", TOY, "--overlap", "1")
    play("wheel")
    run = seewhy("network", "global", "--class", "red", "--images", red, "--model", TOY, "--out", tmp_path / "out")
    assert run.code == 0
    assert {row[1] for row in run.rows} == {"wheel"}
    assert {row[0] for row in run.rows} <= {"colours", "first", "second", "third", "spread", "mix", "pool"}
    page = (tmp_path / "out/report.html").read_text("utf-8")
    assert "What the network goes by: red" in page
    assert "Simulated." not in page
    found = json.loads((tmp_path / "out/global.json").read_text("utf-8"))
    assert found["layers"][0]["concepts"][0]["label"] == "wheel"


def test_what_simulated_players_say_is_marked_so(seewhy, red, tmp_path):
    seewhy("people", "rounds", red, "--model", TOY, "--simulated")
    seewhy("people", "simulate", "--players", "4")
    asked = ("network", "global", "--class", "red", "--images", red, "--model", TOY, "--out", tmp_path / "out")
    refused = seewhy(*asked)
    assert refused.code == 2
    assert "nobody has said anything yet" in refused.err
    run = seewhy(*asked, "--simulated")
    assert run.code == 0
    assert "simulated: no person said these words" in run.err
    assert "No person said these words" in (tmp_path / "out/report.html").read_text("utf-8")
    assert "simulated; no person said them" in explained(seewhy, red, tmp_path)


def explained(seewhy, red, tmp_path) -> str:
    assert seewhy("network", "explain", red, "--model", TOY, "--out", tmp_path / "view").code == 0
    return (tmp_path / "view/report.html").read_text("utf-8")


def test_tcav_wants_both_folders(seewhy, red):
    run = seewhy("network", "global", "--class", "red", "--images", red, "--concept", red, "--model", TOY)
    assert run.code == 2
    assert "--random" in run.err
