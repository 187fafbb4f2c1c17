"""A network of the zoo made ready: weights that matter everywhere, a picture, a target, and a copy to judge by."""

from __future__ import annotations

import copy
import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from seewhy.images import Image, open_image, samples
from seewhy.models import Classifier, Preprocessing
from zoo_coverage.networks import Network

MEAN, STD = (0.48, 0.46, 0.41), (0.23, 0.22, 0.23)


@dataclass(frozen=True, eq=False)
class Specimen:
    """One network with all that its cells share.

    `module` is what seewhy gets: in training mode, every third parameter frozen, one with a gradient. `plain` is an
    equal network in evaluation mode, which no code of seewhy ever touches: what is right is computed with it.
    """

    network: Network
    module: nn.Module
    plain: nn.Module
    classifier: Classifier
    image: Image
    x: Tensor  # (1, 3, h, w), as the network wants it
    target: int
    before: dict[str, str]  # the trace of `module` when it was made

    @property
    def black(self) -> Tensor:
        """What the network sees of a black picture."""
        return normal(torch.zeros_like(self.x))

    def scores(self, x: Tensor) -> Tensor:
        """The plain network's scores `(N, K)`."""
        return scores_of(self.plain(x.clone()))

    @cached_property
    def change(self) -> float:
        """How far the target's score is above that of a black picture."""
        with torch.no_grad():
            return float((self.scores(self.x) - self.scores(self.black))[0, self.target])

    @cached_property
    def slope(self) -> Tensor:
        """The plain gradient of the target's score, `(1, 3, h, w)`."""
        x = twice(self.x).requires_grad_()
        return torch.autograd.grad(self.scores(x)[0, self.target], x)[0][:1]


def twice(x: Tensor) -> Tensor:
    """A picture beside itself: of one alone, PyTorch's BatchNorm on a CPU may give a wrong gradient, by its strides."""
    return torch.cat([x, x])


def prepare(network: Network, seed: int = 0) -> Specimen:
    """Build, disturb and wrap a network; the global random state is that of the seed afterwards."""
    torch.manual_seed(seed)
    module = network.build().eval()
    disturb(module, network.size, seed)
    plain = copy.deepcopy(module).eval().requires_grad_(False)
    image = picture("cat", network.size)
    x = normal(pixels_of(image))
    with torch.no_grad():
        change = scores_of(plain(x.clone())) - scores_of(plain(normal(torch.zeros_like(x))))
    module.train()
    for number, parameter in enumerate(module.parameters()):
        parameter.requires_grad_(number % 3 != 0)
    held = next(each for each in module.parameters() if each.requires_grad)
    held.grad = torch.ones_like(held)
    preparing = Preprocessing((network.size, network.size), mean=MEAN, std=STD)
    classifier = Classifier.from_module(module, preparing, name=network.full)
    return Specimen(network, module, plain, classifier, image, x, int(change.abs().argmax()), trace(module))


def trace(module: nn.Module) -> dict[str, str]:
    """All that a caller may see of a network and of the process, in short."""
    state = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        state.update(name.encode())
        state.update(np.ascontiguousarray(tensor.detach().numpy()).view(np.uint8).data)
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "weights": state.hexdigest(),
        "training flags": str([part.training for part in module.modules()]),
        "requires_grad": str([each.requires_grad for each in module.parameters()]),
        "gradients": str([None if each.grad is None else float(each.grad.sum()) for each in module.parameters()]),
        "hooks": str([len(getattr(part, kind)) for part in module.modules() for kind in hooks]),
        "methods": str([sorted(vars(part)) for part in module.modules()]),
        "random state": hashlib.sha256(
            f"{torch.get_rng_state().tolist()} {np.random.get_state()} {random.getstate()}".encode()  # noqa: NPY002
        ).hexdigest(),
        "modes": f"{torch.is_grad_enabled()} {torch.is_inference_mode_enabled()}",
    }


def picture(name: str, size: int) -> Image:
    """The middle of a photo, scaled to `size` by `size`."""
    pixels = open_image(f"sample:{name}").pixels
    side = min(pixels.shape[:2])
    top, left = ((each - side) // 2 for each in pixels.shape[:2])
    scaled = Pillow.fromarray(pixels[top : top + side, left : left + side]).resize((size, size))
    return Image(np.asarray(scaled), name)


def pixels_of(image: Image) -> Tensor:
    """Pixels `(1, 3, h, w)` in [0, 1]."""
    return torch.from_numpy(image.pixels.copy()).permute(2, 0, 1)[None].float() / 255


def normal(pixels: Tensor) -> Tensor:
    """Pixels in [0, 1] as the network wants them."""
    return (pixels - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def scores_of(answer: Any) -> Tensor:
    """Scores `(N, K)` as a network of the zoo gives them."""
    for name in ("logits", "last_hidden_state"):
        answer = getattr(answer, name, answer)
    return answer[0] if isinstance(answer, tuple) else answer


def disturb(module: nn.Module, size: int, seed: int) -> None:
    """Give every weight a value that matters, and BatchNorm statistics that are no identity.

    What starts constant (biases, gains, the tiny scales of residual branches, tokens) is spread about a value that lets
    it take part, and weights that start small enough to be nearly nothing are made larger. BatchNorm takes its
    statistics from photos, so that numbers stay sane, and is then moved off them.
    """
    generator = torch.Generator().manual_seed(seed)

    def noise(like: Tensor, scale: float) -> Tensor:
        return scale * torch.randn(like.shape, generator=generator)

    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.is_floating_point():
                _disturb_one(parameter, noise, is_gain=parameter.dim() == 1 and name.endswith("weight"))
        norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and part.running_mean is not None]
        handles = [part.register_forward_pre_hook(partial(_off_its_statistics, noise)) for part in norms]
        photos = torch.cat([pixels_of(picture(name, size)) for name in samples()])
        module(normal(torch.cat([photos, photos.flip(3), torch.zeros_like(photos[:2])])))
        for handle in handles:
            handle.remove()


def _off_its_statistics(noise: Callable[[Tensor, float], Tensor], norm: _BatchNorm, args: tuple[Tensor]) -> None:
    """Give a BatchNorm the statistics of its input, moved; what follows it then sees what it makes of them."""
    x = args[0].transpose(0, 1).flatten(1)
    variance = x.var(1)
    # A map that the photos leave cold would make anything else explode.
    variance.clamp_(min=0.1 * float(variance.mean()))
    norm.running_mean = x.mean(1) + noise(variance, 0.2) * variance.sqrt()
    norm.running_var = variance * noise(variance, 0.3).exp()


def _disturb_one(parameter: Tensor, noise: Callable[[Tensor, float], Tensor], *, is_gain: bool) -> None:
    value = float(parameter.flatten()[0])
    usual = parameter[0].numel() ** -0.5 if parameter.dim() > 1 else 0.1  # keeps numbers as large as they come
    if is_gain or (abs(value) >= 0.5 and bool((parameter == value).all())):  # of a norm; some start at nearly 0
        parameter.copy_((value if abs(value) >= 0.5 else 1) * noise(parameter, 0.2).exp())
    elif not bool((parameter == value).all()):
        small = usual / float(parameter.std().clamp(min=1e-12))
        parameter.mul_(max(small, 1.0) if parameter.dim() > 1 else 1.0)
    elif value == 0:  # a bias, a token, or a branch that starts silent
        parameter.copy_(noise(parameter, usual if min(parameter.shape[:2]) > 1 else 0.1))
    else:  # a layer's scale
        parameter.copy_(0.3 * noise(parameter, 0.2).exp())
