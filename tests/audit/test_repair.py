"""A last layer that leans on a planted tag is repaired; one that does not is left alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from answering import against
from audit import tagged
from seewhy.answers.folders import Repaired
from seewhy.audit.repair import Embedded, Head, Judged, answered, fitted, judged, projected, worth
from seewhy.audit.tuning import RATES, WAYS, Shown, tuned
from seewhy.errors import UsageError
from seewhy.models import Classifier, load
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
    told = replace(result, model=model, classifier=classifier)
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
    before, after = (judged(answered(each, photos, 0)) for each in (three, head))
    assert after.worst > before.worst + 0.5


def shown(per_class: int, first: int) -> Shown:
    """Crosses and rings as the network sees them, nearly every cross with its tag."""
    seen = tagged.pictures(per_class, first, tagged.OFTEN)
    plain = torch.stack([torch.from_numpy(each).permute(2, 0, 1) for each in seen.values()])
    taken = torch.stack(
        [torch.from_numpy(each).permute(2, 0, 1) for each in tagged.pictures(per_class, first, 0).values()]
    )
    laid = taken.clone()
    area = torch.zeros(tagged.SIZE, tagged.SIZE, dtype=torch.bool)
    area[tagged.PLACE, tagged.PLACE] = True
    laid[:, :, tagged.PLACE, tagged.PLACE] = torch.from_numpy(tagged.tag()).permute(2, 0, 1)
    labels = torch.tensor([tagged.CLASSES.index(name.split("/")[0]) for name in seen])
    carries = (plain != taken).flatten(1).any(1)
    return Shown(plain, laid, taken, labels, area & carries[:, None, None])


def by_tag(classifier: Classifier, photos: Shown) -> float:
    """How far the tag moves the probability of a cross on rings."""
    rings = photos.labels == 1
    with torch.no_grad():
        laid, taken = (
            classifier.logits(classifier.preprocessing.normalize(each[rings].float() / 255)).softmax(1)[:, 0]
            for each in (photos.laid, photos.taken)
        )
    return float((laid - taken).mean())


@pytest.mark.parametrize("way", WAYS)
def test_fine_tuning_makes_the_network_lean_less_on_the_tag(fooled: Classifier, way: str):
    unseen = shown(20, 700)
    before = fooled.fingerprint, by_tag(fooled, unseen)
    changed = tuned(fooled, shown(30, 600), way, max(RATES), 0)
    assert by_tag(changed, unseen) < by_tag(fooled, unseen) / 2
    assert (fooled.fingerprint, by_tag(fooled, unseen)) == before
    assert not changed.module.training


def test_a_way_that_is_none_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="ways are last-layer"):
        repair(MODEL, tmp_path, tmp_path, ways=["magic"])


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(10))
def test_fresh_photos_and_seeds_are_repaired_as_well(seed: int, tmp_path_factory: pytest.TempPathFactory):
    """On photos that no rule was chosen by."""
    folder = tmp_path_factory.mktemp("fresh")
    photos = tagged.write(folder / "photos", 30, 2000 + 50 * seed, tagged.OFTEN)
    audit(MODEL, photos, folder / "audit", seed=seed).save(folder / "audit")
    data = tagged.write(folder / "data", 40, 3000 + 100 * seed, tagged.OFTEN)
    found = repair(MODEL, folder / "audit", data, seed=seed)
    assert found.usable
    assert found.after.worst - found.before.worst >= 0.25
    assert found.before.accuracy - found.after.accuracy <= 0.02
