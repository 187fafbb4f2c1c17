from __future__ import annotations

import numpy as np
import pytest

from seewhy.report.study import cell_words
from seewhy.report.verdict import study_verdict, title_of
from seewhy.study.scores import Mean
from study.contests import CONTROL_NAMES, DOWN, IDLE, UP, comparison, contest, trial

CHANCE = [number / 30 for number in range(30)]
ABOVE, WITHIN = 2.0, 0.5  # what chance gets


def judged(*rows, chance=None, metrics=(UP, "insertion-minus-deletion", "deletion", DOWN)):
    """The verdict on methods; of each its score by every test, where more is better."""
    names = ("grad-cam", "lime", "rise", "occlusion")[: len(rows)]
    better = {UP: 1, "insertion-minus-deletion": 1, "deletion": -1, DOWN: -1, "adcc": 1, IDLE: 1}
    values = {
        metric: {name: better[metric] * row[place] for name, row in zip(names, rows, strict=True)}
        for place, metric in enumerate(metrics[: len(rows[0])])
    }
    known = {metric: (better[metric] * np.roll(CHANCE, 7 * place)).tolist() for place, metric in enumerate(values)}
    return study_verdict(comparison(trial(values, known if chance is None else chance)))


def test_of_one_photo_none_is_singled_out():
    assert judged([ABOVE, ABOVE, ABOVE], [1.5, 1.5, 1.5]) == (
        "Which of Grad-CAM and LIME is best cannot be told: over 2 tests of faithfulness on 1 photo all of them score "
        "better than maps drawn by chance, and no other method beats any of them. Grad-CAM has the best mean rank, and "
        "the best mean by 3 of 3 metrics. To tell 2 methods apart by a test takes 5 photos at least."
    )


def of_photos(count, *methods, controls=(("control:random", 0.1), ("control:gaussian", 0.2)), missing=()):
    """The verdict on methods with these scores by ROAD on average, and by chance a little more or less."""
    rng = np.random.default_rng(0)
    shifts = {**dict(methods), **dict(controls)}
    rows = [{name: mean + rng.normal(0, 0.01) for name, mean in shifts.items()} for _ in range(count)]
    trials = [
        trial({UP: {name: None if name in missing and place else value for name, value in row.items()}})
        for place, row in enumerate(rows)
    ]
    return study_verdict(comparison(*trials))


def test_a_test_singles_one_out_and_names_the_bar():
    assert of_photos(20, ("grad-cam", 0.9), ("lime", 0.5), ("rise", 0.1)) == (
        "Believe Grad-CAM: over 1 test of faithfulness on 20 photos it scores better than each of 2 other methods, and "
        "better than the strongest control, Centred Gaussian (paired signed-rank tests, Holm). RISE does no better "
        "than the controls."
    )


def test_methods_that_no_test_tells_apart_stand_together():
    told = of_photos(20, ("grad-cam", 0.9), ("lime", 0.9), ("rise", 0.5))
    assert "Grad-CAM is best cannot be told" in told or "LIME is best cannot be told" in told
    assert "all of them score better than the strongest control, Centred Gaussian" in told
    assert told.endswith("RISE is beaten by another method.")
    assert "at least" not in told


def test_a_method_below_the_strongest_control_is_not_recommended():
    told = of_photos(20, ("grad-cam", 0.15), ("lime", 0.12))
    assert told.startswith(
        "None can be recommended: even Grad-CAM, which ranks first over 1 test of faithfulness on 20 "
    )
    assert "scores no better than the strongest control, Centred Gaussian." in told


def test_of_few_photos_without_random_maps_the_bar_cannot_be_told():
    told = of_photos(3, ("grad-cam", 0.9), ("lime", 0.5))
    assert told.startswith(
        "None can be recommended: whether Grad-CAM does better than the controls cannot be told from 3"
    )


def test_without_controls_it_is_said_that_chance_is_unknown():
    told = of_photos(20, ("grad-cam", 0.9), ("lime", 0.5), controls=())
    assert told.startswith("Believe Grad-CAM: over 1 test of faithfulness on 20 photos it scores better than the other")
    assert "There was no control, so what chance would get is unknown." in told


def test_those_no_better_than_chance_are_named():
    assert judged([ABOVE], [WITHIN]).endswith("LIME does no better than the controls.")
    three = judged([ABOVE], [WITHIN], [0.4], [0.3])
    assert three.endswith("LIME, RISE and Occlusion do no better than the controls.")
    assert "no better" not in judged([ABOVE], [1.5])
    assert judged([ABOVE], [WITHIN]).startswith("Grad-CAM alone scores better than maps drawn by chance, over 1 test")


def test_where_even_the_best_is_chance_none_is_recommended():
    assert judged([WITHIN, WITHIN], [0.1, 0.1]).startswith(
        "None can be recommended: even Grad-CAM, which ranks first over 2 tests of faithfulness on 1 photo, scores no "
        "better than maps drawn by chance."
    )


def test_a_method_without_a_score_is_said_to_have_none():
    values = {UP: {"grad-cam": ABOVE, "lime": None, "rise": 1.5}}
    told = study_verdict(comparison(trial(values, {UP: CHANCE})))
    assert told.startswith("Which of Grad-CAM and RISE is best")
    assert told.endswith("LIME has no score: it has no meaning here.")


def test_a_method_that_failed_is_named_with_photos_and_reason():
    found = comparison(trial({UP: {"grad-cam": ABOVE, "lime": 1.5}}, {UP: CHANCE}), failures=[("bad.png", "it burst.")])
    told = study_verdict(found)
    assert "Grad-CAM failed on 1 of 2 photos: it burst." in told
    assert "LIME failed on 1 of 2 photos: it burst." in told


def test_without_a_test_of_faithfulness_none_is_put_first():
    told = judged([ABOVE], [WITHIN], metrics=(IDLE,))
    assert told.startswith("None of these metrics asks whether a map is true to the network")
    assert "Grad-CAM" not in told


def test_a_whole_comparison_ends_in_a_sentence():
    assert study_verdict(contest()).startswith("Grad-CAM alone scores better than the strongest control")
    assert study_verdict(contest(methods=("lime", "rise"))).startswith("LIME alone scores better")


def test_titles_of_methods_and_controls():
    assert title_of("grad-cam") == "Grad-CAM"
    assert title_of("control:random") == "Random map"
    assert len({title_of(name) for name in CONTROL_NAMES}) == len(CONTROL_NAMES) == 4


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (Mean(0.5, 0.25, 0.75, 2), "0.500 (0.250 to 0.750)"),
        (Mean(-0.5, -0.75, 0.0, 2), "−0.500 (−0.750 to 0.000)"),
        (Mean(0.5, 0.5, 0.5, 2), "0.500"),
        (Mean(0.5, np.nan, np.nan, 2), "0.500"),
        (Mean(0.5, 0.4999, 0.5001, 2), "0.500"),
        (Mean(0.5, 0.4997, 0.5003, 2), "0.500 (0.500 to 0.500)"),
        (Mean(-1e-5, -1e-5, 0.0, 2), "0.000"),
    ],
)
def test_a_score_has_an_interval_where_it_is_one(cell, words):
    assert cell_words(cell) == words
