from __future__ import annotations

import io

import numpy as np
import pytest

from cases.squares import folder_of, square
from seewhy.cases import Cases, find_embedder, find_twins
from seewhy.cases.twins import case_classes, jaccard, trust_score
from seewhy.errors import UsageError
from seewhy.images import open_image


def brute(base, vector, rows, count):
    """Rows of these by falling cosine, in plain Python."""
    cosines = {row: sum(float(a) * float(b) for a, b in zip(base.vectors[row], vector, strict=True)) for row in rows}
    return sorted(cosines, key=lambda row: -cosines[row])[:count]


@pytest.mark.parametrize("seed", range(5))
def test_twins_are_the_nearest_of_the_same_predicted_class(base, raw, seed):
    image = square("green", 500 + seed)
    found = find_twins(Cases(base, raw), image, top=4)
    vector = raw([image]).vectors[0].numpy()
    same = [row for row in range(len(base)) if base.predicted[row] == found.predictions[0].index]
    assert [twin.case.row for twin in found.twins] == brute(base, vector, same, 4)
    assert found.same_class
    assert found.left_out == ()
    for twin in found.twins:
        assert twin.case.prediction.index == found.predictions[0].index
        assert twin.case.path == base.table["path"][twin.case.row]
        assert twin.case.similarity == pytest.approx(float(base.vectors[twin.case.row] @ vector), abs=1e-6)
        logits = base.logits[twin.case.row].astype(float)
        odds = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        assert twin.case.prediction.probability == pytest.approx(odds.max(), abs=1e-6)
        assert twin.image.sha256 == base.table["pixels"][twin.case.row]


def test_the_vote_and_the_trust_score_are_of_all_cases(base, raw):
    image = square("red", 501)
    found = find_twins(Cases(base, raw), image, top=5)
    vector = raw([image]).vectors[0].numpy()
    labels = base.table["label"].to_list()
    voters = [labels[row] for row in brute(base, vector, range(len(base)), 5)]
    assert {vote.name: vote.cases for vote in found.vote} == {name: voters.count(name) for name in set(voters)}
    name = found.predictions[0].name
    cosines = base.vectors.astype(float) @ vector
    same = max(cosines[row] for row in range(len(base)) if labels[row] == name)
    other = max(cosines[row] for row in range(len(base)) if labels[row] != name)
    assert found.trust == pytest.approx(((1 - other) / (1 - same)) ** 0.5, rel=1e-3)


def test_a_trust_score_by_hand():
    assert trust_score(0.5, 0.875) == pytest.approx(2)
    assert trust_score(0.875, 0.5) == pytest.approx(0.5)
    assert np.isfinite(trust_score(0, 1))


def test_a_case_is_of_its_true_class_where_that_is_known(builds, raw, tmp_path):
    folder = folder_of(tmp_path / "photos", each=2)
    (folder / "red").rename(folder / "crimson")
    (folder / "green/0.png").rename(folder / "blue/misfiled.png")
    base = builds(folder, raw, tmp_path / "base").base
    classes = dict(zip(base.table["path"].to_list(), case_classes(base, raw.classifier.categories), strict=True))
    assert classes["blue/misfiled.png"] == 2
    assert base.predicted[base.table["path"].to_list().index("blue/misfiled.png")] == 1
    assert classes["crimson/0.png"] == base.predicted[base.table["path"].to_list().index("crimson/0.png")] == 0


def test_the_picture_itself_and_near_copies_are_left_out_and_named(builds, raw, tmp_path):
    folder = folder_of(tmp_path / "photos", each=3)
    image = open_image(folder / "red/1.png")
    image.to_pil().save(folder / "red/again.bmp")
    image.to_pil().save(folder / "red/packed.jpg", quality=90)
    base = builds(folder, raw, tmp_path / "base").base
    found = find_twins(Cases(base, raw), image, top=10)
    assert {copy.case.path: copy.reason for copy in found.left_out} == {
        "red/1.png": "the picture itself",
        "red/again.bmp": "the picture itself",
        "red/packed.jpg": "nearly the same picture",
    }
    assert [twin.case.path for twin in found.twins] == sorted(
        ["red/0.png", "red/2.png"], key=lambda path: -float(base.vectors[row_of(base, path)] @ vector_of(raw, image))
    )


def test_saved_again_it_is_known_as_well(base, raw):
    packed = io.BytesIO()
    base.image(0).to_pil().save(packed, "JPEG", quality=85)
    found = find_twins(Cases(base, raw), open_image(packed.getvalue()))
    assert [copy.case.row for copy in found.left_out] == [0]


def test_where_no_case_is_predicted_alike_they_are_of_any_class(builds, raw, tmp_path):
    folder = folder_of(tmp_path / "photos", each=3)
    for path in (folder / "red").iterdir():
        path.unlink()
    (folder / "red").rmdir()
    base = builds(folder, raw, tmp_path / "base").base
    image = square("red", 7)
    found = find_twins(Cases(base, raw), image, top=3)
    assert not found.same_class
    assert [twin.case.row for twin in found.twins] == brute(base, vector_of(raw, image), range(len(base)), 3)
    assert found.trust is None


def test_a_base_of_nothing_but_the_picture_has_no_twins(builds, raw, tmp_path):
    (tmp_path / "photos").mkdir()
    image = square("red", 7)
    image.to_pil().save(tmp_path / "photos/one.png")
    base = builds(tmp_path / "photos", raw, tmp_path / "base").base
    with pytest.raises(UsageError, match="no other picture"):
        find_twins(Cases(base, raw), image)


def test_two_lists_are_compared(base, raw, cole_base, cole):
    image = square("blue", 503)
    first = find_twins(Cases(base, raw), image, 4)
    beside = find_twins(Cases(base, raw), image, 4, Cases(cole_base, cole)).beside
    assert [twin.case.path for twin in beside.twins.twins] == [
        twin.case.path for twin in find_twins(Cases(cole_base, cole), image, 4).twins
    ]
    one, two = ({twin.case.path for twin in each.twins} for each in (first, beside.twins))
    assert beside.overlap == len(one & two) / len(one | two)
    assert beside.candidates == (base.predicted == 2).sum()
    itself = find_twins(Cases(base, raw), image, 4, Cases(base, raw)).beside
    assert (itself.overlap, itself.correlation) == (1, pytest.approx(1))


def test_an_overlap_by_hand():
    assert jaccard(["a", "b", "c"], ["c", "d", "b"]) == 0.5
    assert jaccard(["a"], ["b"]) == 0


def test_neighbours_by_contributions_agree_with_the_network_at_least_as_often(colours, builds, tmp_path):
    """Kenny & Keane's test of fidelity: the class of the nearest case against what the network says."""
    folder = folder_of(tmp_path / "photos", each=12)
    share = {}
    for name in ("penultimate", "cole"):
        embedder = find_embedder(name, colours)
        base = builds(folder, embedder, tmp_path / name).base
        images = [square(colour, 9000 + seed) for seed in range(20) for colour in ("red", "green", "blue")]
        vectors, logits = embedder(images)
        nearest = base.neighbours.nearest(vectors.numpy(), 3).rows
        votes = [np.bincount(base.predicted[rows], minlength=3).argmax() for rows in nearest]
        share[name] = np.mean(np.array(votes) == logits.argmax(1).numpy())
    assert share["cole"] >= share["penultimate"]
    assert share["cole"] > 0.9


def row_of(base, path):
    return base.table["path"].to_list().index(path)


def vector_of(embedder, image):
    return embedder([image]).vectors[0].numpy()
