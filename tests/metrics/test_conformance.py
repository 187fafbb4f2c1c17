"""What every registered metric promises: a new metric is tested by being registered."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
import torch

import zoo
from methods.test_conformance import leaving_no_trace
from metrics.samples import seeded
from seewhy.core.progress import Progress, silent
from seewhy.errors import Cancelled, UnknownName, UsageError
from seewhy.methods import Explanation, find_method, list_methods
from seewhy.metrics import Context, Metric, Score, find_metric, list_metrics, metric_info
from seewhy.models import Target
from seewhy.models.classifier import black_box

NAMES = [info.name for info in list_metrics()]
FAMILIES = {"faithfulness", "localisation", "robustness", "complexity", "sanity"}
ASK_THE_NETWORK = [info.name for info in list_metrics() if "scores" in info.needs]
METHODS = [
    find_method("grad-cam"),
    find_method("hires-cam", layers=("stem",), signed=True),
    find_method("occlusion", stride=0.2),
    *(control() for control in list_methods("control") if not control.required),
]
NETWORKS = ["residual", "tiny-vit", "training"]

every_metric = pytest.mark.parametrize("name", NAMES)


@cache
def case(network: str = "residual") -> tuple[Context, list[Explanation]]:
    """Explanations of several kinds and targets of one picture."""
    classifier, images = zoo.classifier(network), zoo.photos(1)
    methods = [each for each in METHODS if getattr(each, "layers", ()) != ("stem",) or network == "residual"]
    targets = [Target(1), Target(2, against=0)]
    made = {found: method for method in methods for found in method(classifier, images, [targets], generator=seeded(3))}
    mask = np.zeros(zoo.SIZE, bool)
    mask[5:20, 8:17] = True
    return Context(classifier, images[0], mask, made), list(made)


def afresh(subject: Context) -> Context:
    """Nothing known yet."""
    return Context(subject.classifier, subject.image, subject.mask, subject.methods)


def judge(
    metric: Metric, subject: Context, found: Sequence[Explanation], seed: int = 0, progress: Progress = silent
) -> list[Score]:
    return metric(afresh(subject), found, generator=seeded(seed), progress=progress)


# --- What is declared ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("info", list_metrics(), ids=lambda info: info.name)
def test_a_metric_says_all_that_people_need(info):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", info.name)
    assert info.family in FAMILIES
    assert info.needs <= {"scores", "mask", "method"}
    assert info.bounds[0] < info.bounds[1]
    assert info.question.endswith("?")
    assert info.reading.endswith(".")
    assert info.title
    assert info.paper
    assert info.arxiv is None or re.fullmatch(r"\d{4}\.\d{4,5}", info.arxiv)
    assert info.__doc__
    assert type(find_metric(info.name)) is info
    assert info.required == ()


def test_names_and_titles_are_told_apart():
    assert len(set(NAMES)) == len(NAMES)
    assert len({info.title for info in list_metrics()}) == len(NAMES)


def test_a_metric_is_a_value_found_by_name():
    metric = find_metric("insertion", steps=7)
    assert (metric.name, metric.steps) == ("insertion", 7)
    assert metric == find_metric("insertion", steps=7)
    with pytest.raises(UsageError, match="insertion has no parameter size; it has steps, fill"):
        find_metric("insertion", size=3)


@pytest.mark.parametrize(
    ("wrong", "right"), [("insertions", "insertion"), ("roads", "road"), ("max_sensitivities", "max-")]
)
def test_an_unknown_name_is_answered_with_the_nearest(wrong, right):
    for find in (find_metric, metric_info):
        with pytest.raises(UnknownName, match=f"there is no metric.*{right}"):
            find(wrong)


# --- What is answered ---------------------------------------------------------------------------------------------


@every_metric
@pytest.mark.parametrize("network", NETWORKS)
def test_every_explanation_gets_a_number_within_bounds_or_a_reason(name, network):
    subject, found = case(network)
    low, high = metric_info(name).bounds
    scores = judge(find_metric(name), subject, found)
    assert len(scores) == len(found)
    for score in scores:
        assert (score.value is None) == bool(score.reason)
        assert score.value is None or low - 1e-9 <= score.value <= high + 1e-9
        assert score.curve is None or np.isfinite(score.curve).all()
    for score, each in zip(scores, found, strict=True):
        assert score.value is not None or np.ptp(each.values) == 0 or not (each.values > 0).any()


@every_metric
def test_the_same_seed_gives_the_same_scores(name):
    subject, found = case()
    runs = []
    for disturbance in (1, 2):
        torch.manual_seed(disturbance)
        random.seed(disturbance)
        np.random.seed(disturbance)  # noqa: NPY002
        runs.append([score.value for score in judge(find_metric(name), subject, found, seed=5)])
    assert runs[0] == runs[1]


@every_metric
def test_together_is_one_by_one(name):
    subject, found = case()
    together = judge(find_metric(name), subject, found)
    for score, each in zip(together, found, strict=True):
        (alone,) = judge(find_metric(name), subject, [each])
        assert (alone.value is None) == (score.value is None)
        if score.value is not None:
            assert alone.value == pytest.approx(score.value, rel=1e-4, abs=1e-5)


@every_metric
def test_the_order_does_not_matter_and_nothing_asked_is_nothing_answered(name):
    subject, found = case()
    forth, back = (judge(find_metric(name), subject, order) for order in (found, found[::-1]))
    for one, other in zip(forth, back[::-1], strict=True):
        assert one.value == (None if other.value is None else pytest.approx(other.value, rel=1e-4, abs=1e-5))
    assert judge(find_metric(name), subject, []) == []


@every_metric
def test_a_metric_leaves_no_trace(name):
    subject, found = case()
    generator = seeded()
    before = generator.get_state()
    with leaving_no_trace(subject.classifier.module):
        find_metric(name)(afresh(subject), found, generator=generator)
    assert torch.equal(generator.get_state(), before), "the seed is all that is taken from the generator"


@every_metric
def test_progress_is_told_and_stops_the_work(name):
    subject, found = case()
    told: list[tuple[int, int | None, str]] = []
    judge(find_metric(name), subject, found, progress=lambda *now: told.append(now))
    assert told
    assert all(done <= (total or done) for done, total, _ in told)
    assert all(message for *_, message in told)

    def stop(*_: object) -> None:
        raise Cancelled("enough")

    with leaving_no_trace(subject.classifier.module), pytest.raises(Cancelled, match="enough"):
        judge(find_metric(name), subject, found, progress=stop)


@every_metric
def test_a_black_box_is_enough(name):
    def score(pictures: np.ndarray) -> np.ndarray:
        light = pictures.mean((1, 2)) + 1
        return light / light.sum(1, keepdims=True)

    classifier, images, method = black_box(score, size=zoo.SIZE), zoo.photos(1), find_method("occlusion", stride=0.2)
    found = method(classifier, images, [[Target(1)]], generator=seeded())
    subject = Context(classifier, images[0], np.eye(32, dtype=bool), dict.fromkeys(found, method))
    (answer,) = judge(find_metric(name), subject, found)
    assert answer.value is not None or "nothing but scores" in answer.reason


@every_metric
def test_what_a_metric_needs_is_what_it_declares(name):
    subject, found = case()
    needs = metric_info(name).needs
    without_mask = judge(
        find_metric(name), Context(subject.classifier, subject.image, None, subject.methods), found[:1]
    )
    assert (without_mask[0].value is None) == ("mask" in needs)
    without_methods = judge(find_metric(name), Context(subject.classifier, subject.image, subject.mask), found[:1])
    assert (without_methods[0].value is None) == ("method" in needs)
