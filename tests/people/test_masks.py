"""Masks: lossless, in revisions, never replaced."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as oracle
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from people.samples import history
from seewhy.errors import Conflict, StoreError, UnknownName, UsageError
from seewhy.people.masks import drawn, save_mask
from seewhy.people.players import join
from seewhy.people.runs import decode, encode, runs
from seewhy.people.store import RevisionRow

PHOTO = ("cat.jpg", "ab" * 32)


def stripes(height: int, width: int, step: int) -> np.ndarray:
    return np.add.outer(np.arange(height), np.arange(width)) % step == 0


@settings(max_examples=150)
@given(arrays(bool, st.tuples(st.integers(1, 64), st.integers(1, 64)), elements=st.booleans()))
def test_run_lengths_lose_nothing_and_are_those_of_coco(mask):
    counts = encode(mask)
    assert np.array_equal(decode(counts, *mask.shape), mask)
    assert np.array_equal(decode(runs(mask), *mask.shape), mask)
    assert all(runs(mask)[1:])
    assert np.array_equal(oracle.decode({"size": list(mask.shape), "counts": counts.encode()}), mask)


@pytest.mark.parametrize("mask", [np.ones((64, 48), bool), np.zeros((64, 48), bool), stripes(600, 400, 2)])
def test_plain_masks_survive(mask):
    counts = encode(mask)
    assert np.array_equal(decode(counts, *mask.shape), mask)


def test_run_lengths_as_a_list_start_with_what_is_outside():
    assert decode([1, 2, 1], 2, 2).tolist() == [[False, True], [True, False]]  # column by column


@pytest.mark.parametrize("counts", ["", "5", "~~~", "o" * 30, "o", "é", [1, 2], [-1, 5], [2**62, 2**62]])
def test_run_lengths_that_do_not_fit_are_refused(counts):
    with pytest.raises(UsageError):
        decode(counts, 2, 2)


@pytest.fixture
def ann(store):
    return join(store, "ann")


def save(store, player, mask, base, key, label="cat"):
    return save_mask(store, player, *PHOTO, label, mask, base=base, key=key)


def test_every_state_stays_and_the_last_is_shown(store, ann):
    masks = [stripes(20, 30, step) for step in (2, 3, 5)]
    for base, mask in enumerate(masks):
        assert save(store, ann, mask, base, f"key {base}").revision == base + 1
    kept = history(store, ann, PHOTO[1], "cat")
    assert [each.revision for each in kept] == [1, 2, 3]
    assert all(np.array_equal(each.mask, mask) for each, mask in zip(kept, masks, strict=True))
    (last,) = drawn(store)
    assert (last.revision, last.image, last.player, last.simulated) == (3, "cat.jpg", "ann", False)
    assert np.array_equal(last.mask, masks[-1])


def test_another_window_does_not_overwrite_silently(store, ann):
    one, other = stripes(20, 30, 2), stripes(20, 30, 3)
    save(store, ann, one, 0, "a")
    with pytest.raises(Conflict, match="revision 1 of this mask was saved meanwhile, after revision 0"):
        save(store, ann, other, 0, "b")
    assert [np.array_equal(each.mask, one) for each in drawn(store)] == [True]


def test_a_state_sent_again_is_kept_once(store, ann):
    mask = stripes(20, 30, 2)
    assert [save(store, ann, mask, 0, "a").revision for _ in range(3)] == [1, 1, 1]
    with pytest.raises(Conflict, match="another state"):
        save(store, ann, ~mask, 0, "a")
    assert len(history(store, ann, PHOTO[1], "cat")) == 1


def test_players_and_labels_have_masks_of_their_own(store, ann):
    bob = join(store, "bob")
    save(store, ann, stripes(4, 5, 2), 0, "a")
    save(store, bob, stripes(4, 5, 3), 0, "a")
    save(store, ann, stripes(4, 5, 4), 0, "a", label="ear")
    assert [(each.player, each.label) for each in drawn(store)] == [("ann", "cat"), ("bob", "cat"), ("ann", "ear")]
    assert [each.label for each in drawn(store, player=ann)] == ["cat", "ear"]
    assert drawn(store, image_hash="0" * 64) == []


def test_what_is_no_mask_is_refused(store, ann):
    save(store, ann, stripes(4, 5, 2), 0, "a")
    for mask, base, key, label in [
        (stripes(5, 4, 2), 1, "b", "cat"),
        (stripes(4, 5, 2).astype(np.uint8), 1, "b", "cat"),
        (np.zeros((4, 0), bool), 1, "b", "cat"),
        (stripes(4, 5, 2), 1, "", "cat"),
        (stripes(4, 5, 2), 1, "b", " "),
    ]:
        with pytest.raises(UsageError):
            save(store, ann, mask, base, key, label)
    with pytest.raises(UnknownName):
        save(store, "nobody", stripes(4, 5, 2), 0, "a")
    assert len(drawn(store)) == 1


@pytest.mark.parametrize("change", [update(RevisionRow).values(counts="x"), delete(RevisionRow)])
def test_the_database_itself_refuses_to_change_a_revision(store, ann, change):
    save(store, ann, stripes(4, 5, 2), 0, "a")
    with pytest.raises((IntegrityError, StoreError)) as told, store.writing() as session:
        session.execute(change)
    assert "never changed" in getattr(told.value, "details", str(told.value))
    assert len(drawn(store)) == 1
