from __future__ import annotations

import pytest

from cli import nets
from cli.nets import TOY
from seewhy.commands.console import DEFAULT_MODEL, Model
from seewhy.methods import list_methods
from seewhy.metrics import list_metrics
from seewhy.models.load import SOURCES


def test_methods_are_listed_with_what_they_answer_and_cost(seewhy):
    run = seewhy("list", "methods")
    assert run.code == 0
    assert run.rows == [
        ["*" * info.first, info.name, info.family, info.status, info.question, info.cost, info.paper]
        for info in list_methods()
    ]
    assert [row[0] for row in run.rows].index("") == 12, "the dozen worth starting with comes first"


def test_methods_for_programs(seewhy):
    run = seewhy("list", "methods", "--json")
    assert [each["name"] for each in run.json] == [info.name for info in list_methods()]
    (lime,) = (each for each in run.json if each["name"] == "lime")
    assert lime["needs"] == ["scores"]
    assert lime["arxiv"] == "1602.04938"
    assert (lime["status"], lime["first"], lime["class_blind"]) == ("verified", True, False)
    shown = "name title family status first class_blind question reading paper arxiv needs cost claimed"
    assert lime.keys() == set(shown.split())


def test_metrics_are_listed_with_what_they_answer_and_which_way_is_better(seewhy):
    run = seewhy("list", "metrics")
    assert run.code == 0
    better = {True: "higher", False: "lower"}
    assert run.rows == [
        [info.name, info.family, better[info.higher_is_better], info.question, info.paper] for info in list_metrics()
    ]
    assert {row[2] for row in run.rows} == {"higher", "lower"}


def test_metrics_for_programs(seewhy):
    run = seewhy("list", "metrics", "--json")
    assert [each["name"] for each in run.json] == [info.name for info in list_metrics()]
    (found,) = (each for each in run.json if each["name"] == "infidelity")
    assert found["needs"] == ["scores"]
    assert found["arxiv"] == "1901.09392"
    assert found["higher_is_better"] is False
    assert found.keys() == {
        "name", "title", "family", "higher_is_better", "question", "reading", "paper", "arxiv", "needs"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "some", "none"), [("road", "road-lerf", "insertion"), ("localisation", "pointing-game", "road")]
)
def test_a_pattern_looks_at_names_and_families_of_metrics(seewhy, pattern, some, none):
    names = [row[0] for row in seewhy("list", "metrics", pattern).rows]
    assert some in names
    assert none not in names


@pytest.mark.parametrize(("pattern", "some", "none"), [("lrp", "attn-lrp", "lime"), ("masks", "rise", "lime")])
def test_a_pattern_looks_at_names_and_families(seewhy, pattern, some, none):
    names = [each["name"] for each in seewhy("list", "methods", pattern, "--json").json]
    assert some in names
    assert none not in names


def test_nothing_found_is_an_empty_list(seewhy):
    assert (seewhy("list", "methods", "nowhere").code, seewhy("list", "methods", "nowhere").out) == (0, "")
    assert seewhy("list", "methods", "nowhere", "--json").json == []
    assert (seewhy("list", "metrics", "nowhere").code, seewhy("list", "metrics", "nowhere").out) == (0, "")
    assert seewhy("list", "metrics", "nowhere", "--json").json == []


def test_layers_are_listed_as_they_run_with_a_star_at_the_default(seewhy):
    run = seewhy("list", "layers", "--model", TOY)
    assert run.code == 0
    assert run.rows == [["", "conv", "Conv2d", "8 maps of 8 × 8"], ["*", "relu", "ReLU", "8 maps of 8 × 8"]]
    assert nets.named().default_layer == "relu"
    assert seewhy("list", "layers", "on", "--model", TOY).rows == run.rows[:1]


def test_a_layer_that_runs_three_times_is_one(seewhy):
    rows = seewhy("list", "layers", "--model", "py:cli.nets:residual").rows
    assert [row[1] for row in rows] == ["stem", "relu", "first", "norm", "second"]
    assert [row[1] for row in rows if row[0]] == [nets.residual().default_layer]


def test_layers_for_programs(seewhy):
    run = seewhy("list", "layers", "--model", TOY, "--json")
    assert run.json[0] == {"name": "conv", "kind": "Conv2d", "shape": [8, 8, 8]}


def test_a_network_without_grids_has_no_layers_to_show(seewhy):
    run = seewhy("list", "layers", "--model", "py:cli.nets:perceptron")
    assert (run.code, run.out) == (0, "")


def test_models_of_every_source_that_can_be_listed(seewhy):
    run = seewhy("list", "models")
    names = [name for (name,) in run.rows]
    assert run.code == 0
    assert DEFAULT_MODEL in names
    assert {name.partition(":")[0] for name in names} == {"bundled", "torchvision", "timm", "bcos"} < set(SOURCES)
    some = seewhy("list", "models", "resnet50", "--json").json
    assert some == [name for name in names if "resnet50" in name]
    assert "torchvision:resnet50" in some


def test_the_help_names_every_source():
    *forms, last = (source.form for source in SOURCES.values())
    (option,) = (each for each in Model.__metadata__)
    assert option.help == f"{', '.join(forms)} or {last}."


def test_a_model_that_does_not_load_is_told(seewhy):
    run = seewhy("list", "layers", "--model", "torchvision:resnet5O")
    assert (run.code, run.out) == (2, "")
    assert "resnet50" in run.err
