"""LIME as published, against the package itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lime.lime_base import LimeBase
from lime.lime_image import LimeImageExplainer
from sklearn.linear_model import Ridge
from sklearn.metrics import pairwise_distances
from torch import Tensor

from methods.seeing import SIXTEEN, checkers, seeing
from seewhy.engines import MaskedForward
from seewhy.errors import UsageError
from seewhy.methods import find_method
from seewhy.methods.lime import classic_coalitions, proximity
from seewhy.methods.surrogate import fit
from seewhy.models import Target

SAMPLES = 300


def rough(visible: Tensor) -> Tensor:
    """Three classes, in which regions work together."""
    weights = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(0))
    return torch.stack([(visible @ each).tanh().sum(1) for each in weights], 1)


def kernel(distances: np.ndarray) -> np.ndarray:
    """The package's, which it defines inside a constructor."""
    return np.sqrt(np.exp(-(distances**2) / 0.25**2))


def coalitions() -> Tensor:
    return classic_coalitions(SAMPLES, 16, torch.Generator().manual_seed(2))


def distances(masks: Tensor) -> np.ndarray:
    data = masks.numpy().astype(float)
    return pairwise_distances(data, data[:1], metric="cosine").ravel()


def test_half_is_hidden_and_the_first_is_whole():
    masks = coalitions()
    assert masks[0].all()
    assert 0.47 < masks[1:].double().mean() < 0.53


def test_closeness_is_the_package_s():
    masks = coalitions()
    masks[7] = False
    np.testing.assert_allclose(proximity(masks, 0.25), kernel(distances(masks)), atol=1e-9)


@pytest.mark.parametrize("target", [Target(0), Target(2)])
def test_it_is_the_package_s_fit(target):
    method = find_method("lime-classic", regions=SIXTEEN, samples=SAMPLES, precision="float32")
    classifier, generator = seeing(SIXTEEN, rough), torch.Generator().manual_seed(2)
    (found,) = method(classifier, [checkers()], [[target]], generator=generator)
    masks = coalitions()
    labels = rough(masks.float()).double().softmax(1).numpy()
    intercept, weights, r2, prediction = LimeBase(kernel, random_state=0).explain_instance_with_data(
        masks.numpy().astype(float), labels, distances(masks), target.index, num_features=100_000
    )
    np.testing.assert_allclose(found.regions.weights, [dict(weights)[region] for region in range(16)], atol=1e-6)
    assert found.checks["r2"] == pytest.approx(r2, abs=1e-5)
    assert found.checks["local_prediction"] == pytest.approx(prediction[0], abs=1e-5)
    assert found.checks["local_prediction"] - found.regions.weights.sum() == pytest.approx(intercept, abs=1e-5)
    twin = Ridge(alpha=1).fit(masks.numpy(), labels[:, target.index], kernel(distances(masks)))
    np.testing.assert_allclose(found.regions.weights, twin.coef_, atol=1e-6)


def test_the_package_finds_the_same_from_the_picture_on():
    """Its own masks, its own mean colours, its own pictures."""
    classifier, image = seeing(SIXTEEN, rough), checkers()
    pixels = classifier.preprocessing.pixels([image])[0].permute(1, 2, 0).numpy()

    def probabilities(pictures: np.ndarray) -> np.ndarray:
        return classifier.logits(torch.from_numpy(pictures).permute(0, 3, 1, 2).float()).softmax(1).detach().numpy()

    explainer = LimeImageExplainer(random_state=5)
    peer = explainer.explain_instance(
        pixels, probabilities, top_labels=3, num_samples=100, segmentation_fn=lambda _: SIXTEEN, random_seed=0
    )
    masks = torch.from_numpy(np.random.RandomState(5).randint(0, 2, 100 * 16).reshape(100, 16)) > 0
    masks[0] = True
    engine = MaskedForward(classifier, image, labels=SIXTEEN, generator=torch.Generator(), precision="float32")
    answers = engine(masks).double().softmax(1)
    for index, weights in peer.local_exp.items():
        found = fit(masks.double(), answers[:, index], proximity(masks, 0.25), alpha=1.0)
        np.testing.assert_allclose(found.weights, [dict(weights)[region] for region in range(16)], atol=1e-6)


def test_the_same_seed_gives_the_same_bytes_and_targets_share_their_forwards():
    method = find_method("lime-classic", regions=SIXTEEN, samples=SAMPLES, precision="float32")
    classifier, targets = seeing(SIXTEEN, rough), [Target(0), Target(1)]
    runs = [
        method(classifier, [checkers()], [targets], generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    ]
    first, again, other = (run[0].values.tobytes() for run in runs)
    assert first == again != other
    assert runs[0][1].cost.forwards <= SAMPLES + 1


def test_a_network_that_does_not_care_gives_zeros():
    method = find_method("lime-classic", regions=SIXTEEN, samples=50, precision="float32")
    classifier = seeing(SIXTEEN, lambda visible: torch.zeros(len(visible), 3) + torch.arange(3))
    (found,) = method(classifier, [checkers()], [[Target(0)]], generator=torch.Generator())
    assert np.abs(found.values).max() < 1e-12


@pytest.mark.parametrize("parameters", [{"samples": 1}, {"kernel_width": 0}])
def test_settings_without_meaning_are_refused(parameters):
    with pytest.raises(UsageError, match="samples of at least 2 and a kernel_width above 0"):
        find_method("lime-classic", **parameters)
