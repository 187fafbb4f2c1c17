"""Text from outside, made fit to be printed: what no eye can see is shown as an escape, and length is bounded.

Names of files, classes, players and labels come from elsewhere; a terminal obeys control characters in them, and
bidirectional overrides make a line read as it is not.
"""

from __future__ import annotations

import unicodedata

from seewhy.errors import UsageError

LONGEST = 500  # letters of one text on a line
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # Unicode's general categories
JOINERS = {"\u200c", "\u200d"}  # that scripts and emoji need, between letters


def shown(text: object, longest: int = LONGEST) -> str:
    r"""The text with control, bidirectional, zero-width and broken characters as escapes, cut after so many letters.

    >>> shown("a\x1b[2J\u202eb")
    'a\\x1b[2J\\u202eb'
    """
    whole = str(text)
    clean = "".join(_shown(letter) for letter in whole[: longest + 1])
    return clean if len(clean) <= longest else f"{clean[: longest - 1]}…"


def is_plain(text: str) -> bool:
    """Whether `shown` would leave every letter as it is."""
    return all(unicodedata.category(letter) not in UNSEEN or letter in JOINERS for letter in text)


def _shown(letter: str) -> str:
    if unicodedata.category(letter) not in UNSEEN or letter in JOINERS:
        return letter
    return letter.encode("unicode_escape").decode()


def checked_name(text: str, kind: str, longest: int) -> str:
    """The name without white space around it, in Unicode's composed form (NFC).

    Raises:
        UsageError: it is empty, too long, or holds what cannot be seen.
    """
    name = unicodedata.normalize("NFC", text).strip()
    if not name:
        raise UsageError(f"the {kind} is empty; write at least one letter")
    if len(name) > longest:
        raise UsageError(f"the {kind} has {len(name)} letters; write {longest} at most")
    if not is_plain(name):
        raise UsageError(f"the {kind} {shown(name)} holds characters that nobody can see; write it without them")
    return name
