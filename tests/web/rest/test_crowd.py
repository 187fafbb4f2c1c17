"""A crowd that plays over the REST interface of a real server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx

from people.samples import rounds
from seewhy.people.rounds import add_rounds, answers
from seewhy.people.store import open_store
from web.browsing import server
from web.conftest import TOY

PLAYERS, EACH = 10, 3


def test_ten_players_at_once_lose_no_answer(tmp_path):
    with open_store(f"sqlite:///{tmp_path / 'people.sqlite'}") as store:
        add_rounds(store, rounds(60, overlap=PLAYERS))
        with server(tmp_path, models=TOY, requests_a_minute=100_000) as address, ThreadPoolExecutor(PLAYERS) as pool:
            list(pool.map(lambda player: play(f"{address}/api", player), range(PLAYERS)))
        kept = answers(store)
    assert len(kept) == len({(each.player, each.round) for each in kept}) == PLAYERS * EACH


def play(address: str, player: int) -> None:
    """Play some rounds."""
    with httpx.Client(base_url=address, timeout=60) as ask:
        me = {"X-Player": ask.post("/players", json={"name": f"player {player}"}).json()["token"]}
        for _ in range(EACH):
            number = ask.post("/rounds/next", headers=me).json()["round"]
            ask.get(f"/rounds/{number}/picture.png", headers=me).raise_for_status()
            end = {"key": str(number), "guess": "cat", "labels": ["ears"]}
            ask.post(f"/rounds/{number}/answer", headers=me, json=end).raise_for_status()
