"""Pictures to vectors: what the classifier saw in them, what of that it used, or what another encoder sees."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.models import Classifier
from seewhy.models.load import Encoder, load_encoder

LINEAR = 1e-3  # how far W·h + b may be from the logits, as a share of the largest


class Embedded(NamedTuple):
    """Pictures as case bases know them: `vectors` `(N, D)` of length 1 and `logits` `(N, K)`, float32 on the CPU."""

    vectors: Tensor
    logits: Tensor


@dataclass(frozen=True, eq=False)
class Embedder(ABC):
    """Turns pictures into vectors whose cosine says how alike they are.

    `classifier` is the one whose decisions are explained, `name` what the embedding is called on the command line.
    """

    classifier: Classifier
    name: str

    @property
    def network(self) -> Classifier:
        """The network that the vectors come from."""
        return self.classifier

    @property
    def layer(self) -> str:
        """Its last layer with a grid, which tells where the similarity of two pictures sits."""
        return self.network.default_layer

    @abstractmethod
    def __call__(self, images: Sequence[Image]) -> Embedded:
        """The pictures as vectors, and what the classifier says of them."""

    def channel_weights(self, predicted: Tensor) -> Tensor | None:
        """What each number of the embedding counts `(N, D)` in pictures of the classes `(N,)`; None: all the same."""
        return None


@dataclass(frozen=True, eq=False)
class Penultimate(Embedder):
    """What goes into the classifier's last layer."""

    name: str = "penultimate"

    def __call__(self, images: Sequence[Image]) -> Embedded:
        """See `Embedder`."""
        features, logits = self.classifier.embed_and_score(self.classifier.preprocess(images))
        return _embedded(features, logits)


@dataclass(frozen=True, eq=False)
class Cole(Embedder):
    """What each number that goes into the last layer adds to the score of the predicted class.

    Source: Kenny & Keane 2019, C-HP: each case by its own predicted class.
    """

    name: str = "cole"

    def __call__(self, images: Sequence[Image]) -> Embedded:
        """See `Embedder`."""
        features, logits = self.classifier.embed_and_score(self.classifier.preprocess(images))
        return _embedded(contributions(features, self.weight, logits.argmax(1)), logits)

    def channel_weights(self, predicted: Tensor) -> Tensor:
        """See `Embedder`."""
        return self.weight[predicted.to(self.weight.device)]

    @cached_property
    def weight(self) -> Tensor:
        """W `(K, D)`, what each number of the embedding adds to each score.

        Raises:
            UsageError: the scores are not W·h + b, so contributions would not add up to them.
        """
        classifier = self.classifier
        probe = classifier.probe()
        weight = classifier.embedding_weights(probe)
        features, logits = classifier.embed_and_score(torch.cat([probe, probe.flip(-1).roll(1, -2), probe / 2]))
        biases = logits - features @ weight.mT
        if (biases - biases[:1]).abs().max() <= LINEAR * logits.abs().max():
            return weight
        raise UsageError(
            f"cole needs scores that are a linear function of the embedding, and those of {classifier.name} are not; "
            "use --embedding penultimate"
        )


@dataclass(frozen=True, eq=False)
class Encoded(Embedder):
    """What another encoder sees, which knows nothing of the classifier: what looks alike in general."""

    encoder: Encoder

    @property
    def network(self) -> Classifier:
        """See `Embedder`."""
        return self.encoder.network

    @property
    def layer(self) -> str:
        """See `Embedder`."""
        return self.encoder.layer

    def __call__(self, images: Sequence[Image]) -> Embedded:
        """See `Embedder`."""
        with torch.no_grad():
            logits = self.classifier.logits(self.classifier.preprocess(images))
        return _embedded(self.encoder(images), logits)


EMBEDDINGS = {"penultimate": Penultimate, "cole": Cole}


def find_embedder(name: str, classifier: Classifier, device: str = "auto") -> Embedder:
    """`penultimate`, `cole`, or any model as a second encoder: `timm:…`, `hf-hub:…`, `file:…`.

    Raises:
        UsageError: the classifier offers scores only, and the name asks for what it sees.
        UnknownName, ModelError: the second encoder cannot be had.
    """
    if name not in EMBEDDINGS:
        return Encoded(classifier, name, load_encoder(name, device))
    if "layers" not in classifier.offers:
        raise UsageError(
            f"{classifier.name} offers scores only, so there is nothing to embed pictures by; name an encoder, such as "
            "--embedding bundled:efficientnet-lite0"
        )
    return EMBEDDINGS[name](classifier)


def contributions(features: Tensor, weight: Tensor, classes: Tensor) -> Tensor:
    """H ⊙ W_c `(N, D)` for features h `(N, D)`, weights W `(K, D)` and a class c of each `(N,)`; Σ + b_c is the logit.

    Source: Kenny & Keane 2019, C-HP.
    """
    return features * weight[classes]


def _embedded(vectors: Tensor, logits: Tensor) -> Embedded:
    return Embedded(normalize(vectors.float(), dim=1).cpu(), logits.float().cpu())
