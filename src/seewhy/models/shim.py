"""Let torchvision import beside a torch it was not built with."""

from __future__ import annotations

SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def ready_torchvision() -> None:
    """Declare torchvision's missing operator schemas; call before any import of torchvision, timm or transformers.

    A torchvision built for CUDA cannot load its C++ operators beside a CPU build of torch, and then fails on import
    ("operator torchvision::nms does not exist"). Networks do not need them, only detection does.
    """
    import sys

    import torch

    if "torchvision" in sys.modules:
        return
    missing = [schema for name, schema in SCHEMAS.items() if not _declared(name)]
    if missing and not _loads_operators():
        for schema in missing:
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(schema)
            _KEPT.append(library)


_KEPT: list[object] = []  # a schema lives as long as its Library object


def _declared(name: str) -> bool:
    import torch

    return hasattr(torch.ops.torchvision, name)


def _loads_operators() -> bool:
    """Whether torchvision's own C++ library loads; it declares the schemas itself."""
    import importlib.util
    from pathlib import Path

    import torch

    spec = importlib.util.find_spec("torchvision")
    for folder in spec.submodule_search_locations or () if spec else ():
        for binary in Path(folder).glob("_C.*"):
            try:
                torch.ops.load_library(binary)
            except OSError:
                return False
            return True
    return False
