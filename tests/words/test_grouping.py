import numpy as np
import pytest

from seewhy.words.text import group_by_distance, group_by_silhouette


def at(*degrees: float) -> np.ndarray:
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def groups(found: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(found == number).tolist()) for number in set(found.tolist())}


def test_within_a_group_no_two_are_farther_apart_than_the_threshold():
    # 1 − cos 35° = 0.18, 1 − cos 60° = 0.5: single linkage would chain all of them, complete linkage does not.
    found = group_by_distance(at(0, 25, 60, 85), threshold=0.3)
    assert groups(found) == {frozenset({0, 1}), frozenset({2, 3})}
    assert len(groups(group_by_distance(at(0, 25, 60, 85), threshold=0.05))) == 4
    assert len(groups(group_by_distance(at(0, 25, 60, 85), threshold=1.1))) == 1


def test_random_points_keep_the_threshold():
    points = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    found = group_by_distance(points, threshold=0.4)
    for group in groups(found):
        members = points[list(group)]
        assert (members @ members.T).min() >= 0.6 - 1e-5


def test_the_paper_takes_the_best_silhouette():
    found = group_by_silhouette(at(0, 4, 8, 90, 93, 96, 180, 182))
    assert groups(found) == {frozenset({0, 1, 2}), frozenset({3, 4, 5}), frozenset({6, 7})}


@pytest.mark.parametrize("group", [group_by_distance, group_by_silhouette])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_points(group, count):
    found = group(at(*range(0, 180, 90))[:count] if count else np.zeros((0, 1), np.float32))
    assert len(found) == count
    assert len(set(found.tolist())) == count
