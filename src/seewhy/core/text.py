"""Text from outside, made fit to be printed: what no eye can see is shown as an escape, and length is bounded.

Names of files, classes, players and labels come from elsewhere; a terminal obeys control characters in them,
bidirectional overrides make a line read as it is not, and zero-width characters make two names look the same.
"""

from __future__ import annotations

import re
import unicodedata

from seewhy.errors import UsageError

LONGEST = 500  # letters of one text on a line
# Written as ranges, so that every version of Python sees the same: Unicode's categories Cc, Cf but for signs that are
# drawn around digits, Cs, Co, Zl and Zp; what has the property Default_Ignorable_Code_Point; the blank of Braille.
UNSEEN = re.compile(
    "["
    r"\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u070f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\u2800\u3164\ud800-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    r"\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U0010ffff"
    "]"
)
JOINERS, EMOJI_STYLES, KEYCAP = "\u200c\u200d", "\ufe0e\ufe0f", "\u20e3"
VIRAMA = 9  # Unicode's combining class of signs that take a letter's vowel away


def shown(text: object, longest: int = LONGEST) -> str:
    r"""The text with control, bidirectional, zero-width and broken characters as escapes, cut after so many letters.

    >>> shown("a\x1b[2J\u202eb")
    'a\\x1b[2J\\u202eb'
    """
    clean = visible(str(text)[: longest + 1])
    return clean if len(clean) <= longest else f"{clean[: longest - 1]}…"


def visible(text: str) -> str:
    """The whole text with everything that cannot be seen as escapes of Python's; joiners stay where they join."""
    return UNSEEN.sub(lambda found: found[0] if _joins(found) else found[0].encode("unicode_escape").decode(), text)


def visible_json(document: str) -> str:
    """A JSON document that says the same, whose texts hold escapes of JSON's own for everything that cannot be seen."""
    return UNSEEN.sub(lambda found: found[0] if found[0] == "\n" or _joins(found) else _json_escape(found[0]), document)


def is_plain(text: str) -> bool:
    """Whether `visible` would leave every letter as it is."""
    return all(map(_joins, UNSEEN.finditer(text)))


def checked_name(text: str, kind: str, longest: int) -> str:
    """The name with single spaces and none around it, in Unicode's composed form (NFC).

    Raises:
        UsageError: it is empty, too long, or holds what cannot be seen.
    """
    name = unicodedata.normalize("NFC", " ".join(text.split()))
    if not name:
        raise UsageError(f"the {kind} is empty; write at least one letter")
    if len(name) > longest:
        raise UsageError(f"the {kind} has {len(name)} letters; write {longest} at most")
    if not is_plain(name):
        raise UsageError(f"the {kind} {shown(name)} holds characters that nobody can see; write it without them")
    return name


def _joins(found: re.Match[str]) -> bool:
    """Whether a character that cannot be seen changes how its neighbours are drawn, as scripts and emoji need it.

    Source: RFC 5892, appendix A, for joiners between letters; Unicode Technical Standard 51 for emoji.
    """
    sign, text, before, after = found[0], found.string, found.start() - 1, found.end()
    if before < 0 or sign not in JOINERS + EMOJI_STYLES:
        return False
    left, right = text[before], text[after : after + 1]
    if sign in EMOJI_STYLES:
        return _is_symbol(left) or right == KEYCAP
    if unicodedata.combining(left) == VIRAMA:
        return True
    if sign == JOINERS[0]:
        return unicodedata.bidirectional(left) == "AL" == unicodedata.bidirectional(right or " ")
    return (left in EMOJI_STYLES or _is_symbol(left)) and _is_symbol(right)


def _is_symbol(letter: str) -> bool:
    return bool(letter) and unicodedata.category(letter).startswith("S")


def _json_escape(letter: str) -> str:
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))


# --- Numbers ---------------------------------------------------------------------------------------------------------


def plain_number(value: float) -> str:
    """A value of any size, to four digits, with a minus sign that is one.

    >>> plain_number(-1234.567), plain_number(0.5)
    ('−1235', '0.5')
    """
    return f"{value:.4g}".replace("-", "\N{MINUS SIGN}")


def duration(seconds: float) -> str:
    """How long something takes, in words that do not pretend to know it closely.

    >>> duration(5), duration(100), duration(9000), duration(300_000)
    ('1 minute', '2 minutes', '2.5 hours', '3.5 days')
    """
    for unit, length in (("day", 86_400), ("hour", 3_600)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.1f} {unit}s"
    minutes = max(round(seconds / 60), 1)
    return f"{minutes} minute{'s' * (minutes > 1)}"


def percent(probability: float) -> str:
    """A probability in per cent; only 0 and 1 themselves are called 0.0% and 100.0%.

    >>> percent(0.99999)
    '>99.9%'
    """
    if 0 < probability < 0.0005:
        return "<0.1%"
    if 0.9995 <= probability < 1:
        return ">99.9%"
    return f"{probability:.1%}"
