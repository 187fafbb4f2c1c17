import pytest

from seewhy.words.text import offence


@pytest.mark.parametrize("text", ["shit", "what a SHIT", "sh1t", "big ass"])
def test_offensive_words_are_known_disguised_too(text):
    assert offence()(text)


@pytest.mark.parametrize("text", ["grass", "glass", "assembly", "shitake", "a screw", "flower pot", "camel's hump", ""])
def test_only_whole_words_and_none_that_photos_show(text):
    assert not offence()(text)


def test_a_class_may_be_called_by_its_name():
    assert offence()("cock")
    assert not offence(frozenset({"cock"}))("cock feathers")
