"""One trial when a network is wrapped: what its numbers are, which tensor holds them, whether a batch changes them."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, dropout, hardsigmoid, hardtanh

import seewhy
import zoo
from seewhy.errors import ModelError, NonFinite, UsageError
from seewhy.models import Classifier, Preprocessing, black_box
from seewhy.models.load import declaration, declaring

SMALL = Preprocessing(zoo.SIZE)
PHOTO = zoo.photos(1)[0]


class Headed(nn.Module):
    """Features, K logits of them, and what `answer` makes of both."""

    def __init__(self, answer, classes=4):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            self.last = nn.Linear(8, classes)
        self.answer = answer

    def forward(self, x):
        features = self.body(x)
        return self.answer(features, self.last(features) * 3)


def wrapped(answer, classes=4, **declared):
    return Classifier.from_module(Headed(answer, classes).eval(), SMALL, **declared)


def logits(classes=4):
    plain = Headed(lambda _, z: z, classes).eval()
    return plain(SMALL.normalize(SMALL.pixels([PHOTO]))).detach()[0]


def said(classifier):
    return classifier.probabilities([PHOTO])[0]


def close(found, wanted):
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def softmax(z):
    return z.softmax(-1)


def half(z):
    return z.bfloat16().softmax(-1).float()


def scaled_log(z):
    return (z * 500).softmax(-1).log()


@pytest.mark.parametrize(
    ("inside", "gives", "wanted"),
    [
        (lambda z: z, None, softmax),
        (lambda z: z, "logits", softmax),
        (lambda z: z, "sigmoid", torch.sigmoid),
        (softmax, None, softmax),
        (softmax, "probabilities", softmax),
        (softmax, "sigmoid", softmax),
        (lambda z: z.log_softmax(-1), None, softmax),
        (lambda z: z.log_softmax(-1), "log-probabilities", softmax),
        (scaled_log, None, lambda z: (z * 500).softmax(-1)),
        (torch.sigmoid, "sigmoid", torch.sigmoid),
        (torch.sigmoid, "label-probabilities", torch.sigmoid),
        (lambda z: 1 / (1 + torch.exp(-z)), "sigmoid", torch.sigmoid),
        (hardsigmoid, "sigmoid", hardsigmoid),
        (lambda z: (z.sigmoid() + (2 * z).sigmoid()) / 2, "sigmoid", lambda z: (z.sigmoid() + (2 * z).sigmoid()) / 2),
        (lambda z: z, "values", lambda z: z),
        (half, None, softmax),
        (lambda z: torch.from_numpy(z.detach().sigmoid().numpy()), "sigmoid", torch.sigmoid),
    ],
)
def test_what_the_network_says_is_shown_whatever_its_last_function(inside, gives, wanted):
    found = said(wrapped(lambda _, z: inside(z), gives=gives))
    torch.testing.assert_close(found, wanted(logits()), atol=5e-3 if inside is half else 1e-5, rtol=0)


@pytest.mark.parametrize(
    "shape", [lambda z: z, lambda z: z[:, 0], lambda z: z.squeeze(), lambda z: z[:, :, None, None]]
)
@pytest.mark.parametrize(
    ("inside", "gives"),
    [
        (lambda z: z, "sigmoid"),
        (lambda z: z, "single-logit"),
        (torch.sigmoid, "probabilities"),
        (torch.sigmoid, "sigmoid"),
        (torch.sigmoid, "label-probabilities"),
    ],
)
def test_one_number_is_two_classes_of_which_the_second_is_there(shape, inside, gives):
    classifier = wrapped(lambda _, z: shape(inside(z)), 1, gives=gives)
    p = logits(1).sigmoid()
    close(said(classifier), torch.cat([1 - p, p]))
    close(classifier.logits(zoo.inputs(3))[:, 0], -classifier.logits(zoo.inputs(3))[:, 1])
    assert len(classifier.categories) == 2
    named = Classifier.from_module(classifier.module, SMALL, ["dog"], gives=gives)
    assert list(named.categories) == ["not dog", "dog"]


@pytest.mark.parametrize(
    ("answer", "classes", "gives", "words"),
    [
        (lambda _, z: softmax(z), 4, "logits", "gives='probabilities'"),
        (lambda _, z: z.sigmoid(), 4, "logits", "gives='sigmoid'"),
        (lambda _, z: z, 4, "probabilities", "gives='logits'"),
        (lambda _, z: z.sigmoid(), 4, "probabilities", "gives='sigmoid'"),
        (lambda _, z: z, 4, "log-probabilities", "gives='logits'"),
        (lambda _, z: z, 4, "label-probabilities", "gives='sigmoid'"),
        (lambda _, z: z, 4, "single-logit", "gives='logits'"),
        (lambda _, z: z.sigmoid(), 1, "single-logit", "gives='probabilities'"),
        (lambda _, z: z, 1, "probabilities", "gives='single-logit'"),
        (lambda _, z: z.sigmoid(), 4, None, "gives='sigmoid' for labels"),
        (lambda _, z: 1 / (1 + torch.exp(-z)), 4, None, "gives='sigmoid' for labels"),
        (lambda _, z: z.softmax(0), 4, None, "gives='sigmoid' for labels"),
        (
            lambda _, z: avg_pool2d(z.sigmoid()[:, :, None, None].expand(-1, -1, 2, 2), 2),
            4,
            None,
            "gives='sigmoid' for",
        ),
        (lambda _, z: hardtanh(z, 0, 1), 4, None, "gives='sigmoid' for labels"),
        (lambda _, z: z.clamp(0, 1), 4, None, "gives='sigmoid' for labels"),
        (lambda _, z: (z.tanh() + 1) / 2, 4, None, "gives='sigmoid' for labels"),
        (lambda _, z: z, 1, None, "gives='single-logit' for two classes"),
        (lambda _, z: z.tolist(), 4, None, "list without a tensor"),
        (lambda _, z: z.detach().numpy(), 4, None, "torch.from_numpy"),
        (lambda _, z: z[0], 3, None, r"\(N, classes\)"),
        (lambda _, z: z[:, None], 4, None, r"\(N, classes\)"),
        (lambda _, z: z.to(torch.complex64), 4, None, "complex"),
    ],
)
def test_what_behaves_otherwise_than_declared_is_refused_with_a_cure(answer, classes, gives, words):
    with pytest.raises(ModelError, match=words):
        wrapped(answer, classes, gives=gives)


def test_what_was_noticed_is_noted_and_what_was_declared_is_not():
    assert "probabilities" in wrapped(lambda _, z: softmax(z)).notes[0]
    assert not wrapped(lambda _, z: softmax(z), gives="probabilities").notes
    assert not wrapped(lambda _, z: z).notes
    assert seewhy.explain(wrapped(lambda _, z: softmax(z)), PHOTO).notes[0].startswith("The network gives probab")


def test_nothing_is_told_from_numbers_that_are_none():
    classifier = wrapped(lambda _, z: z * torch.nan)
    with pytest.raises(NonFinite):
        classifier.probabilities([PHOTO])


def test_a_later_answer_that_is_no_probability_is_refused():
    module = Headed(lambda _, z: z.sigmoid())
    classifier = Classifier.from_module(module, SMALL, gives="sigmoid")
    module.answer = lambda _, z: z
    with pytest.raises(ModelError, match="outside 0 to 1"):
        classifier.probabilities([PHOTO])
    module.answer = lambda _, z: z.sigmoid()[:, :3]
    with pytest.raises(ModelError, match="with 3 scores, and with 4 before"):
        classifier.probabilities([PHOTO])


# --- Which tensor ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        lambda f, z: (f, z),
        lambda f, z: [f, z],
        lambda f, z: (z, f),
        lambda _, z: (z.mean(), z),
        lambda _, z: (z.mean()[None], z),
        lambda _, z: (z, z.softmax(1)),
        lambda f, z: {"features": f, "prediction": z},
        lambda f, z: {"whole": [f, {"logits": z}]},
        lambda f, z: {"logits": z, "hidden_states": (f, f)},
        lambda _, z: {"scores": z, "again": z},
        lambda f, z: zoo.Pair(z, f),
        lambda f, z: zoo.Output(z, f),
        lambda f, z: {"attention": f[:, None, None], "y": z},
    ],
)
def test_the_scores_are_found_among_other_tensors(answer):
    close(wrapped(answer).logits(zoo.inputs(3)), wrapped(lambda _, z: z).logits(zoo.inputs(3)))


@pytest.mark.parametrize(
    "answer",
    [
        lambda _, z: [z, z[:, :2]],
        lambda _, z: {"colour": z, "shape": z[:, :2]},
        lambda _, z: (z, 2 * z),
        lambda _, z: {"heads": {"a": z, "b": -z}},
    ],
)
def test_of_heads_of_equal_right_one_has_to_be_named(answer):
    with pytest.raises(ModelError, match=r"several tensors that could be its scores: output='.*say which with output="):
        wrapped(answer)


@pytest.mark.parametrize(("output", "sign"), [(1, 2), ("1", 2), (0, 1), ("0", 1)])
def test_a_head_is_named_by_its_place(output, sign):
    close(wrapped(lambda _, z: (z, 2 * z), output=output).logits(zoo.inputs(2)),
          sign * wrapped(lambda _, z: z).logits(zoo.inputs(2)))  # fmt: skip


def test_a_head_is_named_by_its_path_and_others_are_listed():
    close(said(wrapped(lambda _, z: {"heads": {"a.b": z, "c": -z}}, output="heads.a.b")), softmax(logits()))
    with pytest.raises(ModelError, match=r"no output 'heads\.d'; it has output='heads.a'"):
        wrapped(lambda _, z: {"heads": {"a": z}}, output="heads.d")
    with pytest.raises(ModelError, match="none of the network's tensors holds class scores"):
        wrapped(lambda f, _: {"pooler_output": f})


# --- Batches --------------------------------------------------------------------------------------------------------


class ByTheBrightest(nn.Module):
    """Scales by what is brightest in the batch."""

    def __init__(self):
        super().__init__()
        self.body = zoo.network("gap-linear")

    def forward(self, x):
        return self.body(x / x.amax((0, 1, 2, 3), keepdim=True).clamp(min=1e-6)) * 3


class OneAtATime(nn.Module):
    """Takes a batch of one."""

    def __init__(self):
        super().__init__()
        self.body = zoo.network("gap-linear")

    def forward(self, x):
        return self.body(x.view(1, *x.shape[-3:]))


@pytest.mark.parametrize("make", [ByTheBrightest, OneAtATime])
@pytest.mark.parametrize("method", ["grad-cam", "layer-cam", "occlusion", "integrated-gradients", "deep-lift", "lrp"])
def test_each_picture_gets_the_map_it_gets_alone(make, method):
    classifier = Classifier.from_module(make().eval(), SMALL)
    assert "every picture goes in by itself" in classifier.notes[0]
    photos = [PHOTO, zoo.photos(1, seed=3)[0]]
    together = seewhy.explain(classifier, photos, method, target=1)
    for each, photo in zip(together, photos, strict=True):
        assert np.array_equal(each.values, seewhy.explain(classifier, photo, method, target=1).values)
        assert "every picture goes in by itself" in " ".join(each.notes)
    x = classifier.preprocess(photos)
    beside = seewhy.attribute(classifier, x, 1, method).values
    close(beside[:1], seewhy.attribute(classifier, x[:1], 1, method).values)


def test_embeddings_and_other_inputs_go_one_by_one_too():
    classifier = Classifier.from_module(ByTheBrightest().eval(), SMALL)
    x = zoo.inputs(3)
    features, scores = classifier.embed_and_score(x)
    for row in range(3):
        alone = classifier.embed_and_score(x[row : row + 1])
        close(features[row : row + 1], alone[0])
        close(scores[row : row + 1], alone[1])


@pytest.mark.parametrize("answer", [lambda _, z: dropout(z, 0.5, training=True), lambda _, z: z * random.uniform(1, 2)])  # noqa: S311
def test_chance_is_told(answer):
    assert "differently each time" in wrapped(answer).notes[0]


def test_a_random_network_gives_each_picture_what_it_gets_alone():
    classifier, x = wrapped(lambda _, z: dropout(z, 0.5, training=True)), zoo.inputs(3)
    assert torch.equal(classifier.logits(x), torch.cat([classifier.logits(row) for row in x.split(1)]))


def test_a_trial_leaves_no_trace_and_gives_the_same_each_time():
    module = zoo.network("training")
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    random_state = torch.get_rng_state()
    first, second = (Classifier.from_module(module, SMALL) for _ in range(2))
    assert first.head == second.head
    assert torch.equal(torch.get_rng_state(), random_state)
    assert module.training
    assert all(torch.equal(tensor, state[name]) for name, tensor in module.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in module.parameters())
    assert not any(part._forward_hooks for part in module.modules())


def test_a_training_loop_pays_for_one_trial():
    class Counted(nn.Module):
        asked = 0

        def __init__(self):
            super().__init__()
            self.body = zoo.network("gap-linear")

        def forward(self, x):
            self.asked += len(x)
            return self.body(x)

    module = Counted()
    seewhy.attribute(module, zoo.inputs(2), 0, "gradient")
    first, module.asked = module.asked, 0
    for _ in range(3):
        seewhy.attribute(module, zoo.inputs(2), 0, "gradient")
    assert module.asked <= 3 * 4 < first + 9


# --- Doors ----------------------------------------------------------------------------------------------------------


def test_attribute_takes_the_declaration():
    found = seewhy.attribute(Headed(lambda f, z: (z, -z)).eval(), zoo.inputs(2), 1, "gradient", output=1)
    plain = seewhy.attribute(Headed(lambda f, z: -z).eval(), zoo.inputs(2), 1, "gradient")
    close(found.values, plain.values)
    labels = seewhy.attribute(Headed(lambda f, z: z, 1).eval(), zoo.inputs(2), 1, "gradient", gives="sigmoid")
    assert labels.logits.shape == (2, 2)
    with pytest.raises(ModelError, match="gives='single-logit'"):
        seewhy.attribute(Headed(lambda f, z: z, 1).eval(), zoo.inputs(2), 0, "gradient")


def test_a_black_box_of_independent_probabilities_says_them():
    told = [0.9, 0.8, 0.05, 0.4]
    found = black_box(lambda pictures: np.tile(told, (len(pictures), 1)), size=(32, 32), gives="sigmoid")
    assert [each.probability for each in sorted(found.predict(PHOTO), key=lambda each: each.index)] == pytest.approx(
        told
    )
    with pytest.raises(ModelError, match="gives='sigmoid'"):
        black_box(lambda pictures: np.tile(told, (len(pictures), 1)), size=(32, 32))
    pair = black_box(lambda pictures: {"a": np.ones((len(pictures), 2)) / 2, "b": np.ones((len(pictures), 3)) / 3},
                     size=(32, 32), output="b")  # fmt: skip
    assert len(pair.categories) == 3


def one_only(pictures):
    if len(pictures) > 1:
        raise ValueError("one at a time")
    mean = pictures.mean((1, 2)) / 255
    return mean / mean.sum()


def test_a_black_box_may_take_one_picture_at_a_time():
    classifier = black_box(one_only, size=(32, 32))
    assert "one at a time" in classifier.notes[0]
    assert seewhy.explain(classifier, PHOTO, "lime").values.shape == (32, 32)


def test_a_models_name_may_declare():
    name = declaring("onnx:a?b.onnx", "sigmoid", "logits")
    assert name == "onnx:a?b.onnx?gives=sigmoid&output=logits"
    plain, head, _ = declaration(name)
    assert (plain, head.gives, head.output) == ("onnx:a?b.onnx", "sigmoid", "logits")
    assert declaration("onnx:a?b.onnx")[0] == "onnx:a?b.onnx"
    assert declaring(name, output="scores").endswith("?gives=sigmoid&output=scores")
    with pytest.raises(UsageError, match="gives is one of logits"):
        seewhy.load("bundled:efficientnet-lite0?gives=softmax")
    with pytest.raises(ModelError, match="gives='logits'"):
        seewhy.load("bundled:efficientnet-lite0?gives=probabilities")
    assert seewhy.load("bundled:efficientnet-lite0", gives="sigmoid").head.meaning == "labels"
