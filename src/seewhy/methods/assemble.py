"""Make an `Explanation` of what a method computed: every method ends here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from seewhy.images import Image
from seewhy.methods.evidence import RegionWeights, Rule
from seewhy.methods.explanation import Cost, Explanation
from seewhy.models import Classifier, Prediction, Target

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from seewhy.methods.registry import Method

SHOWN = 5


def assemble(
    method: Method,
    classifier: Classifier,
    image: Image,
    target: Target,
    *,
    values: np.ndarray,
    logits: Tensor,
    generator: torch.Generator,
    cost: Cost,
    label: str | None = None,
    layer: str | None = None,
    signed: bool | None = None,
    checks: Mapping[str, float] | None = None,
    errors: np.ndarray | None = None,
    regions: RegionWeights | None = None,
    rule: Rule | None = None,
) -> Explanation:
    """`values` `(h, w)` and their standard `errors` over what the network saw, `logits` `(K,)` of the whole image."""
    return Explanation(
        values=values,
        image=image,
        view=classifier.preprocessing.view(image),
        target=target,
        target_label=label or target.label(classifier.categories),
        predictions=_predictions(classifier, logits, target),
        method=method.info.name,
        signed=method.info.signed if signed is None else signed,
        classifier=classifier.name,
        fingerprint=classifier.fingerprint,
        layer=layer,
        parameters=describe(method),
        seed=generator.initial_seed(),
        cost=cost,
        checks=dict(checks or {}),
        errors=errors,
        regions=regions,
        rule=rule,
    )


def describe(method: Method) -> dict[str, Any]:
    """A method's hyper-parameters as plain JSON values; pictures are named by their hash."""
    values = {entry.name: getattr(method, entry.name) for entry in fields(method)}  # pyright: ignore[reportArgumentType]
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Image):
        return {"name": value.name, "sha256": value.sha256}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "sha256": sha256(np.ascontiguousarray(value).tobytes()).hexdigest()}
    if is_dataclass(value) and not isinstance(value, type):  # a fill
        return {type(value).__name__: {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}}
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _predictions(classifier: Classifier, logits: Tensor, target: Target) -> tuple[Prediction, ...]:
    """The likeliest classes, and those that the target names if they are not among them."""
    probabilities = logits.float().softmax(0)
    ranked = classifier.ranked(probabilities, SHOWN)
    asked = {target.index, target.against} - {None} - {each.index for each in ranked}
    rest = [
        Prediction(index, classifier.categories[index], float(probabilities[index]))
        for index in asked
        if index is not None
    ]
    return (*ranked, *sorted(rest, key=lambda each: -each.probability))
