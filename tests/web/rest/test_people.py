"""Deep Reveal and drawings over the REST interface."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image as Pillow

import forge
from seewhy.people.records import NewRound, Picture
from seewhy.people.rounds import add_rounds, answers
from seewhy.people.runs import encode
from seewhy.web.rest.api import make_api
from seewhy.web.services.storage import people_store

CLASSES = ("cat", "dog", "owl")
TRUE = "owl"


@pytest.fixture
def ask(at) -> TestClient:
    return TestClient(make_api(), raise_server_exceptions=False)


def rounds(count: int, overlap: int = 1) -> None:
    content = forge.encoded(forge.rough(), "PNG")
    made = [
        NewRound(
            Picture("owl.png", f"{number:064d}", content),
            model="model",
            layer="features",
            cluster=number,
            weight=10.0,
            map=np.arange(16, dtype=np.float32).reshape(4, 4),
            true_class=TRUE,
            options=CLASSES,
            overlap=overlap,
        )
        for number in range(count)
    ]
    add_rounds(people_store(), made)


def join(ask, name="Ada"):
    answer = ask.post("/players", json={"name": name})
    assert answer.status_code == 201, answer.text
    return {"X-Player": answer.json()["token"]}


def test_a_whole_round_is_won(ask):
    rounds(1)
    me = join(ask)
    taken = ask.post("/rounds/next", headers=me)
    number = taken.json()["round"]
    first = ask.get(f"/rounds/{number}/picture.png", headers=me)
    deeper = ask.post(f"/rounds/{number}/more", headers=me, json={"stage": 0})
    second = ask.get(f"/rounds/{number}/picture.png", headers=me)
    lit = [(np.asarray(Pillow.open(io.BytesIO(each.content))) > 0).mean() for each in (first, second)]
    assert 0 < lit[0] < lit[1] < 0.2
    assert first.headers["cache-control"] == "no-store"
    told = f"{taken.text} {taken.headers} {first.headers} {deeper.text}"
    assert "true_class" not in told
    assert "owl.png" not in told
    end = {"key": "k", "guess": "owl", "labels": ["big eyes"]}
    won = ask.post(f"/rounds/{number}/answer", headers=me, json=end)
    assert (won.json()["outcome"], won.json()["true_class"], won.json()["points"]) == ("won", "owl", 50)
    again = ask.post(f"/rounds/{number}/answer", headers=me, json=end)
    assert again.json() == won.json()
    assert len(answers(people_store())) == 1
    assert ask.post("/rounds/next", headers=me).json() is None
    assert ask.get("/leaderboard").json()[0]["points"] == 50


def test_a_round_can_be_given_up(ask):
    rounds(1)
    me = join(ask)
    number = ask.post("/rounds/next", headers=me).json()["round"]
    over = ask.post(f"/rounds/{number}/answer", headers=me, json={"key": "k"}).json()
    assert (over["outcome"], over["points"]) == ("resigned", 0)


@pytest.mark.parametrize(
    ("method", "path"), [("post", "/rounds/next"), ("get", "/rounds/1/picture.png"), ("get", "/masks?image=sample:cat")]
)
def test_nothing_without_having_joined(ask, method, path):
    for headers in ({}, {"X-Player": ""}, {"X-Player": "guess"}):
        assert getattr(ask, method)(path, headers=headers).status_code == 401


def test_a_taken_name_is_its_owners(ask):
    join(ask, "Ada")
    for name in ("Ada", " Ada "):
        assert ask.post("/players", json={"name": name}).status_code == 409


def test_in_a_classroom_names_are_trusted(start):
    start(sign_in="names")
    ask = TestClient(make_api())
    assert join(ask, "Ada") != join(ask, "Ada")


def test_nobody_plays_anothers_round(ask):
    rounds(1)
    mine, theirs = join(ask, "Ada"), join(ask, "Bob")
    number = ask.post("/rounds/next", headers=mine).json()["round"]
    assert ask.get(f"/rounds/{number}/picture.png", headers=theirs).status_code == 409
    end = {"key": "k", "guess": "owl", "labels": ["eyes"]}
    assert ask.post(f"/rounds/{number}/answer", headers=theirs, json=end).status_code == 409


@pytest.mark.parametrize(
    "end",
    [
        {"key": "", "guess": "owl", "labels": ["eyes"]},
        {"key": "k", "guess": "owl", "labels": []},
        {"key": "k", "guess": "elk", "labels": ["eyes"]},
        {"key": "k", "guess": "owl", "labels": ["x"] * 21},
        {"key": "k" * 201, "guess": "owl", "labels": ["eyes"]},
        {"key": "k", "gues": "owl", "labels": ["eyes"]},  # is not to give up
    ],
)
def test_an_answer_that_is_none_is_refused(ask, end):
    rounds(1)
    me = join(ask)
    number = ask.post("/rounds/next", headers=me).json()["round"]
    assert ask.post(f"/rounds/{number}/answer", headers=me, json=end).status_code == 422
    assert not answers(people_store())


ODD = {
    "half a character": b'{"key": "1", "guess": "cat", "labels": "\\ud800"}',
    "half a key": b'{"key": "\\ud800", "guess": "cat", "labels": ["ears"]}',
    "not JSON": b"{",
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
def test_what_is_no_text_is_refused_and_not_repeated(ask, body):
    rounds(1)
    me = join(ask)
    number = ask.post("/rounds/next", headers=me).json()["round"]
    answer = ask.post(f"/rounds/{number}/answer", headers=me | {"content-type": "application/json"}, content=body)
    assert answer.status_code == 422
    assert "input" not in answer.text
    assert not answers(people_store())


def test_there_is_no_round_past_all_numbers(ask):
    assert ask.get(f"/rounds/{10**30}/picture.png", headers=join(ask)).status_code == 422


def test_all_of_the_picture_comes_after_the_answer(ask):
    rounds(1)
    me = join(ask)
    number = ask.post("/rounds/next", headers=me).json()["round"]
    assert ask.get(f"/rounds/{number}/whole.png", headers=me).status_code == 409
    ask.post(f"/rounds/{number}/answer", headers=me, json={"key": "1"})
    assert ask.get(f"/rounds/{number}/whole.png", headers=me).headers["content-type"] == "image/png"


def test_twenty_players_lose_no_answer(ask):
    rounds(20, overlap=2)

    def play(number: int) -> int:
        me, played = join(ask, f"player {number}"), 0
        while found := ask.post("/rounds/next", headers=me).json():
            end = {"key": f"{number}-{found['round']}", "guess": "owl", "labels": ["eyes"]}
            assert ask.post(f"/rounds/{found['round']}/answer", headers=me, json=end).status_code == 200
            played += 1
            if played == 2:
                break
        return played

    with ThreadPoolExecutor(20) as pool:
        played = sum(pool.map(play, range(20)))
    given = answers(people_store())
    assert played == len(given) == 40
    assert len({(each.round, each.player) for each in given}) == 40


class TestMasks:
    MASK = np.zeros((300, 451), bool)
    MASK[40:90, 100:180] = True

    def send(self, ask, me, mask=MASK, **changes):
        body = {"key": "k1", "image": "sample:cat", "label": "eye", "counts": encode(mask), "base": 0}
        return ask.post("/masks", headers=me, json={**body, **changes})

    def test_a_drawing_comes_back_without_loss(self, ask):
        me = join(ask)
        saved = self.send(ask, me)
        assert (saved.status_code, saved.json()["revision"]) == (201, 1)
        (back,) = ask.get("/masks", params={"image": "sample:cat"}, headers=me).json()
        assert (back["height"], back["width"], back["counts"]) == (300, 451, encode(self.MASK))

    def test_two_windows_do_not_overwrite_each_other(self, ask):
        me = join(ask)
        self.send(ask, me)
        assert self.send(ask, me, ~self.MASK, key="k2").status_code == 409
        assert self.send(ask, me, ~self.MASK, key="k2", base=1).json()["revision"] == 2

    def test_nobody_sees_what_others_drew(self, ask):
        self.send(ask, join(ask, "Ada"))
        assert ask.get("/masks", params={"image": "sample:cat"}, headers=join(ask, "Bob")).json() == []

    @pytest.mark.parametrize("counts", ["", "zzz", "5" * 100, "\u2603"])
    def test_what_is_no_mask_is_refused(self, ask, counts):
        assert self.send(ask, join(ask), counts=counts).status_code == 422

    def test_a_mask_of_another_size_is_refused(self, ask):
        assert self.send(ask, join(ask), np.ones((30, 45), bool)).status_code == 422
