"""Names of models that stand in files: data alone; code comes from people."""

import pytest

from seewhy.errors import BadFile
from seewhy.models.load import SOURCES, check_told


@pytest.mark.parametrize(
    "name",
    ["bundled:efficientnet-lite0", "torchvision:resnet18", "timm:resnet18.a1_in1k", "hf-hub:org/name", "file:/a/b",
     "onnx:../net.onnx", "onnx:net.onnx?gives=sigmoid"],
)  # fmt: skip
def test_a_file_may_name_data(name, tmp_path):
    assert check_told(name, tmp_path / "manifest.json") == name


@pytest.mark.parametrize("name", ["py:holiday:net", "py:os:getcwd", "py:a?gives=logits"])
def test_a_file_names_no_code(name, tmp_path):
    with pytest.raises(BadFile, match=r"card\.json names code.*give --model py:.* yourself"):
        check_told(name, tmp_path / "card.json")


@pytest.mark.parametrize(
    "name", ["", "py", "file:", "PY:os:getcwd", " py:os:getcwd", "os:getcwd", "http://x", "holiday"]
)
def test_what_is_not_on_the_list_is_refused(name, tmp_path):
    with pytest.raises(BadFile, match="may name only bundled:, torchvision:, timm:, bcos:, hf-hub:, onnx:, file:"):
        check_told(name, tmp_path / "card.json")


def test_the_list_is_all_but_code():
    assert set(SOURCES) == {"bundled", "torchvision", "timm", "bcos", "hf-hub", "onnx", "file", "py"}
