"""Expected gradients: closed forms, the sampling plan, counted passes, and shap in expectation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from seewhy.engines import Images
from seewhy.errors import UsageError
from seewhy.methods import Explanation, find_method
from seewhy.methods.integrated_gradients import relative_error, rounds_of, sampling_plan, standard_errors
from seewhy.models import Classifier, Preprocessing, Target

PLAIN = Preprocessing(zoo.SIZE, mean=(0, 0, 0), std=(1, 1, 1))
OTHERS = zoo.photos(5, *zoo.SIZE, seed=3)


def explain(classifier: Classifier, *, seed: int = 0, targets: int = 1, **parameters: object) -> list[Explanation]:
    method = find_method("expected-gradients", **{"background": Images(OTHERS), **parameters})
    asked = [Target(index) for index in range(targets)]
    generator = torch.Generator().manual_seed(seed)
    return method(classifier, zoo.photos(1, *zoo.SIZE), [asked], generator=generator)


@pytest.mark.parametrize(("count", "backgrounds"), [(20, 4), (20, 7), (7, 20), (1, 1), (33, 4)])
def test_the_plan_is_evenly_spaced_and_balanced(count, backgrounds):
    positions, order, weights = sampling_plan(count, backgrounds, torch.Generator().manual_seed(1))
    uses = torch.bincount(order, minlength=backgrounds)
    assert int(uses[uses > 0].max() - uses[uses > 0].min()) <= 1
    assert len(uses[uses > 0]) == min(count, backgrounds)
    for each in order.unique():
        steps = positions[order == each].diff()
        torch.testing.assert_close(steps, torch.full_like(steps, 1 / int(uses[each])))
        assert float(weights[order == each].sum()) == pytest.approx(1 / min(count, backgrounds))
    if count % backgrounds == 0 or count < backgrounds:
        strata = (positions * count - (positions * count).frac().min()).round().long().tolist()
        assert sorted(strata) == list(range(count)), "all together are evenly spaced too"


@pytest.mark.parametrize(("count", "backgrounds"), [(9, 2), (2, 5)])
def test_every_place_is_as_likely(count, backgrounds):
    """Over many plans the weights that fall on each background and each quarter of the way are equal."""
    generator, seen = torch.Generator().manual_seed(0), torch.zeros(backgrounds, 4).double()
    for _ in range(4000):
        positions, order, weights = sampling_plan(count, backgrounds, generator)
        seen.index_put_((order, (4 * positions).long()), weights / 4000, accumulate=True)
    torch.testing.assert_close(seen, torch.full_like(seen, 0.25 / backgrounds), rtol=0.2, atol=0)


@pytest.mark.parametrize("samples", [1, 20, 66, 100, 200, 1001])
def test_rounds_are_of_one_size(samples):
    sizes = rounds_of(samples)
    assert sum(sizes) == samples
    assert max(sizes) - min(sizes) <= 1


class Square(nn.Module):
    """Σ x² w: the mean of (x − r) · 2 (r + t (x − r)) w over t is (x² − r²) w."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, 3, *zoo.SIZE, generator=torch.Generator().manual_seed(0)).double())

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("nchw,kchw->nk", x**2, self.weight)


def test_a_quadratic_is_found_within_its_errors():
    module = Square().eval()
    classifier = Classifier.from_module(module, PLAIN)
    runs = [explain(classifier, seed=seed, samples=100, tolerance=0.0)[0] for seed in range(20)]
    x, *others = classifier.preprocess([*zoo.photos(1, *zoo.SIZE), *OTHERS]).double()
    exact = (module.weight[0].detach() * (x**2 - torch.stack(others).square().mean(0))).sum(0).numpy()
    squares = np.mean([np.square(found.values - exact) for found in runs])
    said = np.mean([np.square(found.errors) for found in runs])
    assert 0.5 < squares / said < 1.6, "errors are as large as they are said to be"


def test_passes_are_counted_and_no_more_than_asked():
    (found,) = explain(zoo.classifier("residual"), samples=60, tolerance=0.0)
    assert found.cost.backwards == 60
    assert found.checks["samples"] == 60


def test_several_classes_share_their_forwards():
    one, two = explain(zoo.classifier("residual"), samples=40, tolerance=0.0, targets=2)
    assert (
        one.cost.forwards
        == two.cost.forwards
        == explain(zoo.classifier("residual"), samples=40, tolerance=0.0)[0].cost.forwards
    )
    assert one.cost.backwards == 80


def test_it_stops_when_the_map_is_settled():
    (linear,) = explain(Classifier.from_module(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4)).eval(), PLAIN))
    assert linear.checks["samples"] == 100, "of a linear network every round is nearly the whole truth"
    (noisy,) = explain(zoo.classifier("residual"), tolerance=0.005)
    assert noisy.checks["samples"] == 200
    assert noisy.checks["relative_error"] > 0.005


def test_all_classes_are_refused_unless_asked_for():
    classifier = Classifier.from_module(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 30)).eval(), PLAIN)
    with pytest.raises(UsageError, match=r"30 classes take 6,000 backward passes; name the"):
        explain(classifier, targets=30)
    assert len(explain(classifier, targets=30, samples=5, all_classes=True)) == 30


def test_no_samples_are_refused():
    with pytest.raises(UsageError, match="at least one sample"):
        explain(zoo.classifier("residual"), samples=0)


def test_errors_by_hand():
    maps = torch.tensor([[[1.0, 2.0]], [[3.0, 2.0]], [[5.0, 2.0]]])
    assert standard_errors(maps).tolist() == [[pytest.approx(2 / 3**0.5), 0.0]]
    assert relative_error(maps) == pytest.approx((4 / 3 / 2) ** 0.5 / (13 / 2) ** 0.5)


def test_equals_shap_in_expectation():
    """Means of ten runs of shap and of ours are within three standard errors of each other, taken together."""
    import shap

    classifier = zoo.classifier("functional")
    x, *others = classifier.preprocess([*zoo.photos(1, *zoo.SIZE), *OTHERS])
    explainer = shap.GradientExplainer(classifier.module, torch.stack(others))
    theirs = np.stack(
        [explainer.shap_values(x[None], nsamples=200, rseed=seed)[0, ..., 0].sum(0) for seed in range(10)]
    )
    ours = np.stack([explain(classifier, seed=seed, tolerance=0.0)[0].values for seed in range(10)])
    error = np.sqrt((theirs.var(0, ddof=1) + ours.var(0, ddof=1)) / 10)
    off = (theirs.mean(0) - ours.mean(0)) / error
    assert np.sqrt(np.square(off).mean()) < 1.3
    assert np.mean(np.abs(off) > 3) < 0.03
    assert theirs.var(0).mean() > 1.5 * ours.var(0).mean(), "strata and balance make the same number worth more"
