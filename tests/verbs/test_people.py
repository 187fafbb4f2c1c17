"""Exports that other programs read, imports that lose nothing, agreement of people and of simulated players apart."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

import zoo
from people.samples import new_round, rounds
from seewhy.core.folders import MANIFEST
from seewhy.errors import UsageError
from seewhy.images import open_image
from seewhy.people.agreement import agreement
from seewhy.people.exchange import export_lines
from seewhy.people.game import guess, next_round
from seewhy.people.masks import drawn, save_mask
from seewhy.people.players import join
from seewhy.people.rounds import add_rounds
from seewhy.people.simulate import simulate
from seewhy.people.store import open_store
from seewhy.verbs import people
from seewhy.verbs.people import ANSWERS, LINES, MASKS, export_people, import_people


@pytest.fixture
def empty(tmp_path):
    with open_store(f"sqlite:///{tmp_path / 'empty.sqlite'}") as opened:
        yield opened


@pytest.fixture
def store(tmp_path):
    with open_store(f"sqlite:///{tmp_path / 'people.sqlite'}") as opened:
        add_rounds(opened, [*rounds(2), new_round(3, simulated=True)])
        for player, width in (("ann", 4), ("bob", 8)):
            join(opened, player)
            while view := next_round(opened, player):
                guess(opened, player, view.round, "bus", ["=wheel"], key=str(view.round))
            mask = np.zeros((10, 10), bool)
            mask[:, :width] = True
            save_mask(opened, player, "a.png", "ab" * 32, "cat", mask, base=0, key="1")
        simulate(opened, players=3)
        yield opened


def test_three_files_for_three_kinds_of_readers(store, tmp_path):
    counts = export_people(store, tmp_path / "out")
    assert counts == {LINES: 1 + 5 + 3 + 3 + 7 + 2, MASKS: 2, ANSWERS: 7}
    assert (tmp_path / "out" / LINES).read_text().splitlines(keepends=True) == list(export_lines(store))
    assert len(json.loads((tmp_path / "out" / MASKS).read_text())["annotations"]) == 2
    rows = list(csv.DictReader((tmp_path / "out" / ANSWERS).open(newline="")))
    assert [row["simulated"] for row in rows] == ["person"] * 4 + ["simulated"] * 3
    assert rows[0]["labels"] == "'=wheel"
    assert json.loads((tmp_path / "out" / MANIFEST).read_text())["simulated_answers"] == 3


def test_an_export_that_fails_leaves_the_one_before(store, tmp_path, monkeypatch):
    out = tmp_path / "out"
    export_people(store, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    join(store, "cy")
    monkeypatch.setattr(people, "answers_csv", lambda given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_people(store, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_what_was_exported_is_imported_by_either_file(store, empty, tmp_path):
    export_people(store, tmp_path / "out")
    assert import_people(empty, tmp_path / "out" / MASKS) == {"mask": 2}
    assert import_people(empty, tmp_path / "out" / LINES)["answer"] == 7
    assert [each.player for each in drawn(empty)] == ["ann", "bob"]


def test_a_picture_of_another_tool_is_found_by_its_file(empty, tmp_path):
    picture = zoo.photos(1)[0]
    picture.to_pil().save(tmp_path / "cat.png")
    document = {
        "images": [{"id": 1, "file_name": "../../photos/cat.png", "height": picture.height, "width": picture.width}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"image_id": 1, "category_id": 1, "segmentation": [[0, 0, 5, 0, 5, 5, 0, 5]]}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(document))
    with pytest.raises(UsageError, match="folder that holds it"):
        import_people(empty, tmp_path / "coco.json")
    assert import_people(empty, tmp_path / "coco.json", tmp_path, "crowd") == {"mask": 1}
    (mask,) = drawn(empty)
    assert (mask.player, mask.image_hash) == ("crowd", open_image(tmp_path / "cat.png").sha256)
    assert mask.mask.sum() == mask.mask[:5, :5].sum() == 25


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("gone.jsonl", None),
        ("a.json", b"["),
        ("b.json", b"[]"),
        ("c.json", b"\xff"),
        ("d.jsonl", b"\xff"),
        ("e.jsonl", b""),
    ],
)
def test_what_is_neither_is_refused(empty, tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError):
        import_people(empty, tmp_path / name)


def test_people_and_simulated_players_are_judged_apart(store):
    people, simulated = agreement(store), agreement(store, simulated=True)
    assert (people.answers, simulated.answers) == (4, 3)
    assert people.alpha == people.layers["features"] == 1  # both said bus, always
    assert [each.player for each in people.players] == ["ann", "bob"]
    assert all(each.simulated for each in simulated.players)
    ((area),) = people.areas
    assert (area.image, area.players, area.iou) == ("a.png", 2, 0.5)
    assert simulated.areas == ()


def test_nobody_has_said_anything(empty):
    found = agreement(empty)
    assert (found.answers, found.alpha, found.areas, found.players) == (0, None, (), ())
