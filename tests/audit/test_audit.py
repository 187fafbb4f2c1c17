"""An audit finds a planted tag by itself, and nothing in the same pictures without it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from answering import against
from audit import tagged
from seewhy.answers.folders import Audited
from seewhy.audit.marks import find_marks
from seewhy.audit.pasting import shared_layer
from seewhy.errors import Cancelled, UsageError
from seewhy.models import Classifier
from seewhy.verbs.audit import AuditResult, audit


@pytest.fixture(scope="module")
def found(fooled: Classifier, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    return audit(fooled, photos, tmp_path_factory.mktemp("out"))


def test_the_tag_is_the_only_finding(found: AuditResult):
    (finding,) = found.findings
    assert not finding.contradicted
    told = found.told(finding)
    assert told["class"] == "cross"
    assert told["effect"] > 0.5
    assert told["p"] <= 0.05
    left, top, right, bottom = told["region"]
    start, stop = tagged.PLACE.start / tagged.SIZE, tagged.PLACE.stop / tagged.SIZE
    assert max(abs(left - start), abs(top - start), abs(right - stop), abs(bottom - stop)) < 0.1
    tags = [name for name, pixels in tagged.pictures(20, 0, tagged.OFTEN).items() if is_tagged(pixels)]
    assert told["names"] == sorted(tags)


def test_what_is_told_fits_its_schema(found: AuditResult):
    assert not against(Audited, found.to_dict())


def is_tagged(pixels: np.ndarray) -> bool:
    return bool((pixels[tagged.PLACE, tagged.PLACE] == tagged.tag()).all())


def test_without_the_tag_there_is_no_finding(fooled: Classifier, plain: Path, tmp_path: Path):
    assert audit(fooled, plain, tmp_path).findings == []


def test_a_tag_in_any_place_is_found_too(fooled: Classifier, tmp_path: Path):
    photos = tagged.write(tmp_path / "photos", 20, 0, tagged.OFTEN, moving=True)
    (finding, *_) = audit(fooled, photos, tmp_path / "out").findings
    assert finding.suspect.region is None
    assert "the same pixel by pixel" in finding.suspect.reasons
    assert fooled.categories[finding.suspect.target] == "cross"


def test_halves_share_no_photo_and_suspects_are_tried_on_the_other(found: AuditResult):
    searched = {entry.path for entry in found.found_on.entries}
    assert not searched & {entry.path for entry in found.others.entries}
    for each in found.tried:
        carry = set(each.suspect.carried(found.others))
        assert not carry & {*each.paste.places}
        assert carry >= {*each.removal.places}


def test_the_folder_holds_the_findings_and_the_page_tells_them(found: AuditResult, tmp_path: Path):
    found.save(tmp_path)
    (told,) = json.loads((tmp_path / "findings.json").read_text())
    assert {"class", "sentence", "effect", "interval", "p", "photos", "region"} <= told.keys()
    page = (tmp_path / "report.html").read_text()
    assert page.count("<img") >= 17  # the part, eight photos with it, eight that it was laid over
    assert told["sentence"].split("“")[0] in page
    kept, added = (np.load(tmp_path / "layers" / f"1-0-{name}.npy") for name in ("kept", "added"))
    assert added.shape[1:] == kept.shape


def test_it_goes_on_where_it_was_stopped(fooled: Classifier, photos: Path, found: AuditResult, tmp_path: Path):
    def stop(done: int, total: int | None, message: str) -> None:
        if done == 32:
            raise Cancelled

    with pytest.raises(Cancelled):
        audit(fooled, photos, tmp_path, progress=stop)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("looked-*")}
    again = audit(fooled, photos, tmp_path)
    assert len(before) == 2
    assert before.items() <= {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("looked-*")}.items()
    assert again.to_dict() == found.to_dict()


def test_an_audit_refuses_what_it_cannot_use(fooled: Classifier, tmp_path: Path):
    few = tagged.write(tmp_path / "few", 4, 0, 0)
    with pytest.raises(UsageError, match="takes 12 photos"):
        audit(fooled, few, tmp_path / "out")
    with pytest.raises(UsageError, match="no sub-folder for each class"):
        audit(fooled, few / "ring", tmp_path / "out", labels=True)
    (few / "ring").rename(few / "oak")
    (few / "cross").rename(few / "elm")
    with pytest.raises(UsageError, match="takes 12 photos"):
        audit(fooled, few, tmp_path / "out", labels=True)


@pytest.mark.parametrize("opacity", [1.0, 0.5])
def test_a_shared_layer_is_what_was_laid(opacity: float):
    """Of noise with a square on a third of it the square comes back, opaque or pale."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 255, (60, 3, 8, 8), np.uint8).repeat(8, 2).repeat(8, 3)
    colour = np.array([240, 230, 220])[:, None, None]
    inside = pixels[:20, :, 16:32, 16:32]
    pixels[:20, :, 16:32, 16:32] = (opacity * colour + (1 - opacity) * inside).round()
    layer = shared_layer(pixels[:20], pixels[20:], (16, 16, 32, 32))
    laid = layer.over(torch.full((1, 3, 64, 64), 0.2))[0, :, 18:30, 18:30].mean((1, 2))
    expected = opacity * torch.from_numpy(colour[:, 0, 0] / 255) + (1 - opacity) * 0.2
    assert (laid - expected).abs().max() < 0.1
    assert abs(layer.opacity - opacity) < 0.1


def test_photos_of_different_things_share_no_mark():
    pixels = np.stack([each.transpose(2, 0, 1) for each in tagged.pictures(20, 500, 0).values()])
    assert find_marks(pixels, 0) == []
