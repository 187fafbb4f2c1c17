"""What cannot work is refused before a model is loaded: exit code 2, nothing on stdout, nothing written."""

from __future__ import annotations

import pytest

from cli.nets import TOY
from seewhy import models
from seewhy.verbs import evaluate as evaluating

REFUSED = {
    "explain {photos} --method lime --regions foo": "there is no segmentation 'foo'",
    "explain {photos} --method lime --regions slic:1": "from 2 to 1,000",
    "explain {photos} --method lrp --regions network:999": "from 2 to 200",
    "explain {photos} --method grad-cam --regions slic": "grad-cam has no parameter regions",
    "explain {photos} --method lime --set fill=gary": "grey",
    "explain {photos} --method rise --set fill=gary": "grey",
    "explain {photos} --method occlusion --set fill=gary": "grey",
    "explain {photos} --method integrated-gradients --set background=gary": "grey",
    "explain {photos} --method deep-shap --set background=gary": "grey",
    "explain {photos} --method lime --set samples=5": "too few",
    "explain {photos} --method kernel-shap --set samples=5": "too few",
    "explain {photos} --method permutation-shap --set samples=5": "too few",
    "explain {photos} --method partition-shap --set samples=2": "too few",
    "explain {photos} --method lrp --set rules=foo": "for rules, not 'foo'",
    "explain {photos} --method attn-lrp --set rules=foo": "for rules, not 'foo'",
    "explain {photos} --method occlusion --set size=0": "leaves pixels out",
    "explain {photos} --method sobol --set designs=0": "designs",
    "explain {photos} --method hsic --set masks=1": "masks",
    "explain {photos} --method lime --set precision=float7": "precision",
    "explain {photos} --method lime --set batch_size=0": "batch",
    "compare {photos} --method lime,lime-classic --regions foo": "there is no segmentation 'foo'",
    "compare {photos} --method grad-cam,rise --regions slic": "none of the methods takes regions",
    "compare {photos} --method lime": "two methods at least",
    "compare {photos} --method lime,limp": "there is no method 'limp'",
    "compare {photos} --metric roads": "there is no metric 'roads'",
    "compare {photos} --metric pointing-game": "give --masks FOLDER",
    "compare {photos} --masks absent": "there is no folder absent",
    "evaluate {photos} --method limp": "there is no method 'limp'",
    "evaluate {photos} --method lime --regions foo": "there is no segmentation 'foo'",
    "evaluate {photos} --regions slic": "grad-cam has no parameter regions",
    "evaluate absent": "absent",
    "study {photos} --methods limp": "there is no method 'limp'",
    "study {photos} --metrics roads": "there is no metric 'roads'",
    "study {photos} --executor cluster": "there is no executor 'cluster'",
    "study {photos} --masks absent": "absent",
    "network explain {photos} --clustering foo": "there is no clustering 'foo'",
    "network global --images {photos} --class cat --groups absent.json": "absent.json",
    "network global --images {photos} --class cat --concept stripes": "TCAV takes both",
}


@pytest.mark.parametrize("line", REFUSED)
def test_it_is_refused_before_a_model_is_loaded(line, seewhy, photos, monkeypatch, tmp_path):
    monkeypatch.setattr(models, "load", lambda *_, **__: pytest.fail("the model was loaded"))
    monkeypatch.setattr(evaluating, "load", lambda *_, **__: pytest.fail("the model was loaded"))
    run = seewhy(*line.format(photos=photos).split())
    assert (run.code, run.out) == (2, ""), run.err
    assert REFUSED[line] in " ".join(run.err.split())
    assert {path.name for path in tmp_path.iterdir()} == {"photos"}


def test_what_can_be_done_for_no_picture_is_refused_and_leaves_no_report(seewhy, photos, tmp_path):
    """How many samples are enough hangs on the regions of a picture."""
    run = seewhy(
        "explain", photos, "--model", TOY, "--method", "kernel-shap", "--set", "samples=50", "--regions", "grid:5"
    )
    assert (run.code, run.out) == (2, "")
    assert "samples=50 is too few for 25 regions" in run.err
    assert {path.name for path in tmp_path.iterdir()} == {"photos"}


def test_compare_and_evaluate_take_regions(seewhy, photos, tmp_path):
    run = seewhy(
        *("compare", photos / "a.png", "--model", TOY, "--method", "lime-classic,kernel-shap", "--regions", "grid:4"),
        *("--metric", "sparseness", "--json"),
    )
    assert run.code == 0, run.err
    for name in ("lime-classic", "kernel-shap"):
        manifest = (tmp_path / "seewhy-out" / "a" / name / "manifest.json").read_text("utf-8")
        assert '"regions": "grid:4"' in manifest


def test_a_black_box_has_no_regions_of_its_own(seewhy, photos):
    run = seewhy("compare", photos, "--model", "py:cli.nets:service", "--method", "lime,rise", "--regions", "network")
    assert (run.code, run.out) == (2, "")
    assert "choose regions by colour, such as slic" in run.err
