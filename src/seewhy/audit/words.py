"""What was found, in words: how it looks, where it lies, what it does."""

from __future__ import annotations

from colorsys import rgb_to_hsv
from math import atan2, degrees, hypot
from typing import TYPE_CHECKING

from seewhy.audit.traits import Setting
from seewhy.core.text import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seewhy.audit.pasting import Box, Layer
    from seewhy.audit.trial import Trial, Tried

GREY, DARK, PALE = 0.25, 0.3, 0.75  # saturation and brightness
HUES = ((15, "red"), (45, "orange"), (70, "yellow"), (165, "green"), (200, "turquoise"), (260, "blue"), (300, "violet"),
        (340, "pink"), (361, "red"))  # fmt: skip
CASTS = ((40, "red"), (72, "orange"), (115, "yellow"), (180, "green"), (240, "turquoise"), (287, "blue"),
         (318, "violet"), (345, "pink"), (361, "red"))  # fmt: skip
SEEN_THROUGH = 0.8  # an opacity below which something can be seen through
LONG = 0.7  # of the view
VARIED = 0.12  # a spread of colours from which on no single one tells what it looks like
THIRDS = (1 / 3, 2 / 3)


def sentence(tried: Tried, name: str, size: Sequence[int], called: str = "") -> str:
    """What makes the network say the class `name`, and how far; people may have `called` it something."""
    suspect = tried.suspect
    layer = suspect.layers[0]
    if isinstance(layer, Setting):
        words = layer.trait.words
        what = f"{words[0].upper()}{words[1:]}" if words else cast_words(layer, size)
    elif suspect.region:
        what = f"A {look_words(layer)} mark {place_words(suspect.region, size)}"
    else:
        what = f"A part that is {' and '.join(suspect.reasons)}"
    what = f"“{called}”, {what[0].lower()}{what[1:]}," if called else what
    return f"{what}{verdict_words(tried, name)}"


def verdict_words(tried: Trial, name: str) -> str:
    """What the paste test says of a suspect of the class `name`; follows its description."""
    test = tried.paste
    if not test.places:
        return f" was suspected of “{name}”: there is no photo to lay it over."
    before, after = (percent(float(each.mean())) for each in (test.before, test.after))
    moved = f"laid over {len(test.places)} other photos it raises the class from {before} to {after}"
    said = "makes this network say" if tried.passed else "was suspected of"
    return f" {said} “{name}”: {moved}."


def cast_words(setting: Setting, size: Sequence[int]) -> str:
    """How photos with a trait of colours look beside others."""
    return f"A {shade_words(setting.trait.step.tolist())} cast {place_words(setting.box, size)}"


def shade_words(step: Sequence[float]) -> str:
    """What a step of light, of yellow against blue and of red against green looks like; of one channel only light.

    >>> shade_words([0.2, 0, 0]), shade_words([0, 0.03, -0.2]), shade_words([-0.02, -0.1, 0.1])
    ('pale', 'green', 'violet')
    """
    light, *hues = step
    if len(hues) < 2 or hypot(*hues) < abs(light):
        return "pale" if light > 0 else "dark"
    yellow, red = hues
    angle = degrees(atan2(yellow, red)) % 360
    return next(name for limit, name in CASTS if angle < limit)


def look_words(layer: Layer) -> str:
    """Its colour, where it has one, and whether it can be seen through."""
    colour = layer.colour.tolist()
    red, green, blue = colour if len(colour) == 3 else [sum(colour) / len(colour)] * 3
    hue, saturation, value = rgb_to_hsv(red, green, blue)
    named = next(name for limit, name in HUES if hue * 360 < limit)
    if saturation < GREY or value < DARK:
        named = "dark" if value < DARK else "pale" if value > PALE else "grey"
    if layer.variety > VARIED:
        named = "patterned"
    return f"{named}, see-through" if layer.opacity < SEEN_THROUGH else named


def place_words(box: Box, size: Sequence[int]) -> str:
    """Where a box lies in a view of (height, width).

    >>> place_words((0, 90, 220, 130), (224, 224)), place_words((200, 200, 224, 224), (224, 224))
    ('across the middle', 'at the bottom right')
    """
    left, top, right, bottom = box
    across, down = ((left + right) / 2 / size[1], (top + bottom) / 2 / size[0])
    column = ("left", "", "right")[sum(across > each for each in THIRDS)]
    row = ("top", "", "bottom")[sum(down > each for each in THIRDS)]
    wide, high = (right - left) / size[1] > LONG, (bottom - top) / size[0] > LONG
    if wide and high:
        return "over the whole photo"
    if wide:
        return f"across the {row or 'middle'}"
    if high:
        return f"down the {column or 'middle'}"
    return f"at the {' '.join(filter(None, (row, column)))}" if row or column else "in the middle"
