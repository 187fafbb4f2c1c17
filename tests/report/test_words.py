import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import seewhy
from report.samples import explanation, photo
from seewhy.images import Image
from seewhy.methods import Cost, RegionWeights, method_info
from seewhy.models import Box, Prediction, Target
from seewhy.report.page import (
    CHECKS,
    alternative,
    asked_classes,
    cautions,
    check_words,
    cost_words,
    counted,
    facts,
    listed,
)

SOURCE = Path(seewhy.__file__).parent


@pytest.mark.parametrize(
    ("words", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_a_list_reads_as_a_sentence(words, text):
    assert listed(words) == text


def test_numbers_agree_with_their_nouns():
    assert [counted(count, "photo") for count in (0, 1, 2, 1234)] == ["0 photos", "1 photo", "2 photos", "1,234 photos"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0"), (0.0437, "0.044"), (0.996, "1"), (9.4, "9.4"), (12.7, "13"), (4000.0, "4,000")]
)
def test_time_is_told_as_exactly_as_anyone_wants(seconds, text):
    assert cost_words(Cost(1000, 1, seconds)) == f"1,000 forwards, 1 backward, {text}\N{NO-BREAK SPACE}s"


def test_nothing_is_said_against_a_plain_photo():
    assert cautions(explanation()) == ()


def test_a_photo_of_one_colour_says_nothing():
    grey = Image(np.full((60, 90, 3), 128, np.uint8), "grey.png")
    assert [each[:27] for each in cautions(explanation(image=grey))] == ["the photo is of one colour,"]


@pytest.mark.parametrize(("side", "said"), [(55, True), (56, False)])
def test_a_photo_that_was_much_enlarged_is_called_small(side, said):
    seen = explanation(values=np.ones((224, 224), np.float32), image=photo(height=side), view=Box(0, 0, side, side))
    assert [f"90 × {side} pixels" in each for each in cautions(seen)] == [True] * said


def test_a_guess_is_called_one():
    unsure = tuple(Prediction(each.index, each.name, each.probability / 7) for each in explanation().predictions)
    assert cautions(explanation(predictions=unsure)) == (
        "the model as good as guesses: its likeliest class, tiger cat, has 8.6%",
    )


def test_checks_are_sentences_and_unknown_ones_keep_their_number():
    assert "0.83 alike" in check_words("similarity", 0.8312)
    assert "16 bits" in check_words("precision_bits", 16.0)
    assert "3.1%" in check_words("completeness_gap", 0.031)
    assert check_words("r2_slic", 0.5) == "Regions of slic would give R² = 0.50."
    assert check_words("my_check", 0.12345) == "My check: 0.123."


def test_what_answered_for_the_network_is_told():
    told = ("PyTorch computed the answers in half precision.", "OpenVINO was left aside: it gives 2 answers.")
    assert facts(explanation(computed=told))["Computed"] == " ".join(told)


def test_every_check_that_a_method_makes_is_explained():
    made = {
        name for room in ("methods", "engines") for path in (SOURCE / room).rglob("*.py") for name in checks_of(path)
    }
    assert {"r2", "r2_", "similarity", "precision_bits", "noise", "masks"} <= made, "else they are looked for wrongly"
    assert made - CHECKS.keys() == {"r2_"}


def checks_of(path):
    """The names of checks that a module writes down: keys of what is called `checks`, or ends so."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.keyword(arg="checks", value=value):
                yield from keys_in(value)
            case ast.Assign(targets=[target], value=value) if called(target).endswith("checks"):
                yield from keys_in(value)
            case ast.Assign(targets=[ast.Subscript(value=held, slice=ast.Constant(value=name))]):
                yield from [name] * called(held).endswith("checks")
            case ast.Call(func=ast.Attribute(attr="update", value=held), args=[value]):
                yield from keys_in(value) if called(held).endswith("checks") else ()
            case ast.FunctionDef(name=name) if name.endswith("checks"):
                yield from keys_in(node)


def called(node):
    return getattr(node, "id", getattr(node, "attr", ""))


def keys_in(tree):
    for node in ast.walk(tree):
        for key in [*getattr(node, "keys", []), getattr(node, "key", None)]:
            match key:
                case ast.Constant(value=str(name)) | ast.JoinedStr(values=[ast.Constant(value=name), *_]):
                    yield name


@pytest.mark.parametrize(
    ("row", "column", "place"),
    [(0, 0, "top left"), (2, 3, "centre"), (3, 5, "right"), (5, 2, "bottom centre"), (1, 4, "top right")],
)
def test_an_overlay_is_told_by_where_it_is_strongest(row, column, place):
    values = np.full((6, 6), 0.1, np.float32)
    values[row, column] = 1
    told = alternative(explanation(values=values), method_info("grad-cam"))
    assert told == f"Grad-CAM on cat.png: evidence for “tiger cat” is strongest at the {place}"


@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (1, 5)])
def test_a_map_of_few_cells_has_places_too(shape):
    assert "strongest at the" in alternative(explanation(values=np.ones(shape)), method_info("grad-cam"))


def test_evidence_against_is_told_apart():
    values = np.zeros((6, 6), np.float32)
    values[5, 0] = -1
    against = alternative(explanation(values=values, signed=True), method_info("grad-cam"))
    assert against.endswith(": evidence against it at the bottom left")
    values = values.copy()
    values[0, 5] = 0.1
    both = alternative(explanation(values=values, signed=True), method_info("grad-cam"))
    assert both.endswith("strongest at the top right, evidence against it at the bottom left")


def test_an_empty_map_is_told_as_empty():
    told = alternative(explanation(values=np.zeros((6, 6))), method_info("grad-cam"))
    assert told.endswith("no evidence found for “tiger cat”")


def test_what_was_asked():
    likeliest, second = (explanation(target=Target(index, chosen="predicted")) for index in (280, 281))
    asked = explanation(target=Target(282, against=283))
    assert asked_classes([likeliest, likeliest]) == "the class it finds likeliest"
    assert asked_classes([likeliest, second]) == "the 2 classes it finds likeliest"
    assert asked_classes([asked, asked]) == "“tabby rather than lynx”"


def test_facts_hold_what_repeating_takes_and_nothing_empty():
    other = {"name": "dog.png", "sha256": "ab"}
    told = facts(explanation(parameters={"layers": ["blocks.3"], "strength": 1.0, "reference": other}))
    assert told == {
        "Class": "tiger cat (index 280), chosen for its probability",
        "Layer": "blocks.3",
        "Settings": "strength=1.0, reference=dog.png",
        "Cost": "1 forward, 1 backward, 0.25\N{NO-BREAK SPACE}s",
        "Seed": "7",
    }
    assert not {"Layer", "Settings", "Seed"} & facts(explanation(layer=None, parameters={}, seed=None)).keys()
    assert "as asked" in facts(explanation(target=Target(281)))["Class"]


def test_of_regions_the_place_is_that_of_the_strongest_colour():
    """Not that of the largest number of a pixel: a small region may have much for each of its pixels."""
    labels = np.zeros((6, 6), np.int32)
    labels[5, 5] = 1
    values = np.where(labels == 1, 0.5, 0.1)
    regions = RegionWeights(labels, np.array([3.5, 0.5]), unit="log-odds")
    found = explanation(values=values, regions=regions, method="lime", signed=True, layer=None)
    assert alternative(found, method_info("lime")).endswith("strongest at the centre")
    unsure = replace(regions, errors=np.array([9.0, 0.1]))  # the large one has no colour
    assert alternative(replace(found, regions=unsure), method_info("lime")).endswith("strongest at the bottom right")


def test_a_class_blind_map_is_no_evidence_for_a_class():
    told = alternative(explanation(method="eigen-cam"), method_info("eigen-cam"))
    assert told == "Eigen-CAM on cat.png: strongest at the top left, whatever the class"
