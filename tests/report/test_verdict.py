from __future__ import annotations

import numpy as np
import pytest

from seewhy.report.study import cell_words, study_verdict, title_of
from seewhy.study.summary import Mean
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


def test_the_best_is_named_with_what_it_beat():
    assert judged([ABOVE, ABOVE, ABOVE], [1.5, 1.5, 1.5]) == (
        "Believe Grad-CAM first: of 2 methods it ranks best over 3 tests of faithfulness and beats maps drawn by "
        "chance in all of them."
    )


@pytest.mark.parametrize(
    ("best", "words"),
    [
        ([ABOVE], "over 1 test of faithfulness and beats maps drawn by chance in it."),
        ([ABOVE, ABOVE], "over 2 tests of faithfulness and beats maps drawn by chance in both."),
        ([ABOVE, 0.96], "over 2 tests of faithfulness and beats maps drawn by chance in 1 of them."),
        ([ABOVE, 0.96, ABOVE, ABOVE], "over 4 tests of faithfulness and beats maps drawn by chance in 3 of them."),
        ([0.96, 0.96], "over 2 tests of faithfulness and beats maps drawn by chance in all of them together."),
    ],
)
def test_tests_are_counted_as_people_speak(best, words):
    assert judged(best, [0.0] * len(best)).partition(" LIME")[0].endswith(words)


def test_those_no_better_than_chance_are_named():
    assert judged([ABOVE], [WITHIN]).endswith("in it. LIME does no better than chance here.")
    three = judged([ABOVE], [WITHIN], [0.4], [0.3])
    assert three.endswith("in it. LIME, RISE and Occlusion do no better than chance here.")
    assert "chance here" not in judged([ABOVE], [1.5])


def test_controls_are_not_worth_a_word():
    values = {UP: {"grad-cam": ABOVE, "lime": 1.5, "control:random": WITHIN, "control:empty": 0.0}}
    told = study_verdict(comparison(trial(values, {UP: CHANCE})))
    assert "Random" not in told
    assert "no better than chance" not in told


def test_where_even_the_best_is_chance_none_is_recommended():
    assert judged([WITHIN, WITHIN], [0.1, 0.1]) == (
        "None can be recommended: even Grad-CAM, which ranks first in 2 tests of faithfulness, scores no better than "
        "maps drawn by chance."
    )


def test_a_method_without_a_score_is_said_to_have_none():
    values = {UP: {"grad-cam": ABOVE, "lime": None, "rise": 1.5}}
    told = study_verdict(comparison(trial(values, {UP: CHANCE})))
    assert told.endswith("in it. LIME got no score, and so the last rank.")


def test_without_a_test_of_faithfulness_none_is_put_first():
    told = judged([ABOVE], [WITHIN], metrics=(IDLE,))
    assert told.startswith("None of these metrics asks whether a map is true to the network")
    assert "Grad-CAM" not in told


def test_what_chance_would_get_is_not_made_up():
    told = judged([ABOVE], [WITHIN], metrics=("adcc",), chance={"adcc": []})
    assert told == (
        "Believe Grad-CAM first: of 2 methods it ranks best over 1 test of faithfulness; what chance would get is "
        "unknown."
    )


def test_a_whole_comparison_ends_in_a_sentence():
    assert study_verdict(contest()).startswith("Believe Grad-CAM first")
    assert study_verdict(contest(methods=("lime", "rise"))).startswith("Believe LIME first")


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
        (Mean(0.5, 0.4999, 0.5001, 2), "0.500"),
        (Mean(0.5, 0.4997, 0.5003, 2), "0.500 (0.500 to 0.500)"),
        (Mean(-1e-5, -1e-5, 0.0, 2), "0.000"),
    ],
)
def test_a_score_has_an_interval_where_it_is_one(cell, words):
    assert cell_words(cell) == words
