from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

import planted
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.models import Target
from seewhy.network.tcav import concept_direction, features, gradients, judge, steepness, tcav, tcav_score

RED, GREEN, BLUE = range(3)


def squares(colour: tuple[int, int, int], count: int, seed: int) -> list[Image]:
    """Grey noise with a square of this colour somewhere."""
    generator = np.random.default_rng(seed)
    found = []
    for number in range(count):
        pixels = generator.integers(60, 160, (planted.SIZE, planted.SIZE, 3), np.uint8)
        row, column = generator.integers(0, planted.SIZE - 20, 2)
        pixels[row : row + 20, column : column + 20] = colour
        found.append(Image(pixels, f"square {number}"))
    return found


def noise(count: int, seed: int) -> list[Image]:
    """The same without a square, in any tint."""
    generator = np.random.default_rng(seed)
    tints = generator.integers(0, 60, (count, 1, 1, 3))
    pixels = generator.integers(60, 160, (count, planted.SIZE, planted.SIZE, 3)) + tints
    return [Image(each.astype(np.uint8), f"noise {number}") for number, each in enumerate(pixels)]


def asked(target: int) -> list[tuple[Image, Target]]:
    return [(image, Target(target)) for image in squares((250, 20, 20), 10, seed=9)]


def test_a_planted_concept_is_found_and_what_speaks_against_a_class_is_seen():
    classifier, others = planted.classifier(), noise(100, seed=1)
    (red,) = tcav(classifier, squares((250, 20, 20), 10, seed=2), others, asked(RED), ["third"])
    assert red.p < 0.01
    assert red.score == 1
    assert red.slope > red.interval[1] > 0
    assert red.accuracy > 0.8
    assert red.pictures == 10


def test_what_speaks_against_a_class_is_seen():
    concept = squares((20, 250, 20), 10, seed=3)
    (green,) = tcav(planted.classifier(), concept, noise(100, seed=1), asked(RED), ["third"], sets=19)
    assert green.score == 0
    assert green.slope < 0
    assert green.accuracy > 0.8
    # Among so few channels random directions often point away from red as well, and the test says so.
    assert green.p > 0.05


def test_random_concepts_are_rejected_at_the_stated_rate():
    """Of concepts drawn from the others 5 % get p ≤ 0.05 and 20 % p ≤ 0.2; three errors of counting are allowed."""
    generator = np.random.default_rng(0)
    trials = 150
    found = []
    for _ in range(trials):
        rows = generator.normal(size=(60, 6)) * [3, 1, 1, 1, 0.3, 0.1]
        slope = generator.normal((2, 0, 0, 0, 0, 1), size=(4, 6))  # what the class likes varies most among pictures
        found.append(judge("layer", rows[:8], rows[8:], slope, generator, sets=19).p)
    values = np.array(found)
    for level in (0.05, 0.2):
        error = 3 * (level * (1 - level) / trials) ** 0.5
        assert abs((values <= level + 1e-9).mean() - level) < error


def test_the_papers_test_would_not_reject_them():
    """Why there is a test of our own: a t-test of scores that share a concept calls many a random one significant."""
    from scipy.stats import ttest_ind

    generator = np.random.default_rng(0)
    called = 0
    for _ in range(20):
        rows, slope = generator.normal(size=(200, 6)), generator.normal(size=(20, 6))
        concept, pool = rows[:20], rows[20:]

        def draw(pool: np.ndarray = pool) -> np.ndarray:
            return pool[generator.permutation(len(pool))[:20]]

        one = [tcav_score(slope, concept_direction(concept, draw())) for _ in range(20)]
        other = [tcav_score(slope, concept_direction(draw(), draw())) for _ in range(20)]
        called += ttest_ind(one, other).pvalue < 0.05
    assert called / 20 > 0.25


def test_the_direction_points_to_the_concept():
    generator = np.random.default_rng(0)
    concept = generator.normal((4, 0, 0), size=(40, 3))
    direction = concept_direction(concept, generator.normal(size=(40, 3)))
    assert np.linalg.norm(direction) == pytest.approx(1)
    assert direction[0] > 0.9


def test_the_direction_is_that_of_a_ridge_classifier_whatever_the_scale():
    generator = np.random.default_rng(0)
    concept, others = generator.normal(0.5, size=(8, 30)), generator.normal(size=(8, 30))
    rows = np.concatenate([concept, others])
    plane = RidgeClassifier().fit((rows - rows.mean(0)) / rows.std(), np.repeat([1, 0], 8)).coef_.ravel()
    assert np.allclose(concept_direction(concept, others), plane / np.linalg.norm(plane))
    assert np.allclose(concept_direction(100 * concept + 7, 100 * others + 7), plane / np.linalg.norm(plane))
    assert not concept_direction(np.ones((2, 3)), np.ones((2, 3))).any()


def test_scores_by_hand():
    direction = np.array([1.0, 0.0])
    found = np.array([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0], [4.0, 3.0]])
    assert tcav_score(found, direction) == (1 + 0.5 + 0 + 1) / 4
    assert steepness(found, direction) == pytest.approx(((2 + 0 - 1 + 4) / 4) / ((2 + 3 + 1 + 5) / 4))
    assert steepness(np.zeros((2, 2)), direction) == 0


def test_features_are_means_and_slopes_what_moving_them_everywhere_does():
    classifier, image = planted.classifier(), planted.picture()
    (row,) = features(classifier, [image], ["third"])["third"]
    (slope,) = gradients(classifier, [(image, Target(RED))], ["third"])["third"]
    # After this layer comes nothing but the mean and a linear head.
    weight, bias = classifier.module.head.weight.detach().numpy(), classifier.module.head.bias.detach().numpy()
    assert np.allclose(slope, weight[RED], rtol=1e-5)
    assert np.allclose(weight @ row + bias, classifier.logits(classifier.preprocess([image]))[0].detach(), rtol=1e-5)


def test_each_picture_has_its_own_class():
    classifier, image = planted.classifier(), planted.picture()
    both = gradients(classifier, [(image, Target(RED)), (image, Target(BLUE))], ["third"])["third"]
    assert np.allclose(both, classifier.module.head.weight.detach().numpy()[[RED, BLUE]], rtol=1e-5)


def test_batches_change_nothing():
    classifier, images = planted.classifier(), noise(20, seed=4)
    together = features(classifier, images, ["third"])["third"]
    alone = np.concatenate([features(classifier, [image], ["third"])["third"] for image in images])
    assert np.allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize(("concept", "others", "pictures"), [(4, 50, 10), (6, 11, 10), (6, 50, 9)])
def test_too_few_pictures_are_refused(concept, others, pictures):
    with pytest.raises(
        UsageError, match="5 pictures of the concept at least, twice as many others, and 10 of the class"
    ):
        tcav(planted.classifier(), noise(concept, 0), noise(others, 1), asked(RED)[:pictures], ["third"])
