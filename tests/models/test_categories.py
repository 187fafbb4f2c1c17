import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.errors import AmbiguousClass, UnknownName, UsageError
from seewhy.models import Categories, Target, imagenet
from seewhy.models.categories import parse_target

words = st.text(st.characters(categories=["Ll"]), min_size=1)


@pytest.mark.parametrize("name", [5, "5", "electric ray", "Electric Ray ", "n01496331", "N01496331", "crampfish"])
def test_a_class_is_found_by_index_name_id_and_synonym(name):
    assert imagenet().find(name) == 5


@pytest.mark.parametrize(
    ("name", "indices"), [("crane", (134, 517)), ("Cardigan", (264, 474)), ("maillot", (638, 639))]
)
def test_two_classes_of_one_name_are_not_guessed_between(name, indices):
    with pytest.raises(AmbiguousClass) as caught:
        imagenet().find(name)
    for index in indices:
        assert f"{index} (" in str(caught.value)
        assert imagenet().find(index) == index


@pytest.mark.parametrize("index", [-1, 1000, "1000", "-3"])
def test_an_index_out_of_range_is_refused_with_the_range(index):
    with pytest.raises(UsageError, match="0 to 999"):
        imagenet().find(index)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match="'espresso'"):
        imagenet().find("expresso coffee")
    with pytest.raises(UnknownName, match="it has 1000, such as 'tench'"):
        imagenet().find("???")


def test_imagenet_is_whole_and_each_class_answers_to_what_it_is_called():
    categories = imagenet()
    assert len(categories) == len(categories.synonyms) == 1000
    ambiguous = 0
    for index, name in enumerate(categories):
        assert categories.find(categories.synonyms[index][0]) == index  # the WordNet id
        try:
            assert categories.find(name) == index
        except AmbiguousClass:
            ambiguous += 1
    assert ambiguous <= 8


def test_imagenet_stands_in_the_order_of_the_world(shared_data):
    index = json.loads(shared_data("labels/imagenet_class_index.json").read_text())
    assert [ids[0] for ids in imagenet().synonyms] == [index[str(number)][0] for number in range(1000)]


@given(st.lists(words, min_size=1, max_size=8, unique_by=str.casefold))
def test_every_name_finds_its_own_index(names):
    categories = Categories(tuple(names))
    assert [categories.find(name.upper()) for name in names if name.upper().casefold() == name.casefold()] == [
        index for index, name in enumerate(names) if name.upper().casefold() == name.casefold()
    ]
    assert list(categories) == names


def test_a_name_given_twice_is_ambiguous_and_a_synonym_of_oneself_is_not():
    with pytest.raises(AmbiguousClass):
        Categories(("cat", "Cat")).find("cat")
    assert Categories(("cat", "dog"), (("CAT", "moggy"), ())).find("cat") == 0


def test_numbered_names():
    categories = Categories.numbered(3)
    assert (len(categories), categories[2], categories.find("class 2")) == (3, "class 2", 2)


# --- Names before indices, and several classes in one text ----------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "asked", "index"),
    [
        (("0", "1", "10", "2"), "2", 3),  # ImageFolder's order
        (("0", "1", "10", "2"), "10", 2),
        (("0", "1", "10", "2"), 2, 2),
        (("0", "1", "10", "2"), "#2", 2),
        (("0", "1", "10", "2"), "Index 2", 2),
        (("1", "2", "3", "4"), "1", 0),
        (("1", "2", "3", "4"), "4", 3),
        (("1", "2", "3", "4"), 1, 1),
        (("a", "b", "#0"), "#0", 2),
        (("a", "b", "c"), "2", 2),
        (("-1", "+1"), "-1", 0),
    ],
)
def test_a_name_is_a_name_first_and_a_number_an_index(names, asked, index):
    assert Categories(names).find(asked) == index
    assert parse_target(asked, Categories(names)).index == index


@pytest.mark.parametrize("asked", ["²", "٣", "1.0", "#", "index", "#-"])
def test_what_only_looks_like_an_index_is_an_unknown_name(asked):
    with pytest.raises(UnknownName):
        Categories(("a", "b", "c", "d")).find(asked)


@pytest.mark.parametrize("asked", ["#9", "index -1", "9"])
def test_an_index_that_is_none_is_told(asked):
    with pytest.raises(UsageError, match=r"out of range, and no class has that name: .* 0 to 1"):
        Categories(("a", "b")).find(asked)


PETS = Categories(("cat vs dog", "cat", "dog", "bow and arrow", "arrow", "bow", "black and white cat", "and"))


@pytest.mark.parametrize(
    ("text", "index", "also", "against"),
    [
        ("cat vs dog", 0, (), None),
        ("Dog versus Cat", 2, (), 1),
        ("cat vs dog vs cat", 0, (), 1),
        ("cat vs cat vs dog", 1, (), 0),
        ("bow and arrow", 3, (), None),
        ("arrow and bow", 4, (5,), None),
        ("cat and dog", 1, (2,), None),
        ("cat & dog + arrow", 1, (2, 4), None),
        ("bow and arrow and cat", 3, (1,), None),
        ("black and white cat vs dog", 6, (), 2),
        ("cat and dog rather than bow and arrow", 1, (2,), 3),
        ("#1 and #2", 1, (2,), None),
        ("and and and", 7, (), None),
    ],
)
def test_classes_are_named_together_and_against_each_other(text, index, also, against):
    if text == "and and and":
        with pytest.raises(UsageError, match="twice"):
            parse_target(text, PETS)
        return
    assert parse_target(text, PETS) == Target(index, against, also=also)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("dog vs bow vs arrow", UsageError, "more than two"),
        ("dog vs bow and cat", UsageError, "with several classes at once"),
        ("dog and bow vs dog", UsageError, "with itself"),
        ("dog and dog", UsageError, "names a class twice"),
        ("dog and cow", UnknownName, "no class 'cow'"),
        ("dog vs cow", UnknownName, "no class 'cow'"),
    ],
)
def test_what_cannot_be_asked_together_is_refused(text, error, words):
    with pytest.raises(error, match=words):
        parse_target(text, PETS)


def test_a_text_that_can_be_read_in_two_ways_is_ambiguous():
    names = Categories(("a", "a and b", "b and c", "c"))
    with pytest.raises(AmbiguousClass, match="read in 2 ways; give indices, as in '#0 and #1'"):
        parse_target("a and b and c", names)


def test_categories_come_as_lists_and_as_dicts_either_way():
    assert Categories.of(["a", 3]).names == ("a", "3")
    assert Categories.of({0: "a", 1: "b"}).names == Categories.of({"b": 1, "a": 0}).names == ("a", "b")
    assert Categories.of({"0": "a", "1": "b"}).names == ("a", "b")
    for wrong in ("abc", 3, {0: "a", 2: "b"}, {"a": "b"}):
        with pytest.raises(UsageError, match="categories is a"):
            Categories.of(wrong)
