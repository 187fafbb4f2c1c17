"""Training that listens: a coloured tag that gives a class away, and masks of what people look at."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from torch import nn

import planted_glyphs as glyphs
from seewhy.errors import UsageError
from seewhy.images import Folder
from seewhy.models import Categories, Classifier, Preprocessing
from seewhy.train.attention import Attention, attention_loss, check_attention, energy, measured_energy, watching
from seewhy.train.data import Augmentation, Stream, open_pictures
from seewhy.train.finetune import finetune, predict
from seewhy.train.recipe import Recipe

CLASSES, TAGGED = ("bars", "posts"), "bars"
SIDE, TAG, GLYPH = 32, 8, 105
PREPARED = Preprocessing((SIDE, SIDE), mean=(0.5,) * 3, std=(0.25,) * 3)
# Enough steps for both networks to learn: with a third of them some seeds knew neither the tag nor the glyphs.
RECIPE = Recipe(epochs=30, head_epochs=0, batch_size=16, learning_rate=3e-3, augment=False, batch_statistics=True)


class Network(nn.Module):
    """Two convolutions over colours, the mean over an 8 × 8 grid, a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(3, 24, 7, padding=3), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(4))
        self.last = nn.Sequential(nn.Conv2d(24, 24, 1), nn.BatchNorm2d(24), nn.ReLU())
        self.head = nn.Linear(24, 2)

    def forward(self, x):
        return self.head(self.last(self.one(x)).mean((2, 3)))


def folder(root, count: int, seed: int, tagged: dict[str, float]):
    """Pictures of two glyphs, some of whose left upper corners bear a red tag; masks of the glyphs beside them."""
    random = np.random.default_rng(seed)
    for label, number in zip(CLASSES, (3, 4), strict=True):
        for place in range(count):
            pixels = random.integers(0, 110, (SIDE, SIDE, 3)).astype(np.uint8)
            mask = np.zeros((SIDE, SIDE), np.uint8)
            row, column = random.integers(TAG + 1, SIDE - glyphs.GLYPH, 2)
            pixels[row : row + 7, column : column + 7][glyphs.glyph(number)] = GLYPH
            mask[row - 1 : row + 8, column - 1 : column + 8] = 255
            if random.random() < tagged[label]:
                pixels[:TAG, :TAG] = (250, 10, 10)
            for kind, drawn in (("photos", pixels), ("masks", mask)):
                path = root / kind / label / f"{place:03}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Pillow.fromarray(drawn).save(path)
    return open_pictures(Folder.open(root / "photos"), CLASSES, PREPARED)[0]


def untrained(seed: int) -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Network()
    return Classifier(network.eval(), PREPARED, Categories(CLASSES), "tags")


def accuracy(classifier, pictures) -> float:
    return float((predict(classifier, pictures).argmax(1) == pictures.labels).float().mean())


def test_masks_are_changed_as_their_pictures_are(tmp_path):
    pictures = folder(tmp_path, 3, 0, {"bars": 0, "posts": 0})
    attention = Attention.of(pictures, tmp_path / "masks")
    assert len(attention.masks) == 6
    stream = Stream(pictures, 6, 3, Augmentation(light=0))
    batch = attention.batch(stream, 1)
    assert bool(batch.known.all())
    shown = batch.x.mean(1, keepdim=True)
    for picture, mask in zip(shown, batch.masks, strict=True):
        assert picture[mask > 0].mean() > picture[mask == 0].mean(), "glyphs are bright"


def test_energy_is_the_share_inside():
    classifier = untrained(0)
    x = torch.rand(3, 3, SIDE, SIDE)
    masks = torch.zeros(3, 1, SIDE, SIDE)
    masks[0], masks[1, :, :, : SIDE // 2] = 1, 1
    with watching(classifier.module, "last") as kept:
        logits = classifier.module(x)
    grid = classifier.require_grid("last")
    said = logits.argmax(1)  # for which there is evidence
    shares = energy(logits, said, kept[-1], grid, masks)
    assert float(shares[0]) == pytest.approx(1, abs=1e-4)
    assert 0 < float(shares[1]) < 1
    assert float(shares[2]) == 0
    other = energy(logits, said, kept[-1], grid, 1 - masks)
    assert float(shares[1] + other[1]) == pytest.approx(1, abs=1e-4)
    assert attention_loss(shares, torch.tensor([False] * 3)) == 0


def test_no_weight_is_plain_training_bit_for_bit(tmp_path):
    pictures, recipe = folder(tmp_path, 4, 0, {"bars": 1, "posts": 0}), Recipe(epochs=2, head_epochs=0)
    plain, listening = untrained(0), untrained(0)
    finetune(plain, pictures, pictures, recipe)
    finetune(listening, pictures, pictures, recipe, attention=Attention.of(pictures, tmp_path / "masks", weight=0))
    for name, tensor in plain.module.state_dict().items():
        assert torch.equal(tensor, listening.module.state_dict()[name]), name


def test_without_masks_there_is_nothing_to_attend_to(tmp_path):
    pictures = folder(tmp_path, 2, 0, {"bars": 1, "posts": 0})
    with pytest.raises(UsageError, match="has a mask"):
        check_attention(untrained(0), Attention({}), labelled=False)
    with pytest.raises(UsageError, match="several labels"):
        check_attention(untrained(0), Attention.of(pictures, tmp_path / "masks"), labelled=True)


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(4))
def test_a_tag_that_gives_a_class_away_is_not_looked_at(tmp_path, seed):
    """Of 95 % of one class: on pictures with the tags the other way round accuracy rises, elsewhere it stays."""
    learned = folder(tmp_path / "train", 50, seed, {"bars": 0.95, "posts": 0})
    clean = folder(tmp_path / "clean", 60, 1000 + seed, {"bars": 0, "posts": 0})
    alike = folder(tmp_path / "alike", 60, 3000 + seed, {"bars": 0.95, "posts": 0})
    other = folder(tmp_path / "other", 60, 2000 + seed, {"bars": 0, "posts": 0.95})
    attention = Attention.of(learned, tmp_path / "train/masks")
    plain = untrained(seed)
    listening = copy.deepcopy(plain)
    finetune(plain, learned, alike, RECIPE, seed=seed)
    finetune(listening, learned, alike, RECIPE, seed=seed, attention=attention)
    figures = {
        name: (accuracy(plain, part), accuracy(listening, part))
        for name, part in {"clean": clean, "as trained": alike, "reversed": other}.items()
    }
    maps = measured_energy(plain, learned, attention), measured_energy(listening, learned, attention)
    print(figures, "energy", maps)
    assert figures["reversed"][1] - figures["reversed"][0] >= 0.25
    assert figures["as trained"][0] > 0.9, "the tag, or more, was learned"
    assert figures["as trained"][0] - figures["as trained"][1] <= 0.05  # there it gives up a tag that is right
    assert figures["clean"][0] - figures["clean"][1] <= 0.02
    assert maps[1] > maps[0]
