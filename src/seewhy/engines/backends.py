"""What answers soonest: the copy in PyTorch, or what a back end makes of it, where that repays.

Whatever a back end makes is held to answer as the copy does. Where it fails, the copy answers, and says why.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import torch

from seewhy.engines.batches import BatchSize
from seewhy.engines.compiled import PRECISIONS, compiled, graph_of, has_openvino
from seewhy.engines.cuda_graphs import recorded
from seewhy.engines.inference import FIXED, HALF, Inference, inference_copy
from seewhy.errors import ModelError
from seewhy.models.classifier import Classifier
from seewhy.models.state import owning

REPAID = 128  # forwards from which on it is worth while to make it, which is kept for the next time
COMPILED_SIZE = 16  # larger batches are no faster by OpenVINO


@dataclass(frozen=True)
class BackEnd:
    """Something that answers in a copy's place.

    Args:
        name: in words.
        takes: whether it is for such a classifier and copy, on this machine.
        make: what answers; raises `ModelError` where it cannot, and `MemoryError` where there is too little room.
    """

    name: str
    takes: Callable[[Classifier, Inference], bool]
    make: Callable[[Classifier, Inference], Inference]


_MADE: WeakKeyDictionary[Classifier, dict[tuple[Any, ...], Inference | str]] = WeakKeyDictionary()


def answering_copy(classifier: Classifier, plain: Inference, forwards: int) -> Inference:
    """What answers so many `forwards` soonest in the precision of `plain`, which is taken where nothing else repays."""
    backend = next((each for each in BACK_ENDS if each.takes(classifier, plain)), None)
    if forwards < REPAID or plain.compiled or backend is None:
        return plain
    with owning(classifier.module):
        made = _MADE.setdefault(classifier, {})
        key = (plain.precision, torch.get_num_threads(), classifier.weights_version)
        if key not in made:
            for stale in [old for old in made if old[2] != key[2]]:
                del made[stale]
            made[key] = _made(backend, classifier, plain)
        found = made[key]
    if isinstance(found, str):
        return replace(plain, aside=(*plain.aside, f"{backend.name} was left aside: {found}."))
    fixed = FIXED.get(classifier) if plain.bits != HALF else None
    return replace(found, size=fixed) if fixed else found


def _made(backend: BackEnd, classifier: Classifier, plain: Inference) -> Inference | str:
    """What answers, or why it cannot be made."""
    try:
        return replace(backend.make(classifier, plain), backend=backend.name)
    except ModelError as error:
        return str(error)
    except MemoryError:
        return "memory ran out"


def _for_openvino(classifier: Classifier, plain: Inference) -> bool:
    return (
        has_openvino()
        and classifier.device.type == "cpu"
        and classifier.dtype == torch.float32
        and plain.precision in PRECISIONS
        # A network that could not be copied is not traced, either; a graph in a file is read as it is.
        and (plain.module is not classifier.module or graph_of(plain.module) is not None)
        and not classifier.head.alone
        and os.environ.get("SEEWHY_OPENVINO") != "0"
    )


def _by_openvino(classifier: Classifier, plain: Inference) -> Inference:
    copy = inference_copy(classifier, "float32").module
    answers = compiled(classifier, copy, plain.precision)
    size = BatchSize(classifier.device, COMPILED_SIZE)
    return replace(plain, dtype=torch.float32, layout=torch.contiguous_format, compiled=answers, size=size)


def _for_cuda_graphs(classifier: Classifier, plain: Inference) -> bool:
    return (
        classifier.device.type == "cuda"
        and plain.module is not classifier.module  # what could not be copied may do anything
        and not classifier.head.alone
        and os.environ.get("SEEWHY_CUDA_GRAPHS") != "0"
    )


def _by_cuda_graphs(classifier: Classifier, plain: Inference) -> Inference:
    return replace(plain, compiled=recorded(classifier, plain), size=BatchSize(classifier.device))


BACK_ENDS = (
    BackEnd("OpenVINO", _for_openvino, _by_openvino),
    BackEnd("A CUDA graph", _for_cuda_graphs, _by_cuda_graphs),
)
