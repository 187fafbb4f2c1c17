import json

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from seewhy.errors import ModelError
from seewhy.models import Preprocessing, imagenet, load

WEIGHT = np.arange(12, dtype=np.float32).reshape(3, 4) / 10


def graph(path, batch="n", side=8, weight=WEIGHT):
    """Mean colour times `weight`, as an ONNX file."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["scores"]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, side, side])]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, weight.shape[1]])]
    made = helper.make_graph(nodes, "mean", inputs, outputs, [numpy_helper.from_array(weight, "w")])
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return f"onnx:{path}"


@pytest.mark.parametrize("batch", ["n", 1])
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


def test_two_graphs_have_two_fingerprints_and_one_has_one(tmp_path):
    first = load(graph(tmp_path / "first.onnx"), device="cpu").fingerprint
    assert load(graph(tmp_path / "again.onnx"), device="cpu").fingerprint == first
    assert load(graph(tmp_path / "other.onnx", weight=WEIGHT + 1), device="cpu").fingerprint != first


@pytest.mark.parametrize(
    ("card", "words"),
    [("{", "is not JSON"), ("[]", "no JSON object"), ('{"preprocessing": {"crop": 1}}', "unknown preprocessing keys")],
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
