import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import seewhy
import zoo
from seewhy.errors import ModelError, UnknownName, UsageError
from seewhy.images import Image
from seewhy.models import Categories, Classifier, Preprocessing, Target

PHOTO = Image(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8), "noise")
SMALL = Preprocessing(size=zoo.SIZE)


def test_any_module_becomes_a_classifier_with_numbered_classes():
    classifier = Classifier.from_module(zoo.network("residual"), SMALL)
    assert classifier.name == "Residual"
    assert list(classifier.categories) == ["class 0", "class 1", "class 2", "class 3"]
    assert repr(classifier) == "Classifier('Residual', Residual, (32, 32))"
    assert classifier._repr_html_() == "<code>Classifier('Residual', Residual, (32, 32))</code>"


def test_a_network_of_one_channel_sees_pictures_in_grey():
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    classifier = Classifier.from_module(module)
    assert classifier.preprocess([PHOTO]).shape == (1, 1, 224, 224)
    assert classifier.preprocessing == Preprocessing(mean=(0.449,), std=(0.226,))
    assert len(classifier.predict(PHOTO)) == 3
    assert classifier.default_layer == "1"


@pytest.mark.parametrize("method", ["grad-cam", "deep-lift", "occlusion"])
def test_pictures_are_explained_to_a_network_of_one_channel(method):
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    grey = Preprocessing(zoo.SIZE, mean=(0.5,), std=(0.25,))
    found = seewhy.explain(Classifier.from_module(module, grey), PHOTO, method=method)
    assert found.values.shape == zoo.SIZE
    assert np.isfinite(found.values).all()


def test_what_is_no_module_is_refused():
    with pytest.raises(UsageError, match=r"wants a torch.nn.Module, not function"):
        Classifier.from_module(lambda x: x)


@pytest.mark.parametrize("names", [["a", "b", "c"], Categories.numbered(1000)])
def test_names_must_be_as_many_as_scores(names):
    with pytest.raises(ModelError, match=f"scores 4 classes, but {len(names)} class names"):
        Classifier.from_module(zoo.network("residual"), SMALL, names)


def test_predictions_are_the_softmax_in_order():
    classifier = Classifier.from_module(zoo.network("residual"), SMALL, ["a", "b", "c", "d"])
    expected = classifier.module(classifier.preprocess([PHOTO])).softmax(1)[0].detach()
    found = classifier.predict(PHOTO, top=9)
    assert [each.index for each in found] == expected.argsort(descending=True).tolist()
    assert sum(each.probability for each in found) == pytest.approx(1)
    for each in found:
        assert each.probability == pytest.approx(float(expected[each.index]))
        assert each.name == "abcd"[each.index]
    assert classifier.predict(PHOTO, top=2) == found[:2]


@pytest.mark.parametrize(
    ("target", "indices"),
    [(None, [2, 0]), (Target(2), [2, 0]), (Target(1), [2, 0, 1]), (Target(1, 3), [2, 0, 3, 1]), (Target(0, 2), [2, 0])],
)
def test_the_classes_of_a_target_are_ranked_among_the_likeliest(target, indices):
    classifier = Classifier.from_module(zoo.network("residual"), SMALL, ["a", "b", "c", "d"])
    found = classifier.ranked(torch.tensor([0.3, 0.05, 0.5, 0.15]), 2, target)
    assert [each.index for each in found] == indices
    assert [each.name for each in found] == ["abcd"[index] for index in indices]


def test_probabilities_record_nothing_and_logits_do_where_autograd_is_on():
    classifier = zoo.classifier("residual")
    assert not classifier.probabilities([PHOTO, PHOTO]).requires_grad
    assert classifier.logits(zoo.inputs()).requires_grad
    with torch.no_grad():
        assert not classifier.logits(zoo.inputs()).requires_grad


def test_a_network_in_training_answers_as_in_evaluation_and_goes_on_training():
    classifier = zoo.classifier("training")
    before = {name: tensor.clone() for name, tensor in classifier.module.state_dict().items()}
    first, second = classifier.logits(zoo.inputs(4)), classifier.logits(zoo.inputs(4)[:1])
    torch.testing.assert_close(first[:1], second)
    assert all(part.training for part in classifier.module.modules())
    torch.testing.assert_close(dict(classifier.module.state_dict()), before, rtol=0, atol=0)


def test_random_networks_answer_the_same_every_time():
    classifier = zoo.classifier("stochastic")
    first = classifier.logits(zoo.inputs())
    torch.rand(5)
    state = torch.get_rng_state()
    assert torch.equal(classifier.logits(zoo.inputs()), first)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_network_that_works_on_its_input_in_place_gets_a_copy():
    classifier, x = zoo.classifier("mutates-input"), zoo.inputs()
    first = classifier.logits(x)
    assert torch.equal(x, zoo.inputs())
    assert torch.equal(classifier.logits(x), first)
    leaf = zoo.inputs().requires_grad_()
    assert torch.autograd.grad(classifier.logits(leaf).sum(), leaf)[0].abs().sum() > 0


class OneRow(nn.Module):
    """Forgets the batch."""

    def forward(self, x):
        return x.mean((0, 2, 3))[None]


def test_a_network_that_forgets_the_batch_is_asked_picture_by_picture():
    classifier = Classifier.from_module(OneRow(), SMALL)
    x = zoo.inputs(2)
    assert torch.equal(classifier.logits(x), torch.cat([classifier.module(row[None]) for row in x]))
    assert "answered 3 images with 1 rows of scores; so every picture goes in by itself" in classifier.notes[0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_inputs_come_in_the_networks_precision_even_when_it_changes_later(dtype):
    classifier = zoo.classifier("residual")
    assert classifier.preprocess([PHOTO]).dtype == classifier.dtype == torch.float32
    classifier.module.to(dtype)
    assert classifier.preprocess([PHOTO]).dtype == classifier.dtype == dtype
    assert classifier.probabilities([PHOTO]).dtype == dtype


def test_a_network_without_parameters_takes_float32():
    classifier = Classifier.from_module(OneRow(), SMALL)
    assert (classifier.dtype, classifier.device) == (torch.float32, torch.device("cpu"))
    assert len(classifier.predict(PHOTO)) == 3


def test_targets_are_checked():
    classifier = Classifier.from_module(zoo.network("residual"), SMALL, ["cat", "dog", "fox", "hen"])
    assert classifier.target("cat vs 2") == Target(0, 2)
    assert classifier.target(Target(3)) == Target(3)
    with pytest.raises(UnknownName):
        classifier.target("wolf")


# The fingerprint


def changed(change):
    module = zoo.network("residual")
    change(module)
    return Classifier.from_module(module, SMALL).fingerprint


def nudge(parameter):
    with torch.no_grad():
        parameter.view(-1)[-1] += 1e-6


CHANGES = {
    "weight": lambda net: nudge(net.head.weight),
    "stride": lambda net: setattr(net.stem, "stride", (1, 1)),
    "epsilon": lambda net: setattr(net.norm, "eps", 1e-3),
    "statistics": lambda net: nudge(net.norm.running_var),
    "precision": lambda net: net.double(),
    "part": lambda net: setattr(net, "relu", nn.GELU()),
}


def test_equal_classifiers_have_equal_fingerprints_whatever_they_are_called():
    names = ["a", "b", "c", "d"]
    other = Classifier.from_module(zoo.network("residual"), SMALL, names, name="another").fingerprint
    assert zoo.classifier("residual").fingerprint == other
    assert zoo.classifier("residual", seed=1).fingerprint != other


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_the_answer_changes_the_fingerprint(change):
    assert changed(CHANGES[change]) != changed(lambda net: None)


@pytest.mark.parametrize(
    "other",
    [Preprocessing((32, 32), resize=36), Preprocessing((32, 40)), Preprocessing((32, 32), mean=(0.5, 0.5, 0.5))],
)
def test_preprocessing_is_part_of_the_fingerprint(other):
    module = zoo.network("residual")
    assert Classifier.from_module(module, other).fingerprint != Classifier.from_module(module, SMALL).fingerprint


def test_training_on_renews_the_fingerprint():
    classifier = zoo.classifier("residual")
    before = classifier.fingerprint
    assert classifier.fingerprint == before
    nudge(classifier.module.head.bias)
    assert classifier.fingerprint != before


def test_the_fingerprint_is_the_same_in_another_process():
    code = "import zoo; print(zoo.classifier('tiny-vit').fingerprint)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(zoo.__file__).parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == zoo.classifier("tiny-vit").fingerprint
