from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from seewhy.models import Grid
from seewhy.network.book import Concept, ConceptBook, LayerConcepts, Word
from seewhy.network.counting import counted
from seewhy.network.parts import LayerParts, Part

MAP = np.zeros((2, 2), np.float32)


def concept(key: str) -> Concept:
    return Concept(key, torch.ones(3), 1.0, 0.1, 0.1, 1.0, ())


BOOK = ConceptBook(
    "small",
    "0",
    10,
    tuple(
        LayerConcepts(
            name, Grid("channels first", 3, 2, 2, 0), (concept(f"{n}-0"), concept(f"{n}-1")), 0.5, 0.4, 0, 0, False
        )
        for n, name in enumerate(("early", "late"))
    ),
    1.0,
    0,
    {"0-0": Word("fur", 2, 2), "1-0": Word("dog", 2, 3), "1-1": Word("fur", 2, 2)},
)


def photo(**added: float) -> list[LayerParts]:
    """Parts by key, `a0` being 0-0 and `b1` 1-1; what adds nothing is but a trace."""
    places = [[(key, value) for key, value in added.items() if key[0] == letter] for letter in "ab"]
    return [
        LayerParts(name, tuple(Part(f"{n}-{key[1]}", MAP, value, 0.5, value != 0) for key, value in mine), 1, 0, 0, 0.5)
        for n, (name, mine) in enumerate(zip(("early", "late"), places, strict=True))
    ]


def test_a_class_by_hand():
    photos = [photo(a0=1.0, b0=2.0)] * 9 + [photo(a0=-1.0, b1=0.0), photo(b0=1.0)]
    found = counted(BOOK, photos)
    one = {each.key: each for layer in found.layers for each in layer}
    assert found.photos == 11
    assert one["0-0"].here.value == pytest.approx(10 / 11)
    assert one["0-0"].added == pytest.approx(8 / 11)
    assert (one["0-0"].rises, one["0-0"].moved) == (9, 10)
    assert (one["1-0"].rises, one["1-0"].moved) == (10, 10)
    assert one["1-1"].here.value == 0
    # Four questions: the smallest p counts four times, the next three times.
    assert one["1-0"].p == pytest.approx(4 * binomtest(10, 10).pvalue)
    assert one["0-0"].p == pytest.approx(3 * binomtest(9, 10).pvalue)
    verdicts = {key: each.verdict for key, each in one.items()}
    assert verdicts == {
        "0-0": "no more than chance", "0-1": "no more than chance",
        "1-0": "raises the class", "1-1": "no more than chance",
    }  # fmt: skip
    assert [each.key for each in found.layers[1]] == ["1-0", "1-1"]


def test_words_of_several_concepts_are_one_and_the_latest_comes_first():
    found = counted(BOOK, [photo(a0=1.0, b0=1.0), photo(a0=1.0, b1=1.0)])
    assert [(each.word, each.shares) for each in found.words] == [("dog", (0.0, 0.5)), ("fur", (1.0, 0.5))]


def test_what_lowers_a_class_is_told_so():
    found = counted(BOOK, [photo(a0=-1.0)] * 12)
    assert [each.verdict for each in found.layers[0] if each.key == "0-0"] == ["lowers the class"]


def test_nothing_is_said_of_few_photos():
    found = counted(BOOK, [photo(a0=1.0)] * 9)
    assert {each.verdict for layer in found.layers for each in layer} == {"too few photos"}
    assert {each.p for layer in found.layers for each in layer} == {None}


def test_a_layer_without_concepts_is_left_out():
    book = replace(BOOK, layers=(replace(BOOK.layers[0], concepts=()), BOOK.layers[1]))
    assert [len(layer) for layer in counted(book, [photo(b0=1.0)] * 10).layers] == [2]
