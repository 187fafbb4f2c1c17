"""The report of a study: every number of it, its failures, and tables for papers."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Pillow

from report.test_explain import Page
from seewhy.images import Folder
from seewhy.metrics import metric_info
from seewhy.report.study_photos import THUMBNAIL
from seewhy.report.study_tables import grids, latex, markdown
from seewhy.study import Failure, Plan, Result, Unit
from seewhy.study.results import table
from seewhy.study.score import CHANCE
from seewhy.study.scores import ModelScores, means_of
from seewhy.verbs.study import Study

MODELS = ("torchvision:vgg16", "torchvision:res_net&50")
METHODS = ("grad-cam", "lime", CHANCE)
METRICS = ("average-drop-hard", "road", "infidelity", "pointing-game", "sparseness")
PHOTOS = [f"p{number}.png" for number in range(8)]
# What each model, method and metric scores on average; grad-cam is best, all the more with the second model.
WORTH = {"grad-cam": 0.5, "lime": 0.3, CHANCE: 0.1}


def value(model, method, metric, photo):
    worth = WORTH[method] + 0.2 * MODELS.index(model) * (method == "grad-cam") + 0.01 * PHOTOS.index(photo)
    return 1 - worth if metric in {"average-drop-hard", "infidelity"} else worth


def done(model, method, photo):
    about = {"target": 3, "label": "<b>cat", "probability": 0.25, "layer": None, "reason": None, "checks": "{}"}
    scores = ({"metric": metric, "value": value(model, method, metric, photo), **about} for metric in METRICS)
    return Result(Unit(model, method, photo), tuple(scores))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two models, three methods, eight photos, six with masks, and one that cannot be opened."""
    root = tmp_path_factory.mktemp("photos")
    for place, name in enumerate(PHOTOS):
        Pillow.fromarray(np.full((200, 300, 3), 20 * place, np.uint8)).save(root / name)
    (root / "bad.png").write_bytes(b"no picture")
    folder = Folder.open(root)
    plan = Plan(
        models={model: letter * 64 for model, letter in zip(MODELS, "ab", strict=True)},
        methods={"grad-cam": {"layers": []}, "lime": {"samples": 1000}, CHANCE: {}},
        metrics={metric: ({"cells": 14} if metric != "pointing-game" else {}) for metric in METRICS},
        images=folder.hashes,
        masks=dict.fromkeys(PHOTOS[:6], "c" * 64),
        batch_size=16,
        seed=5,
    )
    units = [(model, method, photo) for model in MODELS for method in METHODS for photo in PHOTOS]
    failed = [
        Result(Unit(model, method, "bad.png"), (), Failure("BadImage", "bad.png is <no> picture"))
        for model in MODELS
        for method in METHODS
    ]
    return Study(plan, table([done(*unit) for unit in units]), tuple(failed), folder)


@pytest.fixture(scope="module")
def out(study, tmp_path_factory):
    """The folder that the report of it was written to."""
    return study.save(tmp_path_factory.mktemp("out"))


@pytest.fixture(scope="module")
def page(out):
    return Page((out / "report.html").read_text("utf-8"))


@pytest.fixture
def rewritten(study, tmp_path):
    """The page of the same study with something changed."""

    def write(**changes):
        out = replace(study, **changes).save(tmp_path)
        return Page((out / "report.html").read_text("utf-8"))

    return write


def tables(page):
    """Rows of words of each table, the head first."""
    found = re.findall("<table.*?</table>", page.source, re.DOTALL)
    rows = [re.findall("<tr.*?</tr>", source, re.DOTALL) for source in found]
    return [
        [[Page(cell).text for cell in re.findall("<t[hd][ >].*?</t[hd]>", row, re.DOTALL)] for row in each]
        for each in rows
    ]


# --- The page -----------------------------------------------------------------------------------------------------


def test_a_stranger_finds_everything(page):
    for words in (
        "A study of 9 photos",
        "torchvision:vgg16: Believe Grad-CAM: over 3 tests of faithfulness on 8 photos it scores better than the",
        "and better than the strongest control, Random map (paired signed-rank tests, Holm).",
        "Grad-CAM failed on 1 of 9 photos: bad.png is <no> picture.",
        "On this photo Grad-CAM stands first; every method stands before the strongest control, Random map.",
        "Is it true to the network?",
        "Maps are compared as means of 14 × 14 cells",
        "Does it look where people would?",
        "on the 6 photos with a mask",
        "How much does it ask to look at?",
        "Do the tests agree?",
        "Which differences are more than chance?",
        "Photo by photo",
        "bad.png, 6 explanations bad.png is <no> picture",
        "float32, 1 thread, batches of 16",
        "samples=1000",
        "a single photo moves a share by 11 points",
    ):
        assert words in page.text


def test_methods_stand_best_first_and_controls_below(page):
    faithful = tables(page)[0]
    assert [row[0] for row in faithful] == ["Method", "Grad-CAM", "LIME", "Random map"]
    assert [row[1] for row in faithful] == ["Mean rank", "1.0", "2.0", ""]
    assert [row[2] for row in faithful] == ["Photos", *["8, 1 failed"] * 3]
    assert faithful[1][3] == "0.465", "eight photos have no interval that holds"
    assert page.source.count('<tr class="control">') == 2 * 3  # models, families


def test_each_model_has_its_tables_localisation_apart(page):
    heads = [each[0] for each in tables(page)[:6]]
    assert heads[0] == heads[1]
    assert ["ROAD" in " ".join(head) for head in heads] == [True, True, False, False, False, False]
    assert ["Pointing game" in " ".join(head) for head in heads] == [False, False, True, True, False, False]
    assert [Page(each).text for each in re.findall('<h3 class="model">.*?</h3>', page.source)[:2]] == list(MODELS)


def test_what_is_no_better_than_chance_is_said(study, rewritten):
    page = rewritten(table=study.table.with_columns(value=0.5))
    assert tables(page)[0][1][3] == "0.500 ≈ chance"
    assert "None can be recommended: even Grad-CAM, which ranks first over 3 tests" in page.text


def test_few_photos_cannot_tell_chance(study, rewritten):
    page = rewritten(table=study.table.filter(study.table["image"] < "p3"))
    assert "cannot be told of so few photos" in page.text
    assert "To tell 2 methods apart by a test takes 5 photos at least." in page.text
    assert "≈ chance" not in page.text


def test_a_chart_for_each_metric_tells_what_it_shows(page):
    charts = page.named("svg")
    assert len(charts) == len(METRICS)
    assert "Grad-CAM, torchvision:vgg16: 0.465;" in charts[0]["aria-label"]


def test_tests_and_metrics_are_held_against_each_other(page):
    agreement = tables(page)[6]
    assert agreement[0][1:] == [row[0] for row in agreement[1:]]
    assert {cell for row in agreement[1:] for cell in row[1:]} == {"1.00"}  # all order the methods alike
    differences = tables(page)[8]
    assert differences[0][1:] == ["Grad-CAM", "LIME", "Random map"]
    assert differences[1] == ["Grad-CAM", "", "0.023", "0.023"]  # 3 times 2 / 2⁸, by Holm


def test_every_photo_has_its_scores_and_a_small_picture(page):
    assert [each for each in re.findall("<summary>(.*?)</summary>", page.source) if each.endswith("png")] == PHOTOS
    last = tables(page)[-1]
    assert [(*row[:2], row[-1]) for row in last[1:]] == [
        (title, "<b>cat (25.0%)", model) for model in MODELS for title in ("Grad-CAM", "LIME", "Random map")
    ]
    assert last[1][2:-1] == ["0.430", "0.570", "0.430", "0.570", "0.570"]
    pictures = page.named("img")
    assert len(pictures) == len(PHOTOS)
    assert {max(int(each["width"]), int(each["height"])) for each in pictures} == {THUMBNAIL}


def test_of_many_photos_the_first_are_shown(rewritten, monkeypatch):
    monkeypatch.setattr("seewhy.report.study_photos.SHOWN", 3)
    page = rewritten()
    assert (
        "3 photos, the most telling and the first of the folder; the scores of 5 more are in results.parquet."
        in page.text
    )
    assert len(page.named("img")) == 3


def test_names_cannot_break_the_page(page):
    assert "<b>cat" not in page.source
    assert "<no>" not in page.source
    assert not page.named("script")


def test_the_same_study_gives_the_same_bytes(page, rewritten):
    assert rewritten().source == page.source


def test_photos_that_are_gone_keep_their_scores(study, rewritten, tmp_path):
    page = rewritten(folder=replace(study.folder, root=tmp_path / "moved"))
    assert not page.named("img")
    assert "p0.png" in page.text


def test_a_study_in_which_all_failed_says_why(rewritten):
    page = rewritten(table=table([]))
    assert "None of the pictures could be explained" in page.text
    assert "bad.png is <no> picture" in page.text
    assert not page.named("svg")


# --- Tables for papers --------------------------------------------------------------------------------------------


def test_markdown_has_models_down_and_metrics_across(out):
    lines = (out / "tables.md").read_text("utf-8").splitlines()
    start = lines.index("### Grad-CAM")
    head = (
        "Model | n | Average drop, subject shown alone (%) ↓ | ROAD, combined (%) ↑ | Infidelity ↓ | Sparseness (%) ↑"
    )
    assert lines[start + 2] == f"| {head} |"
    assert lines[start + 3] == "| --- | --- | ---: | ---: | ---: | ---: |"
    assert lines[start + 4] == "| torchvision:vgg16 | 8, 1 failed | 46.50 | 53.50 | 0.46 | 53.50 |"
    assert lines[start + 5].startswith(r"| torchvision:res\_net&50 | 8, 1 failed | **26.50** | **73.50** |")
    assert [line for line in lines if line.startswith("###")] == [
        *("### Grad-CAM", "### LIME", "### Random map", "### Localisation"),
    ]


def test_localisation_has_models_across(out):
    lines = (out / "tables.md").read_text("utf-8").splitlines()
    start = lines.index("### Localisation")
    assert lines[start + 2] == r"| Method | Metric | n | torchvision:vgg16 | torchvision:res\_net&50 |"
    assert lines[start + 4] == "| Grad-CAM | Pointing game (%) | 8, 1 failed | 53.50 | **73.50** |"
    assert lines[start + 6] == "| Random map | Pointing game (%) | 8, 1 failed | 13.50 | 13.50 |"


def test_latex_is_escaped_and_whole(out):
    text = (out / "tables.tex").read_text("utf-8")
    assert r"torchvision:res\_net\&50 & 8, 1 failed & $\mathbf{26.50}$" in text
    assert r"(\%) $\downarrow$" in text
    assert text.isascii()
    for line in text.splitlines():
        assert line.count("{") == line.count("}")
    for tabular in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        kinds, body = tabular
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(kinds)}
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 4


def test_intervals_are_printed_with_both_bounds():
    """Those of shares and of skewed scores are not as far from the mean on either side."""
    values = {("pointing-game", "grad-cam"): {f"{place}.png": 1.0 for place in range(20)}}
    scores = ModelScores("toy", ("grad-cam",), (metric_info("pointing-game"),), values)
    beside_means = {("toy", "pointing-game", "grad-cam"): means_of(scores, "pointing-game")["grad-cam"]}
    tables = grids([scores], beside_means)
    assert "| Grad-CAM | Pointing game (%) | 20 | 100.00 (83.89 to 100.00) |" in markdown(tables)
    beside = replace(scores, others={("pointing-game", "grad-cam"): {"0.png": 0.25, "1.png": 0.75}})
    assert "| Grad-CAM | Pointing game (%), other classes | 20 | 50.00 |" in markdown(grids([beside], beside_means))
    assert r"& 20 & $100.00$ ($83.89$ to $100.00$) \\" in latex(tables)


def test_one_model_has_nothing_in_bold(study, rewritten, tmp_path):
    rewritten(plan=replace(study.plan, models={MODELS[0]: "a" * 64}))
    assert "**" not in (tmp_path / "tables.md").read_text("utf-8")
