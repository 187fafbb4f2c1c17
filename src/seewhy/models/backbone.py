"""A network up to one of its layers, whose grid over the picture another head reads."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from seewhy.errors import ModelError
from seewhy.models.capture import find_layer, leading_tensor
from seewhy.models.classifier import Classifier
from seewhy.models.grids import Grid
from seewhy.models.state import owning


class Backbone(nn.Module):
    """A network up to `layer`: inputs `(N, 3, H, W)` to features `(N, C, h, w)`; BatchNorm keeps its statistics."""

    def __init__(self, module: nn.Module, layer: str, grid: Grid) -> None:
        super().__init__()
        self.module = module
        self.layer = layer
        self.grid = grid

    @classmethod
    def of(cls, classifier: Classifier, layer: str | None = None) -> Backbone:
        """The classifier up to `layer`, by default the last one that keeps a grid over the picture.

        Raises:
            ModelError: `layer` keeps none.
        """
        layer = layer or classifier.default_layer
        grid = classifier.grid(layer)
        if grid is None:
            raise ModelError(
                f"layer '{layer}' of {classifier.name} keeps no grid over the picture; choose an earlier one"
            )
        return cls(classifier.module, layer, grid)

    def forward(self, x: Tensor) -> Tensor:
        """Features of the last run of the layer, recorded by autograd where that is on."""
        seen: list[Tensor] = []

        def keep(_module: nn.Module, _args: Any, output: Any) -> None:
            # A copy, since what follows may work in place on it.
            seen.append(leading_tensor(output, self.layer).clone())

        with owning(self.module):
            handle = find_layer(self.module, self.layer).register_forward_hook(keep)
            try:
                self.module(x.clone())  # some networks normalise their input in place
            finally:
                handle.remove()
        return self.grid.fold(seen[-1])

    def train(self, mode: bool = True) -> Backbone:
        """Stay in evaluation mode: the statistics of a small set are worse than those of the large one before it."""
        return super().train(False)
