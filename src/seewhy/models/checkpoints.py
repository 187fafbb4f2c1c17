"""Weights from files that people have, read without running code from them.

Training scripts wrap a state dict in many ways: nested beside the optimiser's state, under the prefix of whatever held
the network. The network itself says which of a file's tensors are meant: the ones that fit it exactly.
"""

from __future__ import annotations

import operator
import re
import zipfile
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PosixPath, PurePosixPath
from threading import Lock
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from seewhy.core.text import shown
from seewhy.errors import ModelError

TENSOR_FILES = {".safetensors"}
PICKLE_FILES = {".pth", ".pt", ".bin", ".ckpt", ".tar"}
PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")  # how torch's files begin

LFS = b"version h"  # "version https://git-lfs.github.com/spec/v1"

# Of what wraps a part of a network; no part is called so.
WRAPPERS = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
COUNTER = "num_batches_tracked"  # which old and converted weights lack
TRAINING_ONLY = "aux"  # heads that serve training alone, in published weights of Inception and GoogLeNet
AVERAGED = re.compile(r"(^|_)(ema|swa|averaged)(_|$)")
CLASS_NAMES = re.compile(r"class|label|categor|^names$", re.IGNORECASE)

DEEPEST = 32  # mappings in mappings
MOST_ENTRIES = 1_000_000

Keys: TypeAlias = tuple[str, ...]
_ALLOWING = Lock()  # what a pickle may hold is a setting of the process


class Leaf(NamedTuple):
    """One tensor of a file: where it stands, and how much of that is the mapping that holds it."""

    path: Keys
    depth: int
    tensor: Tensor


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a file of weights holds: mappings of tensors, nested as it was saved."""

    origin: str
    content: Mapping[Any, Any]
    beside: Mapping[str, Any] = field(default_factory=dict[str, Any])  # the metadata of a safetensors file

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Name to tensor of a file that holds nothing else."""
        if not self.content or not all(isinstance(value, Tensor) for value in self.content.values()):
            raise ModelError(f"{self.origin} holds no state_dict (a mapping from names to tensors)")
        return {str(name): tensor for name, tensor in self.content.items()}

    def fitting(self, own: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
        """The tensors for a network whose state is `own`, by its names, and what is to be told of the choice.

        They are those under one prefix that have all of its names and no other; of several that differ, averaged ones.
        Where none fit, those that come closest.

        Raises:
            ModelError: there are no tensors, or several that fit and differ.
        """
        if not self._leaves:
            raise ModelError(f"{self.origin} holds no state_dict (a mapping from names to tensors)")
        found = [(prefix, self._under(prefix)) for prefix in self._prefixes(own)]
        fits = [(prefix, weights) for prefix, weights in found if not any(differences(own, weights))]
        distinct = [
            pair for place, pair in enumerate(fits) if not any(_equal(pair[1], each) for _, each in fits[:place])
        ]
        if len(distinct) < 2:
            return (distinct or found or [((), self._under(()))])[0][1], ()
        averaged = [pair for pair in distinct if any(AVERAGED.search(part) for part in pair[0])]
        names = [_called(prefix) for prefix, _ in distinct]
        if len(averaged) != 1:
            raise ModelError(f"{self.origin} holds {len(names)} sets of weights that fit and differ, "
                             f"{' and '.join(names)}: save the one that is meant in a file of its own")  # fmt: skip
        chosen = _called(averaged[0][0])
        others = " and ".join(name for name in names if name != chosen)
        return averaged[0][1], (f"Of {self.origin} the averaged weights {chosen} were taken, not {others}.",)

    def class_names(self, count: int) -> tuple[str, ...] | None:
        """The names that stand in the file for `count` classes; None where none do, or several that differ."""
        found = {names for key, value in _entries({**self.content, **self.beside}) if CLASS_NAMES.search(key)
                 if _length(value) == count and (names := _in_order(value))}  # fmt: skip
        return found.pop() if len(found) == 1 else None

    @cached_property
    def _leaves(self) -> list[Leaf]:
        return list(_leaves(self.content, ()))

    def _prefixes(self, own: Mapping[str, Tensor]) -> list[Keys]:
        """Where names of the network begin in the paths of tensors, the most of them first."""
        counts: Counter[Keys] = Counter()
        for path, _, _ in self._leaves:
            counts.update(path[:start] for start in range(len(path)) if ".".join(path[start:]) in own)
        return [prefix for prefix, _ in counts.most_common()]

    def _under(self, prefix: Keys) -> dict[str, Tensor]:
        """The tensors below a prefix; what deeper mappings hold under their own names is another's."""
        start = len(prefix)
        return {".".join(path[start:]): tensor for path, depth, tensor in self._leaves
                if path[:start] == prefix and (depth <= start or self._is_split(prefix))}  # fmt: skip

    def _is_split(self, prefix: Keys) -> bool:
        """Whether a state dict is nested by the parts of a network: then no tensor stands beside the mappings."""
        return all(depth > len(prefix) for path, depth, _ in self._leaves if path[: len(prefix)] == prefix)


def read_checkpoint(path: str | Path) -> Checkpoint:
    """What a `.safetensors` file or a `.pth`, `.pt`, `.bin`, `.ckpt`, `.pth.tar` of torch holds; no code is run.

    Raises:
        ModelError: there is no such file, it is damaged, or it holds what would run code.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"there is no weights file {path}")
    with path.open("rb") as file:
        start = file.read(9)
    suffix = path.suffix.lower()
    if start == LFS:
        raise ModelError(
            f"{path.name} is no file of weights, but Git LFS's note of where it lies: git lfs pull fetches it"
        )
    if suffix in TENSOR_FILES or (start[8:] == b"{" and not start.startswith(PICKLES)):
        return _read_safetensors(path)
    if suffix in PICKLE_FILES or start.startswith(PICKLES):
        return _read_pickle(path)
    raise ModelError(f"{path.name}: weights come as {sorted(TENSOR_FILES | PICKLE_FILES)} files")


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Name to tensor of a file that holds nothing else."""
    return read_checkpoint(path).tensors


def load_checkpoint(module: nn.Module, checkpoint: Checkpoint) -> tuple[str, ...]:
    """Copy the tensors that fit into `module`; what is to be told of the choice. See `load_weights`."""
    weights, notes = checkpoint.fitting(module.state_dict())
    load_weights(module, weights, checkpoint.origin)
    return notes


def check_weights(own: Mapping[str, Tensor], weights: Mapping[str, Tensor], origin: str) -> None:
    """Refuse, by name, whatever of `own`, the state of a network, is missing, left over or of another shape."""
    missing, extra = differences(own, weights)
    if missing or extra:
        raise ModelError(f"{origin} holds weights of another network: {_names('missing', missing)}, "
                         f"{_names('unexpected', extra)}{_cure(own, missing, extra)}")  # fmt: skip
    for name, tensor in weights.items():
        if name in own and own[name].shape != tensor.shape:
            raise ModelError(
                f"{origin}: '{name}' has shape {tuple(tensor.shape)}, the network wants {tuple(own[name].shape)}; "
                + _reshaped(own[name], tensor)
            )


def load_weights(module: nn.Module, weights: Mapping[str, Tensor], origin: str) -> None:
    """Copy `weights` into `module`; raises `ModelError` as `check_weights` does."""
    own = module.state_dict()
    check_weights(own, weights, origin)
    # The state's own metadata tells modules of which version they are; files seldom keep it.
    own.update({name: tensor for name, tensor in weights.items() if name in own})
    try:
        module.load_state_dict(own)
    except Exception as error:  # modules may load as they please
        raise ModelError(f"{origin} does not load into {type(module).__name__}: {error}") from error


def differences(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> tuple[list[str], list[str]]:
    """Names of the network that the weights lack, and of the weights that the network lacks."""
    missing = sorted(name for name in own if name not in weights and not name.endswith(COUNTER))
    extra = sorted(name for name in weights if name not in own and not name.lower().startswith(TRAINING_ONLY))
    return missing, extra


def _cure(own: Mapping[str, Tensor], missing: Sequence[str], extra: Sequence[str]) -> str:
    """What helps where no more than a part or two differ, as with a head of one's own."""
    parts = {name.rpartition(".")[0] for name in missing}
    if missing and len(missing) < len(own) / 4 and len(parts) <= 2 and len(extra) <= 8:
        return (
            ". All else fits, so it is this network with another head: write a function that builds it, and name that: "
            "--model py:module:function, with these --weights"
        )
    return ". Name the architecture that they were trained in"


def _reshaped(own: Tensor, tensor: Tensor) -> str:
    """What it means where a tensor has another shape."""
    if own.dim() == tensor.dim() > 2 and own.shape[1] != tensor.shape[1]:
        channels = f"{tensor.shape[1]} channel{'s' if tensor.shape[1] > 1 else ''}"
        return (
            f"it was trained on pictures of {channels}: write a function that builds the network for them, and name "
            "that: --model py:module:function, with these --weights"
        )
    return "another number of classes needs the network built for it"


def _names(label: str, names: Sequence[str]) -> str:
    first = ", ".join(shown(name, 80) for name in names[:4]) or "none"
    return f"{label} {len(names)} ({first}{', …' if len(names) > 4 else ''})"


def _called(prefix: Keys) -> str:
    return f"'{'.'.join(prefix)}'" if prefix else "those at the top"


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether two sets of weights are the same, but for what the network does not take."""
    return all(name not in other or tensor is other[name] or torch.equal(tensor, other[name])
               for name, tensor in one.items())  # fmt: skip


def _leaves(content: Mapping[Any, Any], path: Keys) -> Iterator[Leaf]:
    for key, value in content.items():
        below = (*path, *(part for part in str(key).split(".") if part not in WRAPPERS))
        if isinstance(value, Tensor):
            yield Leaf(below, len(path), value)
        elif isinstance(value, Mapping):
            yield from _leaves(value, below)


def _entries(content: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Every key with its value, of mappings in mappings too."""
    for key, value in content.items():
        yield str(key), value
        if isinstance(value, Mapping | Namespace):
            yield from _entries(value if isinstance(value, Mapping) else vars(value))


def _check_content(content: Mapping[Any, Any], path: Path) -> None:
    """Refuse what would not end, or fill the memory: one mapping in many places, tensors larger than their file."""
    room, ahead, left = path.stat().st_size, [(content, 0)], MOST_ENTRIES
    while ahead:
        each, depth = ahead.pop()
        left -= len(each)
        if depth > DEEPEST or left < 0:
            raise ModelError(f"{path.name} holds mappings without end, which no training script writes; fetch it again")
        for value in each.values():
            if isinstance(value, Tensor) and value.numel() * value.element_size() > room:
                raise ModelError(f"{path.name} claims a tensor of shape {tuple(value.shape)}, which is larger than "
                                 "the file; fetch it again")  # fmt: skip
            if isinstance(value, Mapping | Namespace):
                ahead.append((value if isinstance(value, Mapping) else vars(value), depth + 1))


def _length(value: Any) -> int:
    return (
        len(value) if isinstance(value, list | tuple | Mapping) or (isinstance(value, np.ndarray) and value.ndim) else 0
    )


def _in_order(value: Any) -> tuple[str, ...] | None:
    """Class names as a list, as names by index or as indices by name, in order; None of anything else."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    if not isinstance(value, Mapping):
        return None
    for pairs in (value.items(), ((index, name) for name, index in value.items())):
        with suppress(TypeError, ValueError):  # what is no index is another thing altogether
            named = {int(index) if isinstance(index, str) else operator.index(index): name for index, name in pairs}
            names = [name for place in range(len(value)) if isinstance(name := named.get(place), str)]
            if len(set(names)) == len(value) > 0:
                return tuple(names)
    return None


def _read_safetensors(path: Path) -> Checkpoint:
    from safetensors import safe_open
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
        with safe_open(path, "pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
    except Exception as error:
        raise ModelError(f"{path.name} is no sound safetensors file ({error}); fetch it again") from error
    return Checkpoint(path.name, tensors, {key: _parsed(text) for key, text in metadata.items()})


def _parsed(text: str) -> Any:
    from pydantic_core import from_json

    try:
        return from_json(text)
    except ValueError:
        return text


def _read_pickle(path: Path) -> Checkpoint:
    if kind := _archive(path):
        raise ModelError(
            f"{path.name} is {kind}, a whole network with its code, no state_dict: save that of the network it was "
            "made of, or explain it as it is, by a function that opens it: --model py:module:function"
        )
    try:
        content = unpickled(path)
    except ModelError:
        raise
    except Exception as error:  # a damaged pickle can fail in any way
        raise ModelError(
            f"{path.name} holds more than tensors, or is damaged, and is not opened, because unpickling runs code; "
            "save its state_dict with safetensors.torch.save_file and pass that"
        ) from error
    return Checkpoint(path.name, content)


def unpickled(path: Path, device: torch.device | str = "cpu") -> Mapping[Any, Any]:
    """The mapping that `torch.save` wrote, where it holds tensors and plain values alone; may fail in any way."""
    _check_unpacking(path)
    with _ALLOWING, torch.serialization.safe_globals(_harmless()):
        content = torch.load(path, map_location=device, weights_only=True)
    if not isinstance(content, Mapping):
        raise ModelError(f"{path.name} holds no state_dict (a mapping from names to tensors)")
    _check_content(content, path)
    return content


def _check_unpacking(path: Path) -> None:
    """Refuse a zip that unpacks to more than it is: torch packs nothing."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > path.stat().st_size:
            raise ModelError(f"{path.name} unpacks to {unpacked} bytes, which torch.save does not do; "
                             "save it again by torch.save")  # fmt: skip


def _archive(path: Path) -> str | None:
    """What a zip file of torch is that holds a network with its code; None of one that holds a pickle alone."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = {name.partition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):  # it is told of when it is read
        return None
    if "constants.pkl" in parts:
        return "a TorchScript archive"
    return "an archive of torch.export" if parts & {"archive_format", "serialized_exported_program.json"} else None


def _harmless() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """What checkpoints hold beside tensors and what is plain: to make one runs no code, and nothing of it is called."""
    kinds = [getattr(np.dtypes, name) for name in np.dtypes.__all__]
    made: list[Any] = [np.float64(0).__reduce__()[0], np.zeros(0).__reduce__()[0]]
    older = [(function, f"numpy.core.multiarray.{function.__name__}") for function in made]
    plain = [frozenset, slice, Namespace, PosixPath, PurePosixPath]
    return [*made, *older, np.dtype, np.ndarray, *kinds, *plain]
