"""The study of IDSDS as published, as far as a small network can run it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

import zoo
from seewhy.core.progress import silent
from seewhy.metrics.patches import grid
from seewhy.models import Classifier
from seewhy.models.state import evaluating

PATH = Path(__file__).parents[2] / "studies" / "idsds" / "study.py"
SPEC = importlib.util.spec_from_file_location("idsds_study", PATH)
study = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(study)


def test_patches_are_missing_whole():
    patches = torch.from_numpy(grid((32, 32), 4)).float()
    left = study.without_some(torch.ones(50, 3, 32, 32), patches, torch.Generator().manual_seed(0))
    cells = left.unflatten(2, (4, 8)).unflatten(4, (4, 8)).mean((3, 5))
    assert set(cells.unique().tolist()) == {0, 1}
    assert 0.4 < cells.mean() < 0.6
    assert cells.mean((1, 2, 3)).min() < 0.2 < 0.8 < cells.mean((1, 2, 3)).max(), "few of some, many of others"


def test_taught_it_answers_photos_with_holes_more_often_as_it_answered_them_whole(tmp_path):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 4)).eval()
    classifier, paths = Classifier.from_module(network, zoo.classifier("residual").preprocessing), []
    for number, image in enumerate(zoo.photos(12)):
        paths.append(tmp_path / f"{number}.png")
        image.to_pil().save(paths[-1])
    whole = classifier.preprocess(zoo.photos(12)).repeat(8, 1, 1, 1)
    patches = torch.from_numpy(grid(classifier.preprocessing.size, 4)).float()
    holes = study.without_some(whole, patches, torch.Generator().manual_seed(1))

    def alike(said):
        with torch.no_grad(), evaluating(classifier.module):
            return float((classifier.logits(holes).argmax(1) == said).float().mean())

    said = classifier.logits(whole).argmax(1)
    before = alike(said)
    study.teach(classifier, paths, 60, silent)
    assert alike(said) > before + 0.05


def test_orders_are_compared_where_published_figures_differ():
    published = {name: (value, 9) for name, value in study.PUBLISHED.items()}
    assert study.tau(published) == 1
    assert "21 pairs" not in study.agreeing(published), "two that are as good as equal are no pair"
    told = study.agreeing({name: (-value, 9) for name, (value, _) in published.items()})
    assert told.endswith("0 have the same order after.")
