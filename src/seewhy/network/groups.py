"""Groups of classes: by a list, by a file of one's own, or by what WordNet calls them together."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from seewhy.errors import UnknownName, UsageError
from seewhy.models import Categories

Groups = Mapping[str, tuple[str, ...]]  # names or WordNet ids of classes by the group's name, in lower case


def read_groups(path: Path) -> Groups:
    """The groups of a JSON file: `{"cats": ["tabby", "Persian cat"]}`, or a tree of WordNet.

    A tree has `synsets`: by id their `words` and the ids of their `hypernyms`. A word then names every synset below
    the synsets that have it.

    Raises:
        UsageError: the file cannot be read, or is neither.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
        if "synsets" in found:
            return _tree(found["synsets"])
        return {name.casefold(): tuple(map(str, members)) for name, members in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"the groups in {path} cannot be read ({error}); write a JSON object of names and lists of classes"
        ) from error


def find_classes(names: Iterable[str], categories: Categories, groups: Groups | None = None) -> tuple[int, ...]:
    """The indices of the classes and groups of these names; a class comes before a group of the same name.

    Raises:
        UnknownName: nothing has this name, or none of its members is a class.
        AmbiguousClass: several classes have it.
    """
    return tuple(dict.fromkeys(index for name in names for index in _classes(name, categories, groups or {})))


def _classes(name: str, categories: Categories, groups: Groups) -> list[int]:
    members = groups.get(name.casefold())
    try:
        return [categories.find(name)]
    except UnknownName as error:
        if members is None:
            near = get_close_matches(name.casefold(), groups, n=4)
            raise UnknownName(f"{error}; groups: {', '.join(near)}" if near else str(error)) from None
    known = [index for member in members for index in _known(member, categories)]
    if not known:
        raise UnknownName(f"no class of the classifier is in the group '{name}'")
    return known


def _known(member: str, categories: Categories) -> list[int]:
    try:
        return [categories.find(member)]
    except UnknownName:
        return []


def _tree(synsets: Mapping[str, Mapping[str, Any]]) -> Groups:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for synset in synsets:
        for above in _upwards(synset, synsets):
            for word in synsets[above]["words"]:
                found[word.replace("_", " ").casefold()].append(synset)
    return {word: tuple(members) for word, members in found.items()}


def _upwards(synset: str, synsets: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """A synset and everything above it, as far as the file has it."""
    found: set[str] = set()
    ahead = [synset]
    while ahead:
        here = ahead.pop()
        if here not in found and here in synsets:
            found.add(here)
            ahead += synsets[here]["hypernyms"]
    return found
