"""What every registered method promises, checked on the zoo's networks: a new method is tested by being registered."""

from __future__ import annotations

import gc
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import product
from typing import Any

import numpy as np
import psutil
import pytest
import sklearn.cluster  # noqa: F401 - loaded now, since to load it draws random numbers
import torch
from torch import nn

import seewhy
import zoo
from pairs import drawn
from seewhy.core.progress import Progress, silent
from seewhy.errors import Cancelled, ExplainError, ModelError, NonFinite, SeewhyError, UnknownName, UsageError
from seewhy.images import Image
from seewhy.methods import Explanation, Method, find_method, list_methods
from seewhy.models import Classifier, Preprocessing, Target
from seewhy.models.classifier import black_box

# What a method cannot do without, or what makes it quick enough for a test.
PARAMETERS: dict[str, dict[str, Any]] = {
    "anchors": {"budget": 300, "regions": "grid"},
    "anchors-lime": {"budget": 300, "regions": "grid"},
    "bilrp": {"reference": zoo.photos(1, seed=9)[0], "units": 3},
    "blur-ig": {"steps": 4},
    "control:prior": {"prior": np.arange(12.0).reshape(3, 4)},
    "expected-gradients": {"samples": 20},
    "fam": {"reference": zoo.photos(1, seed=9)[0]},
    "guided-ig": {"steps": 3},
    "hsic": {"masks": 12, "cells": 3},
    "idgi": {"steps": 4, "most_steps": 4},
    "integrated-gradients": {"most_steps": 32},
    "is-cam": {"samples": 2},
    "kernel-shap": {"samples": 200},
    "lime": {"samples": 120, "regions": "grid"},
    "lime-classic": {"samples": 120, "regions": "grid"},
    "occlusion": {"stride": 0.2},
    "partition-shap": {"samples": 40},
    "permutation-shap": {"samples": 200},
    "rise": {"masks": 50},
    "shapley-interactions": {"regions": "grid:2", "samples": 20},
    "smooth-grad-cam++": {"samples": 3},
    "sobol": {"designs": 2, "cells": 3},
    "ss-cam": {"samples": 2},
    "var-grad": {"samples": 4},
    "xrai": {"steps": 3, "most_steps": 3},
}
CLASS_BLIND = {"bilrp", "eigen-cam", "fam", "fem", "kpca-cam"}
# Three that differ most: for what is about the method rather than the network.
FEW = ["residual", "tiny-vit", "training"]
LAYERS = {"residual": ("stem", "relu"), "tiny-vit": ("blocks.0", "blocks.1.norm1"), "training": ("conv", "relu")}

# What follows attention has networks of its own, in `test_attention`.
# So has what is trained for one network, or asks a network that was made for it.
OWN = {"learned", "inherent"}
NAMES = [info.name for info in list_methods() if "attention" not in info.needs and info.family not in OWN]
LAYERED = [info.name for info in list_methods() if "layers" in info.parameters]

every_method = pytest.mark.parametrize("name", NAMES)


some_networks = drawn(NAMES, "network", FEW)


def make(name: str, **parameters: Any) -> Method:
    """The method with what it needs for a test."""
    return find_method(name, **{**PARAMETERS.get(name, {}), **parameters})


def explain(
    method: Method,
    classifier: Classifier,
    images: Sequence[Image],
    targets: Sequence[Sequence[Target]],
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> list[Explanation]:
    return method(classifier, images, targets, generator=torch.Generator().manual_seed(seed), progress=progress)


def explain_one(name: str, classifier: Classifier, target: Target | None = None, **options: Any) -> Explanation:
    (found,) = explain(make(name), classifier, zoo.photos(1), [[target or Target(1)]], **options)
    return found


def assert_close(found: Explanation, wanted: Explanation) -> None:
    """Equal to rounding: 1e-5 of the largest value."""
    np.testing.assert_allclose(found.values, wanted.values, atol=1e-5 * np.abs(wanted.values).max(), rtol=0)


# --- The result ---------------------------------------------------------------------------------------------------


@drawn(NAMES, "network", list(zoo.SOUND))
def test_every_sound_network_is_explained(name, network):
    classifier, method = zoo.familiar(network), make(name)
    (found,) = explain(method, classifier, zoo.photos(1), [[Target(2)]], seed=11)
    assert found.method == name
    assert found.values.dtype == np.float32
    assert found.values.shape == classifier.preprocessing.size
    assert np.isfinite(found.values).all()
    assert found.target == Target(2)
    assert found.seed == 11
    assert found.fingerprint == classifier.fingerprint
    assert (found.layer is not None) == (name in LAYERED and "layers" in method.needs)
    assert found.cost.forwards >= 1
    assert (found.cost.backwards >= 1) == ("gradients" in method.needs)
    assert found.cost.seconds > 0
    assert set(found.parameters) == set(method.parameters)
    assert found.probability == pytest.approx(float(classifier.probabilities(zoo.photos(1))[0, 2]), abs=1e-6), (
        "predictions are those of the unchanged picture"
    )


@drawn(NAMES, "resize", [None, 44])
def test_values_cover_what_the_network_saw(name, resize):
    preprocessing = Preprocessing((24, 40), resize=resize)
    classifier = Classifier.from_module(zoo.network("residual"), preprocessing)
    image = zoo.photos(1, 60, 50)[0]
    (found,) = explain(make(name), classifier, [image], [[Target(0)]])
    assert found.values.shape == (24, 40)
    assert found.view == preprocessing.view(image)


@every_method
def test_the_sign_is_as_declared(name):
    plain = explain_one(name, zoo.familiar("residual"))
    assert plain.signed == make(name).signed
    assert plain.signed or (plain.values >= 0).all()
    if "signed" in make(name).parameters:
        (found,) = explain(make(name, signed=True), zoo.familiar("residual"), zoo.photos(1), [[Target(1)]])
        assert found.signed
        assert (plain.values >= found.values - 1e-6).all(), "what speaks against is taken away, no more"


# --- Several at once ----------------------------------------------------------------------------------------------


@some_networks
def test_order_is_image_then_target_then_layer(name, network):
    images = zoo.photos(3)
    targets = [[Target(0), Target(3)], [Target(1)], [Target(2, against=0), Target(1), Target(0)]]
    layers = LAYERS[network] if name in LAYERED else (None,)
    method = make(name, layers=layers) if name in LAYERED else make(name)
    found = explain(method, zoo.familiar(network), images, targets)
    wanted = [
        (image.name, target, layer)
        for image, asked in zip(images, targets, strict=True)
        for target, layer in product(asked, layers)
    ]
    assert [(each.image.name, each.target, each.layer) for each in found] == wanted


@some_networks
def test_a_batch_is_one_by_one_in_any_order(name, network):
    classifier, images = zoo.familiar(network), zoo.photos(4)
    targets = [[Target(index % zoo.CLASSES)] for index in range(len(images))]
    together = explain(make(name), classifier, images, targets)
    backwards = explain(make(name), classifier, images[::-1], targets[::-1])[::-1]
    for row in (0, 3):
        (alone,) = explain(make(name), classifier, [images[row]], [targets[row]])
        assert_close(together[row], alone)
        assert_close(backwards[row], alone)


@every_method
def test_several_targets_are_one_by_one(name):
    targets = [Target(0), Target(3), Target(1, against=2)]
    together = explain(make(name), zoo.familiar("residual"), zoo.photos(1), [targets])
    for found, target in zip(together, targets, strict=True):
        assert_close(found, explain_one(name, zoo.familiar("residual"), target))


@every_method
def test_a_class_may_be_told_by_number_or_name(name):
    classifier, (image,) = zoo.familiar("residual"), zoo.photos(1)
    found = [seewhy.explain(classifier, image, make(name), what) for what in (2, "2", "class 2", "CLASS 2", Target(2))]
    assert len({each.values.tobytes() for each in found}) == 1
    assert {each.target for each in found} == {Target(2)}


# --- Repeatable ---------------------------------------------------------------------------------------------------


@drawn(NAMES, "network", ["residual", "tiny-vit", "stochastic"])
def test_the_same_seed_gives_the_same_bytes(name, network):
    bytes_found = set()
    for disturbance in (1, 2):
        torch.manual_seed(disturbance)
        random.seed(disturbance)
        np.random.seed(disturbance)  # noqa: NPY002
        bytes_found.add(explain_one(name, zoo.familiar(network), seed=5).values.tobytes())
    assert len(bytes_found) == 1


@drawn(NAMES, "mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_the_callers_grad_mode_does_not_matter(name, mode):
    wanted = explain_one(name, zoo.familiar("residual"))
    classifier = zoo.familiar("residual")
    with mode():
        found = explain_one(name, classifier)
    assert found.values.tobytes() == wanted.values.tobytes()


# --- No trace -----------------------------------------------------------------------------------------------------


def state_of(module: nn.Module) -> dict[str, Any]:
    """All of a network, and of the process, that a method might forget to put back."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {
        "hooks": {
            (name, kind): list(hooks)
            for name, part in module.named_modules()
            for kind, hooks in vars(part).items()
            if "_hooks" in kind and hooks is not None
        },
        "attributes": {name: sorted(vars(part)) for name, part in module.named_modules()},
        "training": {name: part.training for name, part in module.named_modules()},
        "requires_grad": {name: tensor.requires_grad for name, tensor in tensors.items()},
        "grad": {name: tensor.grad for name, tensor in tensors.items()},
        "tensor hooks": {name: list(tensor._backward_hooks or ()) for name, tensor in tensors.items()},
        "places": {name: (id(tensor), tensor.data_ptr(), tensor.stride()) for name, tensor in tensors.items()},
        "values": {name: tensor.detach().clone().flatten().tolist() for name, tensor in tensors.items()},
        "random": (random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()),  # noqa: NPY002
        "modes": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")),
        "stacks": (torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack()),
        "backend": (
            torch.get_default_dtype(),
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
            torch.backends.cudnn.benchmark,
            torch.backends.cudnn.deterministic,
            torch.backends.mkldnn.enabled,
        ),
    }


@contextmanager
def leaving_no_trace(module: nn.Module) -> Iterator[None]:
    before = state_of(module)
    try:
        yield
    finally:
        after = state_of(module)
        changed = [what for what in before if after[what] != before[what]]
        assert not changed


def warmed(classifier: Classifier) -> Classifier:
    """What a classifier finds out about itself on first use is found out, so that the next forward is the method's."""
    assert classifier.categories
    assert classifier.default_layer
    return classifier


@drawn(NAMES, "network", [*FEW, "frozen", "functional", "chunked", "stochastic", "mutates-input"])
def test_success_leaves_no_trace(name, network):
    classifier = zoo.classifier(network)
    with leaving_no_trace(classifier.module):
        explain(make(name), classifier, zoo.photos(2), [[Target(0), Target(1)]] * 2)


@drawn(LAYERED, "network", FEW)
def test_an_unknown_layer_leaves_no_trace(name, network):
    classifier = zoo.familiar(network)
    for layers, error in [(("nowhere",), UnknownName), ((LAYERS[network][0], "head"), ExplainError)]:
        with leaving_no_trace(classifier.module), pytest.raises(error):
            explain(make(name, layers=layers), classifier, zoo.photos(1), [[Target(0)]])


@drawn(NAMES, "failing", [*product((RuntimeError, KeyboardInterrupt), (False, True))])
def test_a_network_that_fails_is_left_as_it_was(name, failing):
    error, training = failing
    told = ModelError if error is RuntimeError else error
    module = zoo.RaisesAt(call=-1, error=error).train(training)
    classifier = warmed(Classifier.from_module(module, Preprocessing(zoo.SIZE)))
    module.call = module.calls + 1
    with leaving_no_trace(module.body), pytest.raises(told, match="told to fail here"):
        explain_one(name, classifier)


@some_networks
def test_a_method_can_be_stopped(name, network):
    def stop(done: int, total: int | None, message: str) -> None:
        raise Cancelled("enough")

    classifier = zoo.familiar(network)
    with leaving_no_trace(classifier.module), pytest.raises(Cancelled, match="enough"):
        explain_one(name, classifier, progress=stop)


@every_method
def test_progress_is_told(name):
    told: list[tuple[int, int | None, str]] = []
    asked = [[Target(0)]] * 3
    explain(make(name), zoo.familiar("gap-linear"), zoo.photos(3), asked, progress=lambda *now: told.append(now))
    assert told
    assert all(done <= (total or done) for done, total, _ in told)
    assert all(message for *_, message in told)


# --- Networks with something wrong --------------------------------------------------------------------------------


@drawn(NAMES, "network", [network for network in zoo.TRICKY if network != "raises"])
def test_a_tricky_network_is_explained_or_refused_in_words(name, network):
    classifier = zoo.classifier(network)
    with leaving_no_trace(classifier.module), suppress(SeewhyError):
        assert np.isfinite(explain_one(name, classifier).values).all()


@every_method
def test_a_network_made_under_inference_mode_is_explained_or_refused_in_words(name):
    with torch.inference_mode():
        classifier = zoo.classifier("residual")
    with suppress(SeewhyError):
        assert np.isfinite(explain_one(name, classifier).values).all()


@every_method
def test_a_black_box_is_explained_from_its_scores_or_refused(name):
    module = zoo.network("gap-linear")

    @torch.no_grad()
    def score(pictures: np.ndarray) -> np.ndarray:
        return module(torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255).softmax(1).numpy()

    classifier, image = black_box(score, size=zoo.SIZE), zoo.photos(1)[0]
    if make(name).needs == {"scores"}:
        assert seewhy.explain(classifier, image, make(name)).cost.backwards == 0
    else:
        with pytest.raises(UsageError, match=f"{re.escape(name)} needs"):
            seewhy.explain(classifier, image, make(name))


@drawn(NAMES, "network", ["nan", "inf", "wrong-rank", "segmentation"])
def test_a_network_without_sound_scores_is_refused(name, network):
    with pytest.raises(NonFinite if network in {"nan", "inf"} else ModelError):
        explain_one(name, zoo.classifier(network))


INDIFFERENT = {
    "constant": [name for name in NAMES if name not in CLASS_BLIND],
    # Methods with backward rules of their own, such as DeepLIFT, see steps where a gradient sees none.
    "zero-gradient": [
        info.name for info in list_methods() if "gradients" in info.needs and info.family in {"cam", "gradients"}
    ],
}


@pytest.mark.parametrize(
    ("network", "name"), [(network, name) for network, names in INDIFFERENT.items() for name in names]
)
def test_a_network_that_does_not_care_gives_a_zero_map(network, name):
    found = explain_one(name, zoo.classifier(network))
    assert found.is_zero
    assert found.picture()


# --- Memory -------------------------------------------------------------------------------------------------------


def tensors_alive() -> int:
    gc.collect()
    return sum(issubclass(type(each), torch.Tensor) for each in gc.get_objects())


@pytest.mark.parametrize(
    "name",
    ["grad-cam", *(pytest.param(name, marks=pytest.mark.heavy) for name in NAMES if name != "grad-cam")],
)
def test_memory_does_not_grow(name):
    method, classifier, images, process = make(name), zoo.classifier("residual"), zoo.photos(1), psutil.Process()
    resident: list[int] = []
    alive: list[int] = []
    for call in range(300):
        explain(method, classifier, images, [[Target(1)]])
        resident.append(process.memory_info().rss)
        if call in (50, 299):
            alive.append(tensors_alive())
    slope = np.polyfit(np.arange(250), resident[50:], 1)[0]
    assert alive[1] <= alive[0], "tensors are left behind"
    assert slope < 20_000, f"{slope:.0f} bytes a call"
