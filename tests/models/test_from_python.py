import sys

import pytest
import torch
from safetensors.torch import save_file

import zoo
from seewhy.errors import ModelError
from seewhy.models import load

SOURCE = """
import zoo
from seewhy.models import Classifier, Preprocessing

def network():
    return zoo.network("residual")

def classifier():
    return Classifier.from_module(network(), Preprocessing((32, 32)), ["a", "b", "c", "d"], name="mine")

def junk():
    return "junk"

constant = 5
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_code.py").write_text(SOURCE)
    (tmp_path / "needy_code.py").write_text("import a_library_that_nobody_has")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("own_code", None)


def test_a_function_may_return_a_network(own):
    classifier = load("py:own_code:network", device="cpu")
    assert classifier.name == "py:own_code:network"
    assert len(classifier.logits(zoo.inputs())[0]) == 4


def test_a_function_may_return_a_classifier(own):
    classifier = load("py:own_code:classifier", device="cpu")
    assert list(classifier.categories) == ["a", "b", "c", "d"]
    assert classifier.name == "mine"


def test_weights_go_into_ones_own_network(own):
    other = zoo.network("residual", seed=5)
    save_file(other.state_dict(), own / "mine.safetensors")
    classifier = load("py:own_code:network", own / "mine.safetensors", device="cpu")
    torch.testing.assert_close(classifier.module.state_dict(), other.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("py:own_code", "lacks the function: write py:module:factory"),
        ("py:own_code:", "lacks the function"),
        ("py:own_code:absent", "has no function 'absent'"),
        ("py:own_code:constant", "has no function 'constant'"),
        ("py:absent_code:network", "cannot import 'absent_code'"),
        ("py:needy_code:network", "a_library_that_nobody_has"),
        ("py:own_code:junk", "returned str; expected a torch.nn.Module or a Classifier"),
    ],
)
def test_what_cannot_be_called_says_so(own, name, words):
    with pytest.raises(ModelError, match=words):
        load(name)
