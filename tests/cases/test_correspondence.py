"""Corresponding parts: coloured squares in known places, and points that people marked on cat photos."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from torch import nn

import planted
import seewhy
from seewhy.cases.correspondence import Fields, best_match, find_point, part_shares
from seewhy.errors import UsageError
from seewhy.images import Folder, open_image
from seewhy.train.data import open_pictures
from seewhy.verbs.correspond import correspond

SIDE, SQUARE = planted.SIZE, 16
POINTS = Path(__file__).parent / "points" / "cats.json"


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    """Photos with a red square in a place of its own, and one without; the corners by name."""
    root, corners = tmp_path_factory.mktemp("squares"), {}
    random = np.random.default_rng(0)
    (root / "masks").mkdir()
    for number in range(7):
        pixels = random.integers(100, 120, (SIDE, SIDE, 3)).astype(np.uint8)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        if number < 6:
            row, column = random.integers(4, SIDE - SQUARE - 4, 2)
            pixels[row : row + SQUARE, column : column + SQUARE] = (250, 20, 20)
            mask[row : row + SQUARE, column : column + SQUARE] = 255
            corners[f"{number}.png"] = (int(row), int(column))
        if number < 2:
            Pillow.fromarray(mask).save(root / "masks" / f"{number}.png")
        (root / "photos").mkdir(exist_ok=True)
        Pillow.fromarray(pixels).save(root / "photos" / f"{number}.png")
    return root, corners


def test_a_drawn_square_is_carried_to_every_photo_with_one(squares, tmp_path):
    root, corners = squares
    found = correspond(root / "photos", planted.classifier(), masks={"square": root / "masks"}, method="grad-cam")
    found.save(tmp_path)
    for each in found.photos[2:6]:
        row, column = corners[each.path]
        truth = np.zeros((SIDE, SIDE), bool)
        truth[row : row + SQUARE, column : column + SQUARE] = True
        assert not each.drawn
        assert (each.masks[0] & truth).sum() / (each.masks[0] | truth).sum() > 0.5
        saved = np.asarray(Pillow.open(tmp_path / "masks/square" / each.path))
        assert saved.shape[:2] == (SIDE, SIDE)
    assert found.photos[6].lacking
    assert not (tmp_path / "masks/square/6.png").exists()
    assert not (tmp_path / "masks/square/0.png").exists(), "what people drew is theirs"
    assert found.rows()[6]["square"] == "no match"
    assert "No match" in (tmp_path / "report.html").read_text()
    (shares,) = found.attribution.values()
    assert sum(shares) == pytest.approx(1, abs=1e-6)
    assert shares[0] > 0.5


def test_a_point_is_carried_and_refused_where_there_is_none(squares, tmp_path):
    root, corners = squares
    row, column = corners["0.png"]
    points = {"0.png": {"corner": [(column + 1) / SIDE, (row + 1) / SIDE]}}
    found = correspond(root / "photos", planted.classifier(), points=points)
    for each in found.photos[1:6]:
        match, (down, across) = each.points["corner"], corners[each.path]
        assert np.hypot(match.x - across / SIDE, match.y - down / SIDE) < 0.2
    assert found.photos[6].lacking
    found.save(tmp_path)
    carried = json.loads((tmp_path / "points.json").read_text())
    assert set(carried) == {each.path for each in found.photos[1:] if not each.lacking}
    again = correspond(root / "photos", planted.classifier(), points={**points, **carried})
    assert sum(each.drawn for each in again.photos) == 1 + len(carried)


def test_a_photo_is_found_in_itself_and_in_its_own_crop(tmp_path):
    blocks = np.random.default_rng(0).choice([20, 130, 250], (12, 12, 3)).astype(np.uint8)
    whole = np.asarray(Pillow.fromarray(blocks).resize((96, 96), Pillow.Resampling.BICUBIC))
    Pillow.fromarray(whole).save(tmp_path / "0.png")
    Pillow.fromarray(whole[12:, 12:]).resize((96, 96)).save(tmp_path / "1.png")
    torch.manual_seed(0)
    network = nn.Sequential(
        *(nn.Conv2d(3, 32, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 3)),
    )
    classifier = seewhy.Classifier.from_module(network.eval(), seewhy.Preprocessing((96, 96)))
    folder = Folder.open(tmp_path)
    fields = Fields.of(classifier, open_pictures(folder, (), classifier.preprocessing)[0])
    for x, y in ((0.5, 0.4), (0.7, 0.6)):
        for other, (right, down) in enumerate(((x, y), ((x - 1 / 8) * 8 / 7, (y - 1 / 8) * 8 / 7))):
            match = find_point(fields, 0, other, x, y)
            assert np.hypot(match.x - right, match.y - down) * fields.side < 2
            assert match.found


def test_evidence_divides_into_parts_without_rest():
    values = np.array([[1.0, -5.0], [2.0, 1.0]])
    masks = np.array([[[True, True], [False, False]], [[True, False], [True, False]]])
    assert part_shares(values, masks) == pytest.approx([0.25, 0.5, 0.25])
    assert not part_shares(-np.ones((2, 2)), masks).any()


@pytest.mark.parametrize("given", [{}, {"masks": {"a": "x"}, "points": {}}, {"points": {}, "method": "lime"}])
def test_one_kind_of_drawing_is_wanted(given, squares):
    with pytest.raises(UsageError):
        correspond(squares[0] / "photos", planted.classifier(), **given)


@pytest.mark.parametrize("at", [[0.5], [0.5, 1.5], [-1, 0]])
def test_points_lie_in_their_photo(at, squares):
    with pytest.raises(UsageError, match="shares of the photo"):
        correspond(squares[0] / "photos", planted.classifier(), points={"0.png": {"nose": at}})


@pytest.mark.heavy
def test_parts_of_cats_are_found_nearer_than_where_they_mostly_are(shared_data):
    """From one photo: 2.3 % of the side in the median, where the mean place is 14.3 % away."""
    marked = json.loads(POINTS.read_text())
    root = shared_data("cats/real")
    classifier = seewhy.load()
    folder = Folder.open(root)
    folder = Folder(folder.root, tuple(folder.named[path] for path in marked))
    pictures, _ = open_pictures(folder, (), classifier.preprocessing)
    fields, places = Fields.of(classifier, pictures), []
    for path in marked:
        image = open_image(root / path)
        view = classifier.preprocessing.view(image)
        places.append({
            name: ((x * image.width - view.left) / view.width, (y * image.height - view.top) / view.height)
            for name, (x, y) in marked[path].items()
        })  # fmt: skip
    near, prior, best = [], [], []
    for name in places[0]:
        seen = [number for number, each in enumerate(places) if all(0 <= at <= 1 for at in each[name])]
        for other in seen:
            truth = np.array(places[other][name])
            matches = [find_point(fields, one, other, *places[one][name]) for one in seen if one != other]
            near += [float(np.hypot(*(np.array([each.x, each.y]) - truth))) for each in matches]
            chosen = best_match(matches)
            best.append(float(np.hypot(chosen.x - truth[0], chosen.y - truth[1])))
            mean = np.mean([places[one][name] for one in seen if one != other], 0)
            prior.append(float(np.hypot(*(mean - truth))))
    print(f"one photo {np.median(near):.3f}, all others {np.median(best):.3f}, mean place {np.median(prior):.3f}")
    assert np.median(near) <= min(0.08, np.median(prior) / 2)
    assert torch.isfinite(fields.cells).all()
