"""Networks of which OpenVINO computes a part in float32 and the rest in bfloat16, or all in another precision."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import torch
from torch import Tensor

from seewhy import Classifier
from seewhy.engines.batches import BatchSize
from seewhy.engines.compiled import read
from seewhy.engines.inference import Inference, inference_copy

__all__ = ["COPIES", "copies"]

FIRST, LAST, DEPTHWISE = "float32 first", "float32 last", "float32 depthwise"
# What computes in float32: a share of the layers from the beginning or from the end, or those of a kind.
COPIES: dict[str, tuple[str, str, float]] = {
    "float32": ("f32", FIRST, 0),
    "bfloat16": ("bf16", FIRST, 0),
    "float16": ("f16", FIRST, 0),
    **{f"{part}, {share:.0%}": ("bf16", part, share) for part in (FIRST, LAST) for share in (0.15, 0.3, 0.5)},
    DEPTHWISE: ("bf16", DEPTHWISE, 0),
}

BATCH = 16


def copies(classifier: Classifier) -> dict[str, Inference]:
    """Each of `COPIES` of a network, for the engine to ask."""
    return {name: replace(_copy(classifier, *how), backend=name) for name, how in COPIES.items()}


def _copy(classifier: Classifier, hint: str, part: str, share: float) -> Inference:
    import openvino
    from openvino._offline_transformations import apply_moc_transformations

    plain = inference_copy(classifier, "float32")
    model = read(classifier, plain.module, None)
    apply_moc_transformations(model, False)  # else padding is merged later, and the marks get lost
    layers = [each for each in model.get_ordered_ops() if each.get_type_name() in {"Convolution", "GroupConvolution"}]
    count = round(share * len(layers))
    if part == DEPTHWISE:
        exact = [each for each in layers if each.get_type_name() == "GroupConvolution"]
    else:
        exact = layers[:count] if part == FIRST else layers[len(layers) - count :]
    marked = {name for each in exact for name in _fused(each)}
    options = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": torch.get_num_threads(), "NUM_STREAMS": 1}
    request = openvino.Core().compile_model(_marked(model, marked), "CPU", options).create_infer_request()

    def answer(x: Tensor) -> Tensor:
        return torch.from_numpy(np.array(request.infer({0: x.contiguous().numpy()}, share_inputs=True)[0]))

    size = BatchSize(classifier.device, BATCH)
    return replace(plain, compiled=answer, layout=torch.contiguous_format, size=size)


def _fused(layer: Any) -> list[str]:
    """The layer and what is computed together with it: its bias and its activation."""
    found = [layer.get_friendly_name()]
    while True:
        after = [each.get_node() for each in layer.output(0).get_target_inputs()]
        if len(after) != 1 or after[0].get_type_name() not in {"Add", "Clamp", "Relu"}:
            return found
        layer = after[0]
        found.append(layer.get_friendly_name())


def _marked(model: Any, names: set[str]) -> Any:
    """The model with these operations kept in the precision that they have, which only its file can say."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.xml")
        openvino.save_model(model, path, compress_to_fp16=False)
        tree = ET.parse(path)  # noqa: S314  # it was written the line before
        for layer in tree.iterfind("layers/layer"):
            if layer.get("name") in names:
                facts = layer.find("rt_info")
                if facts is None:
                    facts = ET.Element("rt_info")
                    layer.insert(0 if layer.find("data") is None else 1, facts)
                ET.SubElement(facts, "attribute", {"name": "precise", "version": "0"})
        tree.write(path)
        weights = openvino.Tensor(np.fromfile(path.with_suffix(".bin"), np.uint8))
        return openvino.Core().read_model(path.read_bytes(), weights)
