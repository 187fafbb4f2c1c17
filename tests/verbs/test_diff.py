"""Two networks that say the same: one by the left half, the other by the right."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seewhy import Classifier, Image
from seewhy.errors import UsageError
from seewhy.methods import find_method
from seewhy.models import Preprocessing
from seewhy.verbs.diff import diff

SIDE = 32


class Half(nn.Module):
    """Says red or green by the colour in one half, next to alone; `noise` is what is added to its weights."""

    def __init__(self, half: slice, noise: float = 0.0) -> None:
        super().__init__()
        self.half = half
        self.colours, self.relu, self.head = nn.Conv2d(3, 2, 1), nn.ReLU(), nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.colours.weight.copy_(torch.tensor([[1.0, -1, 0], [-1, 1, 0]])[:, :, None, None] + noise)
            self.colours.bias.zero_()
            self.head.weight.copy_(40 * torch.eye(2))

    def forward(self, x: Tensor) -> Tensor:
        keep = torch.full_like(x[:, :1], 0.01)
        keep[..., self.half] = 1
        return self.head(self.relu(self.colours(x * keep)).mean((2, 3)))


def network(half: slice, names: tuple[str, ...] = ("red", "green"), noise: float = 0.0) -> Classifier:
    preprocessing = Preprocessing((SIDE, SIDE), mean=(0, 0, 0), std=(1, 1, 1))
    return Classifier.from_module(Half(half, noise).eval(), preprocessing, list(names), "half")


LEFT, RIGHT = slice(0, SIDE // 2), slice(SIDE // 2, SIDE)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Eight pictures with a red or green square on each side; on two of them the sides differ."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(8):
        rng = np.random.default_rng(number)
        pixels = rng.integers(90, 110, (SIDE, SIDE, 3)).astype(np.uint8)
        for side in range(2):
            colour = (number + (side if number >= 6 else 0)) % 2
            top, left = (int(each) for each in rng.integers(1, 7, 2))
            pixels[top : top + 8, left + side * SIDE // 2 : left + side * SIDE // 2 + 8] = np.eye(3)[colour] * 240
        Image(pixels, f"{number}.png").to_pil().save(folder / f"{number}.png")
    (folder / "bad.png").write_bytes(b"no picture")
    return folder


@pytest.mark.parametrize("method", ["grad-cam", "rise"])
def test_a_network_and_itself_differ_in_nothing(photos, method):
    found = diff(photos, network(LEFT), network(LEFT), method=method)
    assert found.changed == 0
    assert found.answers == ()
    assert len(found.same) == 8
    assert [each.source for each in found.failures] == [str(photos / "bad.png")]
    assert (found.p is None) == (method == "grad-cam")
    assert found.leaning is None
    assert "On none of 8 photos" in found.page()


def test_a_little_noise_is_no_other_reason(photos):
    assert diff(photos, network(LEFT), network(LEFT, noise=0.01)).changed == 0


@pytest.mark.parametrize("method", ["grad-cam", "rise"])
def test_other_reasons_are_found_shown_and_felt(photos, tmp_path, method):
    found = diff(photos, network(LEFT), network(RIGHT), names=("old", "new"), method=method)
    assert found.changed == len(found.same) == 6
    assert [(name, *said) for name, *said in found.answers] == [("6.png", "red", "green"), ("7.png", "green", "red")]
    gaps = [each.apart.gap for each in found.same]
    assert gaps == sorted(gaps, reverse=True)
    assert found.leaning is not None
    assert found.leaning.mean > 0.5
    for each in found.same:
        old, new = each.maps
        assert old[:, :14].sum() > 2 * abs(old[:, 14:]).sum()
        assert new[:, 14:].sum() > 2 * abs(new[:, :14]).sum()
    found.save(tmp_path / "out")
    page = (tmp_path / "out/report.html").read_text("utf-8")
    assert "On 6 of 6 photos with one answer the reason changed. 2 photos got another answer." in page
    assert page.count("data:image/jpeg") == 12
    suite = ET.fromstring((tmp_path / "out/junit.xml").read_text("utf-8"))  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures")) == ("6", "6")
    assert (tmp_path / "out/summary.md").read_text("utf-8").startswith("**On 6 of 6 photos")
    assert json.loads((tmp_path / "out/diff.json").read_text("utf-8"))["same"] == 6


def test_classes_are_known_by_their_names(photos):
    found = diff(photos, network(LEFT), network(LEFT, ("green", "red")))
    assert len(found.same) == 0
    assert len(found.answers) == 8
    with pytest.raises(UsageError, match="have no class in common"):
        diff(photos, network(LEFT), network(LEFT, ("cat", "dog")))


def audit_of(folder, *rows):
    folder.mkdir()
    told = [{"class": name, "sentence": sentence, "region": region} for name, sentence, region in rows]
    (folder / "findings.json").write_text(json.dumps(told))
    return folder


def test_findings_are_new_lost_or_kept(photos, tmp_path):
    old = audit_of(
        tmp_path / "old",
        ("red", "letters", [0.0, 0.4, 1.0, 0.6]),
        ("red", "a tag", [0.8, 0.8, 1.0, 1.0]),
        ("red", "grass", None),
    )
    new = audit_of(
        tmp_path / "new",
        ("red", "letters again", [0.0, 0.42, 1.0, 0.6]),
        ("green", "a tag of green", [0.8, 0.8, 1.0, 1.0]),
        ("red", "grass again", None),
    )
    found = diff(photos, network(LEFT), network(LEFT), findings=(old, new))
    assert found.findings == {"new": ["a tag of green"], "lost": ["a tag"], "kept": ["letters again", "grass again"]}
    assert found.junit().get("failures") == "1"
    with pytest.raises(UsageError, match=r"findings\.json"):
        diff(photos, network(LEFT), network(LEFT), findings=(old, tmp_path))


@pytest.mark.heavy
def test_a_network_and_itself_with_other_seeds_differ_in_nothing_in_fifty_runs(photos):
    """Few masks, so that maps of one network lie far apart: the p-value is one, and no photo is named."""
    method = find_method("rise", masks=30)
    runs = [diff(photos, network(LEFT), network(LEFT), method=method, seed=seed) for seed in range(50)]
    found = [each.p for each in runs if each.p is not None]
    assert np.mean([each.same[0].apart.within for each in runs]) > 0.2
    assert sum(each.changed > 0 for each in runs) == 0
    assert sum(each <= 0.05 for each in found) <= 7
