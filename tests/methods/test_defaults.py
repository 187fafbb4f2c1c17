"""The default of every parameter of every method and metric, pinned: who changes one has to change it here, too."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import pytest

from seewhy.core.registry import Declared
from seewhy.methods import list_methods
from seewhy.metrics import list_metrics

# What methods of one kind share; `...` stands for a parameter without a default.
CAM = {"layers": (), "signed": False}
PIXELS = {"layers": ()}
SUMS = PIXELS | {"regions": "slic:24"}
MASKS = {"fill": "mean", "precision": "auto", "batch_size": None}
REGIONS = {"regions": "quickshift", "fill": "region-mean", "precision": "auto", "batch_size": None}
ANCHORS = {
    "segments": 20,
    "threshold": 0.95,
    "delta": 0.1,
    "batch": 16,
    "largest": 6,
    "budget": 4000,
    "other_fill": "samples",
}

METHODS: dict[str, dict[str, Any]] = {
    "ablation-cam": CAM | {"batch_size": None},
    "ada-sise": MASKS | {"stages": (), "most": None},
    "anchors": REGIONS | ANCHORS | {"regions": "slic", "tau": 0.15, "beam": 1},
    "anchors-lime": REGIONS | ANCHORS | {"regions": "slic", "samples": 100},
    "attention-relevance": {},
    "attention-rollout": {},
    "attn-lrp": SUMS | {"rules": "attn-lrp"},
    "bilrp": {"reference": ..., "units": 64, "rules": "epsilon-plus-flat"},
    "bcos": {},
    "blur-ig": SUMS | {"sigma": 0.25, "steps": 64},
    "clrp": PIXELS | {"rules": "epsilon-plus"},
    "cluster-cam": MASKS | CAM | {"weighting": "increase", "clusters": 10},
    "control:empty": {},
    "control:gaussian": {"sigma": 0.25},
    "control:prior": {"prior": ...},
    "control:random": {"cells": 7},
    "control:sobel": {},
    "deep-lift": SUMS | {"background": "black"},
    "deep-shap": SUMS | {"background": "samples"},
    "dff": PIXELS | {"patterns": 10},
    "eigen-cam": CAM,
    "eigen-grad-cam": CAM,
    "element-wise-cam": CAM,
    "expected-gradients": SUMS | {"background": "samples", "samples": 200, "tolerance": 0.1, "all_classes": False},
    "fam": PIXELS | {"reference": ...},
    "fem": CAM,
    "finer-cam": CAM | {"comparisons": 3, "strength": 1.0},
    "full-grad": PIXELS,
    "grad-cam": CAM,
    "grad-cam++": CAM,
    "gradient": PIXELS,
    "guided-backprop": PIXELS,
    "guided-grad-cam": PIXELS,
    "guided-ig": SUMS | {"background": "black", "steps": 200, "fraction": 0.25, "distance": 0.02},
    "hires-cam": CAM,
    "hsic": MASKS | {"cells": 8, "masks": 750},
    "idgi": SUMS | {"background": "black", "steps": 16, "most_steps": 256, "tolerance": 0.01},
    "input-x-gradient": PIXELS,
    "integrated-gradients": SUMS | {"background": "black", "steps": 16, "most_steps": 256, "tolerance": 0.01},
    "is-cam": MASKS | CAM | {"weighting": "increase", "samples": 10},
    "kernel-shap": REGIONS | {"samples": 2000, "of": "logit", "tolerance": 0.05},
    "kpca-cam": CAM,
    "layer-cam": CAM,
    "layer-cam-fusion": {"stages": ()},
    "learned": {"explainer": ..., "refused": False},
    "legrad": {},
    "lime": REGIONS | {"regions": "slic:24", "keep": "auto", "samples": 1000, "steady": 0.95},
    "lime-classic": REGIONS | {"samples": 1000, "kernel_width": 0.25},
    "lrp": SUMS | {"rules": "epsilon-plus-flat"},
    "occlusion": MASKS | {"size": 0.2, "stride": 0.05},
    "partition-shap": REGIONS | {"regions": "pixels", "fill": "blur", "samples": 500, "of": "logit"},
    "permutation-shap": REGIONS | {"samples": 2000, "of": "logit", "tolerance": 0.1},
    "refine-cam": {"stages": ()},
    "rise": MASKS | {"masks": 2000, "cells": 7, "keep": 0.5},
    "score-cam": MASKS | CAM | {"weighting": "increase"},
    "seg-eigen-cam": CAM,
    "shapley-cam": CAM,
    "shapley-interactions": REGIONS | {"regions": "slic:20", "samples": 1024, "of": "logit"},
    "sise": MASKS | {"stages": (), "most": None},
    "smooth-grad": PIXELS | {"samples": 25, "noise": 0.15},
    "smooth-grad-cam++": CAM | {"samples": 10, "noise": 0.15},
    "sobol": MASKS | {"cells": 8, "designs": 32},
    "ss-cam": MASKS | CAM | {"weighting": "increase", "samples": 35, "noise": 2.0},
    "var-grad": PIXELS | {"samples": 25, "noise": 0.15},
    "xgrad-cam": CAM,
    "xrai": PIXELS | {"background": "black and white", "steps": 16, "most_steps": 256, "tolerance": 0.01},
}
METRICS: dict[str, dict[str, Any]] = {
    "adcc": {"fill": "mean"},
    "arcc": {"fill": "mean"},
    "area": {},
    "average-drop": {"fill": "mean"},
    "average-drop-hard": {"fill": "mean", "area": 0.25},
    "average-drop-hard-removed": {"fill": "mean", "area": 0.25},
    "average-drop-removed": {"fill": "mean"},
    "average-precision": {},
    "coherency": {"fill": "mean"},
    "deletion": {"steps": 28, "fill": "mean"},
    "drop-in-confidence": {"fill": "mean"},
    "effective-complexity": {"threshold": 0.01},
    "efficient-randomisation": {"bins": 100},
    "energy-in-mask": {},
    "entropy": {},
    "idsds": {"fill": "mean", "cells": 4},
    "increase-in-confidence": {"fill": "mean"},
    "increase-in-confidence-hard": {"fill": "mean", "area": 0.25},
    "increase-in-confidence-hard-removed": {"fill": "mean", "area": 0.25},
    "increase-in-confidence-removed": {"fill": "mean"},
    "infidelity": {"fill": "mean", "side": 0.25, "draws": 64, "scaled": True},
    "insertion": {"steps": 28, "fill": "blur"},
    "insertion-minus-deletion": {"steps": 28, "start": "blur", "end": "mean"},
    "iou-maximum": {"fraction": 0.5},
    "iou-otsu": {},
    "iou-top-area": {"area": 0.2},
    "max-sensitivity": {"draws": 10, "radius": 0.02},
    "parameter-randomisation": {"stages": 5},
    "pointing-game": {},
    "random-logit": {},
    "road": {"percentiles": (20, 40, 60, 80), "fill": "linear"},
    "road-accuracy": {"percentiles": (20, 40, 60, 80), "fill": "linear"},
    "road-lerf": {"percentiles": (20, 40, 60, 80), "fill": "linear"},
    "road-morf": {"percentiles": (20, 40, 60, 80), "fill": "linear"},
    "sensitivity-n": {"fill": "mean", "cells": 14, "shares": (0.05, 0.1, 0.25, 0.5), "draws": 16},
    "sparseness": {},
    "stability": {"runs": 3},
}


def told(defaults: dict[str, Any]) -> dict[str, str]:
    """1, 1.0 and True are equal and not the same: compared as they are written."""
    return {name: repr(value) for name, value in sorted(defaults.items())}


def declared(entry: type[Declared]) -> dict[str, Any]:
    """The default of each parameter."""
    return {each.name: ... if each.default is MISSING else each.default for each in fields(entry)}  # pyright: ignore[reportArgumentType]


# Taken before any test adds one of its own.
ENTRIES = {each.name: each for each in (*list_methods(), *list_methods("control"), *list_metrics())}


def test_every_method_and_metric_is_in_the_tables():
    assert {*METHODS, *METRICS} == set(ENTRIES)


@pytest.mark.parametrize(("name", "defaults"), [*METHODS.items(), *METRICS.items()])
def test_defaults_are_what_they_were(name, defaults):
    assert told(declared(ENTRIES[name])) == told(defaults)
