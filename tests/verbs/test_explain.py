from __future__ import annotations

from importlib import import_module
from io import BytesIO

import numpy as np
import pytest

import seewhy
import zoo
from seewhy.engines import Constant
from seewhy.errors import BadImage, Cancelled, NonFinite, UnknownName, UsageError
from seewhy.methods import find_method
from seewhy.models import Target
from seewhy.models.classifier import black_box
from seewhy.verbs.explain import CHUNK, Request, explain, explain_each
from seewhy.verbs.explanations import Explanations

MODULE = import_module("seewhy.verbs.explain")  # its name in seewhy.verbs is that of the function


@pytest.fixture(scope="module")
def toy():
    return zoo.classifier("gap-linear")


def stop(done, total, message):
    raise Cancelled("enough")


# --- One call -----------------------------------------------------------------------------------------------------


def test_one_picture_gives_one_explanation_and_a_list_gives_a_list(toy):
    one, two = zoo.photos(2)
    alone = explain(toy, one)
    both = explain(toy, [one, two])
    assert isinstance(alone, seewhy.Explanation)
    assert isinstance(both, Explanations)
    assert [each.image.name for each in both] == ["photo 0", "photo 1"]
    np.testing.assert_allclose(both[0].values, alone.values, atol=1e-6)
    assert [each.image.name for each in explain(toy, (two,))] == ["photo 1"]
    assert len(explain(toy, [])) == 0


def test_without_more_it_is_grad_cam_of_the_likeliest_class(toy):
    for image in zoo.photos(3):
        found = explain(toy, image)
        likeliest = int(toy.probabilities([image])[0].argmax())
        assert found.method == "grad-cam"
        assert found.target == Target(likeliest, chosen="predicted")
        assert found.layer == toy.default_layer


def test_class_zero_is_a_target_too(toy):
    assert explain(toy, zoo.photos(1)[0], target=0).target == Target(0)


def test_what_is_asked_reaches_the_method(toy):
    found = explain(toy, zoo.photos(1)[0], "grad-cam", "class 2 vs class 1", layer="conv", seed=5, signed=True)
    assert (found.target, found.layer, found.seed, found.signed) == (Target(2, against=1), "conv", 5, True)
    assert found.parameters == {"layers": ["conv"], "signed": True}


def test_a_picture_may_come_as_anything_that_opens(toy, tmp_path):
    image = zoo.photos(1)[0]
    path, stream = tmp_path / "photo.png", BytesIO()
    image.to_pil().save(path)
    image.to_pil().save(stream, "PNG")
    kinds = [path, str(path), stream.getvalue(), image.to_pil(), image.pixels, image]
    assert len({found.values.tobytes() for found in explain(toy, kinds)}) == 1
    with pytest.raises(BadImage, match="no file"):
        explain(toy, [image, tmp_path / "missing.png"])


def test_work_is_told_and_can_be_stopped(toy):
    told = []
    explain(toy, zoo.photos(2), "lime", progress=lambda *now: told.append(now))
    assert len(told) > 2
    assert all(message for *_, message in told)
    with pytest.raises(Cancelled, match="enough"):
        explain(toy, zoo.photos(2), "lime", progress=stop)


@pytest.mark.parametrize(
    ("question", "error", "words"),
    [
        ({"method": "grad-kam"}, UnknownName, "nearest: grad-cam"),
        ({"target": "klass 1"}, UnknownName, "nearest: 'class 1'"),
        ({"target": 4}, UsageError, "classes 0 to 3"),
        ({"target": "1 vs 1"}, UsageError, "with itself"),
        ({"layer": "conf"}, UnknownName, "conv"),
        ({"smooth": True}, UsageError, "grad-cam has no parameter smooth; it has layers, signed"),
        ({"method": "fam"}, UsageError, "--reference"),
        ({"method": "rise", "layer": "conv"}, UsageError, "rise has no parameter layers"),
    ],
)
def test_a_question_without_sense_is_answered_with_the_cure(toy, question, error, words):
    with pytest.raises(error, match=words):
        explain(toy, zoo.photos(1)[0], **question)


# --- Requests -----------------------------------------------------------------------------------------------------


def test_each_method_takes_what_it_has(toy):
    request = Request.of(toy, ["grad-cam", "rise", "lime"], layers=["conv"], signed=True, masks=30, samples=50)
    cam, rise, lime = request.methods
    assert (cam.layers, cam.signed) == (("conv",), True)
    assert rise.masks == 30
    assert lime.samples == 50


def test_what_no_method_has_is_refused(toy):
    with pytest.raises(UsageError, match=r"takes smaples, zeal; those asked for by name take .*masks"):
        Request.of(toy, ["grad-cam", "rise"], smaples=3, zeal=1, masks=30)
    with pytest.raises(UsageError, match="takes layers"):
        Request.of(toy, ["rise", "occlusion"], layers=["conv"])


def test_a_method_object_keeps_its_parameters(toy):
    rise = find_method("rise", masks=20)
    assert Request.of(toy, [rise, "lime"], samples=50).methods[0] is rise
    with pytest.raises(UsageError, match="none of the methods takes masks; those asked for by name take nothing"):
        explain(toy, zoo.photos(1)[0], rise, masks=30)


def test_a_background_is_what_hides_parts_too(toy):
    black = Constant("black")
    gradients, hiding = Request.of(toy, ["integrated-gradients", "occlusion"], background=black).methods
    assert gradients.background is black
    assert hiding.fill is black
    assert Request.of(toy, ["occlusion"], background="white").methods[0].fill == "white"
    with pytest.raises(UsageError, match="background"):
        Request.of(toy, ["grad-cam"], background="white")
    with pytest.raises(UsageError, match="takes background"):
        Request.of(toy, ["grad-cam", "gradient"], background="white")


def test_a_black_box_is_refused_what_it_does_not_offer(toy):
    service = black_box(lambda pictures: np.full((len(pictures), 4), 0.25), size=zoo.SIZE, name="a service")
    assert Request.of(service, ["lime", "rise"]).methods
    for methods in (["grad-cam"], ["lime", "grad-cam"], [find_method("gradient")]):
        with pytest.raises(UsageError, match=r"needs (gradients, layers|gradients), which a service does not offer"):
            Request.of(service, methods)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"top": 0}, "at least 1"),
        ({"top": 2, "targets": [1]}, "either targets or top"),
        ({"methods": []}, "at least one method"),
    ],
)
def test_a_request_without_sense_is_refused(toy, question, words):
    with pytest.raises(UsageError, match=words):
        Request.of(toy, **question)


# --- File after file ----------------------------------------------------------------------------------------------


def test_files_come_back_in_order_with_what_went_wrong(toy, files):
    sources = files("abx-c")
    outcomes = list(explain_each(toy, sources, Request.of(toy)))
    assert [outcome.source for outcome in outcomes] == [str(source) for source in sources]
    assert [outcome.error and outcome.error.code for outcome in outcomes] == [
        None, None, "not_an_image", "not_found", None
    ]  # fmt: skip
    assert [each.image.name for outcome in outcomes for each in outcome.value or ()] == [
        "0a.png", "1b.png", "4c.png"
    ]  # fmt: skip


def test_a_picture_the_network_cannot_cope_with_does_not_stop_the_rest(dazzled, files):
    sources = files("awxb")
    good, white, _, last = explain_each(dazzled, sources, Request.of(dazzled))
    assert isinstance(white.error, NonFinite)
    assert white.value is None
    for outcome, source in ((good, sources[0]), (last, sources[3])):
        np.testing.assert_allclose(outcome.value[0].values, explain(dazzled, source).values, atol=1e-6)


def test_every_method_is_asked_about_every_target_at_every_layer(toy, files):
    request = Request.of(toy, ["grad-cam", "layer-cam"], ["2", "1 vs 0"], layers=["conv", "relu"])
    (outcome,) = explain_each(toy, files("a"), request)
    assert [(each.method, each.target, each.layer) for each in outcome.value or ()] == [
        (method, target, layer)
        for method in ("grad-cam", "layer-cam")
        for target in (Target(2), Target(1, against=0))
        for layer in ("conv", "relu")
    ]


def test_top_asks_about_the_likeliest_of_each_picture(toy, files):
    sources = files("abcde")
    outcomes = list(explain_each(toy, sources, Request.of(toy, top=3)))
    likeliest = [[best.index for best in toy.predict(seewhy.open_image(source), 3)] for source in sources]
    assert [[each.target.index for each in outcome.value or ()] for outcome in outcomes] == likeliest
    assert len({tuple(each) for each in likeliest}) > 1, "the pictures differ, so that mixing them up would show"
    (all_of_them,) = explain_each(toy, sources[:1], Request.of(toy, top=99))
    assert len(all_of_them.value) == zoo.CLASSES


def test_a_method_finds_the_same_in_any_company(toy, files):
    sources = files("ab")
    lime = find_method("lime")
    company = [find_method("rise", masks=20), lime]
    among = [outcome.value[1] for outcome in explain_each(toy, sources, Request.of(toy, company, seed=3))]
    for found, source in zip(among, sources, strict=True):
        assert found.method == "lime"
        assert found.seed == 3
        np.testing.assert_allclose(found.values, explain(toy, source, lime, seed=3).values, atol=1e-5)


def test_pictures_are_opened_a_few_at_a_time_and_told_of(toy, files, monkeypatch):
    monkeypatch.setattr(MODULE, "CHUNK", 2)
    sources = files("ab--e")
    told = []
    outcomes = explain_each(toy, sources, Request.of(toy), progress=lambda *now: told.append(now))
    assert not next(outcomes).error
    assert told == [(0, 5, "images")]
    sources[2].write_bytes(sources[0].read_bytes())  # only now it is looked for
    assert [bool(outcome.error) for outcome in outcomes] == [False, False, True, False]
    assert told == [(0, 5, "images"), (2, 5, "images"), (4, 5, "images"), (5, 5, "images")]


def test_a_folder_larger_than_a_chunk_stays_in_order(toy, files):
    letters = "a" * CHUNK + "xb"
    outcomes = list(explain_each(toy, files(letters), Request.of(toy)))
    assert [bool(outcome.error) for outcome in outcomes] == [letter == "x" for letter in letters]
    assert [outcome.value[0].image.name for outcome in outcomes if not outcome.error] == [
        f"{place}{letter}.png" for place, letter in enumerate(letters) if letter != "x"
    ]


def test_a_stop_between_chunks_stops_and_is_no_outcome(toy, files, monkeypatch):
    monkeypatch.setattr(MODULE, "CHUNK", 1)

    def stop_after_two(done, total, message):
        if done == 2:
            raise Cancelled("enough")

    finished = []
    with pytest.raises(Cancelled, match="enough"):
        finished.extend(explain_each(toy, files("abc"), Request.of(toy), stop_after_two))
    assert len(finished) == 2


def test_the_default_model_sees_a_cat(default_classifier):
    found = explain(default_classifier, "sample:cat")
    assert "cat" in found.target_label
    assert found.layer == default_classifier.default_layer
    assert not found.is_zero
