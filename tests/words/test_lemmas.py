from seewhy.words.text import analyse


def lemmas(phrase: str) -> list[str]:
    return [word.lemma for word in analyse([phrase])[0]]


def test_base_forms_of_what_shows_in_photos():
    assert lemmas("leaves") == ["leaf"]
    assert lemmas("teeth") == ["tooth"]
    assert lemmas("floppy ears") == ["floppy", "ear"]
    assert lemmas("striped") == ["striped"]
    assert [word.text for word in analyse(["big wheels"])[0]] == ["big", "wheels"]


def test_words_that_say_nothing_alone():
    (words,) = analyse(["something like the left ear"])
    assert [word.text for word in words if not word.filler] == ["ear"]


def test_every_phrase_is_answered_in_its_place():
    found = analyse(["ear", "", "paw"])
    assert [[word.text for word in words] for words in found] == [["ear"], [], ["paw"]]
    assert analyse([]) == []
