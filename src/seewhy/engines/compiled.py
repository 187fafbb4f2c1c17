"""A network compiled by OpenVINO for the processor at hand: converted once, kept on disk, and checked before use.

What comes out answers as the copy that it was made from, or is left aside with the reason, which is kept, too. OpenVINO
reads a trace of the network. Where that holds for any number of pictures it is asked any; else it is asked a fixed
number, of which the last are blank. What depends on the picture shows in the check.
"""

from __future__ import annotations

import hashlib
import platform
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import cache, partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from typing_extensions import override

from seewhy import __version__
from seewhy.core.files import cache_folder, private_folder
from seewhy.engines.inference import refuse_unlike
from seewhy.errors import ModelError
from seewhy.models.blame import short_of_memory
from seewhy.models.classifier import Classifier
from seewhy.models.head import Head
from seewhy.models.state import evaluating

KEPT = 12  # networks on disk; the one that was used longest ago goes first
FIXED = 16  # pictures at once of a network that takes no other number; larger batches are no faster
TRACED = 2  # pictures
PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}  # as OpenVINO calls them
AGREEMENT = 1e-3  # of the largest number: what the order of sums may change
HALF_AGREEMENT = 0.2  # the same where the processor rounds; how much of it an answer can bear is asked elsewhere


@cache
def has_openvino() -> bool:
    """Whether the extra `fast` is installed."""
    return find_spec("openvino") is not None


def graph_of(module: nn.Module) -> Path | None:
    """The ONNX file that a network runs on this processor, where it is nothing else."""
    return vars(module).get("onnx_file")


class Compiled:
    """Normalised inputs `(N, C, h, w)` to float32 numbers `(N, K)`, as the network gives them.

    Args:
        model: of OpenVINO, for any number of pictures, or for a fixed one.
        precision: what it computes with; float32, bfloat16 or float16.
        threads: of the processor.
    """

    def __init__(self, model: Any, threads: int, precision: torch.dtype = torch.float32) -> None:
        import openvino

        options = {
            "INFERENCE_PRECISION_HINT": PRECISIONS[precision],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
        }
        self._request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()
        many = model.input(0).partial_shape[0]
        self._at_once = None if many.is_dynamic else int(many.get_length())
        self._lock = Lock()

    def __call__(self, x: Tensor) -> Tensor:
        """The numbers of network inputs."""
        size = self._at_once
        return self._asked(x) if size is None else torch.cat([self._filled(part, size) for part in x.split(size)])

    def _filled(self, x: Tensor, size: int) -> Tensor:
        found = self._asked(pad(x.contiguous(), (0, 0, 0, 0, 0, 0, 0, size - len(x))))
        if len(found) != size:
            raise ModelError(f"it gives {len(found)} answers to {size} pictures")
        return found[: len(x)]

    def _asked(self, x: Tensor) -> Tensor:
        with self._lock:
            return torch.from_numpy(np.array(self._request.infer({0: x.contiguous().numpy()}, share_inputs=True)[0]))


def compiled(classifier: Classifier, copy: nn.Module, precision: torch.dtype = torch.float32) -> Compiled:
    """The classifier, whose float32 `copy` is converted where that was not done before, ready to answer.

    Raises:
        ModelError: it cannot be converted, or does not answer as the copy does; the message says why.
    """
    wanted = partial(_numbers, classifier, copy)
    path = cache_folder() / "openvino" / f"{_key(classifier)}.xml"
    if reason := _refused(path):
        raise ModelError(reason)
    threads, allowed = torch.get_num_threads(), AGREEMENT if precision == torch.float32 else HALF_AGREEMENT
    if model := _kept(path):
        # Whoever edits the code of a network without touching its weights is found out by what it answers.
        with suppress(ModelError), _as_model_error():
            made = Compiled(model, threads, precision)
            refuse_unlike(classifier, wanted, made, allowed, often=1)
            return made
    try:
        with _as_model_error():
            model = _converted(classifier, copy, threads)
            made = Compiled(model, threads, precision)
            refuse_unlike(classifier, wanted, made, allowed, often=1)
    except ModelError as error:
        _refuse(path, str(error))
        raise
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


def _converted(classifier: Classifier, copy: nn.Module, threads: int) -> Any:
    """The model, which answers as the copy does: for any number of pictures, or else for a fixed one."""
    try:
        return _agreeing(classifier, copy, threads, None)
    except Exception:  # noqa: BLE001  # whatever OpenVINO says of shapes that the trace fixed
        return _agreeing(classifier, copy, threads, FIXED)


def _agreeing(classifier: Classifier, copy: nn.Module, threads: int, at_once: int | None) -> Any:
    model = read(classifier, copy, at_once)
    refuse_unlike(classifier, partial(_numbers, classifier, copy), Compiled(model, threads), AGREEMENT)
    return model


def _numbers(classifier: Classifier, copy: nn.Module, x: Tensor) -> Tensor:
    with evaluating(copy), torch.no_grad():
        return classifier.head.numbers(copy(x)).float()


def read(classifier: Classifier, copy: nn.Module, at_once: int | None) -> Any:
    """The model for so many pictures at once, or for any number."""
    shape = classifier.probe().shape[1:]
    file = graph_of(copy)
    model = _traced(classifier, copy, at_once or TRACED) if file is None else _graph(file)
    model.reshape([at_once or -1, *shape])
    return model


def _graph(file: Path) -> Any:
    import openvino

    model = openvino.Core().read_model(file)
    if len(model.outputs) != 1:
        raise ModelError(f"the graph puts out {len(model.outputs)} tensors")
    return model


def _traced(classifier: Classifier, copy: nn.Module, count: int) -> Any:
    """A trace, read by OpenVINO's front end itself: its `convert_model` would tell its makers that it was used."""
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    probe = classifier.probe().float()
    with evaluating(copy), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, about what the check finds out
        example = probe.expand(count, *probe.shape[1:]).contiguous()
        decoder = TorchScriptPythonDecoder(_Numbers(copy, classifier.head).eval(), example_input=example)
        reader = FrontEndManager().load_by_framework("pytorch")
        return reader.convert(reader.load(decoder))


@contextmanager
def _as_model_error() -> Generator[None]:
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        if short_of_memory(error):  # another time there may be enough
            raise MemoryError from error
        first = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        raise ModelError(f"OpenVINO cannot convert it ({first[:200]})") from error


# --- On disk -------------------------------------------------------------------------------------------------------


def _key(classifier: Classifier) -> str:
    """What the conversion and its check depend on."""
    size, processor = classifier.preprocessing.size, sorted(torch.cpu.get_capabilities().items())
    makers = (__version__, version("openvino"), version("torch"), platform.machine())
    parts = (classifier.fingerprint, classifier.head, size, makers, processor)
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
        _forget_oldest(path.parent)
    except (OSError, RuntimeError):
        part.unlink(missing_ok=True)


def _refused(path: Path) -> str:
    """Why this network cannot be compiled, as was found before; nothing where it was not."""
    try:
        return path.with_suffix(".txt").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _refuse(path: Path, reason: str) -> None:
    """Keep the reason, so that the next process need not find it out again."""
    with suppress(OSError):
        private_folder(path.parent)
        path.with_suffix(".txt").write_text(reason, "utf-8")
        _forget_oldest(path.parent)


def _forget_oldest(folder: Path) -> None:
    known = [each for pattern in ("*.xml", "*.txt") for each in folder.glob(pattern)]
    for old in sorted(known, key=lambda each: each.stat().st_mtime)[:-KEPT]:
        old.with_suffix(".bin").unlink(missing_ok=True)
        old.unlink(missing_ok=True)
