"""Whatever a network's numbers mean: methods, metrics and words are about that, and nothing else."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from html import unescape
from itertools import product

import numpy as np
import pytest
import torch

import glyphs
import seewhy
from glyphs import BLUE, RED
from pairs import drawn
from seewhy.errors import UsageError
from seewhy.methods import find_method
from seewhy.methods.method import suitable_methods
from seewhy.metrics import find_metric, score_maps
from seewhy.models import Head, Target, Value
from seewhy.models.head import MEANS

PHOTO = glyphs.picture()
MEANINGS = ("classes", "labels", "binary", "values")
DECIDING = {"anchors", "anchors-lime", "clrp", "finer-cam"}  # there is no decision in a value
# A square's mean is the square itself, so hiding it by that would change nothing.
SMALL = {"samples": 400, "masks": 60, "budget": 300, "steps": 8, "fill": "black"}
COPIES = {"is-cam": 4, "smooth-grad": 25, "smooth-grad-cam++": 10, "ss-cam": 8, "var-grad": 25}  # of the picture


def quick(name):
    known, given = find_method(name).parameters, SMALL | {"samples": COPIES.get(name, SMALL["samples"])}
    return find_method(name, **{key: value for key, value in given.items() if key in known})


def scores(classifier, image=PHOTO):
    with torch.no_grad():
        return classifier.module(classifier.preprocess([image]))[0].double()


def inside(explanation, place):
    positive = explanation.values.clip(min=0)
    return positive[place].sum() / max(positive.sum(), 1e-12)


# --- What is said ---------------------------------------------------------------------------------------------------


def test_labels_have_probabilities_of_their_own():
    said = {each.name: each for each in glyphs.labels().predict(PHOTO)}
    wanted = dict(zip(glyphs.NAMES["labels"], scores(glyphs.labels()).sigmoid().tolist(), strict=True))
    assert {name: each.probability for name, each in said.items()} == pytest.approx(wanted, abs=1e-6)
    assert [each.present for each in said.values()] == [True, True, False]
    assert said["red"].to_dict() == {"index": 0, "name": "red", "probability": said["red"].probability, "present": True}


def test_thresholds_say_which_labels_are_there():
    classifier = glyphs.network("labels", threshold=(0.99999, 0.5, 0.001))
    said = {each.name: each.present for each in classifier.predict(PHOTO)}
    assert said == {"red": False, "blue": True, "green": True}


def test_a_single_logit_is_two_classes():
    said = {each.name: each.probability for each in glyphs.binary().predict(PHOTO)}
    share = float(scores(glyphs.binary()).sigmoid())
    assert said == pytest.approx({"red": share, "blue": 1 - share}, abs=1e-6)


def test_a_value_is_no_probability():
    (said,) = glyphs.values().predict(PHOTO)
    assert said.probability is None
    assert said.value == pytest.approx(float(scores(glyphs.values())), abs=1e-5)
    assert "%" not in said.told
    found = seewhy.explain(glyphs.values(), PHOTO)
    assert found.probability is None
    assert found.told == said.told
    assert found.manifest()["explanation"]["meaning"] == "values"


def test_what_is_likeliest_is_explained():
    found = seewhy.explain(glyphs.labels(), PHOTO, top=2)
    assert {each.target_label for each in found} == {"red", "blue"}
    assert seewhy.explain(glyphs.values(), PHOTO).target == Target(0, chosen="predicted")


def test_several_values_stand_in_the_networks_order():
    class Two(glyphs.Squares):
        def forward(self, x):
            return super().forward(x) * torch.tensor([-1.0, 3.0, 2.0])

    classifier = replace(glyphs.labels(), module=Two("classes").eval(), declared=Head("values"))
    assert [each.name for each in classifier.predict(PHOTO)] == ["red", "blue", "green"]
    assert seewhy.explain(classifier, PHOTO).target.index == 0, "the largest of several units is no answer"


# --- Every method ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(DECIDING))
def test_a_value_has_no_decision_to_explain(name):
    with pytest.raises(UsageError, match="explains a decision between classes, and this network gives values"):
        seewhy.explain(glyphs.network("values"), PHOTO, quick(name), "redness")


def test_one_number_for_two_classes_has_no_rivals_to_tell_apart():
    with pytest.raises(UsageError, match="this network has one number for both; take lrp"):
        seewhy.explain(glyphs.network("binary"), glyphs.picture(RED), quick("clrp"), "red")


@drawn([info.name for info in suitable_methods(glyphs.network("classes"))], "meaning", MEANINGS)
def test_every_method_explains_every_meaning(name, meaning):
    """It marks the red square."""
    classifier = glyphs.network(meaning)
    image = glyphs.picture(RED) if name.startswith("anchors") or meaning in {"binary", "classes"} else PHOTO
    if (meaning == "values" and name in DECIDING) or (meaning, name) == ("binary", "clrp"):
        return  # refused: see above
    if name == "var-grad":
        return  # with its ReLUs settled the network is linear, and no gradient varies
    found = seewhy.explain(classifier, image, quick(name), "redness" if meaning == "values" else "red")
    if found.rule:
        assert found.rule.sentence
        return
    blind = find_method(name).class_blind
    marked = max(inside(found, RED), inside(found, BLUE) * blind)
    assert marked > 0.25, "a square is 14 % of the picture"
    assert blind or inside(found, RED) > inside(found, BLUE)


TOGETHER = ("grad-cam", "score-cam", "occlusion", "rise", "lime-classic", "lime", "kernel-shap", "lrp", "sise",
            "integrated-gradients", "deep-lift", "finer-cam", "shapley-cam")  # fmt: skip


@pytest.mark.parametrize("name", TOGETHER)
def test_two_labels_together_mark_both_squares(name):
    both = seewhy.explain(glyphs.labels(), PHOTO, quick(name), Target(0, also=(1,)))
    assert both.target_label.startswith("red and blue")
    assert min(inside(both, RED), inside(both, BLUE)) > 0.1
    likely = scores(glyphs.labels()).sigmoid()
    assert both.probability == pytest.approx(float(likely[0] * likely[1]), abs=1e-6)


def test_one_label_rather_than_another_marks_one_square():
    found = seewhy.explain(glyphs.labels(), PHOTO, "integrated-gradients", "red vs blue")
    assert inside(found, RED) > 0.8
    assert found.values[BLUE].sum() < 0


def test_two_classes_together_are_one_or_the_other():
    head, logits = Head(), torch.tensor([2.0, 1.0, -1.0, 0.5])
    shares, both = logits.double().softmax(0), Target(0, also=(1,))
    assert float(head.probability(logits, both)) == pytest.approx(float(shares[0] + shares[1]))
    assert float(head.log_probability(logits, both)) == pytest.approx(float((shares[0] + shares[1]).log()))
    rather = Target(0, against=2, also=(1,))
    wanted = float((shares[0] + shares[1]).log() - shares[2].log())
    assert float(head.log_probability(logits, rather)) == pytest.approx(wanted)


TARGETS = (Target(0), Target(1), Target(0, against=1), Target(0, also=(1,)), Target(0, against=2, also=(1,)))


@pytest.mark.parametrize(
    ("gives", "target"),
    [*product(("logits", "sigmoid", "probabilities"), TARGETS), *product(["single-logit"], TARGETS[:3])],
)
def test_log_odds_are_those_of_what_people_are_told(gives, target):
    single = gives == "single-logit"
    head = Head("sigmoid" if gives == "single-logit" else gives, single=single)
    several = [0.3, 0.2, 0.1, 0.4] if gives == "probabilities" else [2.0, 0.5, -1.0, 1.0]
    numbers = torch.tensor([[0.7] if single else several])
    scores = head.scores(numbers)
    told = float(head.probability(scores, target)[0])
    assert float(head.log_odds(scores, target)[0].sigmoid()) == pytest.approx(told, abs=1e-9)


def test_log_odds_of_two_sure_labels_are_finite():
    head, both = Head("sigmoid"), Target(0, also=(1,))
    for size in (10.0, 40.0, 900.0):
        scores = torch.tensor([[size, size + 1.0]])
        # The odds that none is missing, of rare misses: one over what both misses add up to.
        assert float(head.log_odds(scores, both)[0]) == pytest.approx(size - math.log1p(math.exp(-1)), abs=1e-4)


def test_one_of_two_classes_rather_than_the_other_is_that_class():
    """So what hides a region does to the odds of both is one number."""
    asked = (Target(1), Target(1, against=0))
    own, rather = (seewhy.explain(glyphs.binary(), PHOTO, quick("kernel-shap"), each) for each in asked)
    assert own.regions.unit == "log-odds"
    assert rather.regions.unit == "score"  # that is the difference of both scores
    np.testing.assert_allclose(rather.regions.weights, 2 * own.regions.weights, rtol=1e-3, atol=1e-5)


def test_occlusion_of_a_label_asks_that_label_alone():
    """The drop is of log σ(z), whatever other labels do; of a softmax the blue square would count against red."""
    found = seewhy.explain(glyphs.labels(), PHOTO, "occlusion", "red", size=12, stride=4, fill="black")
    assert abs(found.values[26:30, 26:30]).max() < 0.02 * found.values.max(), "the blue square is nothing to red"


def test_the_rivals_of_a_label_weigh_by_their_own_probabilities():
    logits = torch.tensor([3.0, 2.5, 2.0, -4.0])
    own = logits[1:3].sigmoid()
    wanted = 3.0 - float((own / own.sum() * logits[1:3]).sum())
    method = find_method("finer-cam", comparisons=2)
    assert float(method.score(logits, Target(0), Head("sigmoid"))) == pytest.approx(wanted)


@pytest.mark.parametrize("target", [Target(0), Target(0, also=(1,))])
def test_anchors_keep_a_label_over_its_threshold(target):
    found = seewhy.explain(glyphs.network("labels", threshold=0.4), PHOTO, "anchors", target, budget=500)
    assert "the model says “red" in found.rule.sentence
    strict = seewhy.explain(glyphs.network("labels", threshold=0.9999), PHOTO, "anchors", target, budget=500)
    assert "no likelier than its threshold" in strict.rule.sentence


def test_margins_of_labels_are_to_their_thresholds():
    head = Head("sigmoid", threshold=(0.5, 0.9, 0.5))
    scores = torch.tensor([[1.0, 2.0, -1.0], [1.0, 3.0, -1.0]])
    assert head.margin(scores, Target(0))[0].tolist() == [1.0, 1.0]
    ahead, nearest = head.margin(scores, Target(0, also=(1,)))
    limit = float(torch.logit(torch.tensor(0.9)))
    assert ahead.tolist() == pytest.approx([2 - limit, min(1.0, 3 - limit)], abs=1e-5)
    assert nearest.tolist() == [1, 1]
    with pytest.raises(UsageError, match="no decision"):
        Head("values").margin(scores, Target(0))


# --- Metrics --------------------------------------------------------------------------------------------------------


def test_curves_of_a_value_are_in_its_unit():
    classifier = glyphs.values()
    red = np.zeros((glyphs.SIDE,) * 2)
    red[RED] = 1
    whole, bare = (float(scores(classifier, image)) for image in (PHOTO, glyphs.picture(BLUE)))
    shown = score_maps("insertion", classifier, PHOTO, red, 0)
    hidden = score_maps("deletion", classifier, PHOTO, red, 0)
    assert bare - 0.3 < hidden < shown < whole + 0.1, "both lie between the values without and with the square"
    assert score_maps("road", classifier, PHOTO, red, 0) > 0.1
    assert np.isnan(score_maps("average-drop", classifier, PHOTO, red, 0)), "no share of a value can be lost"
    assert score_maps("drop-in-confidence", classifier, PHOTO, 1 - red, 0) > 0.1


def test_metrics_of_a_label_ask_that_label():
    classifier = glyphs.labels()
    red = np.zeros((glyphs.SIDE,) * 2)
    red[RED] = 1
    alone = float(scores(classifier, glyphs.picture(RED)).sigmoid()[0])
    drop, deletion = (find_metric(name, fill="black") for name in ("average-drop", "deletion"))
    assert score_maps(drop, classifier, PHOTO, red, "red") < 0.1 < alone
    assert score_maps(deletion, classifier, PHOTO, red, "red") < 0.2
    assert score_maps(drop, classifier, PHOTO, red, Target(0, also=(1,))) > 0.5, "blue is gone"


# --- Pages ----------------------------------------------------------------------------------------------------------


def words(page):
    body = re.sub(r"<style>.*?</style>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


@pytest.mark.parametrize("meaning", MEANINGS)
def test_the_page_says_what_the_numbers_mean(meaning):
    classifier = glyphs.network(meaning)
    found = seewhy.explain(classifier, PHOTO, ["grad-cam", "occlusion"])
    page = words(found.page())
    assert MEANS[meaning] in page
    assert all(other not in page for key, other in MEANS.items() if key != meaning)
    said = classifier.predict(PHOTO)
    shown = {"labels": said[:2], "values": said}.get(meaning, said[:1])
    assert f"The model says {' and '.join(f'{each.name} ({each.told})' for each in shown)}" in page
    assert all(each.told in page for each in said)
    if meaning == "values":
        shares = set(re.findall(r"[\d.]+%", page[: page.index("Grad-CAM, Selvaraju")]))
        assert shares <= {"0%", "100%"}, "a value has no per cent; the ends of a map's colours are shares of its own"


def test_the_page_says_where_no_label_is_found():
    page = words(seewhy.explain(glyphs.network("labels", threshold=0.9999), PHOTO, ["grad-cam"]).page())
    assert "The model says none of its labels; the likeliest is" in page
    assert "as good as guesses" not in page, "four per cent of a label are no guess among classes"


def test_a_comparison_of_a_value_draws_it_in_its_unit():
    found = seewhy.compare(glyphs.values(), PHOTO, ["grad-cam", "eigen-cam"], ["insertion-minus-deletion"], cells=8)
    page = words(found.page())
    assert "Value by the share of the pixels shown" in page
    assert f"Why redness ({seewhy.explain(glyphs.values(), PHOTO).told})?" in page
    assert "probability" not in page.lower()


def test_a_comparison_of_labels_scores_the_likeliest():
    found = seewhy.compare(glyphs.labels(), PHOTO, ["grad-cam", "eigen-cam"], ["insertion-minus-deletion"], cells=8)
    assert found.explained["squares.png"].explanations["grad-cam"].meaning == "labels"
    assert found.errors == {}


# --- Targets of labels ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["grad-cam", ["grad-cam", "occlusion"]])
def test_all_labels_that_are_found_can_be_asked_about(method):
    """As many as each picture has; of a picture without any the likeliest."""
    bare = glyphs.picture(BLUE)
    found = seewhy.explain(glyphs.labels(), [PHOTO, bare], method, "labels")
    methods = 2 if isinstance(method, list) else 1
    assert [each.target_label for each in found[: 2 * methods]] == ["red", "blue"] * methods
    assert [each.target_label for each in found[2 * methods :]] == ["blue"] * methods
    strict = glyphs.network("labels", threshold=0.9999)
    assert [each.target_label for each in seewhy.explain(strict, PHOTO, target="labels")] == ["red"]
    with pytest.raises(UsageError, match="name it alone"):
        seewhy.explain(glyphs.labels(), PHOTO, target=["labels", "red"])


def test_a_function_of_the_logits_is_for_the_other_door():
    value = Value(-1, function=lambda logits: logits[0])
    with pytest.raises(UsageError, match=r"seewhy\.attribute explains a function"):
        seewhy.explain(glyphs.labels(), PHOTO, target=value)
