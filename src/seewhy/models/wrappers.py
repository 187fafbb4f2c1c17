"""Networks inside something else: compilers, checkpoints, scripts, quantisation.

Where the plain network is still there it is what runs; where it is not, this says why there is nothing to see.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import nn
from torch.fx import GraphModule, Node
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.utils import checkpoint as checkpoints

AROUND = "_checkpoint_without_reentrant_generator"  # what runs before and after a part that is not reentrant


def unwrapped(module: nn.Module) -> nn.Module:
    """The network inside what `torch.compile` and data parallelism put around it."""
    while True:
        if isinstance(module, DataParallel | DistributedDataParallel):
            module = module.module
        elif type(module).__name__ == "OptimizedModule":
            module = module.get_submodule("_orig_mod")
        else:
            return module


def parts_to_hook(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The submodules that tell when they run: those of TorchScript do not."""
    for name, part in module.named_modules():
        if name and not isinstance(part, torch.jit.ScriptModule):
            yield name, part


def without_gradient(module: nn.Module) -> str | None:
    """Why a network has no gradients, in a sentence; None where nothing speaks against them."""
    if any(_is_quantised(part) for part in module.modules()):
        return (
            "quantised operations have no gradient; explain the float network that this one was made from, or use a "
            "method that needs scores only (lime, occlusion, kernel-shap)"
        )
    return None


def without_layers(module: nn.Module) -> str | None:
    """Why a network shows no layers, in a sentence; None where nothing hides them."""
    if isinstance(module, GraphModule) and not any(_is_layer(module, node) for node in module.graph.nodes):
        kind = "an exported graph holds operations and no layers"
    elif any(isinstance(part, torch.jit.ScriptModule) for part in module.modules()):
        kind = "TorchScript runs its layers where nothing can look into them"
    else:
        return without_gradient(module)
    return f"{kind}; give the module that it was made from, or use a method that needs scores or gradients only"


@contextmanager
def plainly() -> Generator[None]:
    """Run checkpointed parts of networks as plain calls, and what `torch.compile` compiled as it was written.

    Checkpoints run their part again during the backward, when rules and hooks are gone; a compiler would compile these
    too. Other threads keep their checkpoints; they run uncompiled for as long.
    """
    with _plain.lock:
        if _plain.inside == 0:
            _plain.replace()
        _plain.inside += 1
    before, _plain.here.on = _plain.on, True
    try:
        yield
    finally:
        _plain.here.on = before
        with _plain.lock:
            _plain.inside -= 1
            if _plain.inside == 0:
                _plain.replaced.close()


class _Plain:
    """What the first thread in puts in the place of checkpoints and compilers, and the last one out takes away."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.here = threading.local()
        self.replaced = ExitStack()

    @property
    def on(self) -> bool:
        """Whether this thread is one of those inside."""
        return getattr(self.here, "on", False)

    def replace(self) -> None:
        """Plain calls for the threads inside."""
        own, around = checkpoints.CheckpointFunction.apply, getattr(checkpoints, AROUND)

        def apply(function: Callable[..., Any], preserve: bool, *args: Any) -> Any:
            return function(*args) if self.on else own(function, preserve, *args)

        def nothing_around(*args: Any, **kwargs: Any) -> Generator[None]:
            return (None for _ in range(1)) if self.on else around(*args, **kwargs)

        enter = self.replaced.enter_context
        enter(patch.object(checkpoints.CheckpointFunction, "apply", apply))
        enter(patch.object(checkpoints, AROUND, nothing_around))
        if "torch._dynamo.eval_frame" in sys.modules:  # else nothing is compiled, and to import it takes seconds
            enter(torch.compiler.set_stance("force_eager"))


_plain = _Plain()


def _is_layer(module: GraphModule, node: Node) -> bool:
    """Whether the node runs a module with weights; exported graphs call one without, which checks their input."""
    return node.op == "call_module" and next(module.get_submodule(str(node.target)).parameters(), None) is not None


def _is_quantised(part: nn.Module) -> bool:
    home = type(part).__module__
    return home.startswith(("torch.ao.nn.", "torch.nn.")) and ".quantized" in home
