from __future__ import annotations

import json

import numpy as np
import pytest

from cli import nets
from cli.nets import TOY
from seewhy.images import Image, open_image
from seewhy.methods import Explanation
from seewhy.report.verdict import title_of
from seewhy.study.score import picture_seed
from seewhy.verbs.compare import DEFAULT_METRICS, FAST, MASK_METRICS, MOST

FEW = ("--method", "grad-cam,rise", "--metric", "insertion-minus-deletion,sparseness")
CONTROLS = ["Random map", "Empty map", "Centred Gaussian", "Sobel edges"]


@pytest.fixture
def compared(seewhy, photos):
    """Compare few methods by few metrics on `a.png`."""

    def run(*arguments):
        done = seewhy("compare", photos / "a.png", "--model", TOY, *FEW, *arguments)
        assert done.code == 0, done.err
        return done

    return run


@pytest.fixture
def masks(tmp_path):
    """A folder with the mask of `a.png` only."""
    folder = tmp_path / "masks"
    folder.mkdir()
    pixels = np.zeros((40, 48, 3), np.uint8)
    pixels[10:30, 12:36] = 255
    Image(pixels, "a.png").to_pil().save(folder / "a.png")
    return folder


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def told(run):
    return [line for line in run.err.splitlines() if line.startswith("seewhy:")]


# --- What comes out -----------------------------------------------------------------------------------------------


def test_a_row_for_each_method_and_control_a_verdict_a_report_and_the_files(compared, tmp_path):
    run = compared()
    assert sorted(row[0] for row in run.rows[:2]) == ["Grad-CAM", "RISE"]
    assert [row[0] for row in run.rows[2:]] == CONTROLS
    ranks = [row[1] for row in run.rows]
    assert ranks[0] <= ranks[1]
    assert ranks[2:] == [""] * 4
    assert {len(row) for row in run.rows} == {4}
    assert "report: seewhy-out" in run.err
    assert "over 1 test of faithfulness on 1 photo" in run.err
    assert names_in(tmp_path / "seewhy-out") == {"report.html", "scores.json", "a"}
    assert names_in(tmp_path / "seewhy-out/a") == {"grad-cam", "rise"}
    page = (tmp_path / "seewhy-out/report.html").read_text("utf-8")
    assert all(words in page for words in ("a.png", "Grad-CAM", "RISE", "Random map", "One photo says little"))


def test_json_is_strict_and_says_what_the_files_say(seewhy, photos, tmp_path):
    run = seewhy("compare", photos, "--model", TOY, *FEW, "--json", "--out", "deep/er")
    assert run.code == 0
    found = run.json
    assert found.keys() == {"best", "recommended", "judged", "verdict", "photo_verdicts", "scores", "notes"}
    assert found["best"] is None, "two photos single out no method"
    assert {*found["judged"]["order"]} == {"grad-cam", "rise"}
    assert title_of(found["judged"]["order"][0]) in found["verdict"]
    assert [each["image"] for each in found["photo_verdicts"]] == ["a.png", "b.png"]
    assert len(found["scores"]) == (2 + 4) * 2
    assert found["scores"][0]["method"] == found["judged"]["order"][0]
    saved = json.loads((tmp_path / "deep/er/scores.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert len(saved.pop("photos")) == 2 * (2 + 4) * 2
    assert list(saved.pop("files")) == ["report.html"]
    assert saved == found
    assert names_in(tmp_path / "deep/er") == {"report.html", "scores.json", "a", "b"}
    assert "report:" in run.err


def test_json_holds_no_numbers_where_there_are_none(compared):
    run = compared("--json", "--metric", "idsds")
    values = {row["method"]: row["value"] for row in run.json["scores"]}
    assert values["control:empty"] is None
    assert values["control:random"] is not None
    assert len({tuple(row) for row in run.json["scores"]}) == 1, "every row has the same keys"


def test_the_seed_reaches_maps_and_metrics(compared, tmp_path):
    compared("--seed", "7", "--out", "one")
    compared("--seed", "8", "--out", "two")
    one, two = (Explanation.load(tmp_path / name / "a/rise") for name in ("one", "two"))
    image = open_image(tmp_path / "photos/a.png")
    assert (one.seed, two.seed) == (picture_seed(7, image), picture_seed(8, image))
    assert not np.array_equal(one.values, two.values)


def test_without_names_it_is_fast_methods_and_four_metrics(seewhy, photos):
    run = seewhy("compare", photos / "a.png", "--model", TOY, "--json")
    assert run.code == 0, run.err
    names = dict.fromkeys(row["method"] for row in run.json["scores"])
    assert {name for name in names if not name.startswith("control:")} == set(FAST[:MOST])
    assert list(dict.fromkeys(row["metric"] for row in run.json["scores"])) == list(DEFAULT_METRICS)


@pytest.mark.parametrize("options", [("--methods", "--metrics"), ("--method", "--metric")])
def test_names_are_joined_by_commas(seewhy, photos, options):
    method, metric = options
    run = seewhy(
        "compare", photos / "a.png", "--model", TOY, method, "rise, lime,", metric, "sparseness,entropy,", "--json"
    )
    assert {(row["method"], row["metric"]) for row in run.json["scores"]} >= {
        (name, each) for name in ("rise", "lime") for each in ("sparseness", "entropy")
    }


def test_a_class_may_be_asked_about(compared, tmp_path):
    compared("--target", "tabby vs tiger cat")
    found = Explanation.load(tmp_path / "seewhy-out/a/grad-cam")
    assert (found.target.index, found.target.against) == (0, 1)
    likeliest = nets.named().predict(open_image(tmp_path / "photos/a.png"), 1)[0]
    compared()
    assert Explanation.load(tmp_path / "seewhy-out/a/grad-cam").target.index == likeliest.index


def test_cells_change_what_tests_of_faithfulness_see(compared):
    def values(metric, *arguments):
        rows = compared("--json", *arguments).json["scores"]
        return [row["value"] for row in rows if row["metric"] == metric]

    coarse, whole = ("--cells", "2"), ("--cells", "0")
    assert values("sparseness", *coarse) == values("sparseness", *whole)
    difference = np.subtract(values("insertion-minus-deletion", *coarse), values("insertion-minus-deletion", *whole))
    assert np.abs(difference).max() > 1e-3


def test_a_black_box_is_compared_by_methods_that_want_scores_only(seewhy, photos):
    run = seewhy("compare", photos / "a.png", "--model", "py:cli.nets:service", *FEW[2:], "--json")
    assert run.code == 0, run.err
    names = {row["method"] for row in run.json["scores"] if row["mean_rank"]}
    assert names == {"lime", "partition-shap", "occlusion", "rise"}


# --- Masks --------------------------------------------------------------------------------------------------------


def test_masks_bring_the_metrics_that_need_them(seewhy, photos, masks):
    run = seewhy("compare", photos, "--model", TOY, "--method", "grad-cam,rise", "--masks", masks, "--json")
    assert run.code == 0, run.err
    rows = {(row["method"], row["metric"]): row for row in run.json["scores"]}
    assert {metric for _, metric in rows} == {*DEFAULT_METRICS, *MASK_METRICS}
    assert rows["control:gaussian", "pointing-game"]["value"] == 1, "the object is in the middle"
    assert rows["grad-cam", "pointing-game"]["beats_chance"] is not None


def test_masks_of_other_pictures_are_refused(seewhy, photos, masks):
    (masks / "a.png").rename(masks / "c.png")
    run = seewhy("compare", photos, "--model", TOY, *FEW, "--masks", masks)
    assert (run.code, run.out) == (2, "")
    assert "no mask in" in run.err
    assert "is named like a picture" in run.err


# --- What goes wrong ----------------------------------------------------------------------------------------------


def test_bad_pictures_do_not_stop_the_rest(seewhy, photos, broken, tmp_path):
    run = seewhy("compare", broken, photos / "a.png", "missing.png", "--model", TOY, *FEW)
    assert run.code == 3
    assert len(run.rows) == 6
    complaints = told(run)
    assert len(complaints) == 2
    assert str(broken) in complaints[0]
    assert "missing.png" in complaints[1]
    page = (tmp_path / "seewhy-out/report.html").read_text("utf-8")
    assert "Not explained" in page
    assert "missing.png" in page
    assert names_in(tmp_path / "seewhy-out") == {"report.html", "scores.json", "a"}


@pytest.mark.parametrize("masked", [False, True])
def test_where_none_can_be_opened_it_failed(seewhy, broken, masks, tmp_path, masked):
    run = seewhy("compare", broken, "--model", TOY, *FEW, *(["--masks", masks] if masked else []))
    assert (run.code, run.out) == (1, "")
    assert len(told(run)) == 1
    assert str(broken) in run.err
    assert "no mask" not in run.err
    assert not (tmp_path / "seewhy-out").exists()


def test_where_none_can_be_opened_json_says_so(seewhy, broken):
    run = seewhy("compare", broken, "--model", TOY, *FEW, "--json")
    assert run.code == 1
    assert run.json["best"] is None
    assert "nothing to compare" in run.json["verdict"]
    assert {row["value"] for row in run.json["scores"]} == {None}


def test_a_picture_that_cannot_be_explained_does_not_stop_the_rest(seewhy, photos, tmp_path):
    Image(np.full((40, 48, 3), 255, np.uint8), "white.png").to_pil().save(photos / "white.png")
    run = seewhy("compare", photos, "--model", "py:cli.nets:dazzled", *FEW)
    assert run.code == 3
    assert len(run.rows) == 6
    (complaint,) = told(run)
    assert "white.png" in complaint
    assert "NaN" in complaint
    page = (tmp_path / "seewhy-out/report.html").read_text("utf-8")
    assert "Not explained" in page
    assert names_in(tmp_path / "seewhy-out") == {"report.html", "scores.json", "a", "b"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--method", "grad-cam"], 2, "two methods at least; `seewhy list methods` has them"),
        (["--method", "grad-cam,grad-kam"], 2, "there is no method 'grad-kam'; nearest: grad-cam"),
        (["--method", "grad-cam,fam"], 2, "fam needs reference, which is not at hand; leave it out"),
        (["--metric", "roads"], 2, "there is no metric 'roads'; nearest: road"),
        (["--metric", "road,pointing-game"], 2, "pointing-game needs to know where the object is: give --masks FOLDER"),
        (["--target", "tiger"], 2, "nearest: 'tiger cat'"),
        (["--target", "9"], 2, "classes 0 to 3"),
        (["--cells", "-1"], 2, "--cells"),
        (["--device", "cuda:99"], 1, "use --device cpu"),
    ],
)
def test_a_question_without_sense_is_answered_before_any_work(seewhy, photos, tmp_path, arguments, code, words):
    run = seewhy("compare", photos, "--model", TOY, *arguments)
    assert (run.code, run.out) == (code, "")
    assert words in run.err
    assert names_in(tmp_path) == {"photos"}


def test_a_network_that_gives_nonsense_is_told(seewhy, photos, tmp_path):
    run = seewhy("compare", photos, "--model", "py:cli.nets:undefined", *FEW)
    assert (run.code, run.out) == (1, "")
    assert len(told(run)) == 2, "one for each picture"
    assert names_in(tmp_path) == {"photos"}
