"""CLIP and its kin as classifiers: the classes are texts, and a picture scores by how near to each it lies.

The texts go through their tower once. What is left is a network of the picture alone, with a linear layer at its end,
so that every method explains it as it does any other. Source: Radford et al. 2021, CLIP; Zhai et al. 2023, SigLIP.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from typing_extensions import override

from seewhy.errors import ModelError, UsageError
from seewhy.models.head import Head

EXAMPLE = '"a photo of a cat, a photo of a dog"'
AGREE = 1e-3  # relative to the temperature


class Pooled(nn.Module):
    """A transformers network as pictures to vectors: CLIP's projected ones, else what the network pools."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    @override
    def forward(self, x: Tensor) -> Tensor:
        """Vectors `(N, D)` of network inputs `(N, C, h, w)`."""
        ask = getattr(self.network, "get_image_features", self.network)
        return _vectors(ask(pixel_values=x), f"{type(self.network).__name__} gives no vector for a picture")


class Unit(nn.Module):
    """Vectors of length 1."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        """`(N, D)` of `(N, D)`."""
        return normalize(x, dim=-1)


def check_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """The texts, of which there have to be two that differ; raises `UsageError`."""
    texts = tuple(str(text).strip() for text in classes) if not isinstance(classes, str) else ()
    if len(texts) < 2 or len(set(texts)) < len(texts) or not all(texts):
        raise UsageError(f"classes are two texts or more, each another, such as {EXAMPLE}, not {classes!r}")
    return texts


def zero_shot(model: Any, tokenizer: Any, classes: Sequence[str], like: Tensor) -> tuple[nn.Module, Head]:
    """A network of pictures alone that scores `classes` as the model does, and what its scores mean.

    Args:
        model: of the transformers library, with a tower for pictures and one for texts.
        tokenizer: what makes tokens of texts.
        classes: one text for each.
        like: an input to compare the two on.

    Raises:
        UsageError: a text is longer than the model reads.
        ModelError: the model scores in another way.
    """
    tokens = _tokens(model, tokenizer, classes)
    with torch.no_grad():
        vectors = _vectors(model.get_text_features(**tokens), f"{type(model).__name__} gives no vector for a text")
        theirs: Tensor = model(**tokens, pixel_values=like).logits_per_image
        scale, bias = _temperature(model)
        head = nn.Linear(vectors.shape[1], len(classes))
        head.weight.copy_(normalize(vectors, dim=-1) * scale)
        head.bias.fill_(bias)
        made = nn.Sequential(OrderedDict(encoder=Pooled(model), unit=Unit(), head=head)).eval()
        if not torch.allclose(made(like), theirs, atol=AGREE * max(scale, 1.0), rtol=AGREE):
            raise ModelError(
                f"{type(model).__name__} scores pictures against texts in another way than by their cosine: wrap it "
                "yourself, seewhy.Classifier.from_module(network, preprocessing, classes)"
            )
        for name in [name for name, _ in model.named_children() if name.startswith("text")]:
            setattr(model, name, None)
    return made, Head("sigmoid" if getattr(model, "logit_bias", None) is not None else "logits")


def _tokens(model: Any, tokenizer: Any, classes: Sequence[str]) -> Mapping[str, Tensor]:
    """The texts as the model learned to read them: SigLIP filled up to its full length, others to the longest."""
    longest = getattr(getattr(model.config, "text_config", None), "max_position_embeddings", None)
    lengths = [len(tokenizer([text])["input_ids"][0]) for text in classes]
    if longest and max(lengths) > longest:
        text = classes[lengths.index(max(lengths))]
        raise UsageError(f"the class '{text}' has {max(lengths)} tokens, and the network reads {longest}: shorten it")
    filled = {"padding": "max_length", "max_length": longest} if getattr(model, "logit_bias", None) is not None else {}
    return tokenizer(list(classes), return_tensors="pt", **(filled or {"padding": True}))


def _temperature(model: Any) -> tuple[float, float]:
    """What cosines are multiplied by, and what is added."""
    scale, bias = getattr(model, "logit_scale", None), getattr(model, "logit_bias", None)
    if scale is None:
        return 1 / float(getattr(model, "temperature", 1.0)), 0.0
    return float(scale.exp()), 0.0 if bias is None else float(bias)


def _vectors(found: Any, problem: str) -> Tensor:
    vectors = found if isinstance(found, Tensor) else getattr(found, "pooler_output", None)
    if not isinstance(vectors, Tensor):
        raise ModelError(f"{problem}; take another encoder")
    return vectors.flatten(1)
