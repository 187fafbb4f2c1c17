"""A last layer that leans on a planted tag is repaired; one that does not is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from answering import against
from audit import tagged
from seewhy.answers.folders import Repaired
from seewhy.audit.repair import Embedded, Head, Judged, fitted, judge, projected, worth
from seewhy.models import load
from seewhy.verbs.audit import audit
from seewhy.verbs.repair import RepairResult, repair

MODEL = "py:audit.tagged:fooled"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> RepairResult:
    folder = tmp_path_factory.mktemp("repair")
    photos = tagged.write(folder / "photos", 30, 0, tagged.OFTEN)
    audit(MODEL, photos, folder / "audit").save(folder / "audit")
    return repair(MODEL, folder / "audit", tagged.write(folder / "data", 40, 200, tagged.OFTEN))


def test_the_worst_group_gains_at_little_cost(result: RepairResult):
    assert result.usable
    assert result.after.worst - result.before.worst >= 0.25
    assert result.before.accuracy - result.after.accuracy <= 0.02
    assert result.after.effect < result.before.effect / 2
    assert sum(result.counts) == 80


def test_what_is_told_fits_its_schema(result: RepairResult):
    assert not against(Repaired, result.to_dict())


def test_the_page_tells_every_figure(result: RepairResult):
    page = result.page()
    for row in result.rows():
        assert row["figure"] in page
    assert "no step has seen" in page


def test_the_model_is_written_and_opens_again(result: RepairResult, tmp_path: Path):
    model = "timm:test_efficientnet"
    weights = tmp_path / "weights.safetensors"
    from tints import write_weights

    classifier = load(model, write_weights(weights), "cpu")
    told = RepairResult(model, classifier, "f", "w", result.before, result.after, result.counts, ())
    told.save(tmp_path / "out")
    opened = load(f"file:{tmp_path / 'out'}", device="cpu")
    x = classifier.probe()
    assert torch.equal(opened.logits(x), classifier.logits(x))


def test_what_costs_more_than_it_brings_is_refused(result: RepairResult):
    before = Judged(0.9, {"a": 0.5, "b": 0.9}, 0.5)
    assert not worth(before, Judged(0.79, {"a": 0.9, "b": 0.9}, 0.0))  # too dear
    assert not worth(before, Judged(0.9, {"a": 0.5, "b": 0.95}, 0.0))  # brings nothing
    assert worth(before, Judged(0.89, {"a": 0.7, "b": 0.9}, 0.0))


def embedded() -> Embedded:
    """The third number is the finding, on all photos of class 0."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(40) % 2
    taken = torch.randn(40, 3, generator=generator) * 0.3
    taken[:, 0] += labels
    taken[:, 2] = 0
    laid = taken.clone()
    laid[:, 2] = 1
    carries = labels == 0
    return Embedded(torch.where(carries[:, None], laid, taken), laid, taken, labels, carries)


LEANING = Head(torch.tensor([[0.0, 0, 4], [0, 0, -4]]), torch.tensor([-2.0, 2]))


def test_a_projected_head_does_not_see_the_finding():
    photos = embedded()
    head = projected(LEANING, photos)
    assert torch.allclose(head(photos.laid), head(photos.taken), atol=1e-6)


def test_a_fitted_head_learns_what_is_there_and_leaves_absent_classes():
    photos = embedded()
    three = Head(torch.cat([LEANING.weight, torch.ones(1, 3)]), torch.cat([LEANING.bias, torch.tensor([-9.0])]))
    both = torch.cat([photos.laid, photos.taken])
    head = fitted(three, both, photos.labels.repeat(2), 1e-3)
    assert torch.equal(head.weight[2], three.weight[2])
    assert judge(head, photos, 0).worst > judge(three, photos, 0).worst + 0.5
