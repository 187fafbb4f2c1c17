"""The head on a case base: its optimum, the sum of the pulls, and what it would be without a picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cases.squares import folder_of, square
from seewhy import load, open_image
from seewhy.cases import Cases, find_embedder
from seewhy.cases.influence import CaseHead, copies_across, doubted_labels, find_influences, train_head
from seewhy.cases.linear_head import LinearHead, changes, foretold, log_odds, pulls
from seewhy.errors import UsageError
from seewhy.verbs.cases import InfluenceResult, build_cases


def clouds(seed: int, each: int = 20, classes: int = 3, length: int = 5, apart: float = 1.0):
    """Vectors `(n, length + 1)` in `classes` clouds, and the class of each."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), each)
    centres = rng.normal(size=(classes, length)) * apart
    return np.column_stack([centres[labels] + rng.normal(size=(len(labels), length)), np.ones(len(labels))]), labels


def test_the_head_is_the_one_that_torch_finds():
    vectors, labels = clouds(0)
    head = LinearHead.fit(vectors, labels, 3, 1e-2)
    weights = torch.zeros((3, 6), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weights], max_iter=500, tolerance_grad=1e-11, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def loss():
        optimiser.zero_grad()
        scores = torch.from_numpy(vectors) @ weights.T
        value = torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels)) + 5e-3 * weights.square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    np.testing.assert_allclose(head.weights, weights.detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("penalty", [1e-4, 1e-1])
def test_pulls_add_up_to_the_scores(penalty):
    vectors, labels = clouds(1)
    head = LinearHead.fit(vectors, labels, 3, penalty)
    vector = clouds(2)[0][7]
    np.testing.assert_allclose(pulls(head, vector).sum(0), head.scores(vector), atol=1e-5 * abs(head.weights).max())


def test_the_curvature_is_that_of_the_loss():
    vectors, labels = clouds(3, each=6)
    head = LinearHead.fit(vectors, labels, 3, 1e-2)

    def loss(flat):
        scores = torch.from_numpy(vectors) @ flat.view(3, -1).T
        wrong = torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels))
        return wrong + 5e-3 * flat.square().sum()

    expected = torch.autograd.functional.hessian(loss, torch.from_numpy(head.weights.ravel()))
    np.testing.assert_allclose(head.curvature, expected.numpy(), atol=1e-10)


def test_a_step_of_newton_without_a_vector_by_hand():
    """Against the same step with the curvature of the others, written out."""
    vectors, labels = clouds(4, each=6)
    head, row, vector, index = LinearHead.fit(vectors, labels, 3, 1e-2), 5, clouds(5)[0][3], 1
    n, x, p = len(vectors), vectors[row], head.probabilities[row]
    left = head.curvature - np.kron(np.diag(p) - np.outer(p, p), np.outer(x, x)) / n
    moved = np.linalg.solve(left, np.kron(p - np.eye(3)[labels[row]], x)).reshape(3, -1) / n
    scores = head.scores(vector)
    shares = np.exp(np.delete(scores, index))
    slope = np.insert(-shares / shares.sum(), index, 1.0)
    assert changes(head, vector, index)[row] == pytest.approx(float(slope @ (moved @ vector)), rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_foretold_is_what_training_again_finds(seed):
    vectors, labels = clouds(seed, each=15)
    head, vector = LinearHead.fit(vectors, labels, 3, 1e-3), clouds(seed + 50)[0][0]
    expected = changes(head, vector, 0)
    before = log_odds(head.scores(vector), 0)
    real = np.array([log_odds(head.without(row).scores(vector), 0) - before for row in range(len(vectors))])
    assert np.corrcoef(expected, real)[0, 1] > 0.9


def test_training_again_without_a_vector_starts_from_nothing_just_as_well():
    vectors, labels = clouds(6)
    head = LinearHead.fit(vectors, labels, 3, 1e-2)
    others, n = np.arange(len(vectors)) != 4, len(vectors)
    fresh = LinearHead.fit(vectors[others], labels[others], 3, 1e-2 * n / (n - 1))
    np.testing.assert_allclose(head.without(4).weights, fresh.weights, atol=1e-5)


def test_no_head_has_seen_what_it_foretells():
    """Labels that are pure chance cannot be foretold, however well they can be learned by heart."""
    vectors, _ = clouds(7, each=40, length=60)
    labels = np.random.default_rng(0).integers(0, 2, len(vectors))
    assert (LinearHead.fit(vectors, labels, 2, 1e-5).probabilities.argmax(1) == labels).mean() > 0.7
    assert (foretold(vectors, labels, 2, 1e-5).argmax(1) == labels).mean() < 0.6


@pytest.mark.parametrize("seed", range(5))
def test_labels_that_were_flipped_come_first(seed):
    """5 % flipped in clouds apart: four in five or more of them are in the tenth that is doubted most."""
    vectors, truth = clouds(seed, each=70, length=10, apart=1.5)
    rng = np.random.default_rng(seed)
    flipped = rng.permutation(len(truth))[: len(truth) // 20]
    labels = truth.copy()
    labels[flipped] = (labels[flipped] + 1 + rng.integers(0, 2, len(flipped))) % 3
    own = foretold(vectors, labels, 3, 1e-3)[np.arange(len(labels)), labels]
    first = np.argsort(own)[: len(labels) // 10]
    assert np.isin(flipped, first).mean() >= 0.8


# --- On a case base ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(base, colours) -> CaseHead:
    return train_head(base, colours.categories)


def test_a_decision_hangs_on_pictures_of_the_base(base, raw, trained):
    found = find_influences(Cases(base, raw), trained, square("green", 90), top=3)
    assert found.said == "green"
    assert found.cases == len(base) == len(trained.head.vectors)
    assert found.gap == pytest.approx(0, abs=1e-4)
    assert found.correlation is not None
    assert found.correlation > 0.8  # of classes so far apart that the head learns them by heart
    assert found.checked >= 20
    assert all(each.foretold < 0 for each in found.helpful)
    assert all(each.foretold > 0 for each in found.harmful)
    strengths = [each.foretold for each in found.helpful]
    assert strengths == sorted(strengths)
    for each in (*found.helpful, *found.harmful):
        before = log_odds(trained.head.scores(trained.vector(raw([found.image]).vectors[0].numpy())), 1)
        head = trained.head.without(each.case.row)
        after = log_odds(head.scores(trained.vector(raw([found.image]).vectors[0].numpy())), 1)
        assert trained.names[1] == "green"
        assert each.real == pytest.approx(after - before, abs=1e-5)


def test_the_same_seed_checks_the_same_pictures(base, raw, trained):
    one, two, other = (
        find_influences(Cases(base, raw), trained, square("red", 91), seed=seed).correlation for seed in (0, 0, 1)
    )
    assert one == two != other


def test_a_wrong_label_and_a_copy_in_two_classes_are_found(colours, tmp_path):
    folder = folder_of(tmp_path / "squares", each=6)
    wrong = folder / "red/wrong.png"
    square("blue", 60).to_pil().save(wrong)
    copied = open_image(folder / "blue/0.png").to_pil()
    copied.save(folder / "green/copy.png")
    base = build_cases(folder, colours, tmp_path / "cases").base
    head = train_head(base, colours.categories)
    doubts = doubted_labels(base, head)
    assert {each.path for each in doubts} == {"red/wrong.png", "green/copy.png"}
    assert all(each.own < each.probability for each in doubts)
    assert {each.likelier for each in doubts} == {"blue"}
    pairs = [*copies_across(base, head.head.classes, head.names)]
    assert [{*each.paths} for each in pairs] == [{"blue/0.png", "green/copy.png"}]


def test_without_folders_there_is_no_label_to_doubt(builds, raw, tmp_path):
    folder = tmp_path / "plain"
    folder.mkdir()
    for colour in ("red", "green"):
        for number in range(4):
            square(colour, number).to_pil().save(folder / f"{colour}{number}.png")
    base = builds(folder, raw, tmp_path / "out").base
    head = train_head(base, raw.classifier.categories)
    assert not head.labelled
    assert head.names == ("green", "red")
    assert doubted_labels(base, head) == []


def test_one_class_or_too_few_pictures_are_refused(builds, raw, colours, tmp_path):
    for name, each, chosen in (("one", 4, ("red",)), ("few", 2, ("red", "green"))):
        folder = tmp_path / name
        for colour in chosen:
            (folder / colour).mkdir(parents=True)
            for number in range(each):
                square(colour, number).to_pil().save(folder / colour / f"{number}.png")
        base = builds(folder, raw, tmp_path / f"{name}-cases").base
        with pytest.raises(UsageError, match=r"takes 2 to 20 classes.*build a base"):
            train_head(base, colours.categories)


def test_the_page_says_what_the_numbers_say(base, raw, trained, tmp_path):
    cases = Cases(base, raw)
    found = find_influences(cases, trained, square("blue", 92), top=2)
    result = InfluenceResult.of(cases, trained, [found], [])
    page = result.page()
    assert f"for {found.checked} pictures of {found.cases}" in " ".join(page.split())
    assert f"correlate at {found.correlation:.2f}" in page
    assert f"{trained.accuracy:.1%}" in page
    for each in (*found.helpful, *found.harmful):
        assert each.case.path in page
    told = result.to_dict()
    assert told["photos"][0]["helpful"][0]["real"] == found.helpful[0].real
    assert len(result.rows()) == len(found.helpful) + len(found.harmful)
    result.save(tmp_path / "out")
    assert (tmp_path / "out/report.html").exists()


@pytest.mark.heavy
def test_on_real_photos_the_formula_and_flipped_labels_hold(shared_data, tmp_path):
    """188 photos of three kinds, the default network: 21 decisions, and labels flipped in ten draws."""
    folder = shared_data("cats")
    base = build_cases(folder, load(), tmp_path / "cases").base
    cases = Cases(base, find_embedder("penultimate", load()))
    trained = train_head(base, load().categories)
    photos = sorted(folder.rglob("*.jpg"))[::9]
    found = [find_influences(cases, trained, open_image(photo)).correlation or 0.0 for photo in photos]
    print(f"correlation of {len(found)}: {np.mean(found):.3f}, worst {min(found):.3f}")
    assert min(found) > 0.7

    truth, names = trained.head.classes, trained.names
    shares = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        flipped = rng.permutation(len(truth))[: len(truth) // 20]
        labels = truth.copy()
        labels[flipped] = (labels[flipped] + rng.integers(1, len(names), len(flipped))) % len(names)
        own = foretold(trained.head.vectors, labels, len(names), trained.head.penalty)[np.arange(len(labels)), labels]
        shares.append(float(np.isin(flipped, np.argsort(own)[: len(labels) // 10]).mean()))
    print(f"flipped labels in the first tenth: {np.mean(shares):.3f}, worst {min(shares):.3f}")
    assert np.mean(shares) >= 0.8
