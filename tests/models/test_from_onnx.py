import json
import pickle

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from seewhy.errors import ModelError, UsageError
from seewhy.models import Preprocessing, imagenet, load

WEIGHT = np.arange(12, dtype=np.float32).reshape(3, 4) / 10


def graph(path, batch="n", side=8, weight=WEIGHT, last=None, also=()):
    """Mean colour times `weight`, through the operation `last`, and what else is put out before it, as an ONNX file."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["scores"]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, side, side])]
    nodes += [helper.make_node(last, ["scores"], ["last"])] if last else []
    ends = {**dict.fromkeys(also, 3), "last" if last else "scores": weight.shape[1]}
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, columns]) for name, columns in ends.items()
    ]
    made = helper.make_graph(nodes, "mean", inputs, outputs, [numpy_helper.from_array(weight, "w")])
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return f"onnx:{path}"


@pytest.mark.parametrize("batch", ["n", 1, 2])
def test_a_graph_answers_as_its_formula_whatever_its_batch(tmp_path, batch):
    classifier = load(graph(tmp_path / "mean.onnx", batch), device="cpu")
    x = torch.rand(3, 3, 8, 8)
    torch.testing.assert_close(classifier.logits(x), x.mean((2, 3)) @ torch.from_numpy(WEIGHT))
    assert classifier.offers == {"scores"}
    assert classifier.preprocessing == Preprocessing((8, 8))
    assert classifier.name == "onnx:mean.onnx"
    assert list(classifier.categories) == [f"class {index}" for index in range(4)]


def test_a_graph_of_1000_classes_has_imagenets_names_and_free_sides_are_224(tmp_path):
    classifier = load(graph(tmp_path / "mean.onnx", side="s", weight=np.ones((3, 1000), np.float32)), device="cpu")
    assert classifier.categories is imagenet()
    assert classifier.preprocessing.size == (224, 224)


def test_a_card_beside_it_gives_names_and_preprocessing(tmp_path):
    card = {"preprocessing": {"resize": 10, "mean": [0, 0, 0], "std": [1, 1, 1]}, "categories": list("abcd")}
    (tmp_path / "mean.json").write_text(json.dumps(card))
    classifier = load(graph(tmp_path / "mean.onnx"), device="cpu")
    assert classifier.preprocessing == Preprocessing((8, 8), 10, mean=(0, 0, 0), std=(1, 1, 1))
    assert list(classifier.categories) == ["a", "b", "c", "d"]


SHARP = (WEIGHT - 0.6) * 20
HALVES = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0)) - 0.5
SCORES = HALVES.mean((2, 3)) @ torch.from_numpy(SHARP)


@pytest.mark.parametrize(
    ("last", "gives", "wanted"),
    [
        (None, None, SCORES.softmax(1)),
        (None, "sigmoid", SCORES.sigmoid()),
        ("Softmax", None, SCORES.softmax(1)),
        ("Softmax", "probabilities", SCORES.softmax(1)),
        ("LogSoftmax", None, SCORES.softmax(1)),
        ("Sigmoid", "sigmoid", SCORES.sigmoid()),
        (None, "values", SCORES),
    ],
)
@pytest.mark.parametrize("door", ["card", "argument", "name"])
def test_what_a_graph_says_is_shown(tmp_path, last, gives, wanted, door):
    name = graph(tmp_path / "mean.onnx", weight=SHARP, last=last)
    if door == "card" and gives:
        (tmp_path / "mean.json").write_text(json.dumps({"gives": gives}))
    if door == "name" and gives:
        name = f"{name}?gives={gives}"
    classifier = load(name, device="cpu", gives=gives if door == "argument" else None)
    torch.testing.assert_close(classifier.head.probabilities(classifier.logits(HALVES)), wanted)


def test_a_sigmoid_in_a_graph_has_to_be_declared_and_a_wrong_declaration_is_refused(tmp_path):
    name = graph(tmp_path / "mean.onnx", weight=SHARP, last="Sigmoid")
    with pytest.raises(ModelError, match="gives='sigmoid' for labels"):
        load(name)
    with pytest.raises(ModelError, match="do not add up to 1"):
        load(name, gives="probabilities")
    with pytest.raises(UsageError, match="gives is one of"):
        load(name, gives=["sigmoid"])


def test_one_logit_of_a_graph_is_two_classes(tmp_path):
    classifier = load(graph(tmp_path / "mean.onnx", weight=SHARP[:, :1]), device="cpu", gives="sigmoid")
    p = SCORES[:, 0].sigmoid()
    torch.testing.assert_close(classifier.head.probabilities(classifier.logits(HALVES)), torch.stack([1 - p, p], 1))
    with pytest.raises(ModelError, match="gives='single-logit'"):
        load(graph(tmp_path / "mean.onnx", weight=SHARP[:, :1]))


def test_of_several_outputs_one_is_named(tmp_path):
    name = graph(tmp_path / "two.onnx", weight=SHARP, also=("flat",))
    with pytest.raises(ModelError, match=r"output='flat' \(1, 3\), output='scores' \(1, 4\)|say which"):
        load(graph(tmp_path / "odd.onnx", weight=SHARP, last="Relu", also=("flat",)))
    assert load(name, device="cpu").head.output == "scores"  # for what it is called
    for chosen in (load(name, output="flat"), load(f"{name}?output=flat"), load(name, output=0)):
        torch.testing.assert_close(chosen.to("cpu").logits(HALVES), HALVES.mean((2, 3)))
    with pytest.raises(ModelError, match="no output 'heads'; it has output='flat'"):
        load(name, output="heads")


def test_a_graph_goes_to_another_process(tmp_path):
    classifier = load(graph(tmp_path / "mean.onnx"), device="cpu")
    back = pickle.loads(pickle.dumps(classifier))  # noqa: S301 - our own
    assert torch.equal(back.logits(HALVES), classifier.logits(HALVES))


def test_two_graphs_have_two_fingerprints_and_one_has_one(tmp_path):
    first = load(graph(tmp_path / "first.onnx"), device="cpu").fingerprint
    assert load(graph(tmp_path / "again.onnx"), device="cpu").fingerprint == first
    assert load(graph(tmp_path / "other.onnx", weight=WEIGHT + 1), device="cpu").fingerprint != first


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ("{", "is damaged .EOF"),
        ("[]", "should be an object; write|should be an object.; write a JSON"),
        ('{"preprocessing": {"crop": 1}}', "unknown preprocessing keys"),
    ],
)
def test_a_wrong_card_says_so(tmp_path, card, words):
    (tmp_path / "mean.json").write_text(card)
    with pytest.raises(ModelError, match=words):
        load(graph(tmp_path / "mean.onnx"))


def test_a_graph_that_does_not_run_says_so(tmp_path):
    (tmp_path / "mean.json").write_text('{"preprocessing": {"size": [9, 9]}}')
    with pytest.raises(ModelError, match=r"does not run on float32 \(1, 3, 9, 9\)"):
        load(graph(tmp_path / "mean.onnx"))


def test_what_is_no_graph_is_refused(tmp_path):
    (tmp_path / "text.onnx").write_text("text")
    with pytest.raises(ModelError, match="no ONNX file that onnxruntime can run"):
        load(f"onnx:{tmp_path}/text.onnx")
    with pytest.raises(ModelError, match="there is no file"):
        load("onnx:absent.onnx")
    with pytest.raises(ModelError, match="leave --weights out"):
        load(graph(tmp_path / "mean.onnx"), tmp_path / "weights.pth")
