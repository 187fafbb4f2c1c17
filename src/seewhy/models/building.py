"""Networks built anew for weights that a file holds: architectures by name, and never larger than the weights are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from seewhy.core.text import shown
from seewhy.errors import ModelError, SeewhyError
from seewhy.models.bcos import Bcos
from seewhy.models.bundled import Bundled
from seewhy.models.card import Architecture
from seewhy.models.checkpoints import Checkpoint, check_weights, load_weights
from seewhy.models.from_timm import Timm
from seewhy.models.from_torchvision import Torchvision
from seewhy.models.relation import OPTION, RelationNetwork
from seewhy.models.sources import Source

# Sources that know architectures by name, so that a card can name one.
BUILDERS: dict[str, Source] = {source.prefix: source for source in (Bundled(), Torchvision(), Timm(), Bcos())}
# What fills parameters at random, of which a file's weights leave nothing.
DRAWN = {Tensor.normal_, Tensor.uniform_, nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_}
FILLED = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn}  # what parameters are made by


class Outlines(TorchFunctionMode):
    """Within it networks are built as outlines: their parameters have names and shapes, but take no memory."""

    @override
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return func(*args, **{**(kwargs or {}), **({"device": "meta"} if func in FILLED else {})})


class Undrawn(TorchFunctionMode):
    """Within it networks are built without drawing random weights, which takes as long as a few forwards."""

    @override
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func in DRAWN:
            return args[0] if args else given["tensor"]
        return func(*args, **given)


def build(architecture: Architecture, classes: int) -> nn.Module:
    """The bare architecture that a card names, such as `torchvision:resnet50`, in evaluation mode.

    With the option `relation` it is the backbone of a relation network.
    """
    prefix, _, name = architecture.name.partition(":")
    if prefix not in BUILDERS:
        *forms, last = (source.form for source in BUILDERS.values())
        called = shown(architecture.name)
        raise ModelError(f"the card names architecture '{called}'; expected {', '.join(forms)} or {last}")
    source = BUILDERS[prefix]
    options = {key: value for key, value in architecture.options.items() if key != OPTION}
    if unknown := sorted(set(options) - set(source.options)):
        known = ", ".join(source.options) or "none"
        raise ModelError(f"the card has options {shown(unknown)}; {architecture.name} takes {known}")
    try:
        module = source.build(name, classes, **options)
    except SeewhyError:
        raise
    except Exception as error:  # libraries check little of what they are given
        given = "".join(f", {key} {shown(value)}" for key, value in options.items())
        raise ModelError(f"{architecture.name} cannot be built for {classes} classes{given} ({shown(error, 200)}); "
                         "correct the card") from error  # fmt: skip
    if OPTION not in architecture.options:
        return module
    return RelationNetwork.around(module, classes, architecture.options[OPTION]).eval()


def build_to_fit(architecture: Architecture, classes: int, checkpoint: Checkpoint) -> tuple[nn.Module, tuple[str, ...]]:
    """The architecture with the weights of a checkpoint, and what is to be told of their choice.

    Raises:
        ModelError: the weights are of another network or another number of classes; nothing was built then.
    """
    with Outlines():
        outline = build(architecture, classes).state_dict()
    weights, notes = checkpoint.fitting(outline)
    check_weights(outline, weights, checkpoint.origin)
    with Undrawn():
        module = build(architecture, classes)
    load_weights(module, weights, checkpoint.origin)
    return module, notes
