"""Makers of hostile weights files: each that holds code would, if it ran, write the file `canary`."""

from __future__ import annotations

import io
import json
import operator
import os
import pickle
import struct
import tarfile
import zipfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch


class Shell:
    """Runs a shell command when unpickled."""

    def __init__(self, canary: Path) -> None:
        self.command = f"echo ran > '{canary}'"

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


class Evaluated:
    """Evaluates Python when unpickled."""

    def __init__(self, canary: Path) -> None:
        self.source = f"__import__('pathlib').Path({str(canary)!r}).write_text('ran')"

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (self.source,)


class Chained:
    """Calls `open` by way of functions that each look harmless, as the gadgets do that scanners miss."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return operator.call, (io.open, str(self.canary), "w")


class Rebuilt(torch.nn.Module):
    """A whole network, saved with its class: harmless in itself, but its loader runs what the file names."""

    def __init__(self, canary: Path) -> None:
        super().__init__()
        self.canary = canary

    def __setstate__(self, state: dict[str, Any]) -> None:
        Path(state["canary"]).write_text("ran")


def state_dict(inside: Any = None) -> dict[str, Any]:
    """Weights that look right, with `inside` among them."""
    return {"fc.weight": torch.zeros(4, 8), "fc.bias": inside if inside is not None else torch.zeros(4)}


def plain_pickle(path: Path, canary: Path) -> None:
    """A bare pickle, not torch's."""
    path.write_bytes(pickle.dumps(Shell(canary), protocol=2))


def inside_torch(path: Path, canary: Path) -> None:
    """In torch's zip format, as one of the weights."""
    torch.save(state_dict(Shell(canary)), path)


def evaluating(path: Path, canary: Path) -> None:
    """The same by `eval`."""
    torch.save(state_dict(Evaluated(canary)), path)


def chained(path: Path, canary: Path) -> None:
    """The same by a chain of harmless functions."""
    torch.save(state_dict(Chained(canary)), path)


def nested(path: Path, canary: Path) -> None:
    """A pickle within a pickle: the inner one is bytes, unpickled by the outer."""
    inner = pickle.dumps(Shell(canary), protocol=2)
    outer = type("Outer", (), {"__reduce__": lambda _: (pickle.loads, (inner,))})
    torch.save({"state_dict": state_dict(), "extra": outer()}, path)


def whole_network(path: Path, canary: Path) -> None:
    """`torch.save(module)` instead of its state dict."""
    torch.save(Rebuilt(canary), path)


def legacy(path: Path, canary: Path) -> None:
    """torch's format before 1.6: pickles in a row."""
    torch.save(state_dict(Shell(canary)), path, _use_new_zipfile_serialization=False)


def legacy_tar(path: Path, canary: Path) -> None:
    """torch's first format: a tar of pickles."""
    content = pickle.dumps(Shell(canary), protocol=2)
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def odd_flags(path: Path, canary: Path) -> None:
    """torch's zip with an encryption bit set in each header, which blinds some scanners."""
    inside_torch(path, canary)
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(mark, at + 4)
    path.write_bytes(content)


def compressed(path: Path, canary: Path) -> None:
    """torch's zip, packed anew with compression and a comment in front."""
    inside_torch(path, canary)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    path.write_bytes(b"#!" + packed.getvalue())


def in_array(path: Path, canary: Path) -> None:
    """In a NumPy array beside the weights, which the loader allows."""
    torch.save({"state_dict": state_dict(), "best": np.array([Shell(canary)], object)}, path)


def in_arguments(path: Path, canary: Path) -> None:
    """In the arguments of a training script, which the loader allows."""
    torch.save({"state_dict": state_dict(), "args": Namespace(lr=0.1, hook=Evaluated(canary))}, path)


CODE: list[Callable[[Path, Path], None]] = [
    plain_pickle,
    inside_torch,
    evaluating,
    chained,
    nested,
    whole_network,
    legacy,
    legacy_tar,
    odd_flags,
    compressed,
    in_array,
    in_arguments,
]

BLUNT = [odd_flags, compressed]  # these even the unsafe loader refuses


def header(size: int, text: bytes, data: bytes = b"") -> bytes:
    """A safetensors file of any header."""
    return struct.pack("<Q", size) + text + data


def tensors(data: bytes = bytes(16), **entries: Any) -> bytes:
    """A safetensors file with these entries in its header."""
    text = json.dumps(entries).encode()
    return header(len(text), text, data)


def entry(*offsets: int, shape: tuple[int, ...] = (4,), dtype: str = "F32") -> dict[str, Any]:
    """One tensor of a safetensors header."""
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


TWICE = b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'

SAFETENSORS: dict[str, bytes] = {
    "empty": b"",
    "header-size-only": struct.pack("<Q", 8),
    "header-too-large": header(2**63, b"{}"),
    "header-above-100-mb": header(100_000_001, b"{" + b" " * 1000 + b"}"),
    "header-not-utf8": header(4, b"\xff\xfe\xfd\xfc"),
    "header-not-json": header(4, b"oops"),
    "header-a-list": header(2, b"[]"),
    "overlapping": tensors(a=entry(0, 16), b=entry(0, 16)),
    "gap": tensors(a=entry(4, 20), data=bytes(20)),
    "backwards": tensors(a=entry(16, 0)),
    "shape-overflow": tensors(a=entry(0, 16, shape=(2**40, 2**40))),
    "shape-too-large": tensors(a=entry(0, 16, shape=(2**20,))),
    "unknown-dtype": tensors(a=entry(0, 16, dtype="F33")),
    "truncated": tensors(a=entry(0, 16), data=bytes(9)),
    "pickle": pickle.dumps({"a": 1}),
}
