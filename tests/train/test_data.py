"""Pictures to batches."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import zoo
from seewhy.errors import UsageError
from seewhy.images.folder import Folder
from seewhy.models import Preprocessing
from seewhy.train.data import Augmentation, Stream, open_pictures

SIZE = Preprocessing((32, 32), resize=36)
PLAIN = Augmentation(area=1, stretch=1, mirror=0, light=0)


@pytest.fixture
def pictures(tints):
    folder = Folder.open(tints(red=7, green=4, blue=2))
    return open_pictures(folder, folder.classes, SIZE)[0]


def test_pictures_are_seen_as_the_classifier_sees_them(tints):
    folder = Folder.open(tints(red=2, green=2))
    strip = zoo.photos(1)[0].to_pil().resize((900, 4))
    strip.save(folder.root / "red" / "strip.png")
    folder = Folder.open(folder.root)
    for preprocessing in (SIZE, replace(SIZE, resize=None, size=(24, 40)), replace(SIZE, interpolation="bicubic")):
        classifier = replace(zoo.classifier("gap-linear"), preprocessing=preprocessing)
        found, _ = open_pictures(folder, folder.classes, preprocessing)
        expected = classifier.preprocess([folder.image(entry) for entry in found.entries])
        batch = found.batch(range(len(found)))
        assert torch.equal(batch.x, expected)
        assert [found.classes[each] for each in batch.y] == [entry.label for entry in found.entries]


def test_what_cannot_be_opened_is_listed(tints):
    root = tints(red=3, green=3)
    (root / "red" / "01.png").write_bytes(b"no picture")
    zoo.photos(1)[0].to_pil().convert("L").save(root / "red" / "grey.png")
    zoo.photos(1)[0].to_pil().convert("RGBA").save(root / "green" / "see-through.png")
    folder = Folder.open(root)
    found, failures = open_pictures(folder, folder.classes, SIZE)
    assert [each.source for each in failures] == ["red/01.png"]
    assert len(found) == 7
    assert found.batch(range(7)).x.shape == (7, 3, 32, 32)
    assert found.labels.tolist() == [0, 0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(("batch_size", "sizes"), [(4, [4, 4, 5]), (5, [5, 5, 3]), (13, [13]), (12, [13]), (40, [13])])
def test_an_epoch_shows_every_picture_once(pictures, batch_size, sizes):
    stream = Stream(pictures, batch_size, seed=3)
    assert stream.steps_per_epoch == len(sizes)
    for epoch in range(2):
        steps = range(epoch * len(sizes), (epoch + 1) * len(sizes))
        batches = [stream(step) for step in steps]
        assert [len(batch.x) for batch in batches] == sizes
        assert sorted(torch.cat([batch.indices for batch in batches]).tolist()) == list(range(13))
    assert stream.order(0) != stream.order(1)
    assert stream.order(0) != replace(stream, seed=4).order(0)


def test_a_step_is_the_same_whenever_it_is_asked_for(pictures):
    stream = Stream(pictures, 4, seed=1, augmentation=Augmentation())
    later, first = stream(4), stream(0)
    fresh = Stream(pictures.part(range(13)), 4, seed=1, augmentation=Augmentation())
    torch.rand(3)
    assert torch.equal(fresh(0).x, first.x)
    assert torch.equal(fresh(4).x, later.x)
    both = {int(index): x for index, x in zip(first.indices, first.x, strict=True)}
    epochs = [stream(step) for step in range(3, 6)]
    again = {int(i): x for batch in epochs for i, x in zip(batch.indices, batch.x, strict=True)}
    assert not any(torch.equal(both[index], again[index]) for index in both)


def test_a_balanced_epoch_shows_all_classes_equally(pictures):
    stream = Stream(pictures, 5, balanced=True)
    order = torch.tensor(stream.order(0))
    assert torch.bincount(pictures.labels[order]).tolist() == [7, 7, 7]
    times = torch.bincount(order, minlength=13)
    assert times.min() >= 1
    for label in range(3):
        mine = times[pictures.labels == label]
        assert mine.max() - mine.min() <= 1


def test_an_augmentation_of_nothing_is_the_centre():
    canvas = torch.arange(3 * 36 * 44, dtype=torch.int64).remainder(251).to(torch.uint8).view(3, 36, 44)
    square = canvas[:, :, 4:40]
    found = PLAIN(square, (36, 36), torch.Generator().manual_seed(0))
    assert torch.equal(found, square)


@pytest.mark.parametrize("change", ["area", "stretch", "mirror", "light"])
def test_each_change_shows(change):
    canvas = zoo.photos(1)[0]
    pixels = torch.from_numpy(canvas.pixels.copy()).permute(2, 0, 1)[:, :32, :32]
    some = replace(PLAIN, **{change: {"area": 0.3, "stretch": 1.5, "mirror": 1, "light": 0.5}[change]})
    plain = PLAIN(pixels, (32, 32), torch.Generator().manual_seed(1))
    found = some(pixels, (32, 32), torch.Generator().manual_seed(1))
    assert found.shape == plain.shape
    assert found.dtype == torch.uint8
    assert not torch.equal(found, plain)
    if change == "mirror":
        assert torch.equal(found.flip(2), plain)


def test_crops_stay_inside_and_keep_their_share():
    some = Augmentation(area=0.5, stretch=1.3)
    for seed in range(200):
        draws = torch.rand(7, generator=torch.Generator().manual_seed(seed)).tolist()
        top, left, height, width = some._box((50, 70), (32, 32), draws)
        assert 0 <= top <= 50 - height
        assert 0 <= left <= 70 - width
        assert 1 / 1.35 < width / height < 1.35
        assert height * width >= 0.5 * 50 * 50 / 1.4


def test_nothing_to_train_on_is_refused(pictures):
    with pytest.raises(UsageError):
        Stream(pictures.part([]), 4)
    with pytest.raises(UsageError):
        Stream(pictures, 0)
