"""Attention weights of one forward and scores' gradients at them, as the backward-rule engine meets them.

The fused kernels that PyTorch and timm use are written out meanwhile, so that there are weights to see.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seewhy.engines.compositions import written_out
from seewhy.engines.rules import Call, RuleSet
from seewhy.errors import ExplainError
from seewhy.models.attention import is_attention
from seewhy.models.capture import leading_tensor
from seewhy.models.state import owning
from seewhy.models.wrappers import parts_to_hook


@dataclass
class Attention:
    """One layer's weights as they were computed, in autograd's graph, and after a backward the score's gradient there.

    `weights` and `gradient` are `(heads, T, T)`, queries by keys.
    """

    computed: Tensor
    gradient: Tensor | None = None

    @property
    def weights(self) -> Tensor:
        """Without the graph."""
        return self.computed.detach().reshape(-1, *self.computed.shape[-2:])

    def keep(self, gradient: Tensor) -> None:
        """Take the gradient, as autograd hands it on."""
        self.gradient = gradient.detach().reshape(-1, *self.computed.shape[-2:])


class Block(NamedTuple):
    """A submodule with one attention in it: its name, and the tokens that it put out, in autograd's graph."""

    name: str
    output: Tensor

    def hand_back(self, gradient: Tensor, attention: Attention) -> None:
        """Keep at the attention inside what the gradient at the block's output is there."""
        with torch.inference_mode(False), torch.enable_grad():
            attention.keep(torch.autograd.grad(self.output, attention.computed, gradient, retain_graph=True)[0])


@dataclass
class Attentions:
    """What `rules` see of one forward, layer by layer in `layers`; nothing is changed in the gradients."""

    layers: list[Attention] = field(default_factory=list)

    @property
    def rules(self) -> RuleSet:
        """For one forward."""
        return RuleSet("attention", {"softmax": self._seen, "composed": _opened}, strict=False)

    def _seen(self, call: Call) -> Tensor:
        weights = call.plain()
        if is_attention(weights):
            found = Attention(weights)
            weights.register_hook(found.keep)
            self.layers.append(found)
        return weights

    @contextmanager
    def blocks(self, module: nn.Module) -> Generator[dict[int, Block]]:
        """While it lasts, note for each attention of a forward the outermost submodule in which it is the only one."""
        found: dict[int, Block] = {}
        started: list[int] = []

        def start(_part: nn.Module, _args: Any) -> None:
            started.append(len(self.layers))

        def finish(name: str, _part: nn.Module, _args: Any, output: Any) -> None:
            before = started.pop()
            if len(self.layers) == before + 1:
                with suppress(ExplainError):  # what it returns are no tokens
                    found[before] = Block(name, leading_tensor(output, name))

        with ExitStack() as stack:
            stack.enter_context(owning(module))
            for name, part in parts_to_hook(module):
                stack.callback(part.register_forward_pre_hook(start).remove)
                stack.callback(part.register_forward_hook(partial(finish, name)).remove)
            yield found


def _opened(call: Call) -> Any:
    return written_out(call) if "attention" in call.name else call.plain()
