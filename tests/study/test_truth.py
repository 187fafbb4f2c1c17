"""The truth test on a network of which it is known what turns it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seewhy.errors import UsageError
from seewhy.methods import find_method
from seewhy.models import Preprocessing
from seewhy.study import Failure, Plan, Result, Unit
from seewhy.study.overlay import Overlay, levels, turn_of
from seewhy.study.truth import ASKED, DELETION, EVIDENCE, NOT_TURNED, SPOT, Question, control_class, truth_rows
from seewhy.study.truth_summary import truth_of
from study.stamped import CORNER, NAMES, SIDE, photo, stamp, stamped, write_stamp

PLACE = np.zeros((SIDE, SIDE), bool)
PLACE[CORNER, CORNER] = True
METHODS = ("occlusion", "integrated-gradients", "eigen-cam", "control:sobel")


@pytest.fixture(scope="module")
def classifier():
    return stamped()


@pytest.fixture(scope="module")
def overlay(tmp_path_factory):
    return Overlay.open(write_stamp(tmp_path_factory.mktemp("stamp")))


@pytest.fixture(scope="module")
def question(overlay):
    fine = {"occlusion": find_method("occlusion", size=4, stride=4)}
    return Question({name: fine.get(name) or find_method(name) for name in METHODS}, overlay, cells=0)


# --- The overlay --------------------------------------------------------------------------------------------------


def test_what_is_laid_over_is_what_the_network_sees(classifier, overlay):
    image = photo(0)
    seen, laid = (
        levels(classifier.preprocessing.pixels([each])[0]).astype(float)
        for each in (image, overlay.over(classifier.preprocessing, image))
    )
    alpha = np.where(PLACE, 230 / 255, 0)[..., None]
    expected = seen * (1 - alpha) + np.array([0, 0, 255]) * alpha
    inner = PLACE & np.roll(PLACE, 2, (0, 1)) & np.roll(PLACE, -2, (0, 1))  # resizing rings at the edge
    assert np.abs(laid - expected)[inner].max() <= 8
    assert np.array_equal(seen[20:], laid[20:]), "elsewhere it is the photo"


def test_its_place_is_the_box_round_it(overlay):
    assert np.array_equal(overlay.area((SIDE, SIDE)), PLACE)
    assert overlay.area((2 * SIDE, SIDE)).sum() == 2 * PLACE.sum()


def test_what_is_no_overlay_is_refused(tmp_path):
    with pytest.raises(UsageError, match="covers the whole photo"):
        Overlay.open(write_stamp(tmp_path, stamp()[..., :3]))
    with pytest.raises(UsageError, match="clear throughout"):
        Overlay.open(write_stamp(tmp_path, stamp(alpha=0)))


def test_channels_that_have_no_colour_are_refused(overlay):
    bands = Preprocessing((SIDE, SIDE), mean=(0.5,) * 5, std=(0.5,) * 5)
    with pytest.raises(UsageError, match="takes 5 channels"):
        overlay.over(bands, photo(0))


def test_a_grey_network_sees_its_luma(overlay):
    grey = Preprocessing((SIDE, SIDE), mean=(0.5,), std=(0.5,))
    assert overlay.over(grey, photo(0)).pixels.shape == (SIDE, SIDE, 3)


def test_the_answer_turns(classifier, overlay):
    turn = turn_of(classifier, photo(0), overlay)
    assert (NAMES[turn.before], NAMES[turn.after], turn.turned) == ("red", "stamp", True)
    assert turn.was < 0.1 < 0.9 < turn.now


# --- One photo ----------------------------------------------------------------------------------------------------


def rows_of(classifier, question, method, seed=0):
    turn = turn_of(classifier, photo(seed), question.overlay)
    return {row["metric"]: row for row in truth_rows(classifier, turn, method, question).rows}


@pytest.mark.parametrize("method", ["occlusion", "integrated-gradients"])
def test_a_faithful_map_shows_the_overlay_for_the_class_it_brought(classifier, question, method):
    rows = rows_of(classifier, question, method)
    assert rows[EVIDENCE]["value"] > 0.9
    assert rows[EVIDENCE]["value"] - rows[EVIDENCE]["other_classes"] > 0.5
    assert rows[SPOT]["value"] == 1
    assert rows[DELETION]["value"] > 0.25
    assert (rows[EVIDENCE]["label"], rows[EVIDENCE]["before"]) == ("stamp", "red")
    assert rows[EVIDENCE]["control"] in {"green", "nothing"}


def test_a_map_that_knows_no_class_has_no_difference(classifier, question):
    for method in ("eigen-cam", "control:sobel"):
        evidence = rows_of(classifier, question, method)[EVIDENCE]
        assert evidence["value"] == evidence["other_classes"]


def test_deletion_puts_the_photo_back(classifier, question):
    turn = turn_of(classifier, photo(1), question.overlay)
    faithful, blind = (
        truth_rows(classifier, turn, method, question).rows[ASKED.index(DELETION)]["value"]
        for method in ("occlusion", "control:sobel")
    )
    assert 0 <= blind < faithful <= 1


def test_a_photo_that_does_not_turn_says_so(classifier, tmp_path):
    faint = Overlay.open(write_stamp(tmp_path, stamp(alpha=3)))
    rows = rows_of(classifier, Question({"eigen-cam": find_method("eigen-cam")}, faint), "eigen-cam")
    assert {(row["value"], row["reason"]) for row in rows.values()} == {(None, NOT_TURNED)}


def test_the_control_class_is_no_answer(classifier, overlay):
    turn = turn_of(classifier, photo(0), overlay)
    for control, expected in ((None, {1, 3}), (3, {3}), (turn.before, {1, 3}), (turn.after, {1, 3})):
        found = {control_class(classifier, turn, Question({}, overlay, control, seed=seed)) for seed in range(20)}
        assert found == expected


# --- All photos ---------------------------------------------------------------------------------------------------


def row(method, image, metric, value, other, before="dog", after="carton"):
    about = {"before": before, "turned_to": after, "without_overlay": 0.1, "with_overlay": 0.7}
    return {"model": "m", "method": method, "image": image, "metric": metric, "value": value, "other_classes": other,
            **about}  # fmt: skip


def made(photos, **methods):
    """Of methods their evidence, that for the control class, and their deletion, a little different on each photo."""
    rng = np.random.default_rng(0)
    rows = []
    for name, (inside, control, deletion) in methods.items():
        for number in range(photos):
            shift, image = rng.normal(0, 0.02), f"{number:02}.png"
            rows += [row(name, image, EVIDENCE, inside + shift, control + shift / 2)]
            rows += [
                row(name, image, SPOT, float(inside > 0.5), 0.0),
                row(name, image, DELETION, deletion + shift, None),
            ]
    plan = Plan(models={"m": "f"}, methods={name: {} for name in methods}, metrics={}, images={}, batch_size=1)
    return rows, plan


def test_methods_stand_in_the_order_of_their_differences():
    rows, plan = made(20, blind=(0.9, 0.9, 0.5), good=(0.6, 0.1, 0.9), fair=(0.4, 0.2, 0.7))
    (found,) = truth_of(rows, plan, [Result(Unit("m", "fair", "x.png"), failure=Failure("E", "no"))])
    assert [each.method for each in found.rows] == ["good", "fair", "blind"]
    good, fair, blind = found.rows
    assert good.difference.value == pytest.approx(0.5, abs=0.01)
    assert good.difference.low < 0.5 < good.difference.high
    assert (good.asks, fair.asks, fair.failed) == (True, True, 1)
    assert blind.difference.value == pytest.approx(0, abs=0.01)
    assert (good.spot.value, blind.spot.value, fair.spot.value) == (1, 1, 0)
    assert found.agreement == pytest.approx(1)
    assert (found.photos, found.turned, found.counted, found.turned_to) == (20, 20, 20, "carton")


def test_photos_count_that_turn_to_the_commonest_class():
    rows, plan = made(3, good=(0.6, 0.1, 0.9))
    rows += [row("good", "other.png", metric, 0.0, 0.0, after="crate") for metric in ASKED]
    rows += [row("good", "still.png", metric, None, None, after="dog") for metric in ASKED]
    (found,) = truth_of(rows, plan, [])
    assert (found.photos, found.turned, found.counted) == (5, 4, 3)
    assert found.rows[0].photos == 3
    assert found.rows[0].asks is None, "three photos cannot tell"


def test_where_nothing_turns_there_is_nothing_to_say():
    rows = [row("good", "still.png", metric, None, None, after="dog") for metric in ASKED]
    (found,) = truth_of(rows, made(0, good=(0, 0, 0))[1], [])
    assert (found.turned, found.turned_to, found.rows, found.agreement) == (0, None, (), None)


def test_the_network_of_these_tests_knows_no_stamp_elsewhere(classifier):
    with torch.no_grad():
        logits = classifier.logits(classifier.preprocess([photo(0), photo(1)]))
    assert logits.argmax(1).tolist() == [0, 1]
