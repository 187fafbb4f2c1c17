from __future__ import annotations

import numpy as np
import pytest

from seewhy.cases import base
from seewhy.cases.base import Neighbours, write_index


@pytest.fixture(scope="module")
def vectors():
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((50, 32))
    found = centres[generator.integers(0, 50, 10_000)] + 0.5 * generator.standard_normal((10_000, 32))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def index(vectors, tmp_path_factory):
    path = tmp_path_factory.mktemp("index") / "index.faiss"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "EXACT", 1000)
        assert write_index(vectors, path)
    return path


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


def test_an_index_finds_nearly_all_and_is_the_same_on_every_run(vectors, index, tmp_path, monkeypatch):
    monkeypatch.setattr(base, "EXACT", 1000)
    search = Neighbours(vectors, index)
    shares = [
        len({*search.nearest(vectors[row : row + 1], 10).rows[0]} & {*brute(vectors, vectors[row], 10)}) / 10
        for row in range(100)
    ]
    assert np.mean(shares) >= 0.95
    write_index(vectors, tmp_path / "again.faiss")
    assert (tmp_path / "again.faiss").read_bytes() == index.read_bytes()


def test_an_index_goes_on_until_it_has_found_what_is_asked_for(vectors, index, monkeypatch):
    """All that may be found lies far from the query: in lists that are not looked at first."""
    monkeypatch.setattr(base, "EXACT", 100)
    search = Neighbours(vectors, index)
    query = vectors[:1]
    among = vectors @ query[0] < 0.2
    assert among.sum() > 1000
    rows = search.nearest(query, 5, among).rows[0]
    assert (rows >= 0).all()
    assert among[rows].all()
    assert set(rows) & set(brute(vectors, query[0], 5, among))


def test_few_vectors_get_no_index(vectors, tmp_path):
    assert not write_index(vectors, tmp_path / "index.faiss")
    assert not list(tmp_path.iterdir())
