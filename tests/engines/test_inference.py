"""The fast private copy: it answers as the network does, is made anew when weights change, and never touches them."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from threading import Lock
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, spectral_norm

import zoo
from seewhy.engines.inference import Inference, exact_copy, fast_precisions, inference_copy
from seewhy.errors import NonFinite
from seewhy.models import Classifier, Preprocessing
from seewhy.models.classifier import black_box
from seewhy.models.load import SOURCES

PREPROCESSING = Preprocessing(zoo.SIZE)


def wrapped(module: nn.Module) -> Classifier:
    return Classifier.from_module(module.eval(), PREPROCESSING)


def norms(network: Inference | nn.Module) -> int:
    module = network.module if isinstance(network, Inference) else network
    return sum(isinstance(part, nn.BatchNorm2d) for part in module.modules())


def close(found: Tensor, wanted: Tensor) -> None:
    """Equal to rounding: 1e-5 of the largest logit."""
    torch.testing.assert_close(found, wanted.detach(), rtol=0, atol=1e-5 * float(wanted.detach().abs().max()))


def assert_copies(classifier: Classifier, *, folded: int) -> None:
    """The copy in float32 answers as the network, with `folded` of its BatchNorms gone."""
    x, copy = zoo.inputs(3), inference_copy(classifier, "float32")
    close(copy(x), classifier.logits(x))
    assert norms(classifier.module) - norms(copy) == folded


class Net(nn.Module):
    """A convolution and a BatchNorm that has seen signals, joined by `join(net, x)`, and a head."""

    def __init__(self, join: Callable[[Any, Tensor], Tensor], convolution: nn.Module | None, **norm: Any) -> None:
        super().__init__()
        self.join = join
        self.conv = convolution or nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8, **norm)
        self.head = nn.Linear(8, zoo.CLASSES)
        if self.norm.running_mean is not None:
            self.norm.running_mean.normal_()
            self.norm.running_var.uniform_(0.1, 3)
        if self.norm.weight is not None:
            nn.init.normal_(self.norm.weight)
            nn.init.normal_(self.norm.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.join(self, x).relu().mean((2, 3)))


def net(join: Callable[[Any, Tensor], Tensor] = lambda net, x: net.norm(net.conv(x)), **options: Any) -> Classifier:
    """Seeded."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        make = options.pop("convolution", None)
        return wrapped(Net(join, make() if make else None, **options))


# --- Folding ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", zoo.SOUND)
def test_the_copy_answers_as_the_network_does(name):
    classifier, x = zoo.classifier(name), zoo.inputs(3)
    close(inference_copy(classifier, "float32")(x), classifier.logits(x))


@pytest.mark.parametrize(("name", "folded"), [("resnet18", 20), ("mobilenet_v3_small", 34), ("shufflenet_v2_x0_5", 56)])
def test_every_batch_norm_of_a_known_network_is_folded(name, folded):
    torch.manual_seed(0)
    module = SOURCES["torchvision"].build(name, 10)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.running_mean, -0.3, 0.3)
            nn.init.uniform_(part.running_var, 0.5, 2)
            nn.init.uniform_(part.weight, 0.5, 1.5)
    assert_copies(wrapped(module), folded=folded)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"affine": False},
        {"eps": 0.5},
        {"convolution": lambda: nn.Conv2d(3, 8, 3, bias=False)},
        {"convolution": lambda: nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect")},
        {"convolution": lambda: nn.Conv2d(3, 8, 3, stride=2, dilation=2)},
        {"join": lambda net, x: net.norm(net.conv(x)).square()},
        {"join": lambda net, x: net.norm(net.conv(x)) + net.conv.weight.sum() * 0},
    ],
)
def test_a_batch_norm_after_a_convolution_is_folded(options):
    assert_copies(net(**options), folded=1)


@pytest.mark.parametrize("options", [{"kernel_size": 25}, {"kernel_size": 5, "dilation": 5}, {"kernel_size": (1, 21)}])
def test_so_is_one_after_a_convolution_of_any_reach(options):
    assert_copies(net(convolution=lambda: nn.Conv2d(3, 8, **options)), folded=1)


def test_groups_are_folded_each_with_its_own():
    grouped = nn.Sequential(nn.Conv2d(3, 6, 1), nn.Conv2d(6, 8, 3, groups=2))
    assert_copies(net(convolution=lambda: grouped), folded=1)


@pytest.mark.parametrize(
    "join",
    [
        lambda net, x: net.norm(net.conv(x).relu()),
        lambda net, x: net.norm(2 * net.conv(x)),
        lambda net, x: net.norm(net.conv(x).relu_()),  # in the same memory
        lambda net, x: (y := net.conv(x)) + net.norm(y),
        lambda net, x: net.norm(net.conv(x)) + net.conv(x.flip(1)),
        lambda net, x: net.norm(net.conv(x)) + net.norm(x.mean(1, keepdim=True).expand(-1, 8, -1, -1)),
        lambda net, x: net.norm(net.norm(net.conv(x))),
        lambda net, x: net.norm(x.repeat(1, 3, 1, 1)[:, :8]),
    ],
    ids=["relu", "scaled", "relu-in-place", "also-added", "conv-twice", "norm-twice", "norm-again", "no-conv"],
)
def test_a_batch_norm_that_is_not_the_convolutions_alone_is_left(join):
    assert_copies(net(join), folded=0)


def test_a_batch_norm_with_statistics_of_the_batch_is_left():
    assert_copies(net(track_running_stats=False), folded=0)


def test_a_transposed_convolution_is_left():
    assert_copies(net(convolution=lambda: nn.ConvTranspose2d(3, 8, 3)), folded=0)


@pytest.mark.parametrize("computed", [parametrizations.weight_norm, parametrizations.spectral_norm, spectral_norm])
def test_a_batch_norm_after_a_convolution_whose_weight_is_computed_is_left(computed):
    assert_copies(net(convolution=lambda: computed(nn.Conv2d(3, 8, 3))), folded=0)


# --- Precision and memory -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("precision", "error"), [("bfloat16", 2**-6), ("float16", 2**-9)])
@pytest.mark.parametrize("name", ["gap-linear", "residual", "functional", "tiny-vit", "channels-last", "object"])
def test_half_precision_rounds_and_no_more(name, precision, error):
    classifier, x = zoo.classifier(name), zoo.inputs(3)
    found, wanted = inference_copy(classifier, precision)(x), classifier.logits(x).detach()
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, rtol=0, atol=error * float(wanted.abs().max()))
    assert not torch.equal(found, wanted)


def test_the_last_layer_stays_in_float32():
    copy = inference_copy(zoo.classifier("residual"), "bfloat16")
    kinds = {name.partition(".")[0]: tensor.dtype for name, tensor in copy.module.named_parameters()}
    assert kinds.pop("head") == torch.float32
    assert set(kinds.values()) == {torch.bfloat16}


def test_one_number_for_two_classes_stays_in_float32_too():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 1))
    classifier = Classifier.from_module(network.eval(), PREPROCESSING, gives="single-logit")
    copy = inference_copy(classifier, "bfloat16")
    assert [tensor.dtype for tensor in copy.module.parameters()] == 2 * [torch.bfloat16] + 2 * [torch.float32]


def test_half_precision_is_made_of_the_float32_copy_and_leaves_it_alone(monkeypatch: pytest.MonkeyPatch):
    classifier = wrapped(zoo.Residual())
    exact = inference_copy(classifier, "float32")
    before = exact(zoo.inputs())
    monkeypatch.setattr("seewhy.engines.inference._folded", lambda *_: pytest.fail("folded again"))
    inference_copy(classifier, "bfloat16")
    assert torch.equal(exact(zoo.inputs()), before)
    assert exact.module is inference_copy(classifier, "float32").module


def test_a_last_layer_with_a_batch_norm_is_folded_in_half_precision_too():
    class ConvolutionalHead(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.Conv2d(8, zoo.CLASSES, 1), nn.BatchNorm2d(4)
            self.norm.running_mean.normal_()
            self.norm.running_var.uniform_(0.01, 0.1)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(self.conv(self.stem(x).relu())).mean((2, 3))

    torch.manual_seed(0)
    classifier, x = wrapped(ConvolutionalHead()), zoo.inputs(3)
    for precision in ("float32", "bfloat16"):
        found, wanted = inference_copy(classifier, precision)(x), classifier.logits(x).detach()
        torch.testing.assert_close(found, wanted, rtol=0, atol=2**-6 * float(wanted.abs().max()))


def test_a_network_without_a_linear_head_is_half_precision_throughout():
    class Headless(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x).relu().mean((2, 3)).view(len(x), 4, 2).sum(2)

    copy = inference_copy(wrapped(Headless()), "bfloat16")
    assert {tensor.dtype for tensor in copy.module.parameters()} == {torch.bfloat16}
    assert copy(zoo.inputs()).dtype == torch.float32


def test_half_precision_that_overflows_is_told():
    classifier = wrapped(zoo.Spoilt(lambda logits: logits * 1e6))
    assert inference_copy(classifier, "bfloat16")(zoo.inputs()).isfinite().all()
    classifier = net(lambda net, x: 1e6 * net.conv(x))
    with pytest.raises(NonFinite, match="half precision"):
        inference_copy(classifier, "float16")(zoo.inputs())


def test_float64_is_kept_whole():
    classifier, x = zoo.classifier("residual"), zoo.inputs().double()
    classifier.module.double()
    found = exact_copy(classifier)(x)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, classifier.logits(x).detach(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("given", "exact"), [(torch.float64, torch.float64), (torch.float32, torch.float32), (torch.float16, torch.float32)]
)
def test_the_exact_copy_has_full_precision(given, exact):
    classifier = zoo.classifier("gap-linear")
    classifier.module.to(given)
    assert exact_copy(classifier).dtype == exact


def test_memory_is_channels_last():
    seen: list[bool] = []
    module = zoo.network("residual")
    module.second.register_forward_pre_hook(lambda _, args: seen.append(_channels_last(args[0])))
    copy = inference_copy(wrapped(module), "float32")
    seen.clear()
    copy(zoo.inputs(3))
    assert seen == [True]
    assert _channels_last(copy.module.second.weight)
    assert not _channels_last(module.second.weight)


def _channels_last(tensor: Tensor) -> bool:
    return tensor.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("abilities", "wanted"),
    [
        ({"avx512_bf16": True}, ("bfloat16",)),
        ({"amx_bf16": True}, ("bfloat16",)),
        ({"avx2": True}, ()),
        ({}, ()),
    ],
)
def test_a_processor_gets_bfloat16_where_it_has_the_instructions(abilities, wanted, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: abilities)
    assert fast_precisions(torch.device("cpu")) == wanted


@pytest.mark.parametrize(("supported", "wanted"), [(True, ("float16", "bfloat16")), (False, ("float16",))])
def test_a_graphics_card_gets_the_half_precisions_it_computes_itself(supported, wanted, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    assert fast_precisions(torch.device("cuda")) == wanted


# --- Whose copy, and when -----------------------------------------------------------------------------------------


def test_it_is_made_once_for_each_precision():
    classifier = zoo.classifier("residual")
    copy = inference_copy(classifier, "float32")
    assert inference_copy(classifier, "bfloat16") is not copy
    assert inference_copy(classifier, "float32") is copy
    assert inference_copy(zoo.classifier("residual"), "float32") is not copy


@torch.no_grad()
def _in_place(module: nn.Module) -> None:
    module.head.bias += 1


def _another(module: nn.Module) -> None:
    module.head.bias = nn.Parameter(module.head.bias + 1)


def _loaded(module: nn.Module) -> None:
    module.load_state_dict({**module.state_dict(), "head.bias": module.head.bias + 1})


def _trained(module: nn.Module) -> None:
    module(zoo.inputs()).sum().mul(-1).backward()
    torch.optim.SGD([module.head.bias], lr=0.5).step()  # two images, each a slope of 1


def _statistics(module: nn.Module) -> None:
    module.norm.running_mean.sub_(1)


@pytest.mark.parametrize("change", [_in_place, _another, _loaded, _trained, _statistics])
def test_it_is_made_again_when_weights_have_changed(change):
    classifier, x = zoo.classifier("residual"), zoo.inputs()
    before = inference_copy(classifier, "float32")(x)
    half = inference_copy(classifier, "bfloat16")
    change(classifier.module)
    found = inference_copy(classifier, "float32")(x)
    close(found, classifier.logits(x))
    assert not torch.allclose(found, before, atol=1e-3)
    assert inference_copy(classifier, "bfloat16") is not half


def test_it_goes_with_its_classifier():
    classifier = zoo.classifier("residual")
    copy = weakref.ref(inference_copy(classifier, "float32"))
    del classifier
    gc.collect()
    assert copy() is None


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize("name", ["residual", "training", "frozen"])
def test_the_network_that_was_given_stays_as_it_was(name, precision):
    classifier = zoo.classifier(name)
    before = {name: (tensor.clone(), tensor.stride()) for name, tensor in classifier.module.state_dict().items()}
    flags = [(part.training, len(part._forward_hooks)) for part in classifier.module.modules()]
    learning = [parameter.requires_grad for parameter in classifier.module.parameters()]
    inference_copy(classifier, precision)(zoo.inputs())
    after = classifier.module.state_dict()
    assert all(torch.equal(after[name], tensor) and after[name].stride() == at for name, (tensor, at) in before.items())
    assert [(part.training, len(part._forward_hooks)) for part in classifier.module.modules()] == flags
    assert [parameter.requires_grad for parameter in classifier.module.parameters()] == learning


def test_a_copy_made_under_inference_mode_can_be_differentiated():
    classifier = zoo.classifier("residual")
    with torch.inference_mode():
        copy = exact_copy(classifier)
    x = zoo.inputs().requires_grad_()
    copy.module(x).sum().backward()
    assert x.grad is not None
    assert x.grad.any()


# --- What cannot be copied ----------------------------------------------------------------------------------------


class Guarded(nn.Module):
    """Holds a lock."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.lock = zoo.Residual(), Lock()

    def forward(self, x: Tensor) -> Tensor:
        with self.lock:
            return self.body(x)


class Stubborn(nn.Module):
    """Cannot be copied, cast or laid out in another way."""

    def __init__(self) -> None:
        super().__init__()
        self.body = zoo.Residual()

    def __deepcopy__(self, memo: Any) -> Any:
        raise ArithmeticError("no copies")

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("make", [Guarded, Stubborn])
def test_a_network_that_cannot_be_copied_answers_for_itself(make, precision):
    classifier, x = wrapped(make()), zoo.inputs()
    copy = inference_copy(classifier, precision)
    assert copy.module is classifier.module
    assert copy.dtype == torch.float32
    close(copy(x), classifier.logits(x))
    assert norms(copy) == 1
    assert all(parameter.requires_grad for parameter in classifier.module.parameters())


class NormAndActivation(nn.BatchNorm2d):
    """A norm with an activation, as timm's BatchNormAct2d is."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.drop, self.act = nn.Identity(), nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.drop(super().forward(x)))


class FrozenNorm(nn.Module):
    """A norm whose numbers are all buffers, as in torchvision.ops and detectron2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.eps = 1e-5
        for name, value in (("weight", 1.5), ("bias", 0.3), ("running_mean", 0.2), ("running_var", 2.0)):
            self.register_buffer(name, torch.full((channels,), value))

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        return x * scale.view(1, -1, 1, 1) + (self.bias - self.running_mean * scale).view(1, -1, 1, 1)


class Misleading(nn.BatchNorm2d):
    """Does more than its numbers say."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).square()


class WithNorms(nn.Module):
    """Convolutions with these norms, and one whose output a function reads, too."""

    def __init__(self, *norms: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolutions = nn.ModuleList([nn.Conv2d(3 if n == 0 else 4, 4, 3, padding=1) for n in range(len(norms))])
        self.norms = nn.ModuleList(norms)
        self.fc, self.neck, self.head = nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 3)
        for part in self.modules():
            if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.uniform_(part.running_mean, -1, 1)
                nn.init.uniform_(part.running_var, 0.5, 2)
                nn.init.uniform_(part.weight, 0.5, 2)
                nn.init.uniform_(part.bias, -1, 1)

    def forward(self, x: Tensor) -> Tensor:
        for number, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            before = convolution(x)
            x = norm(before)
            if number == len(self.norms) - 1:
                x = x + before
        return self.head(self.neck(self.fc(x.mean((2, 3)))))


def test_norms_of_other_libraries_are_folded_and_a_wrong_fold_leaves_the_others():
    classifier = wrapped(WithNorms(NormAndActivation(4), FrozenNorm(4), Misleading(4), nn.BatchNorm2d(4)))
    copy, x = inference_copy(classifier, "float32"), zoo.inputs()
    close(copy(x), classifier.logits(x))
    left = [type(norm) for norm in copy.module.norms]
    assert left == [nn.Sequential, nn.Identity, Misleading, nn.BatchNorm2d]
    assert isinstance(copy.module.neck, nn.Identity)


def test_a_black_box_with_a_lock_answers_for_itself():
    lock = Lock()

    class Service:
        def __init__(self) -> None:
            self.lock = lock

        def __call__(self, pictures: Any) -> list[list[float]]:
            return [[0.25, 0.75]] * len(pictures)

    classifier = black_box(Service(), size=zoo.SIZE)
    copy = inference_copy(classifier, "float32")
    assert copy.module is classifier.module
    torch.testing.assert_close(copy(zoo.inputs()).softmax(1), torch.tensor([[0.25, 0.75]] * 2))


class Remembers(nn.Module):
    """Keeps a tensor that it computed of a weight, with the weight's history, as attention does its biases."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, zoo.CLASSES)
        nn.init.uniform_(self.norm.running_var, 0.1, 3)
        self.kept = {"cpu": [2 * self.norm.weight]}

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.conv(x)).relu().mean((2, 3)) * self.kept["cpu"][0])


def test_a_network_that_keeps_what_it_computed_of_its_weights_is_copied_too():
    assert_copies(wrapped(Remembers()), folded=1)
