import pytest

from seewhy.words.text import spell


@pytest.mark.parametrize(
    ("word", "right"),
    [
        ("wheell", "wheel"),
        ("headlihgt", "headlight"),
        ("widnow", "window"),
        ("wheel", "wheel"),
        ("whl", "whl"),
        ("tial", "tial"),  # four letters: nobody else typed a word near it
        ("qqqqqqq", "qqqqqqq"),
        ("mp3playerr", "mp3playerr"),
        ("", ""),
    ],
)
def test_one_slip_in_a_long_word_is_mended(word, right):
    assert spell()(word) == right


def test_what_others_typed_is_meant_first():
    assert spell()("muzle") == "mule"
    assert spell(["muzzle", "muzzle"])("muzle") == "muzzle"
    assert spell(["tail"])("tial") == "tail"


def test_of_two_words_that_others_typed_the_more_frequent():
    assert spell(["strips", "stripe", "stripe"])("stripx") == "stripe"


def test_another_slip_is_no_model():
    assert spell(["wheell", "wheell"])("wheelll") == "wheelll"


def test_a_class_keeps_its_own_words():
    assert spell()("clumber") == "lumber"
    mend = spell(accepted=["clumber", "affenpinscher"])
    assert mend("clumber") == "clumber"
    assert mend("clumbre") == "clumber"
    assert mend("affenpinsher") == "affenpinscher"
