"""Networks inside something else give the plain network's answers and layers, or the true reason why not."""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils import checkpoint as checkpoints
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

import seewhy
import zoo
from seewhy.errors import ExplainError, SeewhyError
from seewhy.models import Classifier, Preprocessing, find_layer
from seewhy.models.wrappers import plainly, unwrapped, without_gradient, without_layers

pytestmark = pytest.mark.usefixtures("one_thread")

PHOTO = zoo.photos(1)[0]
GRADIENTS = ["gradient", "lrp", "attn-lrp", "deep-lift", "guided-backprop"]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, 2, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 4),
    ).eval()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def classifier(module: nn.Module) -> Classifier:
    return Classifier.from_module(module, Preprocessing(size=(32, 32)), gives="logits")


def explained(module: nn.Module, method: str) -> Any:
    return seewhy.explain(classifier(module), PHOTO, method, target=1)


def alike(module: nn.Module, method: str, layer: str | None = None) -> None:
    found, wanted = explained(module, method), explained(network(), method)
    assert abs(found.values - wanted.values).max() <= 1e-5 * abs(wanted.values).max()
    assert found.layer == (layer or wanted.layer)


# --- What holds the plain network --------------------------------------------------------------------------------


class Checkpointed(nn.Module):
    def __init__(self, forward: Callable[[nn.Sequential, Tensor], Tensor]) -> None:
        super().__init__()
        self.body, self.how = network(), forward

    def forward(self, x: Tensor) -> Tensor:
        return self.how(self.body, x)


CHECKPOINTS: dict[str, Callable[[nn.Sequential, Tensor], Tensor]] = {
    "all": lambda body, x: checkpoint(body, x, use_reentrant=False),
    "all, reentrant": lambda body, x: checkpoint(body, x, use_reentrant=True),
    "a part": lambda body, x: body[5:](checkpoint(body[2:5], body[:2](x), use_reentrant=False)),
    "a part, reentrant": lambda body, x: body[5:](checkpoint(body[2:5], body[:2](x), use_reentrant=True)),
    "in sequence": lambda body, x: checkpoint_sequential(body, 3, x, use_reentrant=False),
    "within another": lambda body, x: checkpoint(
        lambda y: body[3:](checkpoint(body[1:3], y, use_reentrant=True)), body[0](x), use_reentrant=False
    ),
}


@pytest.mark.parametrize("method", [*GRADIENTS, "grad-cam", "ablation-cam"])
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_is_a_plain_call(name, method):
    alike(Checkpointed(CHECKPOINTS[name]).eval(), method, "body.4" if "cam" in method else None)


def test_checkpoints_are_left_as_they_were():
    before = vars(checkpoints).copy(), vars(checkpoints.CheckpointFunction).copy()
    explained(Checkpointed(CHECKPOINTS["all"]).eval(), "gradient")
    assert (dict(vars(checkpoints)), dict(vars(checkpoints.CheckpointFunction))) == before


@pytest.mark.parametrize("reentrant", [False, True])
def test_another_threads_checkpoints_stay_what_they_are(reentrant):
    runs: dict[str, int] = {}

    def backward(name: str) -> None:
        def part(x: Tensor) -> Tensor:
            runs[name] = runs.get(name, 0) + 1
            return x.sin()

        x = torch.ones(2, requires_grad=True)
        result: Any = checkpoint(part, x, use_reentrant=reentrant)
        result.sum().backward()

    with plainly(), plainly():
        backward("here")
        thread = threading.Thread(target=backward, args=("elsewhere",))
        thread.start()
        thread.join()
    backward("afterwards")
    assert runs == {"here": 1, "elsewhere": 2, "afterwards": 2}


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda module: nn.DataParallel(nn.DataParallel(module))])
def test_data_parallelism_is_taken_off(wrap):
    module = network()
    assert unwrapped(wrap(module)) is module
    alike(wrap(module), "grad-cam", "4")


@pytest.mark.heavy
@pytest.mark.parametrize("method", [*GRADIENTS, "grad-cam", "lime"])
def test_a_compiled_network_is_the_one_that_was_compiled(method):
    alike(torch.compile(network(), backend="eager"), method)


@pytest.mark.heavy
def test_compiled_parts_and_functions_run_as_they_were_written():
    compiled: list[int] = []

    def backend(graph: Any, _inputs: Any) -> Any:
        compiled.append(1)
        return graph.forward

    part = network()
    part[3] = torch.compile(part[3], backend=backend)
    alike(part, "deep-lift")
    relu = torch.compile(F.relu, backend=backend)
    alike(Checkpointed(lambda body, x: body[5:](relu(body[3](relu(body[:2](x)))))).eval(), "lrp")
    assert not compiled
    relu(torch.ones(2))
    assert compiled


@pytest.mark.parametrize("method", GRADIENTS)
def test_a_traced_graph_of_modules_is_the_network(method):
    alike(torch.fx.symbolic_trace(network()), method)


@pytest.mark.heavy
@pytest.mark.parametrize("method", GRADIENTS)
def test_an_exported_graph_gives_the_same(method):
    batches = ({0: torch.export.Dim("n", min=1, max=64)},)
    alike(torch.export.export(network(), (torch.zeros(2, 3, 32, 32),), dynamic_shapes=batches).module(), method)


class Holding(nn.Module):
    """Holds what cannot be copied beside its layers."""

    def __init__(self, held: Any, forward: Callable[[nn.Sequential, Any, Tensor], Tensor]) -> None:
        super().__init__()
        self.body, self.held, self.how = network(), held, forward

    def forward(self, x: Tensor) -> Tensor:
        return self.how(self.body, self.held, x)


@torch.jit.script
def scripted_relu(x: Tensor) -> Tensor:
    return torch.relu(x)


def with_lock(body: nn.Sequential, lock: Any, x: Tensor) -> Tensor:
    with lock:
        return body(x)


@pytest.mark.parametrize("method", ["lime", "occlusion", "gradient"])
def test_a_scripted_function_is_held_by_the_copy_too(method):
    alike(Holding(scripted_relu, lambda body, held, x: body[3:](held(body[:2](x)))).eval(), method)


@pytest.mark.parametrize(
    ("held", "forward"),
    [
        ([scripted_relu], lambda body, held, x: body[3:](held[0](body[:2](x)))),
        (threading.Lock(), with_lock),
        ([threading.Lock()], lambda body, held, x: with_lock(body, held[0], x)),
        ((i for i in range(3)), lambda body, held, x: body(x)),
    ],
    ids=["list of scripted functions", "lock", "list of locks", "generator"],
)
def test_what_cannot_be_copied_answers_for_itself(held, forward):
    alike(Holding(held, forward).eval(), "gradient")
    assert explained(Holding(held, forward).eval(), "lime").values.any()


@pytest.mark.parametrize("make", [torch.jit.script, lambda module: torch.jit.freeze(torch.jit.script(module))])
@pytest.mark.parametrize("method", ["lime", "gradient"])
def test_a_script_answers_and_has_gradients(make, method):
    found, wanted = explained(make(network()), method), explained(network(), method)
    assert abs(found.values - wanted.values).max() <= 0.05 * abs(wanted.values).max()


# --- What hides it -------------------------------------------------------------------------------------------------


def quantised() -> nn.Module:
    module = network()
    return torch.ao.quantization.quantize_dynamic(module, {nn.Linear}, dtype=torch.qint8)


def half_scripted() -> nn.Module:
    module = network()
    module[3] = torch.jit.script(module[3])
    return module


HIDDEN: dict[str, tuple[Callable[[], nn.Module], str, list[str]]] = {
    "scripted": (lambda: torch.jit.script(network()), "TorchScript", ["grad-cam", "ablation-cam", "eigen-cam"]),
    "traced": (lambda: torch.jit.trace(network(), torch.zeros(1, 3, 32, 32)), "TorchScript", ["grad-cam"]),
    "quantised": (quantised, "quantised operations have no gradient", ["grad-cam", *GRADIENTS]),
}


@pytest.mark.parametrize(("name", "method"), [(name, each) for name, (_, _, asked) in HIDDEN.items() for each in asked])
def test_the_true_reason_is_given(name, method):
    make, reason, _ = HIDDEN[name]
    with pytest.raises(ExplainError, match=reason):
        explained(make(), method)


@pytest.mark.heavy
def test_an_exported_graph_has_no_layers():
    exported = torch.export.export(network(), (torch.zeros(1, 3, 32, 32),)).module()
    assert "exported" in str(without_layers(exported))


@pytest.mark.parametrize("make", [quantised, half_scripted, lambda: torch.jit.script(network())])
@pytest.mark.parametrize("method", ["occlusion", "lime"])
def test_scores_are_always_to_be_had(make, method):
    assert explained(make(), method).values.any()


def test_beside_a_scripted_layer_the_others_are_seen():
    alike(half_scripted(), "grad-cam")
    with pytest.raises(SeewhyError, match="TorchScript"):
        find_layer(half_scripted(), "3")


def test_nothing_speaks_against_a_plain_network():
    assert without_gradient(network()) is None
    assert without_layers(torch.fx.symbolic_trace(network())) is None
    assert unwrapped(module := network()) is module


def test_two_quantised_networks_are_told_apart():
    one, other = quantised(), copy.deepcopy(quantised())
    assert classifier(one).fingerprint == classifier(other).fingerprint
    state = other.state_dict()
    weight, bias = state["7._packed_params._packed_params"]
    other[7].set_weight_bias(weight, bias + 1)
    assert classifier(one).fingerprint != classifier(other).fingerprint
