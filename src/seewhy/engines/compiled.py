"""A network compiled by OpenVINO for the processor at hand: converted once, kept on disk, and checked before use.

What comes out answers as the copy that it was made from, or is left aside. OpenVINO reads a trace of the network, so
that what depends on the size of the batch, or on the picture, shows in the check.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from seewhy.core.files import cache_folder, private_folder
from seewhy.errors import ModelError
from seewhy.models.classifier import Classifier
from seewhy.models.head import Head
from seewhy.models.state import evaluating

KEPT = 12  # networks on disk; the one that was used longest ago goes first
TRACED, CHECKED = 2, 3  # pictures of the trace, and of the check: another number shows what the trace fixed
AGREEMENT = 1e-3  # of the largest number: what the order of sums may change


@cache
def has_openvino() -> bool:
    """Whether the extra `fast` is installed."""
    return find_spec("openvino") is not None


class Compiled:
    """Normalised inputs `(N, C, h, w)` to float32 numbers `(N, K)`, as the network gives them.

    Args:
        model: of OpenVINO, for any number of pictures.
        half: whether it may compute in bfloat16.
        threads: of the processor.
    """

    def __init__(self, model: Any, threads: int, *, half: bool) -> None:
        import openvino

        options = {
            "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
        }
        self._request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()
        self._lock = Lock()

    def __call__(self, x: Tensor) -> Tensor:
        """The numbers of network inputs."""
        array = x.permute(0, 2, 3, 1).contiguous().numpy()
        with self._lock:
            found = self._request.infer({0: array}, share_inputs=True)[0]
            return torch.from_numpy(np.array(found))


def compiled(classifier: Classifier, copy: nn.Module, *, half: bool) -> Compiled:
    """The classifier, whose float32 `copy` is converted where that was not done before, ready to answer.

    Raises:
        ModelError: it cannot be converted, or does not answer as the copy does; the message says why.
    """
    path = cache_folder() / "openvino" / f"{_key(classifier)}.xml"
    model = _kept(path)
    fresh = model is None
    with _as_model_error():
        model = model or _converted(classifier, copy)
        made = Compiled(model, torch.get_num_threads(), half=half)
        exact = Compiled(model, torch.get_num_threads(), half=False) if half else made
        _check(classifier, copy, exact)
    if fresh:
        _keep(model, path)
    return made


class _Numbers(nn.Module):
    """The network, giving the one tensor that is read."""

    def __init__(self, network: nn.Module, head: Head) -> None:
        super().__init__()
        self.network, self.head = network, head

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.head.numbers(self.network(x))


def _converted(classifier: Classifier, copy: nn.Module) -> Any:
    """The model, read by OpenVINO's front end itself: its `convert_model` would tell its makers that it was used."""
    import openvino
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
    from openvino.preprocess import PrePostProcessor

    probe = classifier.probe().float()
    with evaluating(copy), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, about what the check finds out
        example = probe.expand(TRACED, *probe.shape[1:]).contiguous()
        decoder = TorchScriptPythonDecoder(_Numbers(copy, classifier.head).eval(), example_input=example)
        reader = FrontEndManager().load_by_framework("pytorch")
        model = reader.convert(reader.load(decoder))
    model.reshape([-1, *probe.shape[1:]])
    # The engine composes pictures channels last.
    layout = PrePostProcessor(model)
    layout.input().tensor().set_element_type(openvino.Type.f32)
    layout.input().tensor().set_layout(openvino.Layout("NHWC"))
    layout.input().model().set_layout(openvino.Layout("NCHW"))
    return layout.build()


def _check(classifier: Classifier, copy: nn.Module, made: Compiled) -> None:
    """Refuse what answers other pictures, or another number of them, or in another order, otherwise than the copy."""
    probe = classifier.probe().float()
    others = torch.randn((CHECKED, *probe.shape[1:]), generator=torch.Generator().manual_seed(1))
    for x in (torch.cat([probe, others]), -probe, others.neg()):
        with evaluating(copy), torch.no_grad():
            wanted = classifier.head.numbers(copy(x.clone())).float()
        found = made(x)
        if found.shape != wanted.shape:
            raise ModelError(f"it gives {tuple(found.shape)} instead of {tuple(wanted.shape)}")
        gap = float((found - wanted).abs().max() / wanted.abs().max().clamp(min=1e-3))
        if not gap <= AGREEMENT:
            raise ModelError(f"its answers differ by {gap:.1%}")


@contextmanager
def _as_model_error() -> Generator[None]:
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        first = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        raise ModelError(f"OpenVINO cannot convert it ({first[:200]})") from error


# --- On disk -------------------------------------------------------------------------------------------------------


def _key(classifier: Classifier) -> str:
    """What the conversion depends on."""
    size = classifier.preprocessing.size
    parts = (classifier.fingerprint, classifier.head, size, version("openvino"), version("torch"))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _kept(path: Path) -> Any:
    """The model that was kept; None where there is none, or it is damaged."""
    import openvino

    try:
        found = openvino.Core().read_model(path)
        path.touch()
    except (OSError, RuntimeError):
        return None
    return found


def _keep(model: Any, path: Path) -> None:
    """Keep it for the next time, weights first, since the other file names them; without room it is not kept."""
    import openvino

    weights, part = path.with_suffix(".bin"), path.with_suffix(".part.xml")
    try:
        private_folder(path.parent)
        openvino.save_model(model, part, compress_to_fp16=False)
        part.with_suffix(".bin").replace(weights)
        part.replace(path)
        for old in sorted(path.parent.glob("*.xml"), key=lambda each: each.stat().st_mtime)[:-KEPT]:
            old.with_suffix(".bin").unlink(missing_ok=True)
            old.unlink(missing_ok=True)
    except (OSError, RuntimeError):
        part.unlink(missing_ok=True)
