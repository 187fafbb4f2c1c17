from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import zoo
from cases.squares import COLOURS, square
from seewhy.cases import Cases, counterfactuals, find_counterfactuals, find_embedder
from seewhy.cases.counterfactuals import greedy_pairs, least_removal, swap_cells
from seewhy.engines import find_fill
from seewhy.engines.tail import tail
from seewhy.errors import UsageError
from seewhy.models import black_box


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def with_hidden(classifier, image, removal, hidden):
    """What the classifier says of the picture with these regions hidden, composed by hand."""
    pixels = classifier.preprocessing.pixels([image])
    labels = torch.from_numpy(removal.labels.astype(np.int64))
    keep = ~torch.isin(labels, torch.tensor(hidden))
    filler = find_fill(removal.fill).prepare(pixels[0], labels, seeded())
    filled = filler(keep[None], torch.zeros(1, dtype=torch.int64))
    x = classifier.preprocessing.normalize(torch.where(keep, pixels, filled))
    return int(classifier.logits(x)[0].argmax())


@pytest.mark.parametrize(("colour", "seed"), list(itertools.product(COLOURS, range(4))))
def test_whatever_is_returned_is_predicted_otherwise(base, raw, colours, colour, seed):
    image = square(colour, 700 + seed)
    found = find_counterfactuals(Cases(base, raw), image)
    own = colours.predict(image, 1)[0].index
    assert found.predictions[0].index == own
    assert colours.predict(found.unlike.image, 1)[0].index == found.unlike.case.prediction.index != own
    assert found.like.case.prediction.index == found.borderline.case.prediction.index == own
    assert found.swap.prediction.index == found.unlike.case.prediction.index
    assert swapped_class(colours, image, found.unlike.image, found.swap) == found.swap.prediction.index
    if found.removal:
        assert with_hidden(colours, image, found.removal, found.removal.hidden) == found.removal.prediction.index != own


def maps_of(classifier, image):
    """`(C, h, w)` of the default layer, by the network's own parts."""
    network, x = classifier.module, classifier.preprocess([image])
    x = network.pool(network.first(network.colours(x)))
    x = network.pool(network.second(network.spread(x)))
    return network.third(network.mix(x))[0].detach()


def swapped_class(classifier, image, other, swap):
    mine, theirs = maps_of(classifier, image), maps_of(classifier, other)
    for pair in swap.pairs:
        mine[:, pair.own.row, pair.own.column] = theirs[:, pair.other.row, pair.other.column]
    return int(classifier.module.head(mine.mean((1, 2))).argmax())


def test_the_nearest_unlike_case_and_the_semi_factual_by_hand(base, raw):
    image = square("red", 801)
    vector, logits = (each[0].numpy() for each in raw([image]))
    found = find_counterfactuals(Cases(base, raw), image)
    cosines = base.vectors @ vector
    others = np.flatnonzero(base.predicted != logits.argmax())
    assert found.unlike.case.row == others[cosines[others].argmax()]
    likes = np.flatnonzero(base.predicted == logits.argmax())
    assert found.like.case.row == likes[cosines[likes].argmax()]
    margins = {row: np.sort(base.logits[row])[-1] - np.sort(base.logits[row])[-2] for row in likes}
    assert found.borderline.case.row == min(margins, key=margins.get)


def test_a_class_may_be_asked_about(base, raw):
    image = square("red", 801)
    for name, index in (("green", 1), ("blue", 2)):
        found = find_counterfactuals(Cases(base, raw), image, name)
        assert found.target == name
        assert found.unlike.case.prediction.index == found.swap.prediction.index == index
    with pytest.raises(UsageError, match="predicted as red already"):
        find_counterfactuals(Cases(base, raw), image, "red")
    with pytest.raises(UsageError, match="one class"):
        find_counterfactuals(Cases(base, raw), image, "green vs blue")
    with pytest.raises(UsageError, match="classes 0 to 2"):
        find_counterfactuals(Cases(base, raw), image, 9)


def test_without_a_case_of_another_class_there_is_no_unlike_one(builds, raw, tmp_path):
    (tmp_path / "photos").mkdir()
    for seed in range(3):
        square("red", seed).to_pil().save(tmp_path / f"photos/{seed}.png")
    base = builds(tmp_path / "photos", raw, tmp_path / "base").base
    found = find_counterfactuals(Cases(base, raw), square("red", 9))
    assert found.unlike is found.swap is None
    assert found.like is not None


def test_a_case_that_the_classifier_now_sees_otherwise_is_passed_over(base, raw, monkeypatch):
    image = square("red", 801)
    first = find_counterfactuals(Cases(base, raw), image).unlike.case
    monkeypatch.setitem(base.__dict__, "predicted", base.predicted.copy())
    base.predicted[first.row] = ({0, 1, 2} - {0, first.prediction.index}).pop()
    assert find_counterfactuals(Cases(base, raw), image).unlike.case.row != first.row


def test_a_black_box_has_everything_but_swaps(builds, squares, colours, tmp_path):
    def score(pictures):
        x = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255
        with torch.no_grad():
            return colours.logits(x).softmax(1).numpy()

    service = black_box(score, size=(64, 64), categories=list(COLOURS))
    embedder = find_embedder("py:planted:classifier", service, "cpu")
    base = builds(squares, embedder, tmp_path / "base").base
    found = find_counterfactuals(Cases(base, embedder), square("green", 5))
    assert found.swap is None
    assert found.unlike.case.prediction.index != 1
    assert found.unlike.maps.layer == "third"


# --- Swaps --------------------------------------------------------------------------------------------------------


def literal_greedy(mine, theirs, head, goal, steps):
    """Goyal's search as it is written: every pair of cells is tried in every step."""
    _, height, width = mine.shape
    mine, theirs = mine.flatten(1).clone(), theirs.flatten(1)
    pairs = []
    for _ in range(steps):
        margins = {}
        for i, j in itertools.product(range(height * width), repeat=2):
            if i in {own for own, _ in pairs} or j in {other for _, other in pairs}:
                continue
            trial = mine.clone()
            trial[:, i] = theirs[:, j]
            logits = head(trial.mean(1))
            margins[i, j] = float(logits[goal] - max(logits[k] for k in range(len(logits)) if k != goal))
        best = max(margins.values())
        pairs.append(next(pair for pair in margins if margins[pair] > best - 1e-7))
        mine[:, pairs[-1][0]] = theirs[:, pairs[-1][1]]
    return pairs, head(mine.mean(1))


def test_swaps_are_those_of_the_literal_search():
    classifier = zoo.classifier("gap-linear")
    classifier.module.conv.stride = (8, 8)  # 4 × 4 cells
    one, other = zoo.photos(2, seed=3)
    x = classifier.preprocess([one])
    end = tail(classifier.module, "relu", classifier.logits, x)
    network = classifier.module
    mine, theirs = (network.relu(network.conv(classifier.preprocess([each])))[0].detach() for each in (one, other))
    goal = int(classifier.logits(x)[0].argsort()[0])
    found = list(itertools.islice(greedy_pairs(end, classifier.grid("relu"), theirs, goal), 3))
    with torch.no_grad():
        pairs, logits = literal_greedy(mine, theirs, network.head, goal, 3)
    width = mine.shape[2]
    assert [(p.own.row * width + p.own.column, p.other.row * width + p.other.column) for p, _ in found] == pairs
    torch.testing.assert_close(found[-1][1], logits)


def rows_of(activation, grid):
    """The cells of an activation `(1, …)` as rows `(h·w, C)` that can be written to, in whatever layout."""
    if grid.layout == "channels first":
        return activation[0].flatten(1).T
    return activation[0].reshape(-1, grid.channels)[grid.prefix :]


@pytest.mark.parametrize("name", ["tiny-vit", "channels-last", "residual", "tuple"])
def test_cells_are_swapped_in_every_layout(name):
    classifier = zoo.classifier(name)
    layer, images = classifier.default_layer, zoo.photos(2)
    grid = classifier.grid(layer)
    end, other = (tail(classifier.module, layer, classifier.logits, classifier.preprocess([image])) for image in images)
    goal = int(end.logits.argmin())
    wanted, donor = end.activation.clone(), rows_of(other.activation, grid)
    for pair, logits in itertools.islice(greedy_pairs(end, grid, grid.fold(other.activation)[0], goal, tried=4), 3):
        own, theirs = (cell.row * grid.width + cell.column for cell in pair)
        rows_of(wanted, grid)[own] = donor[theirs]
        torch.testing.assert_close(end(wanted)[0], logits)
    assert not torch.equal(wanted, end.activation)


def test_a_swap_leaves_the_network_as_it_was(colours):
    one, other = square("red", 1), square("blue", 2)
    before = colours.logits(colours.preprocess([one])).detach()
    found = swap_cells(colours, one, other, 0, 2)
    assert len({pair.own for pair in found.pairs}) == len({pair.other for pair in found.pairs}) == len(found.pairs)
    assert found.area == len(found.pairs) / (found.height * found.width)
    torch.testing.assert_close(colours.logits(colours.preprocess([one])).detach(), before, rtol=0, atol=0)


# --- Removal ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_no_region_that_is_hidden_can_be_spared(colours, seed):
    image = square("blue", 900 + seed)
    regions = np.arange(64 * 64).reshape(64, 64) // 64 // 16 * 4 + np.arange(64)[None] // 16
    found = least_removal(colours, image, regions=regions, fill="grey", generator=seeded())
    own = colours.predict(image, 1)[0].index
    assert with_hidden(colours, image, found, found.hidden) == found.prediction.index != own
    for spared in found.hidden:
        assert with_hidden(colours, image, found, [each for each in found.hidden if each != spared]) == own
    assert found.area == len(found.hidden) / 16
    assert found.view == (0, 0, 64, 64)


def test_where_the_class_stays_whatever_is_hidden_there_is_none():
    assert least_removal(zoo.classifier("constant"), zoo.photos(1)[0], regions="grid", generator=seeded()) is None


def test_progress_is_told(base, raw):
    told = []
    find_counterfactuals(Cases(base, raw), square("red", 801), progress=lambda *step: told.append(step[2]))
    assert told == ["nearest cases", "parts to swap", "parts to hide", "done"]
    assert counterfactuals.NEIGHBOURHOOD > 1
