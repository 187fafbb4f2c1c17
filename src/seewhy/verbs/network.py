"""Network: pictures in, the network layer by layer out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seewhy.core.progress import Progress, silent
from seewhy.errors import Cancelled, ExplainError, SeewhyError
from seewhy.images import open_image
from seewhy.models import Classifier, Target, find_layer
from seewhy.network import NetworkPicture, NetworkView, Words, find_clustering, look

# What people call what is in a view, and where these words come from.
Naming = Callable[[NetworkView], tuple[Words, str]]


@dataclass(frozen=True)
class NetworkRequest:
    """What is asked about every picture: a class, or the likeliest; layers, or the default ones."""

    target: Target | None = None
    layers: tuple[str, ...] = ()
    clustering: str = "ward"
    signed: bool = False
    seed: int = 0

    @classmethod
    def of(
        cls,
        classifier: Classifier,
        target: str | int | Target | None = None,
        *,
        layers: Sequence[str] = (),
        clustering: str = "ward",
        signed: bool = False,
        seed: int = 0,
    ) -> NetworkRequest:
        """Resolve names.

        Raises:
            UsageError: one of them is unknown.
        """
        find_clustering(clustering)
        for layer in layers:
            find_layer(classifier.module, layer)
        return cls(None if target is None else classifier.target(target), tuple(layers), clustering, signed, seed)


@dataclass(frozen=True)
class NetworkOutcome:
    """The network's picture of one photo, or the error that stopped it."""

    source: str
    picture: NetworkPicture | None = None
    error: SeewhyError | None = None


def explain_network(
    classifier: Classifier,
    image: Any,
    target: str | int | Target | None = None,
    *,
    layers: Sequence[str] = (),
    clustering: str = "ward",
    signed: bool = False,
    naming: Naming | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> NetworkPicture:
    """What each layer of the network found in one picture: `.view` is the data, `.svg` the drawing of it.

    Args:
        classifier: from `seewhy.load` or `Classifier.from_module`.
        image: path, bytes, PIL image, array or `Image`.
        target: class index, name or "A vs B"; without it the class the classifier predicts.
        layers: names, first to last; without any, the last nine stages.
        clustering: `ward`, or `classic` for the paper's.
        signed: keep what speaks against the class.
        naming: gives the words that people have for a view's clusters, and a sentence on where they come from.
        seed: of all randomness.
        progress: told of the work done; may raise `Cancelled`.

    Raises:
        BadImage, ModelError, ExplainError, UsageError: each names the cause and the cure.
    """
    request = NetworkRequest.of(classifier, target, layers=layers, clustering=clustering, signed=signed, seed=seed)
    return _explain(classifier, image, request, naming, progress)


def explain_network_each(
    classifier: Classifier,
    sources: Sequence[str | Path],
    request: NetworkRequest,
    naming: Naming | None = None,
    progress: Progress = silent,
) -> Iterator[NetworkOutcome]:
    """Explain file after file; what cannot be opened or explained is an outcome, and never stops the rest."""
    for source in sources:
        try:
            yield NetworkOutcome(str(source), _explain(classifier, source, request, naming, progress))
        except Cancelled:
            raise
        except SeewhyError as error:
            yield NetworkOutcome(str(source), error=error)
        except RuntimeError as error:
            yield NetworkOutcome(str(source), error=ExplainError(f"the network failed on {source}: {error}"))


def _explain(
    classifier: Classifier, image: Any, request: NetworkRequest, naming: Naming | None, progress: Progress
) -> NetworkPicture:
    view = look(
        classifier,
        open_image(image),
        request.target,
        layers=request.layers,
        clustering=find_clustering(request.clustering),
        signed=request.signed,
        seed=request.seed,
        progress=progress,
    )
    words, about = naming(view) if naming else ({}, "")
    return NetworkPicture(view, words, about)
