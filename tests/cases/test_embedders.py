from __future__ import annotations

import pytest
import torch

import zoo
from seewhy.cases.embedders import Cole, Penultimate, contributions, find_embedder
from seewhy.errors import UnknownName, UsageError
from seewhy.models import Classifier, black_box

LINEAR = [name for name in zoo.SOUND if name != "training"]


@pytest.mark.parametrize("name", LINEAR)
def test_contributions_add_up_to_the_logit_less_its_bias(name):
    module = zoo.network(name).double()
    classifier = Classifier.from_module(module, zoo.classifier(name).preprocessing)
    features, logits = classifier.embed_and_score(zoo.inputs(4).double())
    head = module.get_submodule(classifier.head_layer)
    found = contributions(features, Cole(classifier).weight, logits.argmax(1))
    wanted = logits.max(1).values - head.bias.detach()[logits.argmax(1)]
    torch.testing.assert_close(found.sum(1), wanted)


def test_contributions_add_up_in_the_default_model(default_classifier):
    x = default_classifier.preprocess(zoo.photos(2))
    features, logits = default_classifier.embed_and_score(x)
    torch.testing.assert_close(logits, default_classifier.logits(x).detach())
    top = logits.argmax(1)
    found = contributions(features, Cole(default_classifier).weight, top).sum(1)
    bias = default_classifier.module.classifier.bias.detach()[top]
    torch.testing.assert_close(found + bias, logits.max(1).values, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["penultimate", "cole"])
def test_vectors_have_length_one_and_come_with_the_logits(name):
    classifier = zoo.classifier("gap-linear")
    images = zoo.photos(3)
    vectors, logits = find_embedder(name, classifier)(images)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(logits, classifier.logits(classifier.preprocess(images)).detach())
    wanted = classifier.embed(classifier.preprocess(images))
    if name == "cole":
        wanted = wanted * classifier.module.head.weight.detach()[logits.argmax(1)]
    torch.testing.assert_close(vectors, wanted / wanted.norm(dim=1, keepdim=True))


def test_scores_that_are_no_linear_function_have_no_contributions():
    classifier = zoo.classifier("zero-gradient")  # rounds its logits
    with pytest.raises(UsageError, match="use --embedding penultimate"):
        Cole(classifier)(zoo.photos(1))


def test_a_black_box_is_embedded_by_another_encoder_only():
    service = black_box(lambda pictures: [[0.25, 0.75]] * len(pictures), size=(32, 32))
    with pytest.raises(UsageError, match="name an encoder"):
        find_embedder("penultimate", service)
    with pytest.raises(UnknownName):
        find_embedder("clip", service)
    vectors, logits = find_embedder("py:cli.nets:named", service)(zoo.photos(2))
    assert vectors.shape == (2, zoo.WIDTH)
    assert logits.softmax(1)[0].tolist() == pytest.approx([0.25, 0.75])


def test_what_names_no_class_is_the_raw_embedding():
    assert Penultimate(zoo.classifier("gap-linear")).channel_weights(torch.tensor([0])) is None
