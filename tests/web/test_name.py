"""The page Name as Streamlit runs it, without a browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from streamlit.testing.v1 import AppTest

import planted_glyphs as glyphs
from seewhy.core.files import home
from seewhy.verbs.concepts import build_concepts, name_concept, open_concepts
from seewhy.web.pages.name import PAGE
from web.test_pages import html, opened
from web.test_play import button


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("photos")
    for number, each in enumerate(glyphs.pictures(24, 3)[0]):
        Pillow.fromarray(each).save(folder / f"{number}.png")
    return build_concepts(glyphs.classifier(), sorted(folder.iterdir()), layers=["last"], concepts=4)


@pytest.fixture
def book(at, built) -> Path:
    return built.save(home() / "concepts" / "glyphs")


def joined(name: str) -> AppTest:
    page = opened(AppTest.from_string(""), "Name")
    page.text_input(key="name-called").set_value(name)
    return button(page, "Begin").click().run()


def typed(page: AppTest, word: str) -> AppTest:
    page.text_input[0].set_value(word)
    return button(page, "That is it").click().run()


def test_without_concepts_it_says_how_to_find_some_and_is_not_in_the_menu(at):
    page = opened(AppTest.from_string(""), "Name")
    assert "network concepts build" in page.code[0].value
    assert not PAGE.offered(at.settings)


def test_every_concept_is_named_or_passed_and_words_stand_once_two_agree(at, book):
    assert PAGE.offered(at.settings)
    assert not PAGE.offered(at.settings.model_copy(update={"public": True}))
    keys = [each.key for each in open_concepts(book).layers[0].concepts]
    for key in keys:
        name_concept(book, key, "cross", "bob")
    page = joined("ann")
    assert html(page).count("A piece of a photo") >= 3
    assert "Type a word" in typed(page, " ").warning[0].value
    page = typed(page, "crosses")
    for _ in keys[1:]:
        page = button(page, "I cannot tell").click().run()
    assert "every concept" in page.success[0].value
    assert "1 of 1 stand on photos" in page.caption[-1].value
    assert any("2 people" in each.value for each in page.markdown)
    words = open_concepts(book).words
    assert len(words) == 1
    assert {each.people for each in words.values()} == {2}


def test_a_book_that_is_damaged_is_told_of(at, book):
    (book / "concepts.npz").write_bytes(np.zeros(3).tobytes())
    page = joined("ann")
    assert not page.exception
    assert "build it again" in page.error[0].value.replace("\\", "")
