"""Compositional twins: the parts of a decision add up, and each is found where it was planted."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from cases.squares import square
from seewhy import Classifier, Image
from seewhy.cases import Cases, find_embedder
from seewhy.cases.parts import divide, find_parts
from seewhy.errors import UsageError
from seewhy.methods.factors import factorized
from seewhy.models import Categories, Preprocessing
from seewhy.verbs.cases import PartsResult, build_cases


def test_a_division_by_hand():
    maps = torch.rand((6, 3, 4), generator=torch.Generator().manual_seed(0)).double()
    where, what = factorized(maps, 2)
    found = divide(maps, 2)
    for part, channel, row, column in itertools.product(range(2), range(6), range(3), range(4)):
        each = [float(where[p, row, column] * what[p, channel]) for p in range(2)]
        share = each[part] / sum(each) if sum(each) else 0.5
        assert float(found[part, channel, row, column]) == pytest.approx(share * float(maps[channel, row, column]))


@pytest.mark.parametrize("offset", [0.0, -0.5])
@pytest.mark.parametrize("parts", [2, 5])
def test_divisions_add_up_to_the_maps_also_below_zero(parts, offset):
    maps = torch.rand((8, 4, 4), generator=torch.Generator().manual_seed(1)).double() + offset
    torch.testing.assert_close(divide(maps, parts).sum(0), maps, atol=1e-12, rtol=0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("parts", "against"), [(2, None), (4, "next"), (3, "red")])
def test_parts_and_bias_are_the_margin_and_maps_are_the_points(base, raw, seed, parts, against):
    found = find_parts(Cases(base, raw), square("green", 700 + seed), parts=parts, top=3, against=against)
    assert sum(each.points for each in found.parts) + found.bias == pytest.approx(found.margin, abs=1e-5)
    logits = raw([found.image]).logits[0].double()
    best = found.predictions[0].index
    assert (found.rival and found.rival.name) == {"next": found.predictions[1].name}.get(against, against)
    others = [found.rival.index] if found.rival else [index for index in range(3) if index != best]
    assert found.margin == pytest.approx(float(logits[best] - logits[others].mean()), abs=1e-5)
    assert [each.points for each in found.parts] == sorted((each.points for each in found.parts), reverse=True)
    for each in found.parts:
        assert each.map.sum() == pytest.approx(each.points, abs=1e-9)
        assert len(each.twins) == 3
        assert [twin.alike for twin in each.twins] == sorted((twin.alike for twin in each.twins), reverse=True)


def test_a_part_is_found_in_pictures_that_hold_it(base, raw):
    """The part that speaks most for green is the green square, and its cases hold one."""
    found = find_parts(Cases(base, raw), square("green", 710), top=4)
    first = found.parts[0]
    row, column = np.unravel_index(first.map.argmax(), first.map.shape)
    pixels = found.image.pixels
    high, wide = pixels.shape[0] / first.map.shape[0], pixels.shape[1] / first.map.shape[1]
    cell = pixels[int(row * high) : int((row + 1) * high), int(column * wide) : int((column + 1) * wide)].mean((0, 1))
    assert cell[1] > cell[0] + 30
    assert [twin.case.label for twin in first.twins] == ["green"] * 4
    assert first.same == 1
    assert not first.doubtful


def test_the_picture_itself_is_no_case_of_its_parts(base, raw):
    row = 3
    found = find_parts(Cases(base, raw), base.image(row))
    assert all(twin.case.row != row for part in found.parts for twin in part.twins)


def test_other_labels_of_its_cases_are_a_doubt(builds, raw, tmp_path):
    """All green squares but one lie in the folder of the red ones."""
    for name, colour, numbers in (("red", "green", range(6)), ("green", "green", [6]), ("blue", "blue", range(6))):
        (tmp_path / "all" / name).mkdir(parents=True)
        for number in numbers:
            square(colour, number).to_pil().save(tmp_path / "all" / name / f"{number}.png")
    base = builds(tmp_path / "all", raw, tmp_path / "out").base
    first = find_parts(Cases(base, raw), square("green", 711)).parts[0]
    assert first.same is not None
    assert first.same < 0.5
    assert first.doubtful


def test_no_case_of_the_class_is_no_doubt(builds, raw, tmp_path):
    (tmp_path / "all/blue").mkdir(parents=True)
    for number in range(5):
        square("blue", number).to_pil().save(tmp_path / f"all/blue/{number}.png")
    base = builds(tmp_path / "all", raw, tmp_path / "out").base
    assert {part.same for part in find_parts(Cases(base, raw), square("green", 712)).parts} == {None}


def test_what_does_not_add_up_is_refused(cole_base, cole, builds, squares, colours, tmp_path):
    with pytest.raises(UsageError, match="--embedding penultimate"):
        find_parts(Cases(cole_base, cole), square("green", 713))
    network = nn.Sequential(
        nn.Conv2d(3, 6, 5, stride=4), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(6, 3)
    )
    classifier = Classifier(network, colours.preprocessing, Categories(("blue", "green", "red")), "by its maximum")
    embedder = find_embedder("penultimate", classifier)
    base = builds(squares, embedder, tmp_path / "out").base
    with pytest.raises(UsageError, match="`seewhy cases twins` compares whole pictures"):
        find_parts(Cases(base, embedder), square("green", 714))


def test_a_class_is_compared_with_another(base, raw):
    with pytest.raises(UsageError, match="name another class"):
        find_parts(Cases(base, raw), square("green", 716), against="green")


def test_the_page_says_what_the_numbers_say(base, raw, tmp_path):
    cases = Cases(base, raw)
    found = find_parts(cases, square("blue", 715), top=2, against="next")
    result = PartsResult([found], base.about)
    page = " ".join(result.page().split())
    assert found.rival is not None
    assert f"{found.predictions[0].name} ({found.predictions[0].told}) rather than {found.rival.name}" in page
    assert page.count("data:image/jpeg") == sum(1 + len(each.twins) for each in found.parts)
    (told,) = result.to_dict()["photos"]
    assert sum(each["points"] for each in told["parts"]) + told["bias"] == pytest.approx(told["margin"], abs=1e-5)
    result.save(tmp_path / "out")
    assert np.load(tmp_path / f"out/{found.image.name.split('.')[0]}/part-1.npy").sum() == pytest.approx(
        found.parts[0].points, rel=1e-4
    )


# --- Two glyphs planted -----------------------------------------------------------------------------------------------

SIDE, CELL, GLYPHS = 48, 12, 4
PAIRS = tuple(itertools.combinations(range(GLYPHS), 2))
NAMES = tuple(f"{one}{two}" for one, two in PAIRS)


def glyph(which: int) -> np.ndarray:
    """A bar down, a bar across, a ring or a cross, bool `(CELL, CELL)`."""
    rows, columns = np.mgrid[:CELL, :CELL] - (CELL - 1) / 2
    far = np.hypot(rows, columns)
    return (abs(columns) < 2, abs(rows) < 2, (far > 3) & (far < 5.5), abs(abs(rows) - abs(columns)) < 1.5)[which]


def planted(pair: int, seed: int) -> tuple[Image, list[tuple[int, int]]]:
    """Two glyphs in places of their own on grey noise, and the top left corner of each."""
    rng = np.random.default_rng((seed, pair))
    pixels = rng.integers(100, 140, (SIDE, SIDE, 3)).astype(np.uint8)
    quarters = rng.permutation(4)[:2]
    corners: list[tuple[int, int]] = []
    for which, quarter in zip(PAIRS[pair], quarters, strict=True):
        top, left = (int(q * SIDE // 2 + rng.integers(0, SIDE // 2 - CELL)) for q in divmod(int(quarter), 2))
        pixels[top : top + CELL, left : left + CELL][glyph(which)] = 240
        corners.append((top, left))
    return Image(pixels, f"{NAMES[pair]}-{seed}.png"), corners


def trained_on_glyphs() -> Classifier:
    """A small network that learned the pairs."""
    torch.manual_seed(0)

    def block(before: int, after: int) -> list[nn.Module]:
        return [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]

    network = nn.Sequential(
        *block(3, 16), nn.MaxPool2d(2), *block(16, 32), nn.MaxPool2d(2), *block(32, 32),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, len(PAIRS)),
    )  # fmt: skip
    x = torch.stack(
        [
            torch.from_numpy(planted(pair, seed)[0].pixels.copy()).permute(2, 0, 1) / 255
            for seed in range(120)
            for pair in range(len(PAIRS))
        ]
    )
    y = torch.arange(len(PAIRS)).repeat(120)
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(12):
        for batch in torch.randperm(len(x), generator=generator).split(48):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network((x[batch] - 0.5) / 0.25), y[batch]).backward()
            optimiser.step()
    preprocessing = Preprocessing((SIDE, SIDE), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    return Classifier(network.eval(), preprocessing, Categories(NAMES), "glyphs")


@pytest.mark.heavy
def test_the_two_glyphs_of_a_class_are_its_parts_and_their_cases_hold_them(tmp_path):
    """100 unseen photos: parts with points lie on the two glyphs, and each one's cases hold that glyph."""
    classifier = trained_on_glyphs()
    for pair, name in enumerate(NAMES):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for seed in range(30):
            planted(pair, 1000 + seed)[0].to_pil().save(tmp_path / "photos" / name / f"{seed}.png")
    base = build_cases(tmp_path / "photos", classifier, tmp_path / "cases").base
    cases = Cases(base, find_embedder("penultimate", classifier))
    right, leading, held, asked = 0, 0, 0, 0
    for number in range(100):
        pair = number % len(PAIRS)
        image, corners = planted(pair, 5000 + number)
        found = find_parts(cases, image, parts=3)
        right += found.predictions[0].name == NAMES[pair]
        led: list[int] = []
        for part in found.parts[:2]:
            at = np.unravel_index(part.where.argmax(), part.where.shape)
            middle = [(place + 0.5) * SIDE / count for place, count in zip(at, part.where.shape, strict=True)]
            near = [max(abs(middle[0] - top - CELL / 2), abs(middle[1] - left - CELL / 2)) for top, left in corners]
            place = int(np.argmin(near))
            if near[place] <= CELL / 2 + 4:
                led.append(place)
                held += sum(str(PAIRS[pair][place]) in (twin.case.label or "") for twin in part.twins)
                asked += len(part.twins)
        leading += {*led} == {0, 1}
    print(f"right {right}, both glyphs lead {leading} of 100, their cases hold them {held} of {asked}")
    assert right >= 97
    assert leading >= 95
    assert held >= 0.95 * asked
