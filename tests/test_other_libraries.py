"""The page on other libraries' methods: what it names is here, and what those libraries have is on it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import isclass
from pathlib import Path

import pytest

from seewhy.errors import SeewhyError
from seewhy.methods import find_method, list_methods
from seewhy.models.shim import ready_torchvision

PAGE = (Path(__file__).resolve().parents[1] / "docs/other-libraries.md").read_text("utf-8")
KNOWN = {each.name for kind in ("method", "control") for each in list_methods(kind)}


def rows(library: str) -> Iterator[tuple[list[str], str]]:
    """The names in each row about a library, and what is here."""
    section = PAGE.split(f"## {library}\n")[1].split("\n## ")[0]
    for there, here in re.findall(r"^\| (.+?) \| (.+?) \|$", section, re.MULTILINE):
        if there not in {"there", "method"}:
            yield re.split(r", (?![^(]*\))", there), here


def quoted(here: str) -> list[str]:
    """The methods, and commands, that a cell names; not their settings."""
    return [each for each in here.split("`")[1::2] if "=" not in each]


LIBRARIES = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
ROWS = [(library, there, here) for library in LIBRARIES for there, here in rows(library)]


@pytest.mark.parametrize(("there", "here"), [(", ".join(there)[:40], here) for _, there, here in ROWS])
def test_every_row_names_a_method_of_ours_or_a_reason(there, here):
    named = quoted(here)
    if here.startswith("none"):
        assert len(here) > 25, f"why is there no {there}?"
    else:
        assert named, there
    for name in named:
        assert name in KNOWN or name == "seewhy network", f"{there}: there is no method {name}"


def test_settings_that_are_named_are_there():
    for _, _, here in ROWS:
        for setting, value in re.findall(r"`(\w+)=([\w-]+)`", here):
            name, *_ = quoted(here)
            try:
                find_method(name, **{setting: {"true": True}.get(value, value)})
            except SeewhyError as error:
                pytest.fail(f"{here}: {error}")


def listed(library: str) -> set[str]:
    return {name for there, _ in rows(library) for name in there}


def test_all_of_captum_is_on_the_page():
    from captum import attr

    base = {"Attribution", "GradientAttribution", "PerturbationAttribution", "NeuronAttribution", "LayerAttribution"}
    classes = {name for name in attr.__all__ if isclass(getattr(attr, name))}
    theirs = {name for name in classes if issubclass(getattr(attr, name), attr.Attribution)}
    other = {name for name in theirs if "LLM" in name} | {"DataLoaderAttribution"}  # for text, and for runs over data
    assert theirs - base - other == listed("captum")


def test_all_of_pytorch_grad_cam_is_on_the_page():
    ready_torchvision()
    import pytorch_grad_cam as theirs

    helpers = {"ActivationsAndGradients", "AblationLayer", "AblationLayerVit", "AblationLayerFasterRCNN"}
    classes = {name for name, each in vars(theirs).items() if isclass(each)}
    assert classes - helpers == listed("pytorch-grad-cam")


def test_every_method_of_theirs_has_one_place():
    for library in LIBRARIES:
        names = [name for there, _ in rows(library) for name in there]
        assert len(set(names)) == len(names), library
