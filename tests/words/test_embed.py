import sys

import numpy as np
import pytest

from seewhy.errors import ModelError, UsageError
from seewhy.words.text import needs_extra, sentence_encoder


def test_alike_in_meaning_is_near():
    tire, tyre, whisker = sentence_encoder()(["tire", "tyre", "whisker"])
    assert tire @ tyre > 0.7 > 0.4 > tire @ whisker


def test_points_are_unit_vectors_and_the_same_each_time():
    texts = ["ear", "floppy ears", "عجلة", "\U0001f436"]
    points = sentence_encoder()(texts)
    assert points.dtype == np.float32
    assert np.allclose(np.linalg.norm(points, axis=1), 1, atol=1e-5)
    assert np.array_equal(points, sentence_encoder()(texts))


def test_nothing_to_encode():
    assert len(sentence_encoder()([])) == 0


def test_an_encoder_that_cannot_be_had(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"no-such/encoder.*bundled:all-minilm"):
        sentence_encoder("no-such/encoder")


def test_a_missing_library_names_its_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, "better_profanity", None)
    with pytest.raises(UsageError, match=r"better_profanity.*seewhy\[words\]"), needs_extra():
        import better_profanity  # noqa: F401
