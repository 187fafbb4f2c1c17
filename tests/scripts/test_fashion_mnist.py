"""A real network of one channel, trained here, from grey PNGs to maps and a report."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import seewhy
from seewhy.models import Preprocessing

ROOT = Path(__file__).resolve().parents[2]
METHODS = ["grad-cam", "integrated-gradients", "lrp", "deep-lift", "occlusion", "lime"]


@pytest.fixture(scope="module")
def fashion():
    spec = importlib.util.spec_from_file_location("fashion_mnist", ROOT / "scripts/fashion_mnist.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    if not script.DATA.is_dir():
        pytest.skip("needs Fashion-MNIST: apt-get install dataset-fashion-mnist")
    return script


class Averaging(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x.mean(1, keepdim=True))


@pytest.mark.heavy
def test_a_network_of_one_channel_runs_end_to_end(fashion, tmp_path):
    torch.manual_seed(0)
    classifier = fashion.classifier()
    pictures, labels = fashion.read(fashion.DATA, "train")
    fashion.train(classifier.module, pictures[:12_000], labels[:12_000], epochs=1)
    unseen, truth = fashion.read(fashion.DATA, "t10k")
    assert fashion.accuracy(classifier.module, unseen[:2000], truth[:2000]) > 0.75
    paths = []
    for place in range(3):
        paths.append(tmp_path / f"{place}.png")
        Image.fromarray(np.asarray(unseen[place])).save(paths[-1])
    wide = Preprocessing((28, 28), mean=(fashion.MEAN,) * 3, std=(fashion.STD,) * 3)
    wrapper = seewhy.Classifier.from_module(Averaging(classifier.module), wide, fashion.CLASSES)
    for method in METHODS:
        options = {"regions": "grid"} if method == "lime" else {}
        found, wanted = (seewhy.explain(each, paths, method, **options) for each in (classifier, wrapper))
        for one, other in zip(found, wanted, strict=True):
            assert one.target_label == other.target_label
            assert np.abs(one.values - other.values).max() < 2e-3 * np.abs(other.values).max(), method
    with torch.no_grad():
        says = classifier.module(fashion.prepared(unseen[:3])).softmax(1).amax(1)
    assert [each[0].probability for each in classifier.predict(paths)] == pytest.approx(says.tolist(), abs=1e-4)
    page = seewhy.explain(classifier, paths, METHODS).save(tmp_path / "out")
    assert "The model says" in (page / "report.html").read_text("utf-8")
