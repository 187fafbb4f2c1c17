from __future__ import annotations

import numpy as np
import pytest

from seewhy.cases import neighbours
from seewhy.cases.neighbours import Index, Neighbours


@pytest.fixture(scope="module")
def vectors():
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((50, 32))
    found = centres[generator.integers(0, 50, 10_000)] + 0.5 * generator.standard_normal((10_000, 32))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def index(vectors):
    return Index.of(vectors)


def brute(vectors, query, count, among=None):
    cosines = vectors.astype(np.float64) @ query.astype(np.float64)
    if among is not None:
        cosines[~among] = -np.inf
    return np.argsort(-cosines)[:count]


def test_ten_thousand_are_searched_exactly(vectors, tmp_path):
    np.save(tmp_path / "vectors.npy", vectors)
    search = Neighbours(np.load(tmp_path / "vectors.npy", mmap_mode="r"))
    found = search.nearest(vectors[:50], 10)
    for row in range(50):
        assert found.rows[row].tolist() == brute(vectors, vectors[row], 10).tolist()
        np.testing.assert_allclose(found.similarities[row], vectors[found.rows[row]] @ vectors[row], atol=1e-6)


def test_some_of_them_are_searched_exactly(vectors):
    among = np.random.default_rng(1).random(10_000) < 0.2
    found = Neighbours(vectors).nearest(vectors[:20], 5, among)
    for row in range(20):
        assert found.rows[row].tolist() == brute(vectors, vectors[row], 5, among).tolist()


def test_where_there_are_fewer_the_row_is_minus_one(vectors):
    among = np.zeros(10_000, bool)
    assert (Neighbours(vectors).nearest(vectors[:2], 3, among).rows == -1).all()
    among[7] = True
    assert Neighbours(vectors).nearest(vectors[:2], 3, among).rows.tolist() == [[7, -1, -1]] * 2


def test_an_index_finds_nearly_all_and_is_the_same_on_every_run(vectors, index):
    search = Neighbours(vectors, index)
    shares = [
        len({*search.nearest(vectors[row : row + 1], 10).rows[0]} & {*brute(vectors, vectors[row], 10)}) / 10
        for row in range(100)
    ]
    assert np.mean(shares) >= 0.95
    again = Index.of(vectors)
    for field in ("centres", "rows", "starts"):
        np.testing.assert_array_equal(getattr(again, field), getattr(index, field))


def test_an_index_goes_on_until_it_has_found_what_is_asked_for(vectors, index, monkeypatch):
    """All that may be found lies far from the query: in lists that are not looked at first."""
    monkeypatch.setattr(neighbours, "EXACT", 100)
    search = Neighbours(vectors, index)
    query = vectors[:1]
    among = vectors @ query[0] < 0.2
    assert among.sum() > 1000
    rows = search.nearest(query, 5, among).rows[0]
    assert (rows >= 0).all()
    assert among[rows].all()
    assert set(rows) & set(brute(vectors, query[0], 5, among))


def test_where_every_list_is_looked_into_the_answer_is_exact(vectors, index, monkeypatch):
    """Fewer may be found than are asked for, so that no list is left out; part by part."""
    monkeypatch.setattr(neighbours, "EXACT", 100)
    monkeypatch.setattr(neighbours, "CHUNK", 300)
    among = vectors @ vectors[0] > 0.3
    count = int(among.sum()) + 2
    found = Neighbours(vectors, index).nearest(vectors[:1], count, among)
    assert found.rows[0, :-2].tolist() == brute(vectors, vectors[0], count - 2, among).tolist()
    assert found.rows[0, -2:].tolist() == [-1, -1]
    assert np.isneginf(found.similarities[0, -2:]).all()


def test_lists_hold_each_row_once_and_what_does_not_is_told(vectors, index):
    assert index.flaw is None
    rows, starts = index.rows, index.starts
    others = {
        "a row twice": (np.where(rows == 5, 6, rows), starts),
        "a row below": (rows - 1, starts),
        "a row above": (rows + 1, starts),
        "rows lack": (rows[:-1], starts),
        "a list lacks": (rows, starts[:-1]),
        "no lists": (rows, starts[:0]),
        "going back": (rows, np.concatenate([starts[:3], [-(2**63)], starts[4:]])),
        "going far": (rows, np.concatenate([starts[:3], [2**63 - 1], starts[4:]])),
        "beginning late": (rows, np.maximum(starts, 1)),
        "ending late": (rows, np.concatenate([starts[:-1], [len(rows) + 1]])),
    }
    for name, (those, begins) in others.items():
        assert Index(index.centres, those, begins).flaw, name
