"""What people may write, how long it may be, and which names look alike; page, REST and store ask here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache

from seewhy.core.text import UNSEEN, checked_name, shown
from seewhy.errors import UsageError

LONGEST_NAME = 64  # letters of a player's name
LONGEST_LABEL = 64  # of what a mask is called
LONGEST_WORDS = 300  # of all labels of one answer together
MOST_LABELS = 20  # of one answer
LONGEST_TAG = 35  # of a language: RFC 5646 asks for room for so many
LONGEST_KEY = 200  # by which something is known when it is sent again
LONGEST_IMAGE = 500  # of what a picture is called
LONGEST_HASH = 128
LONGEST_CLASS = 500  # of a class, a layer, a model's fingerprint

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_ROUNDS = 4  # until a skeleton settles; two are the rule


def checked_player(name: str) -> str:
    """A player's name as it is kept.

    Raises:
        UsageError: it is empty, too long, or holds what cannot be seen.
    """
    return checked_name(name, "player's name", LONGEST_NAME)


def checked_label(label: str) -> str:
    """What a mask is called, as it is kept; raises as `checked_player`."""
    return checked_name(label, "label of a mask", LONGEST_LABEL)


def checked_words(labels: Sequence[str]) -> tuple[str, ...]:
    """A player's own words on a round, as they are kept.

    Raises:
        UsageError: there are none, too many, too long ones, or some hold what cannot be seen.
    """
    if not 0 < len(labels) <= MOST_LABELS:
        raise UsageError(f"say in 1 to {MOST_LABELS} labels what led to the guess, not in {len(labels)}")
    if sum(map(len, labels)) > LONGEST_WORDS:
        raise UsageError(f"the labels of an answer have {LONGEST_WORDS} letters at most; a few words are enough")
    return tuple(checked_name(label, "label", LONGEST_WORDS) for label in labels)


def checked_language(tag: str) -> str:
    """A language as a tag, such as pt-BR.

    Raises:
        UsageError: it is none.
    """
    if len(tag) > LONGEST_TAG or not _LANGUAGE.fullmatch(tag):
        raise UsageError(f"a language is a tag such as en, it or pt-BR, not {shown(tag, LONGEST_TAG)}")
    return tag


def checked_key(key: str) -> str:
    """What an answer or a state of a mask is known by when it is sent again.

    Raises:
        UsageError: it is empty, too long, or no plain text.
    """
    if not 0 < len(key) <= LONGEST_KEY or "\0" in key or not _is_utf8(key):
        raise UsageError(f"a key, by which something is known when it is sent again, has 1 to {LONGEST_KEY} letters")
    return key


def checked_text(text: str, kind: str, longest: int = LONGEST_CLASS) -> str:
    """Text that programs gave, such as the name of a layer: not empty, not longer than `longest`, and storable.

    Raises:
        UsageError: it is none of this.
    """
    if not 0 < len(text) <= longest or "\0" in text or not _is_utf8(text):
        raise UsageError(f"the {kind} {shown(text, 40)} is no text of 1 to {longest} letters; write it anew")
    return text


@lru_cache(maxsize=100_000)
def looks(name: str) -> frozenset[str]:
    r"""What a name looks like, as it is and in small letters: two names that share a look are taken for each other.

    Letters of one shape count as one, whatever their script, their case and their marks of compatibility; what cannot
    be seen does not count.

    Source: Unicode Technical Standard 39, section 4, the skeleton; that case does not count, and that I, i, l and 1 are
    one letter, is ours.

    >>> bool(looks("Anna") & looks("\u0410nn\u0430"))
    True
    """
    return frozenset({_skeleton(_skeleton(name).casefold()), _skeleton(name.casefold())})


def taken_for(name: str, others: Iterable[str]) -> str | None:
    """The first of `others` that people would take for this name; None where none is like it."""
    return next((other for other in others if looks(name) & looks(other)), None)


def _skeleton(name: str) -> str:
    prototypes = _prototypes()
    for _ in range(_ROUNDS):
        plain = UNSEEN.sub("", unicodedata.normalize("NFKD", name))
        before, name = name, "".join(prototypes.get(letter, letter) for letter in plain)
        if name == before:
            break
    return name.casefold().replace("i", "l")


@cache
def _prototypes() -> dict[str, str]:
    """Of each letter that looks like others the one that stands for all of them; several letters may look like one."""
    from confusable_homoglyphs.confusables import confusables_data

    alike = {
        letter.strip("\u200e"): [each["c"].strip("\u200e") for each in others]
        for letter, others in confusables_data.items()
    }
    found: dict[str, str] = {}
    for letter, others in alike.items():
        if len(letter) == 1 and len(others) == 1:  # a prototype lists all that look like it, those list it alone
            (other,) = others
            pair = len(alike.get(other, ())) == 1
            found[letter] = (
                min(letter, other, key=lambda each: (-len(each), each == each.casefold(), each)) if pair else other
            )
    return found


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)
