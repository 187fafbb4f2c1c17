import json

import pytest

from seewhy.errors import UnknownName, UsageError
from seewhy.models import Categories
from seewhy.network.concepts import find_classes, read_groups

KNOWN = Categories(("tabby", "Persian cat", "school bus", "cat flap"), (("n1",), ("n2",), ("n3",), ()))
TREE = {
    "n1": {"words": ["tabby"], "hypernyms": ["n10"]},
    "n2": {"words": ["Persian_cat"], "hypernyms": ["n10", "n99"]},
    "n3": {"words": ["school_bus"], "hypernyms": ["n20"]},
    "n10": {"words": ["domestic_cat", "house_cat"], "hypernyms": ["n30"]},
    "n20": {"words": ["vehicle"], "hypernyms": ["n30"]},
    "n30": {"words": ["entity"], "hypernyms": []},
}


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "groups.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def test_a_group_of_ones_own(write):
    groups = read_groups(write({"Cats": ["tabby", "persian CAT", "no class of this model"]}))
    assert find_classes(["cats"], KNOWN, groups) == (0, 1)
    assert find_classes(["school bus", "cats", "tabby"], KNOWN, groups) == (2, 0, 1)


def test_a_group_of_wordnet(write):
    groups = read_groups(write({"synsets": TREE}))
    assert find_classes(["domestic cat"], KNOWN, groups) == (0, 1)
    assert find_classes(["House cat"], KNOWN, groups) == (0, 1)
    assert set(find_classes(["entity"], KNOWN, groups)) == {0, 1, 2}
    assert find_classes(["tabby"], KNOWN, groups) == (0,)


def test_a_class_without_groups():
    assert find_classes(["tabby"], KNOWN) == (0,)


def test_unknown_names(write):
    groups = read_groups(write({"cats": ["tabby"], "others": ["sofa"]}))
    with pytest.raises(UnknownName, match=r"no class 'cat'.*groups: cats"):
        find_classes(["cat"], KNOWN, groups)
    with pytest.raises(UnknownName, match="no class of the classifier is in the group 'others'"):
        find_classes(["others"], KNOWN, groups)


@pytest.mark.parametrize("content", ["no JSON", [1, 2], {"cats": 7}, {"synsets": {"n1": {}}}, '"cats"'], ids=str)
def test_what_is_no_file_of_groups_is_refused(write, content):
    with pytest.raises(UsageError, match="write a JSON object of names"):
        read_groups(write(content))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="write a JSON object of names"):
        read_groups(tmp_path / "none.json")
