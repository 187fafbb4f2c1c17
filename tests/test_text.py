"""Text from outside: what is shown as an escape, what stays, and what is refused as a name."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.core.text import UNSEEN, checked_name, is_plain, shown, visible
from seewhy.errors import UsageError

CATEGORIES = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
# Of category Cf, but drawn: signs that stand around or above digits.
DRAWN = {*range(0x600, 0x606), 0x6DD, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
HIDDEN = [
    *("a\x1bb", "a\x9bb", "a\x7fb", "a\u202eb", "a\u2066b", "a\u200bb", "a\u200db", "a\ufe0fb", "a\u034fb"),
    *("a\u3164b", "a\U000e0041b", "a\ud83db", "a\xadb", "a\u2800b", "a\ufeffb", "\u200da", "a\u200c"),
]
NEEDED = [
    "👩\u200d👩\u200d👧",
    "❤\ufe0f",
    "1\ufe0f\u20e3",
    "🏳\ufe0f\u200d🌈",
    "👩🏽\u200d🚀",
    "क्\u200dष",
    "می\u200cخواهم",  # noqa: RUF001
]


def test_every_character_that_unicode_calls_unseen_is():
    for code in set(range(sys.maxunicode + 1)) - DRAWN:
        if unicodedata.category(chr(code)) in CATEGORIES:
            assert UNSEEN.match(chr(code)), hex(code)


@given(st.text())
def test_what_is_shown_is_plain_and_shown_again_the_same(text):
    once = visible(text)
    assert is_plain(once)
    assert visible(once) == once
    assert shown(once) == shown(text)


@pytest.mark.parametrize("text", HIDDEN, ids=ascii)
def test_what_nobody_sees_is_an_escape_and_no_name(text):
    assert visible(text) == text.encode("unicode_escape").decode()
    with pytest.raises(UsageError, match="nobody can see"):
        checked_name(text, "name", 64)


@pytest.mark.parametrize("text", ["Zoë", "日本", "🦊", "<b>", "=1+1", "O'Neil", "אנה", *NEEDED], ids=ascii)
def test_what_scripts_and_emoji_need_stays(text):
    assert visible(text) == text
    assert checked_name(f"  {text} ", "name", 64) == unicodedata.normalize("NFC", text)


def test_a_name_is_composed_and_its_spaces_are_tidied():
    assert checked_name(" Zoe\u0308 \t\n Lee\x85", "name", 64) == "Zoë Lee"
    for text, why in (("", "empty"), (" \n", "empty"), ("x" * 65, "65 letters; write 64 at most")):
        with pytest.raises(UsageError, match=why):
            checked_name(text, "player's name", 64)
