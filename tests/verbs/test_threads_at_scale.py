"""Many threads, one network: every explanation is the one that its photo gets alone, and the network is as it was."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import seewhy
from seewhy.models import Preprocessing
from seewhy.models.shim import ready_torchvision

THREADS, PHOTOS = 8, 16
CLOSE = 1e-6  # of the largest value
METHODS = {
    "grad-cam": {},
    "layer-cam": {},
    "eigen-cam": {},
    "score-cam": {},
    "lime": {"samples": 200},
    "lrp": {},
    "integrated-gradients": {"steps": 4, "most_steps": 4},
}


def photos(shared_data, count=PHOTOS):
    return sorted(shared_data("imagenet-photos").glob("*.jpg"))[:: 500 // count][:count]


def explained(classifier, photo, method):
    return seewhy.explain(classifier, photo, method, **METHODS[method])


@pytest.mark.heavy
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("method", METHODS)
def test_eight_threads_find_what_one_finds(shared_data, default_classifier, one_thread, method):
    paths = photos(shared_data)
    alone = [explained(default_classifier, path, method) for path in paths]
    with ThreadPoolExecutor(THREADS) as pool:
        together = list(pool.map(lambda path: explained(default_classifier, path, method), paths))
    for path, one, other in zip(paths, alone, together, strict=True):
        assert one.target_label == other.target_label, path.name
        assert one.predictions == other.predictions, path.name
        apart = np.abs(one.values - other.values).max() / np.abs(one.values).max()
        assert apart <= CLOSE, f"{path.name}: {apart}"


@pytest.mark.heavy
@pytest.mark.timeout(3600)
def test_a_network_in_training_mode_is_as_it_was(shared_data, one_thread):
    ready_torchvision()
    from torchvision.models import resnet18

    module = resnet18(num_classes=10).train()
    for number, parameter in enumerate(module.parameters()):
        parameter.requires_grad_(number % 2 == 0)
    classifier = seewhy.Classifier.from_module(module, Preprocessing(size=(96, 96)))
    paths = photos(shared_data, 8)
    before, flags = {name: each.clone() for name, each in module.state_dict().items()}, seen(module)
    states = randomness()
    jobs = [(path, method) for path in paths for method in METHODS]
    with ThreadPoolExecutor(THREADS) as pool:
        together = list(pool.map(lambda job: explained(classifier, *job), jobs))
    assert all(torch.equal(each, before[name]) for name, each in module.state_dict().items())
    assert seen(module) == flags
    assert randomness() == states
    for job, other in zip(jobs[:: len(METHODS) + 1], together[:: len(METHODS) + 1], strict=True):
        one = explained(classifier, *job)
        assert one.predictions == other.predictions, job
        assert np.abs(one.values - other.values).max() <= CLOSE * np.abs(one.values).max(), job


def randomness():
    """The global random states."""
    return torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state())  # noqa: NPY002


def seen(module):
    """Flags, hooks and gradients of a network."""
    return (
        [part.training for part in module.modules()],
        [each.requires_grad for each in module.parameters()],
        [each.grad for each in module.parameters()],
        [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules()],
    )
