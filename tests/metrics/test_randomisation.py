"""Sanity checks must flag what is blind: Sobel edges to the network, Eigen-CAM to the class."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

import planted
import zoo
from metrics.samples import RED, seeded
from seewhy.errors import UsageError
from seewhy.methods import Method, find_method
from seewhy.metrics import Context, Score, find_metric
from seewhy.metrics.robustness import histogram_entropy, in_stages, layers_of_weights, shuffle
from seewhy.models import Classifier, Target
from seewhy.models.classifier import black_box


def judge(name: str, method: Method, classifier: Classifier, target: Target = RED, **settings: int) -> Score:
    image = planted.picture() if classifier.preprocessing.size[0] == planted.SIZE else zoo.photos(1)[0]
    found = method(classifier, [image], [[target]], generator=seeded())
    subject = Context(classifier, image, methods={found[0]: method})
    return find_metric(name, **settings)(subject, found, generator=seeded())[0]


@pytest.mark.parametrize("network", zoo.SOUND)
def test_every_weight_is_shuffled_once_from_the_output_on(network):
    classifier = zoo.classifier(network)
    layers = layers_of_weights(classifier)
    flat = [id(each) for layer in layers for each in layer]
    assert len(flat) == len(set(flat))
    assert set(flat) == {id(each) for each in classifier.module.parameters()}
    assert layers[0][0].shape[0] == zoo.CLASSES, "the head comes first"


def test_layers_go_from_the_output_to_the_input():
    classifier = zoo.classifier("residual")
    names = {id(each): name for name, each in classifier.module.named_parameters()}
    order = [names[id(layer[0])].rpartition(".")[0] for layer in layers_of_weights(classifier)]
    assert order == ["head", "second", "norm", "first", "stem"]


@pytest.mark.parametrize(("count", "stages"), [(0, 5), (1, 5), (5, 5), (7, 3), (23, 5)])
def test_stages_hold_everything_in_order(count, stages):
    layers = [[number, -number] for number in range(count)]
    found = in_stages(layers, stages)
    assert len(found) == min(count, stages)
    assert [each for stage in found for each in stage] == [each for layer in layers for each in layer]
    sizes = [len(stage) for stage in found]
    assert not sizes or max(sizes) - min(sizes) <= 2


def test_shuffling_keeps_the_numbers_and_moves_them():
    parameter = torch.nn.Parameter(torch.arange(60.0).view(3, 4, 5))
    shuffle([parameter], seeded())
    assert sorted(parameter.flatten().tolist()) == list(range(60))
    assert parameter.flatten().tolist() != list(range(60))
    assert parameter.requires_grad


@pytest.mark.parametrize("control", ["sobel", "gaussian"])
def test_a_map_of_the_picture_alone_is_found_out(control):
    found = judge("parameter-randomisation", find_method(f"control:{control}"), zoo.classifier("residual"))
    assert found.value == pytest.approx(1)
    np.testing.assert_allclose(found.curve, 1)


def test_a_map_of_the_network_changes_with_it():
    found = judge("parameter-randomisation", find_method("hires-cam"), zoo.classifier("residual"))
    assert found.value < 0.9
    assert len(found.curve) == 5


def test_it_is_what_a_loop_over_stages_says():
    classifier, image = zoo.classifier("residual"), zoo.photos(1)[0]
    method = find_method("hires-cam", layers=("stem",), signed=True)
    found = judge("parameter-randomisation", method, classifier, Target(1), stages=2)
    (first,) = method(classifier, [image], [[Target(1)]], generator=seeded())
    shuffled = copy.deepcopy(classifier.module)
    generator, wanted = seeded(), []
    for stage in (["head", "second"], ["norm", "first", "stem"]):
        for name in stage:
            shuffle(list(shuffled.get_submodule(name).parameters()), generator)
        other = Classifier.from_module(shuffled, classifier.preprocessing)
        (then,) = method(other, [image], [[Target(1)]], generator=seeded())
        wanted.append(stats.spearmanr(np.abs(first.values).ravel(), np.abs(then.values).ravel()).statistic)
    np.testing.assert_allclose(found.curve, wanted, atol=1e-5)
    assert found.value == pytest.approx(np.mean(wanted), abs=1e-5)


def test_without_weights_there_is_nothing_to_shuffle():
    grey = black_box(lambda pictures: pictures.mean((1, 2)) / 255 / 3, size=zoo.SIZE, gives="sigmoid")
    found = judge("parameter-randomisation", find_method("occlusion", stride=0.2), grey)
    assert found.value is None
    assert "no weights" in found.reason


def test_a_network_that_cannot_be_copied_is_left_alone():
    classifier = zoo.classifier("residual")
    classifier.module.lock = (each for each in ())  # no generator can be copied
    found = judge("parameter-randomisation", find_method("control:sobel"), classifier)
    assert found.value is None
    assert "cannot be copied" in found.reason


def test_a_class_blind_map_is_found_out():
    assert judge("random-logit", find_method("eigen-cam"), zoo.classifier("residual")).value == pytest.approx(1)


def test_another_class_is_another_map():
    """Occlusion of "red" and "green" on the picture of squares."""
    found = judge("random-logit", find_method("occlusion"), planted.classifier())
    assert found.value < 0.5


def test_no_class_of_the_question_is_drawn():
    classifier = planted.classifier()
    asked: list[Target] = []

    class Spy:
        parameters = find_method("control:random").parameters

        def __call__(self, classifier, images, targets, *, generator, progress=None, answers=None):
            asked.extend(targets[0])
            return find_method("control:random")(classifier, images, targets, generator=generator)

    judge("random-logit", Spy(), classifier, Target(2, against=0))
    assert asked == [Target(2, against=0), Target(1)]


def test_two_classes_in_one_question_leave_no_other():
    classifier = Classifier.from_module(
        torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 2)),
        zoo.classifier("residual").preprocessing,
    )
    found = judge("random-logit", find_method("control:sobel"), classifier, Target(0, against=1))
    assert found.value is None
    assert found.reason == "there is no other class"


def test_settings_without_a_meaning_are_refused():
    with pytest.raises(UsageError, match="at least once"):
        find_metric("parameter-randomisation", stages=0)


# --- Efficient: by the map's entropy ------------------------------------------------------------------------------


def test_the_entropy_of_a_histogram_is_that_of_scipy():
    values = np.random.default_rng(0).normal(size=(20, 30))
    counts, _ = np.histogram(values, 50)
    assert histogram_entropy(values, 50) == pytest.approx(stats.entropy(counts))
    assert histogram_entropy(np.eye(10), 10) == pytest.approx(stats.entropy([90, 10]))


def test_the_efficient_score_is_the_rise_of_the_entropy():
    classifier, image, method = zoo.classifier("residual"), zoo.photos(1)[0], find_method("input-x-gradient")
    (found,) = method(classifier, [image], [[RED]], generator=seeded())
    subject = Context(classifier, image, methods={found: method})
    score = find_metric("efficient-randomisation")(subject, [found], generator=seeded())[0]
    other = replace(classifier, module=copy.deepcopy(classifier.module))
    shuffle([each for layer in layers_of_weights(other) for each in layer], seeded())
    (after,) = method(other, [image], [[RED]], generator=seeded())
    before, risen = histogram_entropy(found.values), histogram_entropy(after.values)
    assert score.value == pytest.approx((risen - before) / before)
    np.testing.assert_allclose(score.curve, [before, risen])


def test_a_map_that_knows_no_network_is_as_orderly_afterwards():
    assert judge("efficient-randomisation", find_method("control:sobel"), planted.classifier()).value == 0


def test_of_scores_alone_nothing_can_be_shuffled():
    grey = black_box(lambda pictures: pictures.mean((1, 2)) / 255 / 3, size=zoo.SIZE, gives="sigmoid")
    found = judge("efficient-randomisation", find_method("occlusion", stride=0.2), grey)
    assert found.value is None
    assert "no weights" in found.reason


def test_bins_are_two_or_more():
    with pytest.raises(UsageError, match="two or more"):
        find_metric("efficient-randomisation", bins=1)
