"""What an audit says of labels and quality, and where findings lie, as rows and files for other tools."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageFilter

from audit import tagged
from seewhy.audit.coco import on_photo
from seewhy.audit.photos import Photo, brightness_and_sharpness, read_photos
from seewhy.audit.slices import slices, wrong_labels
from seewhy.errors import UnknownName, UsageError
from seewhy.models import Classifier, Preprocessing
from seewhy.people.coco import read_coco
from seewhy.people.runs import decode
from seewhy.verbs.audit import COCO, PHOTOS, AuditResult, audit

WRONG = "ring/0003.png"


def photo(name: str, truth: str, answer: str, likely: float = 0.9, group: int = 0, **more: float) -> Photo:
    of_truth = likely if truth == answer else 1 - likely
    quality = {"side": 1.0, "brightness": 0.5, "sharpness": 0.2, **more}
    return Photo(name, "0", "searched", answer, likely, truth, of_truth, **quality, group=group)


def rows() -> list[Photo]:
    """Forty photos, of which the ten dark ones are mostly answered wrongly."""
    bright = [photo(f"{each}", "ab"[each % 2], "ab"[each % 2]) for each in range(30)]
    dark = [photo(f"dark {each}", "a", "b" if each else "a", 0.6, brightness=0.05) for each in range(10)]
    return bright + dark


def test_a_slice_with_many_errors_stands_out_and_others_do_not():
    found = {each.name: each for each in slices(rows())}
    dark = found["dark photos"]
    assert dark.found
    assert (dark.photos, dark.errors, dark.elsewhere) == (10, 9, 0)
    assert dark.rate.low < 0.9 < dark.rate.high
    assert "tiny photos" not in found
    random = np.random.default_rng(0)
    even = [
        photo(f"{each}", "a", "ab"[int(random.random() < 0.3)], brightness=0.05 + 0.5 * (each % 2))
        for each in range(80)
    ]
    assert not any(each.found for each in slices(even))
    assert slices([each._replace(truth="") for each in rows()]) == []


def test_a_label_is_likely_wrong_where_the_answer_is_as_sure_as_on_photos_of_that_label():
    said = [*rows(), photo("flipped", "a", "b", 0.97)]
    assert [each.photo for each in wrong_labels(said)] == ["flipped"]


def test_blurred_dark_and_tiny_photos_are_told_apart():
    random = np.random.default_rng(0)
    small = Pillow.fromarray(random.integers(60, 200, (28, 28, 3), np.uint8)).resize(
        (224, 224), Pillow.Resampling.BILINEAR
    )
    pictures = [small, small.filter(ImageFilter.GaussianBlur(8)), small.point([each // 12 for each in range(256)] * 3)]
    bright, sharp = brightness_and_sharpness(np.stack([np.array(each).transpose(2, 0, 1) for each in pictures]))
    words = [photo("", "", "a", brightness=b, sharpness=s).poor for b, s in zip(bright, sharp, strict=True)]
    assert words == [(), ("blurred",), ("dark",)]
    assert photo("", "", "a", side=0.2).poor == ("tiny",)
    flat = np.full((1, 3, 8, 8), 128, np.uint8)
    assert np.isnan(brightness_and_sharpness(flat)[1][0])


@pytest.fixture(scope="module")
def found(fooled: Classifier, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    """Of photos of which one ring lies among the crosses, and a cross twice, once among the rings."""
    folder = Path(shutil.copytree(photos, tmp_path_factory.mktemp("labels") / "photos"))
    (folder / WRONG).rename(folder / "cross/moved.png")
    shutil.copy(folder / "cross/0000.png", folder / "ring/copy.png")
    return audit(fooled, folder, folder.parent / "out", labels=True, names={1: "tag"}, without=["lrp"])


def test_an_audit_with_labels_names_what_is_wrong_with_them(found: AuditResult):
    told = found.to_dict()
    named = [each["photo"] for each in told["wrong_labels"]]
    assert {"cross/moved.png", "ring/copy.png"} <= {*named}
    assert len(named) <= 5  # the network is wrong about some rings, too
    assert told["copies_across_classes"] == [["cross/0000.png", "ring/copy.png"]]
    assert told["without"] == ["lrp"]
    assert told["methods"] == ["gradient × activation"]
    page = found.page()
    assert "cross/moved.png: labelled “cross”" in page
    assert "labelled “cross” and “ring”" in page


def test_a_named_finding_bears_its_name_everywhere(found: AuditResult, tmp_path: Path):
    (told,) = found.save(tmp_path / "out") and json.loads((tmp_path / "out/findings.json").read_text("utf-8"))
    assert told["name"] == "tag"
    assert told["sentence"].startswith("“tag”, a ")
    coco = read_coco(tmp_path / "out" / COCO)
    assert [each.name for each in coco.categories] == ["tag"]
    assert {each.file_name for each in coco.images} == {*told["names"]}
    area = coco.annotations[0].segmentation
    assert not isinstance(area, list)
    mask = decode(area.counts, *area.size)
    assert mask[tagged.PLACE, tagged.PLACE].mean() > 0.9
    assert mask.mean() < 3 * (tagged.TAG / tagged.SIZE) ** 2
    assert len(read_photos(tmp_path / "out" / PHOTOS)) == len(found.photos) == 41


def test_labels_may_stand_in_a_table(fooled: Classifier, photos: Path, tmp_path: Path):
    table = tmp_path / "labels.csv"
    names = sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.png"))
    table.write_text("file,label\n" + "".join(f"{name},{name.split('/')[0]}\n" for name in names[1:]))
    told = audit(fooled, photos, tmp_path / "out", labels=table)
    assert [row.photo for row in told.photos if not row.truth] == names[:1]
    table.write_text(f"file,label\n{names[0]},cross;ring\n{names[1]},ring\n")
    with pytest.raises(UsageError, match="several labels"):
        audit(fooled, photos, tmp_path / "out", labels=table)


def test_names_and_methods_that_are_not_there_are_refused(fooled: Classifier, photos: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="no finding 9 to name"):
        audit(fooled, photos, tmp_path / "out", names={9: "tag"})
    with pytest.raises(UnknownName):
        audit(fooled, photos, tmp_path / "out", without=["lpr"])


def test_an_area_of_the_view_lies_on_the_photo_where_the_network_saw_it():
    """Of a photo that is twice as wide as the view a quarter is cut off on either side."""
    preprocessing = Preprocessing((64, 64), resize=64, mean=(0.5,) * 3, std=(0.5,) * 3)
    left = np.zeros((64, 64), bool)
    left[:, :32] = True
    mask = on_photo(left, preprocessing, (128, 256))
    assert np.flatnonzero(mask.any(0)).tolist() == [*range(64, 128)]
    assert mask[:, 64:128].all()
