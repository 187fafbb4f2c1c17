"""Attention weights of one forward and the score's gradients at them, as the backward-rule engine meets them.

The fused kernels that PyTorch and timm use are written out meanwhile, so that there are weights to see.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from seewhy.engines.compositions import written_out
from seewhy.engines.rules import Call, RuleSet
from seewhy.models.attention import is_attention


@dataclass
class Attention:
    """One layer's weights `(heads, T, T)`, queries by keys, and after a backward the score's gradient at them."""

    weights: Tensor
    gradient: Tensor | None = None

    def keep(self, gradient: Tensor) -> None:
        """Take the gradient, as autograd hands it on."""
        self.gradient = gradient.detach().reshape(self.weights.shape)


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
            found = Attention(weights.detach().reshape(-1, *weights.shape[-2:]))
            weights.register_hook(found.keep)
            self.layers.append(found)
        return weights


def _opened(call: Call) -> Any:
    return written_out(call) if "attention" in call.name else call.plain()
