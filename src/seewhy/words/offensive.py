"""Words that are not shown to people."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

from seewhy.words.extra import needs_extra

Offence: TypeAlias = Callable[[str], bool]

# On the list of the library, but in a game about pictures mostly what the picture shows.
# fmt: off
HARMLESS = frozenset((
    "breasts", "cowgirl", "cowgirls", "dummy", "enlargement", "erect", "facial", "fat", "flange", "foobar", "god",
    "hell", "hemp", "hoar", "homey", "hookah", "hump", "humped", "knob", "loin", "loins", "maxi", "muff", "nappy",
    "oral", "organ", "paddy", "pasty", "pawn", "pollock", "pot", "potty", "racy", "rectus", "reefer", "revue",
    "rum", "rump", "sandbar", "screw", "screwed", "seaman", "seamen", "slope", "sniper", "steamy", "stoned",
    "strip", "stroke", "teat", "teats", "thrust", "titi", "ugly", "urinal", "vixen", "vodka", "wad", "weed",
    "woody",
))
# fmt: on


@lru_cache(maxsize=64)
def offence(allowed: frozenset[str] = frozenset()) -> Offence:
    """Whether a text holds an offensive whole word of English, spelled out or disguised; `allowed` are none.

    Raises:
        UsageError: the extra `words` is not installed.
    """
    with needs_extra():
        from better_profanity import Profanity

    judge = Profanity()
    judge.load_censor_words(whitelist_words=sorted(HARMLESS | allowed))
    return lambda text: bool(judge.contains_profanity(text))
