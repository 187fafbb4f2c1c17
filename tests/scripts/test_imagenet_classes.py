from __future__ import annotations

import json
import runpy
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "src/seewhy/models/imagenet.json"


@pytest.fixture(scope="module")
def classes() -> list[dict]:
    return json.loads(COMMITTED.read_text("utf-8"))


@pytest.fixture(scope="module")
def owners(classes) -> dict[str, list[int]]:
    """The classes that answer to each name, however it is capitalised."""
    found = defaultdict(list)
    for index, entry in enumerate(classes):
        for text in (entry["name"], *entry["synonyms"]):
            found[text.casefold()].append(index)
    return found


def test_the_committed_file_is_what_the_script_makes(classes):
    script = runpy.run_path(str(ROOT / "scripts/imagenet_classes.py"))
    assert script["classes"]() == classes


def test_there_are_a_thousand_classes_in_wordnet_order(classes):
    wnids = [entry["wnid"] for entry in classes]
    assert len(wnids) == 1000
    assert wnids == sorted(set(wnids))


def test_every_display_name_finds_its_own_class_alone(classes, owners):
    assert [owners[entry["name"].casefold()] for entry in classes] == [[index] for index in range(1000)]


@pytest.mark.parametrize(
    ("name", "indices"),
    [("crane", [134, 517]), ("cardigan", [264, 474]), ("maillot", [638, 639]), ("panda", [387, 388])],
)
def test_a_name_of_two_classes_belongs_to_neither(name, indices, owners):
    assert owners[name] == indices


def test_few_names_are_shared(owners):
    shared = {name for name, indices in owners.items() if len(indices) > 1}
    assert len(shared) == 12


def test_it_stays_small_and_diffs_by_class():
    assert COMMITTED.stat().st_size < 150_000
    assert len(COMMITTED.read_text("utf-8").splitlines()) == 1002
