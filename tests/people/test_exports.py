"""Everything out, everything back, and nothing in it that a reader would run."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from people.samples import Clock, answer, history, new_round, rounds
from people.test_game import ODD_TEXTS
from people.test_masks import stripes
from seewhy.core.files import guard_cell
from seewhy.errors import BadFile, Conflict, UsageError
from seewhy.people.coco import export_coco, import_coco, parse_coco
from seewhy.people.exchange import answers_csv, export_lines, import_lines
from seewhy.people.game import guess, next_round, resign
from seewhy.people.masks import drawn, save_mask
from seewhy.people.players import join
from seewhy.people.rounds import add_rounds, answers, open_seats
from seewhy.people.store import open_store

PHOTO = ("cat.jpg", "ab" * 32)


@pytest.fixture
def full(store):
    """A store with something of everything."""
    return fill(store)


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """What such a store exports."""
    with open_store(f"sqlite:///{tmp_path_factory.mktemp('full') / 'people.sqlite'}", Clock()) as opened:
        return list(export_lines(fill(opened)))


def fill(store):
    add_rounds(store, [*rounds(3), new_round(9, gold=True), new_round(0, simulated=True)])
    ann, robot = join(store, "ann"), join(store, "robot", simulated=True)
    for text in (*ODD_TEXTS.values(), None):
        view = next_round(store, ann)
        if view and text:
            guess(store, ann, view.round, view.options[0], [text, "=1+1"], key=text[:20], language="it")
        elif view:
            resign(store, ann, view.round, key="last")
    guess(store, robot, next_round(store, robot).round, "bus", ["wheel"], key="1")
    for base, step in enumerate((2, 3)):
        save_mask(store, ann, *PHOTO, "cat", stripes(20, 30, step), base=base, key=str(base))
    save_mask(store, robot, *PHOTO, "<b>ear</b>", stripes(20, 30, 4), base=0, key="1")
    return store


@pytest.fixture
def empty(tmp_path):
    with open_store(f"sqlite:///{tmp_path / 'other.sqlite'}") as opened:
        yield opened


def test_everything_comes_back_and_again_the_same_bytes(full, empty):
    lines = list(export_lines(full))
    new = import_lines(empty, lines)
    assert new == {"player": 2, "round": 5, "answer": 5, "mask": 3}
    assert list(export_lines(empty)) == lines
    assert answers(empty) == answers(full)
    assert open_seats(empty) == open_seats(full) == 6
    assert [each.revision for each in history(empty, "ann", PHOTO[1], "cat")] == [1, 2]
    assert import_lines(empty, lines) == {}  # once more changes nothing
    assert list(export_lines(empty)) == lines


def test_two_places_are_put_together(full, empty):
    add_rounds(empty, rounds(3))
    join(empty, "bob")
    guess(empty, "bob", next_round(empty, "bob").round, "bus", ["mine"], key="1")
    import_lines(empty, export_lines(full))
    assert {each.player for each in answers(empty)} == {"ann", "bob", "robot"}
    assert open_seats(empty) == 5
    while view := next_round(empty, "bob"):
        resign(empty, "bob", view.round, key=f"later {view.round}")
    assert len({each.round for each in answers(empty, "bob")}) == 4


def test_lines_are_ascii_and_hold_what_was_typed(lines):
    assert all(line.isascii() and line.count("\n") == 1 for line in lines)
    typed = {label for line in lines for label in json.loads(line).get("labels", ())}
    assert typed <= {*ODD_TEXTS.values(), "=1+1", "wheel"}
    assert len(typed) > 4
    assert all("token" not in line for line in lines)


def test_a_simulated_word_is_marked_in_every_line_about_it(lines, empty):
    found = [json.loads(line) for line in lines]
    about = [each for each in found if "robot" in (each.get("player"), each.get("name"))]
    assert len(about) == 3
    assert all(each["simulated"] is True for each in about)
    import_lines(empty, lines)
    assert "simulated" in answers_csv(answers(empty)).splitlines()[-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [*lines, "{"], "line 21, is damaged"),
        (lambda lines: [*lines, '{"kind": "weather"}'], "line 21, .*weather"),
        (lambda lines: [*lines, "[1]"], "line 21"),
        (lambda lines: [lines[0].replace('"version": 1', '"version": 9')], "line 1, .*version 9"),
        (lambda lines: [line for line in lines if '"picture", "id"' not in line], "line 4"),
        (lambda lines: [line.replace('"stage": 0', '"stage": 9') for line in lines], "line 13, .*answer.stage"),
        (lambda lines: [line.replace('"guess": "', '"guess": "x') for line in lines], "line 13, .*not among"),
        (lambda lines: [line.replace('"counts": "', '"counts": "1') for line in lines], "line 18"),
        (lambda lines: [line.replace('"content": "', '"content": "AAAA') for line in lines], "line 4"),
        (lambda lines: [], "empty"),
    ],
)
def test_a_damaged_file_is_refused_as_a_whole_and_names_the_line(lines, empty, change, message):
    with pytest.raises(UsageError, match=message):
        import_lines(empty, change(lines))
    assert answers(empty) == []


def test_an_answer_that_is_another_one_here_is_not_replaced(full):
    lines = [line.replace('"wheel"', '"window"') for line in export_lines(full)]
    with pytest.raises(Conflict, match=r"line 1\d, 'robot' answered this round otherwise"):
        import_lines(full, lines)
    assert answers(full)[-1].labels == ("wheel",)


def test_coco_reads_our_masks_and_we_read_them_back(full, empty, tmp_path):
    document = export_coco(drawn(full))
    (tmp_path / "masks.json").write_text(json.dumps(document))
    read = COCO(tmp_path / "masks.json")
    for number, each in enumerate(drawn(full), start=1):
        known = read.anns[number]
        assert np.array_equal(read.annToMask(known), each.mask)
        assert known["area"] == each.mask.sum()
        assert known["simulated"] == each.simulated
    assert import_coco(empty, parse_coco(json.dumps(document))) == 2
    assert [(each.player, each.label, each.simulated) for each in drawn(empty)] == [
        ("ann", "cat", False),
        ("robot", "<b>ear</b>", True),
    ]
    assert all(np.array_equal(one.mask, two.mask) for one, two in zip(drawn(empty), drawn(full), strict=True))
    assert import_coco(empty, parse_coco(json.dumps(document))) == 0


def test_bounds_are_those_of_coco():
    from pycocotools import mask as oracle

    from seewhy.people.coco import _bounds

    generator = np.random.default_rng(0)
    for share in (0.0, 0.01, 0.1, 0.9):
        mask = generator.random((17, 23)) < share
        assert _bounds(mask) == oracle.toBbox(oracle.encode(np.asfortranarray(mask, np.uint8))).tolist()


def test_coco_of_other_tools_has_polygons_instances_and_no_hashes(empty):
    square = [[2, 1, 6, 1, 6, 4, 2, 4]]
    document = {
        "images": [{"id": 7, "file_name": "dog.jpg", "height": 10, "width": 12}],
        "categories": [{"id": 3, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "segmentation": square, "iscrowd": 0},
            {"id": 2, "image_id": 7, "category_id": 3, "segmentation": {"size": [10, 12], "counts": [0, 10, 110]}},
        ],
    }
    with pytest.raises(UsageError, match=r"which picture dog\.jpg is"):
        import_coco(empty, parse_coco(json.dumps(document)))
    assert import_coco(empty, parse_coco(json.dumps(document)), "crowd", {"dog.jpg": "cd" * 32}) == 1
    expected = np.zeros((10, 12), bool)
    expected[:, 0] = expected[1:4, 2:6] = True
    (found,) = drawn(empty)
    assert (found.player, found.label, found.image_hash) == ("crowd", "dog", "cd" * 32)
    assert np.array_equal(found.mask, expected)


@pytest.mark.parametrize("document", [{}, {"images": 1}, [], {"images": [], "categories": [], "annotations": [{}]}])
def test_what_is_no_coco_is_refused(empty, document):
    with pytest.raises(UsageError, match="COCO data set"):
        import_coco(empty, parse_coco(json.dumps(document)))


HUGE = 10**30
WRONG = {
    "overlap": [1_000_000_000, 0, -1, HUGE, "3", 2.5, None, True],
    "cluster": [HUGE, -1, 2**31, 1.5, "0"],
    "weight": ["x", None, 1e400],
    "options": [[], ["cat"], ["cat", "cat"], ["a"] * 2000, "cat", ["cat", "x" * 501], ["cat", "a\0"], 7],
    "map": [[], [[]], [[1, 2], [3]], [["a"]], [[1e39]], [[0] * 2000], 3],
    "stage": [9, -1, HUGE, "0"],
    "labels": [[], [""], ["x" * 301], ["a\x1b[2J"], ["x"] * 21, "ears", [3]],
    "language": ["", "e" * 36, "en-" * 400000, 5],
    "key": ["", "x" * 201, 5],
    "given": ["yesterday", HUGE, "99999-01-01T00:00:00", None],
    "joined": ["x", -HUGE],
    "drawn": ["x", HUGE],
    "name": ["", "x" * 65, "a\x1b", "\u202ea", 3],
    "player": ["nobody", "", 5],
    "size": [[-5, 10], [0, 0], [HUGE, 1], [2**31 - 1] * 2, [20], "x", [20, 31]],
    "counts": ["", "~~~", "o" * 30, 7, "1" * 2_000_001],
    "revision": [HUGE, 0, -1, "1"],
    "image": ["", "x" * 501, 5, "a\0"],
    "content": ["", "x", "AAAA", 5],
    "id": [HUGE, -1, "x"],
    "picture": [99, HUGE],
    "round": [99, HUGE],
}


@pytest.mark.parametrize("field", WRONG)
def test_every_field_has_a_type_and_bounds(lines, empty, field):
    """One error that names file, line and cure, and nothing is kept."""
    (number, record), *_ = [(at, each) for at, each in enumerate(map(json.loads, lines)) if field in each]
    for value in WRONG[field]:
        text = json.dumps({**record, field: value}).replace("Infinity", "1e400")
        with pytest.raises((BadFile, Conflict)) as told:
            import_lines(empty, [*lines[:number], text, *lines[number + 1 :]], Path("in.jsonl"))
        assert str(told.value).startswith("in.jsonl, line "), (value, told.value)
        assert len(str(told.value)) < 1500
    assert answers(empty) == []


@pytest.mark.parametrize(
    "annotation",
    [
        {"segmentation": [[1e30, -1e30, 5e18, 1, 5, 5]]},
        {"segmentation": [[1, 1, 5, 5]]},
        {"segmentation": [[1, 1, 5, 5, 6, 7, 8]]},
        {"segmentation": []},
        {"segmentation": [[]]},
        {"segmentation": None},
        {"segmentation": [0, 1, 99]},
        {"segmentation": {"size": [10, 10], "counts": [-1, 101]}},
        {"segmentation": {"size": [10, 10], "counts": [2**62, 2**62]}},
        {"segmentation": {"size": [10, 10], "counts": [10**30]}},
        {"segmentation": {"size": [10, 10], "counts": [50]}},
        {"segmentation": {"size": [10, 10], "counts": "~~"}},
        {"segmentation": {"size": [10, 10], "counts": "o" * 100}},
        {"segmentation": {"size": [-5, -20], "counts": [100]}},
        {"segmentation": {"size": [10, 11], "counts": [110]}},
        {"image_id": 7},
        {"category_id": 7},
        {"image_id": None},
        {"annotator": "\x1b[2J"},
        {"annotator": "x" * 65},
        {"simulated": "no"},
        {"height": -5},
        {"height": 0},
        {"height": 2**31 - 1, "width": 2**31 - 1},
        {"height": 10**30},
        {"file_name": "x" * 501},
        {"file_name": ""},
        {"sha256": "a\0"},
        {"name": "x" * 65},
        {"name": "\u202ex"},
    ],
    ids=lambda given: str(given)[:60],
)
def test_whatever_is_wrong_in_coco_is_one_error_before_native_code(empty, annotation):
    image = {"id": 1, "file_name": "a.png", "height": 10, "width": 10, "sha256": "ab"}
    area = {"image_id": 1, "category_id": 1, "segmentation": [[1, 1, 8, 1, 8, 8]]}
    document = {
        "images": [{**image, **{key: value for key, value in annotation.items() if key in image}}],
        "categories": [{"id": 1, "name": annotation.get("name", "cat")}],
        "annotations": [{**area, **{key: value for key, value in annotation.items() if key not in {*image, "name"}}}],
    }
    with pytest.raises(UsageError):
        import_coco(empty, parse_coco(json.dumps(document)))
    assert drawn(empty) == []


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1+1", "\uff1d1+1", "\n=1"])
def test_a_formula_is_no_formula_in_a_spreadsheet(text):
    assert guard_cell(text) == "'" + text
    (row,) = csv.DictReader(StringIO(answers_csv([answer(labels=(text, "x"))])))
    assert row["labels"].startswith("'")


def test_plain_text_stays_as_it_is_and_any_text_stays_one_cell():
    labels = ('a "quoted", one', "two\nlines", "<script>")
    (row,) = csv.DictReader(StringIO(answers_csv([answer(guess="cat", labels=labels, stage=2)])))
    assert row["labels"] == "; ".join(labels).replace("\n", "\\n")
    assert (row["outcome"], row["points"], row["simulated"]) == ("won", "40", "person")
