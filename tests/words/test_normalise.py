import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.words.text import class_words, normalise, without_names


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("  Floppy   EARS! ", "floppy ears"),
        ("the dog\u2019s nose", "the dog's nose"),
        ("'quoted' words'", "quoted words"),
        ("rear-view_mirror/left", "rear view mirror left"),
        ("\ufb01ve \uff37heels", "five wheels"),  # a ligature and a full-width letter
        ("e\u0301toile", "étoile"),
        ("a\0b\x1b[31m", "a b 31m"),
        ("wh\u200deel \u202eright", "wheel right"),  # a joiner and a mark of direction
        ("<script>alert(1)</script>", "script alert 1 script"),
        ("=1+1", "1 1"),
        ("\U0001f436" * 1000, ""),
        ("عجلة", "عجلة"),
        ("", ""),
    ],
    ids=str.__repr__,
)
def test_what_people_type_in_one_form(typed, words):
    assert normalise(typed) == words


@given(st.text())
def test_one_form_is_its_own_form(text):
    once = normalise(text)
    assert normalise(once) == once
    assert all(unicodedata.category(each)[0] in "LMN" or each in " '" for each in once)
    assert once == once.strip()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("golden retriever's ear", "ear"),
        ("golden retrievers ears", "ears"),
        ("ear of a golden retriever", "ear of a"),
        ("retriever ear", "retriever ear"),
        ("goldens", "goldens"),
        ("golden retriever", ""),
        ("golden retrieverish", "golden retrieverish"),
    ],
)
def test_the_class_is_no_label_of_itself(text, left):
    assert without_names(text, ["Golden Retriever"]) == left


def test_the_longest_name_goes_first():
    assert without_names("school bus wheel", ["bus", "school bus", ""]) == "wheel"


def test_a_name_is_taken_literally():
    assert without_names("catamaran sail", ["cat."]) == "catamaran sail"
    assert without_names("busses", ["bus"]) == "busses"
    assert without_names("buses", ["bus"]) == ""


def test_words_of_names():
    assert class_words(["St. Bernard", "collie"]) == {"st", "bernard", "collie"}
