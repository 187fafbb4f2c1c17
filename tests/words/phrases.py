"""Phrases as players type them, with the groups that a person sorts them into.

`FIXED` is the set on which the threshold was chosen, `HELD_OUT` one that was looked at only afterwards. Both name the
class, misspell, use plurals and add adjectives, as players do; a group is what a person would call the same part.
"""

from __future__ import annotations

FIXED: dict[str, dict[str, tuple[str, ...]]] = {
    "golden retriever": {
        "ear": ("ears", "Floppy ears", "ear", "the dog's long ears", "golden retriever's ear", "hanging ears"),
        "nose": ("black nose", "nose", "Nose!", "wet nose", "the nose", "dog nose"),
        "fur": ("fur", "golden fur", "furr", "long hair", "fluffy fur", "blond hair"),
        "tail": ("tail", "bushy tail", "wagging tail", "tial"),
        "eye": ("eyes", "dark eyes", "eye", "the eyes of the dog"),
        "paw": ("paws", "front paws", "paw", "big paw"),
    },
    "school bus": {
        "wheel": ("wheels", "wheel", "tires", "big wheels", "tyre", "wheells"),
        "window": ("windows", "row of windows", "window", "side windows", "widnows", "School bus windows"),
        "headlight": ("headlights", "head lights", "round headlights", "headlight", "lights"),
        "yellow": ("yellow", "yellow paint", "yellow colour", "the yellow color", "bright yellow"),
        "road": ("road", "street", "asphalt road", "the road"),
        "mirror": ("mirror", "side mirrors", "rear view mirror", "mirrors"),
    },
}

HELD_OUT: dict[str, dict[str, tuple[str, ...]]] = {
    "tabby": {
        "stripe": ("stripes", "striped pattern", "grey stripes", "stripe", "tabby stripes", "dark strips"),
        "whisker": ("whiskers", "white whiskers", "wiskers", "long whisker", "the cat's whiskers"),
        "eye": ("green eyes", "eyes", "eye", "yellow eyes", "slit pupils"),
        "ear": ("pointed ears", "ears", "pointy ear", "triangular ears", "earss"),
        "sofa": ("sofa", "couch", "red sofa", "the couch"),
        "paw": ("paws", "white paws", "paw", "front paw"),
    },
    "castle": {
        "tower": ("tower", "towers", "round towers", "tall tower", "twoer", "castle tower"),
        "wall": ("stone walls", "wall", "walls", "thick wall", "castle's walls"),
        "sky": ("sky", "blue sky", "cloudy sky", "clouds in the sky", "the sky"),
        "tree": ("trees", "green trees", "tree", "forest", "treees"),
        "window": ("windows", "small windows", "arched window", "window"),
        "water": ("water", "moat", "lake", "the water"),
    },
}


def flat(groups: dict[str, tuple[str, ...]]) -> tuple[list[str], list[str]]:
    """Phrases and their groups, in the same order."""
    pairs = [(phrase, group) for group, phrases in groups.items() for phrase in phrases]
    return [phrase for phrase, _ in pairs], [group for _, group in pairs]
