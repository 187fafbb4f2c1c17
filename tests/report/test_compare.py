from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from report.samples import photo
from report.test_explain import Page
from report.viewing import VIEWS, shown
from seewhy.metrics import metric_info
from seewhy.report.study import DRAWN, study_page
from seewhy.report.verdict import study_verdict
from seewhy.verbs.compare import FAST, MOST
from study.contests import METHODS, UP, comparison, contest, trial

CONTROL_TITLES = ["Random map", "Centred Gaussian", "Sobel edges", "Empty map"]


FAILED = ("broken <b>.jpg", "it holds no bytes at all. Copy it again.")


@pytest.fixture
def report():
    return lambda found: Page(study_page(found))


def table(page, number=0):
    """Its rows as lists of words, the head first."""
    source = re.findall("<table.*?</table>", page.source, re.DOTALL)[number]
    rows = re.findall("<tr.*?</tr>", source, re.DOTALL)
    return [[Page(cell).text for cell in re.findall("<t[hd].*?</t[hd]>", row, re.DOTALL)] for row in rows]


def headings(page):
    return [Page(each).text for each in re.findall("<h2.*?</h2>", page.source, re.DOTALL)]


# --- What a stranger finds ----------------------------------------------------------------------------------------


def test_the_verdict_comes_first(report):
    found = contest()
    page = report(found)
    assert f"Which explanation to believe {study_verdict(found)}" in page.text
    assert page.text.index("Grad-CAM alone scores better") < page.text.index("0.png")
    assert "1 photo, bundled:tiny." in page.text


def test_the_pictures_stand_in_a_row_best_first(report):
    found = comparison(trial({UP: {"lime": 0.1, "grad-cam": 0.3, "rise": 0.2, "control:random": 0.9}}))
    page = report(found)
    captions = [Page(each).text for each in re.findall("<figcaption>.*?</figcaption>", page.source, re.DOTALL)]
    assert captions == ["Photo", "1. Grad-CAM", "2. RISE", "3. LIME", "Random map"]
    assert "cat.png Why tiger cat (60.0%)?" in page.text
    alts = [each["alt"] for each in page.named("img")]
    assert alts[0].startswith("The photo cat.png")
    assert [alt.partition(" on ")[0] for alt in alts[1:]] == ["Grad-CAM", "RISE", "LIME", "Random map"]
    assert all("“tiger cat”" in alt for alt in alts[1:4])


def test_every_method_and_control_has_its_row_of_scores(report):
    page = report(contest())
    head, *rows = table(page)
    assert head == [
        "Method", "Mean rank", "Photos", "ROAD, combined higher is better", "Insertion − deletion higher is better",
        "Infidelity lower is better",
    ]  # fmt: skip
    assert rows[0] == ["Grad-CAM", "1.0", "1", "0.905 (0.900 to 0.910)", "0.900", "0.100"]
    assert rows[1] == [
        "LIME", "2.0", "1", "0.104 (0.099 to 0.109) ≈ chance", "0.099 ≈ chance", "0.901 ≈ chance"
    ]  # fmt: skip
    assert [row[0] for row in rows[2:]] == CONTROL_TITLES
    assert {row[1] for row in rows[2:]} == {""}
    assert page.source.count('<tr class="control">') == 3 * len(CONTROL_TITLES)


def test_plausibility_and_tidiness_stand_apart_without_ranks(report):
    page = report(contest())
    assert headings(page)[1:] == [
        "Is it true to the network?", "Does it look where people would?", "How much does it ask to look at?",
        "How the class comes and goes", "Do they agree?", "To repeat this", "What this cannot tell you",
    ]  # fmt: skip
    for number, metric in ((1, "pointing-game"), (2, "sparseness")):
        head, *rows = table(page, number)
        assert head[0] == "Method"
        assert head[2].startswith(metric_info(metric).title)
        assert [row[1] for row in rows] == ["1"] * 6
    assert "It does not count for the rank" in page.text
    assert [row[2] for row in table(page, 2)[1:]] == ["0.500"] * 6, "nothing is said of chance"


def test_every_metric_is_explained(report):
    page = report(contest())
    for metric in contest().metrics:
        assert f"{metric.title} {metric.question} {metric.reading}" in page.text
    assert page.text.count(metric_info(UP).reading) == 1


def test_an_undefined_score_is_a_dash(report):
    page = report(comparison(trial({UP: {"grad-cam": None, "lime": 0.2}}, {UP: [0.5] * 30})))
    assert [row[2:] for row in table(page)[1:]] == [["1", "0.200 ≈ chance"], ["0", "–"]]


def test_curves_are_drawn_for_methods_and_the_random_control(report):
    page = report(contest())
    charts = re.findall("<svg.*?</svg>", page.source, re.DOTALL)
    assert [each["role"] for each in page.named("svg")] == ["img", "img"]
    for chart in charts:
        assert re.findall("<title>(.*?)</title>", chart) == ["Grad-CAM", "LIME", "Random map"]
    # Insertion's mean is half of what the score says, deletion's the rest of the way to 1.
    assert page.named("svg")[0]["aria-label"].startswith(
        "probability by of the pixels: Grad-CAM averages 45.0%; LIME averages 5.0%;"
    )
    assert "Grad-CAM averages 55.0%" in page.named("svg")[1]["aria-label"]
    assert "the sooner a curve rises, the better" in page.text
    assert "the sooner a curve falls, the better" in page.text


def test_without_curves_there_is_no_such_part(report):
    page = report(comparison(trial({UP: dict.fromkeys(METHODS, 0.5)}, {UP: [0.1] * 30})))
    assert "How the class comes and goes" not in page.text
    assert not page.named("svg")


def test_agreement_is_a_matrix_best_first(report):
    ramp = np.arange(28 * 28, dtype=np.float32).reshape(28, 28)
    maps = {"lime": ramp, "grad-cam": 1000 - ramp, "rise": ramp**2}
    page = report(comparison(trial({UP: {"lime": 0.1, "grad-cam": 0.3, "rise": 0.2}}, maps=maps)))
    assert table(page, 1) == [
        ["", "Grad-CAM", "RISE", "LIME"],
        ["Grad-CAM", "1.00", "−1.00", "−1.00"],
        ["RISE", "−1.00", "1.00", "1.00"],
        ["LIME", "−1.00", "1.00", "1.00"],
    ]
    strengths = re.findall(r"rgba\(210, 100, 26, ([\d.]+)\)", page.source)
    assert [float(each) for each in strengths] == [0.6, 0, 0, 0, 0.6, 0.6, 0, 0.6, 0.6]


def test_chance_is_told_with_the_number_of_maps(report):
    assert "one in twenty of 30 random maps, or more, scores as well" in report(contest()).text
    unknown = report(comparison(trial({"adcc": dict.fromkeys(METHODS, 0.5)}, {"adcc": []})))
    assert "random maps" not in unknown.text
    assert "≈" not in unknown.text


# --- One photo, several photos ------------------------------------------------------------------------------------


def test_what_brackets_mean_hangs_on_how_many_photos_there_are(report):
    one, several = report(contest()), report(contest(3))
    assert "Brackets show how far the score moves when the test is drawn again." in one.text
    assert "One photo says little: give a folder." in one.text
    assert "Brackets hold 95 % intervals over the photos" in several.text
    assert "from 12 photos on" in several.text
    assert "One photo says little" not in several.text
    assert "3 photos, bundled:tiny." in several.text


def test_of_many_photos_the_first_are_shown_and_the_rest_are_counted(report):
    page = report(contest(DRAWN + 2))
    assert f"{DRAWN - 1}.png Why" in page.text
    assert f"{DRAWN}.png Why" not in page.text
    assert f"{DRAWN + 2} photos, bundled:tiny." in page.text
    assert "2 more photos count below without pictures here." in page.text
    assert "1 more photo counts below" in report(contest(DRAWN + 1)).text
    assert "without pictures here" not in report(contest(DRAWN)).text


def test_curves_of_several_photos_are_their_mean(report):
    page = report(contest(2))
    assert page.named("svg")[0]["aria-label"] == report(contest(1)).named("svg")[0]["aria-label"]


# --- The page itself ----------------------------------------------------------------------------------------------


def test_nothing_comes_from_elsewhere(report):
    page = report(contest(2, failures=[FAILED]))
    loaded = {tag for tag, attributes in page.tags if {"src", "srcset", "poster", "data"} & attributes.keys()}
    assert loaded == {"img"}
    assert all(each["src"].startswith("data:image/") for each in page.named("img"))
    assert not {"script", "iframe", "object", "embed", "form", "base"} & {tag for tag, _ in page.tags}
    assert [each["href"] for each in page.named("link")] == ["data:,"]
    assert not [name for _, each in page.tags for name in each if name.startswith("on")]
    assert "@import" not in page.source
    assert "url(" not in page.source


def test_names_cannot_break_out_of_the_page(report):
    nasty = '<script>alert("x")</script>'
    made = trial({UP: dict.fromkeys(METHODS, 0.5)}, image=photo(nasty), target_label=nasty, classifier=nasty)
    page = report(comparison(made, failures=[(nasty, nasty)]))
    assert "<script" not in page.source
    assert page.text.count("alert") >= 5


def test_failures_are_listed_with_their_words(report):
    page = report(contest(failures=[FAILED, ("b.jpg", "it holds no bytes.")]))
    assert "Not explained" in headings(page)
    assert "broken <b>.jpg, 6 explanations it holds no bytes at all. Copy it again." in page.text
    assert "Not explained" not in report(contest()).text


def test_a_reader_of_headings_gets_an_outline(report):
    page = report(contest(2, failures=[FAILED]))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert {each["scope"] for each in page.named("th")} == {"row", "col"}
    assert all(each["alt"] for each in page.named("img"))
    assert not [
        name for name, count in Counter(each["id"] for _, each in page.tags if "id" in each).items() if count > 1
    ]


def test_the_same_comparison_gives_the_same_bytes():
    assert study_page(contest(2, failures=[FAILED])) == study_page(contest(2, failures=[FAILED]))


def noted(explanations):
    """With two notes under one of the pictures."""
    first, *rest = explanations.items()
    notes = ("Only 4% of the score reached the pixels; the rest stayed with the network.", "There is one more thing.")
    return {first[0]: replace(first[1], notes=notes), **dict(rest)}


@pytest.mark.browser
def test_a_browser_shows_it_on_phone_and_desk_by_day_and_night(tmp_path, browser):
    found = contest(2, methods=FAST[:MOST], failures=[("a" * 200, "it holds no bytes.")])
    told = {name: replace(each, explanations=noted(each.explanations)) for name, each in found.explained.items()}
    path = replace(found, explained=told).save(tmp_path / "out") / "report.html"
    assert len([*shown(browser, path)]) == len(VIEWS)
