"""The check of the Dockerfile reads it as Docker does, and copies what .dockerignore lets through."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

image: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[2] / "scripts/image.py"))


def test_every_instruction_is_read_and_every_copy_can_be_made(tmp_path):
    steps = list(image["steps"]())
    assert {"FROM", "COPY", "RUN", "ENV", "USER", "CMD"} <= {word for word, _ in steps}
    assert image["base"]().startswith("python:")
    for word, rest in steps:
        if word == "COPY" and "src" not in rest.split():  # which is much
            image["copy"](rest.split(), tmp_path)
    assert (tmp_path / "pyproject.toml").is_file()
    assert (tmp_path / "deploy/showcase.py").is_file()


def test_what_docker_would_not_see_is_not_copied(tmp_path):
    with pytest.raises(SystemExit, match="leaves it out"):
        image["copy"](["tests", "tests"], tmp_path)


def test_places_of_the_image_are_put_below_a_folder():
    told = "python deploy/showcase.py --words /srv/showcase; ls deploy/app file:/data/x /database"
    assert image["PLACES"].sub("ROOT/", told) == (
        "python deploy/showcase.py --words ROOT/srv/showcase; ls deploy/app file:ROOT/data/x /database"
    )
