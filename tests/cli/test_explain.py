from __future__ import annotations

import json
import re

import numpy as np
import pytest

from cli import nets
from cli.nets import TOY
from seewhy import models
from seewhy.images import Image, open_image, save_image
from seewhy.methods import Explanation
from seewhy.verbs import best

LIKELIEST = {
    "a.png": ["goldfish", "espresso", "tiger cat"],
    "b.png": ["espresso", "goldfish", "tiger cat"],
}


@pytest.fixture
def explained(seewhy, photos):
    """Explain `a.png`; gives what was saved, by folder."""

    def run(*arguments, model=TOY):
        done = seewhy("explain", photos / "a.png", "--model", model, "--out", "out", *arguments)
        assert done.code == 0, done.err
        return {folder.name: Explanation.load(folder) for folder in (photos.parent / "out/a").iterdir()}

    return run


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def told(run):
    return [line for line in run.err.splitlines() if line.startswith("seewhy:")]


# --- What comes out -----------------------------------------------------------------------------------------------


def test_a_row_for_each_picture_a_report_and_the_files(seewhy, photos, tmp_path):
    run = seewhy("explain", photos, "--model", TOY)
    assert run.code == 0
    assert [row[:-1] for row in run.rows] == [
        [name, best.name, f"{best.probability:.1%}", "grad-cam", "relu"]
        for name in ("a.png", "b.png")
        for best in nets.named().predict(open_image(photos / name), 1)
    ]
    saved = json.loads((tmp_path / "seewhy-out/a/grad-cam/manifest.json").read_text("utf-8"))
    assert run.rows[0][-1] == f"{saved['explanation']['checks']['class_specific']:.2f}"
    assert "report: seewhy-out" in run.err
    assert names_in(tmp_path / "seewhy-out") == {"report.html", "a", "b"}
    files = {"values.npy", "others.npy", "image.png", "picture.png", "manifest.json"}
    assert names_in(tmp_path / "seewhy-out/a/grad-cam") == files
    page = (tmp_path / "seewhy-out/report.html").read_text("utf-8")
    assert all(words in page for words in ("a.png", "b.png", "goldfish", "espresso", "Grad-CAM", 'href="a/"'))


def test_pictures_and_report_are_drawn_in_the_chosen_colours(seewhy, photos, tmp_path):
    chosen = {"own": [], "same": ["--opacity", "0.8"], "weak": ["--opacity", "0.4"], "jet": ["--cmap", "jet"]}
    for out, arguments in chosen.items():
        assert seewhy("explain", photos / "a.png", "--model", TOY, "--out", out, *arguments).code == 0
    own, same, weak, jet = ((tmp_path / out / "a/grad-cam/picture.png").read_bytes() for out in chosen)
    assert own == same
    assert len({own, weak, jet}) == 3
    pages = [(tmp_path / out / "report.html").read_text("utf-8") for out in chosen]
    assert len({re.search(r"<img[^>]*Grad-CAM[^>]*>", page)[0] for page in pages}) == 3
    assert ["yours are explained by the scale" in page for page in pages] == [False, False, False, True]


def test_json_is_the_manifests_and_nothing_else(seewhy, photos, broken, tmp_path):
    run = seewhy("explain", photos, "--model", TOY, "--method", "lime,grad-cam", "--json", "--seed", "7")
    assert run.code == 3
    saved = [
        tmp_path / f"seewhy-out/{photo}/{method}/manifest.json" for photo in "ab" for method in ("lime", "grad-cam")
    ]
    manifests = [json.loads(path.read_text("utf-8")) for path in saved]
    assert run.json == [{name: each[name] for name in each if name != "files"} for each in manifests]
    assert {each["explanation"]["seed"] for each in run.json} == {7}
    assert "report:" in run.err
    assert str(broken) in run.err


def test_the_same_command_gives_the_same_bytes(explained, tmp_path):
    arguments = ("--method", "rise", "--set", "masks=20", "--seed")
    values = [explained(*arguments, seed)["rise"].values.tobytes() for seed in ("1", "1", "2")]
    assert values[0] == values[1] != values[2]


def test_bad_pictures_do_not_stop_the_rest(seewhy, photos, broken, tmp_path):
    run = seewhy("explain", broken, photos / "a.png", "missing.png", photos / "b.png", "--model", TOY)
    assert run.code == 3
    assert [row[0] for row in run.rows] == ["a.png", "b.png"]
    complaints = told(run)
    assert len(complaints) == 2
    assert str(broken) in complaints[0]
    assert "missing.png" in complaints[1]
    assert names_in(tmp_path / "seewhy-out") == {"report.html", "a", "b"}
    page = (tmp_path / "seewhy-out/report.html").read_text("utf-8")
    assert "2 photos could not be explained" in page
    assert "missing.png" in page


@pytest.mark.parametrize("model", [TOY, "py:cli.nets:undefined"])
def test_where_all_failed_it_failed(seewhy, photos, broken, tmp_path, model):
    image = broken if model == TOY else photos / "a.png"
    run = seewhy("explain", image, "--model", model, "--json")
    assert run.code == 1
    assert run.json == []
    assert len(told(run)) == 1
    assert "Nothing could be explained" in (tmp_path / "seewhy-out/report.html").read_text("utf-8")
    assert names_in(tmp_path / "seewhy-out") == {"report.html"}


def test_pictures_of_one_name_lie_apart(seewhy, photos, tmp_path):
    (photos / "more").mkdir()
    for name, origin in (("more/a.png", "b.png"), ("a.jpg", "a.png")):
        (photos / name).write_bytes((photos / origin).read_bytes())
    run = seewhy("explain", photos, "--model", TOY, "--out", "deep/er")
    assert run.code == 0
    assert names_in(tmp_path / "deep/er") == {"report.html", "a", "a-2", "a-3", "b"}
    found = [Explanation.load(tmp_path / f"deep/er/{name}/grad-cam").image for name in ("a", "a-2", "a-3")]
    assert [image.name for image in found] == ["a.jpg", "a.png", "a.png"]
    assert len({image.sha256 for image in found}) == 2


# --- Methods and their parameters ---------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--method", "--methods"])
def test_methods_are_joined_by_commas(explained, option):
    assert explained(option, "layer-cam, rise,").keys() == {"layer-cam", "rise"}


def test_settings_reach_the_methods_that_have_them(explained):
    found = explained(
        "--method", "grad-cam,rise,occlusion",
        "--set", "masks=20", "--set", "signed=true", "--set", "fill=black", "--set", "keep=0.25",
    )  # fmt: skip
    assert found["grad-cam"].parameters["signed"] is True
    assert found["grad-cam"].signed
    assert (found["rise"].parameters["masks"], found["rise"].parameters["keep"]) == (20, 0.25)
    assert found["rise"].parameters["fill"] == found["occlusion"].parameters["fill"] == "black"


def test_layers_are_joined_by_commas(explained):
    found = explained("--layer", "conv,relu", "--method", "grad-cam,rise", "--set", "masks=20")
    assert found.keys() == {"grad-cam--conv", "grad-cam--relu", "rise"}
    assert {name: each.layer for name, each in found.items()} == {
        "grad-cam--conv": "conv", "grad-cam--relu": "relu", "rise": None
    }  # fmt: skip


def test_a_second_picture_may_be_given(explained, photos):
    (found,) = explained("--method", "fam", "--reference", photos / "b.png").values()
    assert found.parameters["reference"]["name"] == "b.png"
    assert found.target_label == "like b.png"


@pytest.mark.parametrize(
    ("background", "shown"),
    [
        ("white", "white"),
        ("photos/b.png", ["b.png"]),
        ("photos", ["a.png", "b.png"]),
    ],
)
def test_a_background_is_a_fill_a_picture_or_a_folder(explained, background, shown):
    def names(parameter):
        if isinstance(parameter, str):
            return parameter
        return [image["name"] for image in parameter["Images"]["images"]]

    methods = ("--method", "deep-lift,occlusion", "--set", "stride=0.5", "--set", "size=0.5")
    found = explained(*methods, "--background", background)
    assert names(found["deep-lift"].parameters["background"]) == shown
    assert names(found["occlusion"].parameters["fill"]) == shown
    plain = explained(*methods, "--background", "black")
    assert not np.allclose(plain["occlusion"].values, found["occlusion"].values)


def test_a_black_box_answers_methods_that_want_scores_only(explained, seewhy, photos):
    found = explained("--method", "rise,lime", "--set", "masks=20", model="py:cli.nets:service")
    assert found.keys() == {"rise", "lime"}
    assert {each.classifier for each in found.values()} == {"a service"}
    run = seewhy("explain", photos, "--model", "py:cli.nets:service", "--method", "lime,grad-cam")
    assert (run.code, run.out) == (2, "")
    assert "grad-cam needs gradients, layers, which a service does not offer" in run.err


# --- Classes ------------------------------------------------------------------------------------------------------


def test_several_classes_and_contrasts_may_be_asked_about(explained):
    found = explained("--target", "tabby", "--target", "2", "--target", "tabby vs Tiger Cat")
    assert {name: (each.target.index, each.target.against) for name, each in found.items()} == {
        "grad-cam--tabby": (0, None),
        "grad-cam--goldfish": (2, None),
        "grad-cam--tabby-rather-than-tiger-cat": (0, 1),
    }
    assert {each.target.chosen for each in found.values()} == {"asked"}


def test_top_explains_the_likeliest_of_each_picture(seewhy, photos, tmp_path):
    run = seewhy("explain", photos, "--model", TOY, "--top", "3", "--method", "lime,grad-cam")
    assert run.code == 0
    asked = [(name, why) for name, classes in LIKELIEST.items() for _ in range(2) for why in classes]
    assert [(row[0], row[1]) for row in run.rows] == asked
    folders = {f"{method}--{name}" for method in ("lime", "grad-cam") for name in ("goldfish", "espresso", "tiger-cat")}
    for photo in "ab":
        assert names_in(tmp_path / "seewhy-out" / photo) == {*folders, "lime--classes.png"}
        assert open_image(tmp_path / "seewhy-out" / photo / "lime--classes.png").width > 300


# --- Questions without sense --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--method", "grad-kam"], 2, "there is no method 'grad-kam'; nearest: grad-cam"),
        (["--method", ","], 2, "name at least one method"),
        (["--target", "tiger"], 2, "nearest: 'tiger cat'"),
        (["--target", "9"], 2, "classes 0 to 3"),
        (["--target", "tabby vs tabby"], 2, "compares a class with itself"),
        (["--target", "tabby", "--top", "2"], 2, "either targets or top"),
        (["--layer", "conf"], 2, "conv"),
        (["--set", "smooth=1"], 2, "grad-cam has no parameter smooth; it has layers, signed"),
        (["--set", "smooth=1", "--methods", "grad-cam,rise"], 2, "none of the methods takes smooth"),
        (["--set", "signed"], 2, "--set wants NAME=VALUE, not 'signed'"),
        (["--set", "top=3"], 2, "write --top instead of --set top"),
        (["--method", "fam"], 2, "--reference"),
        (["--method", "fam", "--reference", "nowhere.png"], 1, "nowhere.png"),
        (["--reference", "photos/b.png"], 2, "grad-cam has no parameter reference"),
        (["--background", "blurr", "--method", "lime"], 2, "region-mean, black, grey"),
        (["--regions", "foo", "--method", "lime"], 2, "segmentation"),
        (["--regions", "slic:0", "--method", "kernel-shap"], 2, "from 2 to 1,000"),
        (["--set", "samples=5", "--method", "lime"], 2, "too few"),
        (["--set", "fill=gray", "--method", "anchors"], 2, "grey"),
        (["--background", "black"], 2, "grad-cam has no parameter background"),
        (["--cmap", "virdis"], 2, "viridis"),
        (["--opacity", "0"], 2, "opacity is 0.0"),
        (["--device", "cuda:99"], 1, "use --device cpu"),
        (["--method", "lime", "--calibrate", "photos"], 2, "--method asks for lime: say --method best, also best,lime"),
        (["--calibrate", "photos"], 2, "--method asks for grad-cam: say --method best"),
    ],
)
def test_a_question_without_sense_is_answered_before_any_work(seewhy, photos, tmp_path, arguments, code, words):
    run = seewhy("explain", photos, "--model", TOY, *arguments)
    assert (run.code, run.out) == (code, "")
    assert words in run.err
    assert names_in(tmp_path) == {"photos"}


@pytest.mark.parametrize("arguments", [["--regions", "foo"], ["--set", "samples=5"], ["--set", "keep=2"]])
def test_settings_of_methods_are_refused_before_the_model_is_loaded(seewhy, photos, monkeypatch, arguments):
    monkeypatch.setattr(models, "load", lambda *_: pytest.fail("the model was loaded"))
    assert seewhy("explain", photos, "--method", "lime", *arguments).code == 2


def test_the_best_method_may_stand_beside_others(seewhy, photos, monkeypatch):
    monkeypatch.setattr(best, "best_method", lambda *_: ("layer-cam", "it won"))
    run = seewhy("explain", photos / "a.png", "--model", TOY, "--method", "best,grad-cam,layer-cam")
    assert [row[3] for row in run.rows] == ["layer-cam", "grad-cam"]
    assert "best method: it won" in run.err


def test_regions_can_be_asked_for_by_size_and_drawn_by_hand(seewhy, photos, tmp_path):
    height, width = open_image(photos / "a.png").pixels.shape[:2]
    mask = np.zeros((height, width, 3), np.uint8)
    mask[: height // 2] = 255
    save_image(Image(mask, "mask"), tmp_path / "mask.png")
    for regions, count in (("grid:3", 9), (str(tmp_path / "mask.png"), 2)):
        run = seewhy(
            "explain", photos / "a.png", "--model", TOY, "--method", "kernel-shap", "--regions", regions, "--json"
        )
        assert len(run.json[0]["explanation"]["regions"]["weights"]) == count


def test_the_default_model_explains_a_sample(seewhy, default_classifier, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(models, "load", lambda *arguments: asked.append(arguments) or default_classifier)
    run = seewhy("explain", "sample:cat", "--target", "tabby vs tiger cat")
    assert run.code == 0
    assert asked == [("bundled:efficientnet-lite0", None, "auto")]
    ((image, why, _, method, layer, own),) = run.rows
    assert 0 <= float(own) <= 2
    assert (image, why, method) == ("chelsea.png", "tabby rather than tiger cat", "grad-cam")
    assert layer == default_classifier.default_layer
    assert (tmp_path / "seewhy-out/chelsea/grad-cam/values.npy").is_file()
