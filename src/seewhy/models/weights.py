"""Read weights without ever running code from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from seewhy.errors import ModelError

TENSOR_FILES = {".safetensors"}
PICKLE_FILES = {".pth", ".pt", ".bin", ".ckpt"}
NESTINGS = ("state_dict", "model", "model_state_dict", "weights")


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Name to tensor from a `.safetensors` file, or a `.pth`/`.pt`/`.bin` that holds nothing but tensors."""
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"there is no weights file {path}")
    if path.suffix in TENSOR_FILES:
        return _read_safetensors(path)
    if path.suffix in PICKLE_FILES:
        return _read_pickle(path)
    raise ModelError(f"{path.name}: weights come as {sorted(TENSOR_FILES | PICKLE_FILES)} files")


def load_weights(module: nn.Module, weights: Mapping[str, Tensor], origin: str) -> None:
    """Copy `weights` into `module`; refuse, by name, whatever is missing, left over or of another shape."""
    own = module.state_dict()
    missing = sorted(name for name in own if name not in weights and not name.endswith("num_batches_tracked"))
    extra = sorted(set(weights) - set(own))
    if missing or extra:
        raise ModelError(f"{origin} holds weights of another network: {_names('missing', missing)}, "
                         f"{_names('unexpected', extra)}")  # fmt: skip
    for name, tensor in weights.items():
        if own[name].shape != tensor.shape:
            raise ModelError(
                f"{origin}: '{name}' has shape {tuple(tensor.shape)}, the network wants {tuple(own[name].shape)}; "
                "another number of classes needs the network built for it"
            )
    module.load_state_dict(dict(weights), strict=False)


def _names(label: str, names: list[str]) -> str:
    shown = ", ".join(names[:4]) or "none"
    return f"{label} {len(names)} ({shown}{', …' if len(names) > 4 else ''})"


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except Exception as error:
        raise ModelError(f"{path.name} is no sound safetensors file ({error}); fetch it again") from error


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can fail in any way
        raise ModelError(
            f"{path.name} holds more than tensors, or is damaged, and is not opened, because unpickling runs code; "
            "save its state_dict with safetensors.torch.save_file and pass that"
        ) from error
    for key in NESTINGS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ModelError(f"{path.name} holds no state_dict (a mapping from names to tensors)")
    return {str(name).removeprefix("module."): tensor for name, tensor in content.items()}
