"""Let torchvision import beside a torch it was not built with."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import torch

SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_KEPT: list[object] = []  # a schema lives as long as its Library object


def ready_torchvision() -> None:
    """Declare torchvision's missing operator schemas; call before any import of torchvision, timm or transformers.

    A torchvision built for CUDA cannot load its C++ operators beside a CPU build of torch, and then fails on import
    ("operator torchvision::nms does not exist"). Networks do not need them, only detection does.
    """
    if "torchvision" in sys.modules:
        return
    missing = [schema for name, schema in SCHEMAS.items() if not hasattr(torch.ops.torchvision, name)]
    if missing and not _loads_operators():
        for schema in missing:
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(schema)
            _KEPT.append(library)


def _loads_operators() -> bool:
    """Whether torchvision's own C++ library loads; it declares the schemas itself."""
    spec = importlib.util.find_spec("torchvision")
    for folder in spec.submodule_search_locations or () if spec else ():
        for binary in Path(folder).glob("_C.*"):
            try:
                torch.ops.load_library(binary)
            except OSError:
                return False
            return True
    return False
