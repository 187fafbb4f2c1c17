"""`onnx:PATH` a network as an ONNX file, through onnxruntime: it offers scores only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seewhy.errors import ModelError
from seewhy.models.categories import Categories
from seewhy.models.classifier import Classifier
from seewhy.models.hubs import categories_for
from seewhy.models.preprocessing import Preprocessing


def load(name: str, weights: Path | None = None) -> Classifier:
    """Open the file `name`; a `.json` of the same name beside it may give `preprocessing` and `categories`.

    Without that card: the input size of the graph, ImageNet statistics, ImageNet names for 1000 classes.
    """
    if weights is not None:
        raise ModelError("an ONNX file holds its own weights: leave --weights out")
    path = Path(name).expanduser()
    if not path.is_file():
        raise ModelError(f"there is no file {path}; write onnx:PATH")
    network = _Session(path)
    about = _card(path.with_suffix(".json"))
    preprocessing = Preprocessing.from_dict({"size": list(network.size), **about.get("preprocessing", {})})
    given = about.get("categories")
    with torch.no_grad():
        count = network(torch.zeros(1, 3, *preprocessing.size)).shape[1]
    categories = Categories(tuple(given)) if isinstance(given, list) else categories_for(count)
    return Classifier(network, preprocessing, categories, f"onnx:{path.name}", frozenset({"scores"}))


def names() -> list[str]:
    """Files cannot be listed."""
    return []


def _card(path: Path) -> dict[str, Any]:
    try:
        card: Any = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {error}") from error
    if not isinstance(card, dict):
        raise ModelError(f"{path} is no JSON object with 'preprocessing' and 'categories'")
    return card


class _Session(nn.Module):
    """An onnxruntime session as a module: normalised `(N, 3, h, w)` to whatever the graph puts out first."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            import onnxruntime
        except ImportError as error:
            raise ModelError("onnx: models need onnxruntime: pip install 'seewhy[onnx]'") from error
        try:
            self.session = onnxruntime.InferenceSession(str(path), providers=onnxruntime.get_available_providers())
        except Exception as error:  # onnxruntime's own exceptions share no public base class
            raise ModelError(f"{path.name} is no ONNX file that onnxruntime can run ({error})") from error
        first = self.session.get_inputs()[0]
        self.input = first.name
        self.batch = first.shape[0] if isinstance(first.shape[0], int) else None
        sides = [side if isinstance(side, int) else 224 for side in first.shape[2:4]]
        self.size = (sides[0], sides[1]) if len(sides) == 2 else (224, 224)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(N, K)`; a graph of fixed batch is run as often as it takes."""
        parts = x.float().cpu().split(self.batch or len(x))
        return torch.cat([self._run(part) for part in parts]).to(x.device)

    def _run(self, part: Tensor) -> Tensor:
        try:
            return torch.from_numpy(self.session.run(None, {self.input: part.numpy()})[0])
        except Exception as error:
            shape = tuple(part.shape)
            raise ModelError(f"the ONNX graph does not run on float32 {shape}, (N, 3, h, w): {error}") from error
