import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.errors import AmbiguousClass, UnknownName, UsageError
from seewhy.models import Categories, imagenet

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
