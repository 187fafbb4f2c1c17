from collections import Counter

import numpy as np

from seewhy.words.text import Word
from seewhy.words.vocabulary import central_word, one_form

PLACES = {"ear": (1, 0), "ears": (0.8, 0.6), "floppy": (0, 1), "floppy ears": (0.6, 0.8)}


def encode(texts):
    return np.array([PLACES[text] for text in texts], np.float32)


def word(text: str, lemma: str | None = None, *, noun: bool = True) -> Word:
    return Word(text, lemma or text, filler=False, noun=noun)


def test_the_name_is_the_word_nearest_to_all_phrases():
    candidates = [word("ear"), word("ears", "ear"), word("floppy")]
    # ear: 1 + 0.6, ears: 0.8 + 0.96, floppy: 0 + 0.8
    assert central_word({"ear": 1, "floppy ears": 1}, candidates, encode).text == "ears"
    # Said three times, ear counts three times: 3 + 0.6 against 2.4 + 0.96.
    assert central_word({"ear": 3, "floppy ears": 1}, candidates, encode).text == "ear"


def test_of_equals_the_first_in_the_alphabet():
    def same(texts):
        return np.ones((len(texts), 1), np.float32)

    assert central_word({"x": 1}, [word("zebra"), word("ant")], same).text == "ant"


def test_a_thing_before_how_it_is():
    def nearer_to_thin(texts):
        return np.array([[1, 0] if "thin" in text else [0, 1] for text in texts], np.float32)

    thin, legs = word("thin", noun=False), word("legs", "leg")
    assert central_word({"thin leg": 1}, [thin, legs], nearer_to_thin) == legs
    assert central_word({"thin": 1}, [thin], nearer_to_thin) == thin


def test_a_base_form_has_one_form_the_one_typed_most():
    names = [word("ears", "ear"), word("ear"), word("paw")]
    assert one_form(names, Counter(ears=3, ear=2, paw=1)) == {"ear": "ears", "paw": "paw"}
    assert one_form(names, Counter(ears=2, ear=2)) == {"ear": "ear", "paw": "paw"}
