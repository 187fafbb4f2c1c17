"""Model names: an explicit prefix says where a network comes from; nothing is guessed."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import torch

from seewhy.errors import ModelError, UnknownName
from seewhy.models.classifier import Classifier

DEFAULT_MODEL = "bundled:efficientnet-lite0"

# Each source is a module with `load(name, weights) -> Classifier` and `names() -> list[str]`.
SOURCES = {
    "bundled": "seewhy.models.from_bundled",
    "torchvision": "seewhy.models.from_torchvision",
    "timm": "seewhy.models.from_timm",
    "hf-hub": "seewhy.models.from_hub",
    "onnx": "seewhy.models.from_onnx",
    "file": "seewhy.models.from_file",
    "py": "seewhy.models.from_python",
}


def load(name: str = DEFAULT_MODEL, weights: str | Path | None = None, device: str = "auto") -> Classifier:
    """Open a classifier by name.

    Args:
        name: `bundled:…`, `torchvision:…`, `timm:…`, `hf-hub:org/name`, `onnx:PATH`, `file:FOLDER` or
            `py:module:factory`.
        weights: a local `.safetensors` or `.pth` file for the named architecture, instead of downloading.
        device: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1`, `mps`.

    Raises:
        UnknownName: no such source or model; the nearest names are listed.
        ModelError: the weights cannot be had or do not fit.
    """
    prefix, _, rest = name.partition(":")
    if prefix not in SOURCES or not rest:
        raise UnknownName(_correction(name))
    path = Path(weights).expanduser() if weights is not None else None
    with torch.inference_mode(False):  # what is made under inference_mode can never give gradients
        return _source(prefix).load(rest, path).to(find_device(device))


def list_models() -> list[str]:
    """Every model name that can be listed; hubs, folders and one's own code come beside these."""
    return [f"{prefix}:{name}" for prefix in SOURCES for name in _source(prefix).names()]


def _source(prefix: str) -> ModuleType:
    from seewhy.models.shim import ready_torchvision

    ready_torchvision()
    return import_module(SOURCES[prefix])


def _correction(name: str) -> str:
    prefix, slash, rest = name.partition("/")
    if slash and prefix in SOURCES:
        return f"'{name}' is an older form: write '{prefix}:{rest}'"
    if name and Path(name).is_dir():
        return f"'{name}' is a folder: write 'file:{name}'"
    if Path(name).suffix == ".onnx":
        return f"'{name}' is an ONNX file: write 'onnx:{name}'"
    if Path(name).is_file():
        return f"'{name}' is a file: name the architecture it holds weights of, and pass it by --weights"
    if slash:
        return f"there is no folder '{name}'; a network of the Hugging Face hub is written 'hf-hub:{name}'"
    found = dict.fromkeys(full.partition(".")[0] for full in list_models())
    if meant := [full for full in found if full.partition(":")[2] == name]:
        return f"'{name}' does not say where it comes from: write {' or '.join(repr(full) for full in meant)}"
    return f"'{name}' names no source of models; write one of {', '.join(f'{prefix}:…' for prefix in SOURCES)}"


def find_device(wanted: str) -> str:
    """A device by name; `auto` is a GPU where there is one.

    Raises:
        ModelError: it is not to be had here.
    """
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=wanted)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"device '{wanted}' is not to be had here ({error}); use --device cpu") from error
    return wanted
