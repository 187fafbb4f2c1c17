"""Maps of several layers: RefineCAM is pytorch-grad-cam's, the fusion of LayerCAM is its formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import zoo
from seewhy.errors import SeewhyError
from seewhy.methods import find_method
from seewhy.methods.several_layers import lifted_maximum, product
from seewhy.models import Target
from seewhy.models.shim import ready_torchvision

STAGES = ("features.1", "features.4")


def explain(name: str, **parameters: object):
    method = find_method(name, **parameters)
    return method(zoo.familiar("overlapping"), zoo.photos(1), [[Target(1), Target(2)]], generator=torch.Generator())


def test_refine_cam_equals_pytorch_grad_cam():
    ready_torchvision()
    from pytorch_grad_cam import RefineCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    module = zoo.network("overlapping")
    theirs = RefineCAM(module, [module.get_submodule(each) for each in STAGES])
    x = zoo.familiar("overlapping").preprocess(zoo.photos(1))
    for found, index in zip(explain("refine-cam", stages=STAGES), (1, 2), strict=True):
        wanted = theirs(x, [ClassifierOutputTarget(index)])[0]
        assert wanted.max() > 0.9
        np.testing.assert_allclose(found.values / found.values.max(), wanted, atol=1e-4)


def test_layer_cams_are_fused_by_their_formula():
    maps = {layer: [each.values for each in explain("layer-cam", layers=(layer,))] for layer in STAGES}
    for number, found in enumerate(explain("layer-cam-fusion", stages=STAGES)):
        early, last = (maps[layer][number] for layer in STAGES)
        wanted = np.maximum(np.tanh(2 * early / early.max()), last / last.max())
        np.testing.assert_allclose(found.values, wanted, atol=1e-6)


@pytest.mark.parametrize("name", ["refine-cam", "layer-cam-fusion"])
def test_its_own_stages_end_at_the_default_layer(name):
    found = explain(name)[0]
    assert found.checks["layers"] >= 2
    assert found.values.any()
    with pytest.raises(SeewhyError, match="nowhere"):
        explain(name, stages=("nowhere",))


def test_an_empty_map_makes_the_product_empty_and_leaves_the_maximum():
    empty, one = torch.zeros(2, 2), torch.tensor([[0.0, 1.0], [0.5, 0.0]])
    assert not product([one, empty]).any()
    assert lifted_maximum([empty, one]).equal(one)
