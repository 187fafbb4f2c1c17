"""The door for people who write Python: what it takes, what it refuses before any work, and what it gives back."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import OrderedDict
from errno import ENOSPC
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from torch import nn

import seewhy
import zoo
from seewhy.core.names import canonical
from seewhy.errors import BadImage, ModelError, NotWritten, SeewhyError, UnknownName, UsageError
from seewhy.images import Image, find_images
from seewhy.methods import find_method
from seewhy.methods.cam import GradCAM
from seewhy.models import Classifier, Preprocessing, Target

ROOT = Path(__file__).resolve().parents[1]
PHOTO, OTHER = zoo.photos(2)


class Counted(nn.Module):
    """A network that counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.inner = zoo.network("gap-linear")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.asked += 1
        return self.inner(x)


@pytest.fixture
def counted():
    """A classifier that has not been asked for anything since it was wrapped."""
    made = Classifier.from_module(Counted().eval(), Preprocessing(zoo.SIZE), name="counted")
    made.module.asked = 0
    return made


@pytest.fixture(scope="module")
def toy():
    return zoo.classifier("gap-linear")


def address_free(case) -> str:
    """A name that every process gives alike: functions have addresses."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(case[0]))


# --- What is refused ----------------------------------------------------------------------------------------------

WRONG = [
    # asked, the argument that is named, the cure
    ({"method": 42}, "method is", "grad-cam"),
    ({"method": 2.5}, "method is", "seewhy list methods"),
    ({"method": True}, "method is", "seewhy list methods"),
    ({"method": None}, "at least one method", "seewhy list methods"),
    ({"method": []}, "method is an empty list", "leave method out"),
    ({"method": ["grad-cam", 7]}, "method is", "not 7"),
    ({"method": nn.Conv2d}, "method is", "seewhy.methods"),
    ({"method": lambda *_: []}, "method is", "not a function"),
    ({"method": {"grad-cam"}}, "method is", "a list of them"),
    ({"method": "grad-kam"}, "no method 'grad-kam'", "nearest: grad-cam"),
    ({"target": 3.5}, "target is", "not 3.5"),
    ({"target": True}, "target is", "not True"),
    ({"target": []}, "target is an empty list", "leave target out"),
    ({"target": [1, None]}, "target is", "not None"),
    ({"target": {"cat": 1}}, "target is", "not a dict"),
    ({"target": np.array([1, 2])}, "target is", ".tolist()"),
    ({"target": torch.tensor([1, 2])}, "target is", ".tolist()"),
    ({"target": b"cat"}, "target is", "not a bytes"),
    ({"layer": 5}, "layer is", "not 5"),
    ({"layer": True}, "layer is", "a module of the network"),
    ({"layer": []}, "layer is an empty list", "leave layer out"),
    ({"layer": ["inner.conv", 3]}, "layer is", "seewhy list layers"),
    ({"layer": "inner.konv"}, "no layer 'inner.konv'", "nearest: inner.conv"),
    ({"layer": ""}, "no layer ''", "seewhy list layers"),
    ({"layer": nn.ReLU()}, "layer is a ReLU that is no part", "its name"),
    ({"layer": "inner.conv", "method": "rise"}, "rise has no parameter layers", "it has batch_size"),
    ({"layers": ["inner.conv"]}, "explain takes layer=", "not layers="),
    ({"layers": "inner.conv"}, "explain takes layer=", "not layers="),
    ({"targets": [1]}, "no parameter targets", "targets → target"),
    ({"methd": "lime"}, "no parameter methd", "methd → method"),
    ({"methods": ["lime"]}, "no parameter methods", "methods → method"),
    ({"classes": 1}, "no parameter classes", "it has layers, signed"),
    ({"cls": 1, "self": 2}, "no parameter cls, self", "it has layers, signed"),
    ({"sined": True}, "no parameter sined", "sined → signed"),
    ({"signed": "yes"}, "signed", "true or false"),
    ({"method": find_method("rise", masks=20), "masks": 30}, "takes masks", "set them there"),
    ({"method": ["grad-cam", "lime"], "mask": 30}, "takes mask", "those asked for by name take"),
    ({"seed": "a"}, "seed is", "not a str"),
    ({"seed": 1.0}, "seed is", "whole number"),
    ({"seed": None}, "seed is", "not None"),
    ({"seed": 2**63}, "seed is", "63 bits"),
    ({"top": 0}, "top is", "at least 1"),
    ({"top": -1}, "top is", "at least 1"),
    ({"top": 2.0}, "top is", "not 2.0"),
    ({"top": "3"}, "top is", "not a str"),
    ({"top": True}, "top is", "not True"),
    ({"top": 2, "target": 1}, "either targets or top", "top picks"),
    ({"progress": 3}, "progress is called with", "int cannot be"),
    ({"progress": None}, "progress is called with", "(done, total, message)"),
]


@pytest.mark.parametrize(("asked", "names", "cure"), WRONG, ids=map(address_free, WRONG))
def test_what_is_asked_wrongly_is_refused_by_name_before_any_work(counted, asked, names, cure):
    with pytest.raises(UsageError) as caught:
        seewhy.explain(counted, PHOTO, **asked)
    assert names in str(caught.value)
    assert cure in str(caught.value)
    assert counted.module.asked == 0


NO_PICTURES = [
    (None, "NoneType"),
    (3, "int"),
    (True, "bool"),
    ({"a": 1}, "dict"),
    (object(), "object"),
    ([PHOTO, None], "NoneType"),
    ([[PHOTO]], "do not nest"),
    ((each for each in [PHOTO]), "list"),
    (ROOT / "docs", "find_images"),
    (["missing.png"], "no file"),
    (b"no picture", "a text and no picture"),
    (np.zeros((8, 9), np.int64), "uint8"),
    (np.full((8, 9, 3), 255.0), "Divide by 255"),
    (np.full((8, 9, 3), np.nan), "nan_to_num"),
    (np.zeros((8, 9, 2), np.uint8), "2 channels, and the network takes 3"),
    (np.zeros(9), "(H, W, C)"),
    (torch.randn(3, 8, 9), "seewhy.attribute"),
    (torch.randn(2, 3, 8, 9), "seewhy.attribute"),
    (torch.zeros(3, 8, 9, dtype=torch.int64), "uint8"),
    (torch.zeros(1, 1, 3, 8, 9), "(H, W, C)"),
]


@pytest.mark.parametrize(("pictures", "words"), NO_PICTURES, ids=[words for _, words in NO_PICTURES])
@pytest.mark.parametrize("target", [None, 1])
def test_what_is_no_picture_is_refused_before_any_work(counted, pictures, words, target):
    with pytest.raises(BadImage) as caught:
        seewhy.explain(counted, pictures, target=target)
    assert words in str(caught.value)
    assert counted.module.asked == 0


@pytest.mark.parametrize(
    "pictures", [None, 3, [None], 5 * torch.ones(3, 8, 9)], ids=["none", "number", "list", "range"]
)
def test_predict_refuses_what_explain_refuses(counted, pictures):
    with pytest.raises(BadImage):
        counted.predict(pictures)
    assert counted.module.asked == 0


@pytest.mark.parametrize("top", [0, -1, True, 2.0, "5", None])
def test_predict_names_one_class_at_least(counted, top):
    with pytest.raises(UsageError, match="top is how many classes"):
        counted.predict(PHOTO, top)
    assert counted.module.asked == 0


@pytest.mark.parametrize(
    ("classifier", "cure"),
    [
        (None, r"seewhy.load\(\)"),
        ("bundled:efficientnet-lite0", r"seewhy.load\('bundled:efficientnet-lite0'\)"),
        (Counted(), r"from_module\(network.*seewhy.attribute\(network, x\)"),
        (lambda x: x, r"not a function; seewhy.load\(\)"),
    ],
)
def test_what_is_no_classifier_is_refused_with_the_way_to_make_one(classifier, cure):
    with pytest.raises(UsageError, match=cure):
        seewhy.explain(classifier, PHOTO)
    assert getattr(classifier, "asked", 0) == 0


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (4, "classes 0 to 3"),
        (-1, "classes 0 to 3"),
        (Target(9), "classes 0 to 3"),
        (Target(1, against=9), "classes 0 to 3"),
        ("klass 1", "nearest: 'class 1'"),
    ],
)
def test_a_class_that_is_not_there_is_refused(toy, target, words):
    with pytest.raises(UsageError, match=words):
        seewhy.explain(toy, PHOTO, target=target)


def test_what_the_network_itself_raises_names_the_picture():
    grey = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).eval()
    with pytest.raises(ModelError, match=r"takes 1 channels, not 3: Preprocessing\(mean=\(0.5,\), std=\(0.5,\)\)"):
        Classifier.from_module(grey, Preprocessing(zoo.SIZE), ["a", "b", "c"])
    module = zoo.RaisesAt(-1)
    classifier = Classifier.from_module(module, Preprocessing(zoo.SIZE))
    module.call = module.calls + 1
    with pytest.raises(ModelError, match=r"photo 0: the network raised RuntimeError: .* told to fail here"):
        seewhy.explain(classifier, PHOTO)
    module.call = module.calls + 1
    with pytest.raises(SeewhyError, match="photo 0 or photo 1"):
        seewhy.explain(classifier, [PHOTO, OTHER])


# --- What is taken ------------------------------------------------------------------------------------------------


def test_every_kind_of_picture_gives_the_same_values(toy, tmp_path):
    path, stream = tmp_path / "photo.png", BytesIO()
    PHOTO.to_pil().save(path)
    PHOTO.to_pil().save(stream, "PNG")
    pixels = np.array(PHOTO.pixels)
    floats = pixels / 255
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)
    kinds = [
        path, str(path), stream.getvalue(), PHOTO.to_pil(), PHOTO, pixels, pixels.transpose(2, 0, 1), floats,
        floats.astype(np.float32).transpose(2, 0, 1), tensor, tensor / 255, (tensor / 255).requires_grad_(),
    ]  # fmt: skip
    expected = seewhy.explain(toy, PHOTO, target=1).values
    for kind in kinds:
        found = seewhy.explain(toy, kind, target=1)
        assert isinstance(found, seewhy.Explanation)
        assert np.array_equal(found.values, expected)
        assert toy.predict(kind) == toy.predict(PHOTO)
    assert np.array_equal(seewhy.explain(toy, tensor.float().div(255).bfloat16(), target=1).values.shape, (32, 32))


def test_a_grey_picture_has_three_equal_channels(toy):
    grey = np.arange(30 * 40, dtype=np.uint8).reshape(30, 40)
    expected = seewhy.explain(toy, np.dstack([grey] * 3)).values
    for kind in (grey, grey[..., None], grey[None], torch.from_numpy(grey), torch.from_numpy(grey)[None]):
        assert np.array_equal(seewhy.explain(toy, kind).values, expected)


def test_several_pictures_come_as_a_list_a_tuple_or_a_batch(toy):
    pixels = np.stack([PHOTO.pixels, OTHER.pixels])
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    expected = [seewhy.explain(toy, each).values for each in (PHOTO, OTHER)]
    for pictures in ([PHOTO, OTHER], (PHOTO, OTHER), pixels, batch, batch / 255):
        found = seewhy.explain(toy, pictures)
        assert isinstance(found, seewhy.Explanations)
        for one, values in zip(found, expected, strict=True):
            np.testing.assert_allclose(one.values, values, atol=1e-5)
        assert [[best.index for best in each] for each in toy.predict(pictures)] == [
            [best.index for best in toy.predict(each)] for each in (PHOTO, OTHER)
        ]
    assert [each.image.name for each in seewhy.explain(toy, batch)] == ["picture 1", "picture 2"]
    assert len(seewhy.explain(toy, batch[:1])) == 1


def test_many_pictures_are_explained_in_parts_of_a_few(toy, tmp_path):
    told = []
    many = zoo.photos(35)
    found = seewhy.explain(toy, many, progress=lambda *now: told.append(now))
    assert [each.image.name for each in found] == [each.name for each in many]
    assert [done for done, total, _ in told if total == 35] == [0, 16, 16, 32, 32, 35]
    assert len(toy.predict(many, 1)) == 35


def test_a_picture_gets_what_it_would_get_alone(toy):
    among = seewhy.explain(toy, [PHOTO, OTHER], "rise", masks=30, seed=4)
    for one in among:
        alone = seewhy.explain(toy, one.image, "rise", masks=30, seed=4)
        np.testing.assert_allclose(one.values, alone.values, atol=1e-6)


def test_a_folder_is_listed_and_then_explained(toy, tmp_path):
    for image in (PHOTO, OTHER):
        image.to_pil().save(tmp_path / f"{image.name}.png")
    assert len(seewhy.explain(toy, find_images([tmp_path]))) == 2


@pytest.mark.parametrize("method", ["GradCAM", "Grad_CAM", "grad cam", "GRAD-CAM", "gradcam", GradCAM, GradCAM()])
def test_a_method_is_named_in_any_way(toy, method):
    assert seewhy.explain(toy, PHOTO, method).method == "grad-cam"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("gradcam++", "grad-cam++"),
        ("GradCAMPlusPlus", "grad-cam++"),
        ("LIME", "lime"),
        ("SmoothGrad", "smooth-grad"),
        ("integrated_gradients", "integrated-gradients"),
        ("InputXGradient", "input-x-gradient"),
        ("control:Random", "control:random"),
    ],
)
def test_names_are_forgiven_their_case_and_joints(written, meant):
    known = [info.name for info in seewhy.list_methods()] + ["control:random"]
    assert canonical(written, known) == meant


def test_every_name_stands_for_itself():
    known = [info.name for info in seewhy.list_methods()]
    assert [canonical(name, known) for name in known] == known


def test_a_name_that_may_be_two_is_refused():
    with pytest.raises(UnknownName, match="any of a-b, ab; write the method in full"):
        canonical("A_B", ["ab", "a-b"], "method")
    assert canonical("a-b", ["ab", "a-b"]) == "a-b"
    with pytest.raises(UnknownName, match="nearest: see the list"):
        canonical("zzz", ["ab"], "method", "see the list")


def test_a_method_is_found_however_it_is_written():
    assert seewhy.methods.method_info("GradCAM").name == "grad-cam"
    assert type(seewhy.find_method("Integrated_Gradients", steps=8)).__name__ == "IntegratedGradients"


def test_a_class_of_methods_takes_settings_and_an_object_has_its_own(toy):
    assert seewhy.explain(toy, PHOTO, GradCAM, signed=True).signed
    assert seewhy.explain(toy, PHOTO, GradCAM(signed=True)).signed


def test_the_best_method_is_found(toy):
    assert seewhy.explain(toy, PHOTO, "best").method == "grad-cam"


@pytest.mark.parametrize("index", [2, np.int64(2), torch.tensor(2), "2", "class 2", "Class 2", Target(2)])
def test_a_class_is_given_in_any_way(toy, index):
    assert seewhy.explain(toy, PHOTO, target=index).target == Target(2)


def test_a_layer_is_given_by_name_or_as_the_module_itself(toy):
    by_name = seewhy.explain(toy, PHOTO, layer="conv")
    by_module = seewhy.explain(toy, PHOTO, layer=toy.module.conv)
    assert (by_name.layer, by_module.layer) == ("conv", "conv")
    assert np.array_equal(by_name.values, by_module.values)
    with pytest.raises(UnknownName, match="the network itself"):
        seewhy.explain(toy, PHOTO, layer=toy.module)


# --- One or several -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"top": 3}, 3),
        ({"top": 9}, zoo.CLASSES),
        ({"target": [0, "2 vs 1"]}, 2),
        ({"target": [0]}, 1),
        ({"method": ["grad-cam", "layer-cam", "gradient"]}, 3),
        ({"method": ("grad-cam",)}, 1),
        ({"layer": ["conv", "relu"]}, 2),
        ({"method": GradCAM(layers=("conv", "relu"))}, 2),
        ({"method": ["grad-cam", "layer-cam"], "target": [0, 1], "layer": ["conv", "relu"]}, 8),
    ],
    ids=str,
)
def test_nothing_that_was_asked_for_is_dropped(toy, asked, count):
    found = seewhy.explain(toy, PHOTO, **asked)
    assert isinstance(found, seewhy.Explanations)
    assert len(found) == count
    assert len({(each.method, each.target, each.layer) for each in found}) == count


def test_explanations_are_a_sequence_that_nobody_changes(toy):
    found = seewhy.explain(toy, [PHOTO, OTHER], ["grad-cam", "gradient"])
    assert [each.method for each in found] == ["grad-cam", "gradient"] * 2
    assert found[0].image.name == "photo 0"
    assert isinstance(found[1:3], seewhy.Explanations)
    assert [each.image.name for each in found[1:3]] == ["photo 0", "photo 1"]
    assert found[-1] in found
    assert next(reversed(found)) is found[3]
    assert repr(found) == "<4 explanations of 2 pictures: grad-cam, gradient>"
    assert repr(found[:1]) == "<1 explanation of 1 picture: grad-cam>"
    with pytest.raises(IndexError):
        found[4]
    with pytest.raises(TypeError):
        found[0] = found[1]
    with pytest.raises(UsageError, match=r"holds seewhy\.Explanation objects, not str"):
        seewhy.Explanations(["a"])


def test_the_frame_has_a_row_for_each(toy):
    found = seewhy.explain(toy, [PHOTO, OTHER], ["grad-cam", "integrated-gradients"], [0, 1])
    frame = found.to_frame()
    checks = sorted(found[2].checks)
    assert checks
    assert frame.columns[:5] == ["picture", "method", "layer", "target", "probability"]
    assert frame.columns[-1] == "seconds"
    assert set(checks) <= set(frame.columns)
    assert frame.height == 8
    assert frame["target"].to_list() == ["class 0", "class 1"] * 4
    assert frame["probability"].to_list() == [each.probability for each in found]
    assert frame[checks[0]].to_list() == [each.checks.get(checks[0]) for each in found]
    pandas = found.to_frame("pandas")
    assert list(pandas.columns) == frame.columns
    assert len(pandas) == 8
    assert found[:0].to_frame().height == 0
    with pytest.raises(UsageError, match='"polars" or "pandas", not \'csv\''):
        found.to_frame("csv")


def test_all_are_saved_in_folders_of_their_own_and_read_back(toy, tmp_path):
    found = seewhy.explain(toy, [PHOTO, OTHER], ["grad-cam", "gradient"], [0, 1])
    out = found.save(tmp_path / "out")
    manifests = sorted(path.parent.relative_to(out).as_posix() for path in out.rglob("manifest.json"))
    assert len(manifests) == len(found)
    assert manifests[0].startswith("photo-0/")
    again = [seewhy.Explanation.load(out / name) for name in manifests]
    assert {each.values.tobytes() for each in again} == {each.values.tobytes() for each in found}
    assert "photo 0" in (out / "report.html").read_text("utf-8")
    assert len(found.to_dict()["explanations"]) == len(found)
    assert "photo 1" in found.page()


def test_saving_leaves_nothing_when_it_fails(toy, tmp_path, monkeypatch):
    found = seewhy.explain(toy, [PHOTO, OTHER])

    def full(*_, **_settings):
        raise OSError(ENOSPC, os.strerror(ENOSPC))

    monkeypatch.setattr("seewhy.methods.explanation.Explanation.write", full)
    with pytest.raises(NotWritten, match="disk is full"):
        found.save(tmp_path / "out")
    assert [*tmp_path.iterdir()] == []


# --- Seen ---------------------------------------------------------------------------------------------------------


def test_the_grid_has_a_row_for_each_class_and_a_column_for_each_method(toy):
    found = seewhy.explain(toy, [PHOTO, OTHER], ["grad-cam", "rise"], [0, 1, 2], masks=10)
    html = found._repr_html_()
    assert html.count("<tr>") == 1 + 2 * 3
    assert html.count("<th ") == 3
    assert html.count("<img ") == 2 * 3 * 3
    assert "Grad-CAM" in html
    assert "class 2 · " in html
    picture = found.picture()
    assert isinstance(picture, PIL.Image.Image)
    assert picture.height > 6 * 200
    assert picture.width > 3 * 250


def test_columns_that_share_a_method_say_how_they_differ(toy):
    by_layer = seewhy.explain(toy, PHOTO, layer=["conv", "relu"])._repr_html_()
    assert "Grad-CAM · conv" in by_layer
    assert "Grad-CAM · relu" in by_layer
    rises = [find_method("rise", masks=masks) for masks in (10, 20)]
    by_setting = seewhy.explain(toy, PHOTO, rises)._repr_html_()
    assert "RISE · masks=10" in by_setting
    assert "RISE · masks=20" in by_setting


def test_what_was_asked_twice_is_shown_twice(toy):
    assert seewhy.explain(toy, [PHOTO, PHOTO])._repr_html_().count("<tr>") == 3


def test_a_grid_with_holes_is_drawn(toy):
    both = [*seewhy.explain(toy, PHOTO, ["grad-cam", "gradient"], [0])]
    mixed = seewhy.Explanations([both[0], seewhy.explain(toy, PHOTO, "gradient", 1)])
    assert mixed._repr_html_().count("<img ") == 2 * 2
    assert mixed.picture().height > 300


def test_names_are_escaped_and_large_grids_are_cut(toy):
    odd = Image(PHOTO.pixels, '"><script>x</script>')
    html = seewhy.explain(toy, [odd, OTHER])._repr_html_()
    assert "<script>" not in html
    one = seewhy.explain(toy, OTHER)
    many = seewhy.Explanations([one] * 70)._repr_html_()
    assert many.count("<tr>") == 61
    assert "10 more rows" in many
    assert seewhy.Explanations()._repr_html_() == "<p>no explanations</p>"
    with pytest.raises(UsageError, match="nothing to draw"):
        seewhy.Explanations().picture()


@pytest.mark.parametrize("several", [False, True])
def test_showing_without_a_display_says_what_to_do_instead(toy, several, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    found = seewhy.explain(toy, [PHOTO] if several else PHOTO)
    with pytest.raises(UsageError, match=r"no display.*save\(folder\)"):
        found.show()


@pytest.mark.parametrize("several", [False, True])
def test_showing_opens_a_window_where_there_is_a_display(toy, several, monkeypatch):
    shown = []
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("PIL.ImageShow.show", lambda picture, title: shown.append((picture, title)) or True)
    found = seewhy.explain(toy, [PHOTO] if several else PHOTO)
    found.show()
    assert shown[0][0].size == found.picture().size
    monkeypatch.setattr("PIL.ImageShow.show", lambda picture, title: False)
    with pytest.raises(UsageError, match=r"no program.*save\(folder\)"):
        found.show()


def test_a_bar_tells_of_progress_in_a_terminal(toy, capsys):
    with seewhy.progress_bar() as progress:
        seewhy.explain(toy, [PHOTO, OTHER], ["lime", "rise"], samples=100, masks=10, progress=progress)
    assert capsys.readouterr().out == ""


# --- The front of the house ---------------------------------------------------------------------------------------


def run_fresh(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_everything_that_is_announced_is_there():
    for name in seewhy.__all__:
        assert getattr(seewhy, name) is not None
    assert set(dir(seewhy)) == {*seewhy.__all__, "__version__"}
    with pytest.raises(AttributeError, match="no attribute 'explian'"):
        seewhy.explian  # noqa: B018


@pytest.mark.parametrize("before", ["", "import seewhy.study, seewhy.train", "from seewhy.verbs.study import study"])
def test_study_and_train_are_packages_that_can_be_called(before):
    code = f"""{before}
import inspect, seewhy
from seewhy.errors import SeewhyError
for room in (seewhy.study, seewhy.train):
    assert room.__path__
    assert next(iter(inspect.signature(room).parameters)) == "folder"
    try:
        room("/no/such/folder", *(["bundled:efficientnet-lite0", "/no/such/out"] if room is seewhy.train else []))
    except SeewhyError as error:
        print(room.__name__, type(error).__name__)
import seewhy.study.ledger
assert seewhy.study.ledger.Plan and callable(seewhy.study)
"""
    lines = run_fresh(code).splitlines()
    assert [line.split()[0] for line in lines] == ["seewhy.study", "seewhy.train"]


def test_import_seewhy_is_enough_for_methods_and_metrics():
    code = "import seewhy; print(seewhy.methods.__name__, seewhy.metrics.__name__, seewhy.errors.UsageError.__name__)"
    assert run_fresh(code) == "seewhy.methods seewhy.metrics UsageError"


# --- Types --------------------------------------------------------------------------------------------------------

TYPED = """
from pathlib import Path
from typing import assert_type
import torch
import seewhy
from seewhy import Explanation, Explanations, Prediction

def check(c: seewhy.Classifier, x: torch.Tensor, paths: list[Path], names: list[str], n: int) -> None:
    assert_type(seewhy.explain(c, "a.png"), Explanation)
    assert_type(seewhy.explain(c, Path("a.png"), "lime", "cat", layer="conv", samples=3), Explanation)
    assert_type(seewhy.explain(c, paths), Explanations)
    assert_type(seewhy.explain(c, ["a.png", "b.png"], "lime"), Explanations)
    assert_type(seewhy.explain(c, "a.png", names), Explanations)
    assert_type(seewhy.explain(c, "a.png", target=[1, "cat"]), Explanations)
    assert_type(seewhy.explain(c, "a.png", "lime", [1]), Explanations)
    assert_type(seewhy.explain(c, "a.png", layer=names), Explanations)
    assert_type(seewhy.explain(c, "a.png", top=3), Explanations)
    assert_type(seewhy.explain(c, "a.png", top=n), Explanation | Explanations)
    assert_type(seewhy.explain(c, x), Explanation | Explanations)
    assert_type(seewhy.explain(c, paths)[0], Explanation)
    assert_type(seewhy.explain(c, paths)[1:], Explanations)
    assert_type(c.predict("a.png"), list[Prediction])
    assert_type(c.predict(paths), list[list[Prediction]])
"""


@pytest.mark.heavy
def test_type_checkers_know_what_comes_back(tmp_path):
    (tmp_path / "typed.py").write_text(TYPED)
    (tmp_path / "pyrightconfig.json").write_text(f'{{"extraPaths": ["{ROOT / "src"}"], "typeCheckingMode": "basic"}}')
    checker = Path(sys.executable).with_name("basedpyright")
    command = [checker, "--pythonpath", sys.executable, "-p", tmp_path, tmp_path / "typed.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert "0 errors" in done.stdout, done.stdout


# --- Documentation ------------------------------------------------------------------------------------------------

PAGE = ROOT / "docs/python.md"


def blocks_of(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_the_examples_of_the_page_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEEWHY_OPENVINO", "1")
    names: dict[str, object] = {}
    for block in blocks_of(PAGE):
        exec(compile(block, PAGE.name, "exec"), names)  # noqa: S102
    said = capsys.readouterr().out
    assert "espresso" in said
    assert re.search(r"print\(error\)  # (.*)", PAGE.read_text("utf-8"))[1] in said
    assert sorted(path.name for path in Path("results").iterdir()) == ["both", "cat"]


def test_the_examples_of_the_readme_are_python():
    assert len(blocks_of(ROOT / "README.md")) == 2
    for block in blocks_of(ROOT / "README.md"):
        compile(block, "README.md", "exec")


def test_results_are_not_saved_over_a_file(toy, tmp_path):
    mine = tmp_path / "mine.png"
    mine.write_bytes(b"mine")
    found = seewhy.explain(toy, [PHOTO, OTHER])
    for result in (found, found[0]):
        with pytest.raises(seewhy.SeewhyError, match="is a file; results need a folder"):
            result.save(mine)
    assert mine.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [mine]


def test_what_is_no_classifier_is_named_in_english():
    with pytest.raises(seewhy.SeewhyError, match="not an OrderedDict;"):
        seewhy.explain(OrderedDict(), PHOTO)
