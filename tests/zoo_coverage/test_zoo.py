"""The zoo itself: its lists are true, its cells can fail, and in the heavy run every network does what it should."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from seewhy.errors import ExplainError
from seewhy.models.shim import ready_torchvision
from zoo_coverage.cells import CELLS, Wrong, deep_shap, grad_cam, integrated_gradients, lrp, no_trace, predicts
from zoo_coverage.networks import TIMM, TORCHVISION
from zoo_coverage.page import page
from zoo_coverage.peers import COMPARED
from zoo_coverage.running import ZOO, Result, read, tried
from zoo_coverage.specimens import Specimen, prepare
from zoo_coverage.transformers_networks import TRANSFORMERS

TESTS = Path(__file__).parents[1]
BAR = 0.98


@pytest.fixture
def specimen() -> Iterator[Specimen]:
    with torch.random.fork_rng():
        yield prepare(next(network for network in TRANSFORMERS if network.name == "ResNet"))


def test_there_is_one_of_every_family():
    ready_torchvision()
    import timm
    from torchvision import models

    families = {"alexnet", "convnext", "densenet", "efficientnet", "googlenet", "inception", "maxvit", "mnasnet"}
    families |= {"mobilenet", "regnet", "resnet", "resnext", "shufflenet", "squeezenet", "swin", "vgg", "vit", "wide"}
    assert all(any(network.name.startswith(family) for network in TORCHVISION) for family in families)
    assert {network.name for network in TORCHVISION} <= set(models.list_models(module=models))
    assert {network.name for network in TIMM} <= set(timm.list_models())
    assert (len(TORCHVISION), len(TIMM), len(TRANSFORMERS)) == (25, 120, 40)
    assert len({network.full for network in ZOO}) == len(ZOO)


def test_every_cell_is_right_on_a_small_network(specimen):
    assert {cell: tried(function, specimen)[0] for cell, function in CELLS.items()} == dict.fromkeys(CELLS, "right")


def test_cells_fail_where_the_plain_network_says_otherwise(specimen):
    other = prepare(specimen.network, seed=1)
    mixed = replace(specimen, plain=other.plain)
    for cell in (predicts, grad_cam, integrated_gradients, deep_shap, lrp):
        with pytest.raises(Wrong):
            cell(mixed)


@pytest.mark.parametrize(
    ("what", "leave"),
    [
        ("weights", lambda module: next(module.buffers()).add_(1)),
        ("training flags", lambda module: module.eval()),
        ("requires_grad", lambda module: module.requires_grad_(False)),
        ("gradients", lambda module: module.zero_grad()),
        ("hooks", lambda module: module.register_forward_hook(lambda *_: None)),
        ("random state", lambda _: torch.rand(1)),
    ],
)
def test_a_trace_is_seen(specimen, what, leave):
    assert no_trace(specimen) == ""
    leave(specimen.module)
    with pytest.raises(Wrong, match=what):
        no_trace(specimen)


def test_outcomes_are_told_apart(specimen):
    def raises(error):
        def cell(_):
            raise error

        return cell

    assert tried(lambda _: "well", specimen) == ("right", "well")
    assert tried(raises(Wrong("off")), specimen) == ("wrong", "off")
    assert tried(raises(ExplainError("no rule")), specimen) == ("refused", "ExplainError: no rule")
    assert tried(raises(ValueError("bad")), specimen)[0] == "raw error"


def test_the_last_line_of_a_cell_counts(tmp_path):
    lines = [{"network": "timm:a", "cell": "IG", "outcome": each, "detail": ""} for each in ("wrong", "right")]
    (tmp_path / "results").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [result.outcome for result in read(tmp_path / "results")] == ["right"]


def test_the_page_says_what_was_found():
    network = TIMM[0].full
    found = [Result(network, cell, "right", "") for cell in CELLS]
    found[2] = Result(network, "Grad-CAM", "refused", "ExplainError: no grid")
    text = page(found, [Result(COMPARED[0], "captum", "raw error", "IndexError: a | b")])
    assert f"**{10 / 11:.1%} right**, 1 refused" in text
    assert f"- ExplainError: no grid: {network} (Grad-CAM)" in text
    assert "| alexnet | ! IndexError: a / b |" in text


@pytest.mark.heavy
@pytest.mark.timeout(4 * 3600)
def test_every_network_is_explained_or_refused_by_name(tmp_path):
    results = tmp_path / "results.jsonl"
    path = os.pathsep.join([str(TESTS), *sys.path])
    command = [sys.executable, "-m", "zoo_coverage.running", str(results)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"})
    found = read(results)
    counts = Counter(each.outcome for each in found)
    assert len(found) == len(ZOO) * len(CELLS)
    assert [each for each in found if each.outcome in {"wrong", "raw error"}] == []
    assert counts["right"] / len(found) >= BAR
