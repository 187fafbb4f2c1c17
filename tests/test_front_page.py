"""What strangers read first is so: the front page's commands, its figures, and every picture of the documentation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import typer

from seewhy.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text("utf-8")
PAGES = sorted([ROOT / "README.md", *DOCS.glob("*.md")])
FIGURES = (DOCS / "figures.md").read_text("utf-8")
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twenty"]
NUMBER = re.compile(r"\d[\d,.]*\d\s?%|\d\s?%|\d[\d,.]*\d|\d|\b(?:" + "|".join(WORDS) + r")\b")
LETTERS: list[dict[str, Any]] = json.loads((DOCS / "img/letters.json").read_text("utf-8"))["photos"]


def rows_of(text: str, heading: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    part = text.split(f"## {heading}\n")[1].split("\n## ", maxsplit=1)[0]
    lines = [line for line in part.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def numbers(text: str) -> set[str]:
    """Every number, also those in words and of hyphens; a per cent sign belongs to it."""
    return {found.replace(" ", "") for found in NUMBER.findall(text.lower())}


def source_of(cell: str) -> str:
    """The text of the file that a row links to; figures of JSON in per cent, as people write them."""
    path = ROOT / re.search(r"\]\((.+?)\)", cell)[1]
    text = path.read_text("utf-8")
    shares = [f"{float(each):.1%}" for each in re.findall(r"\b0\.\d+", text)] if path.suffix == ".json" else []
    return " ".join([text, *shares])


@pytest.mark.parametrize("row", rows_of(README, "Figures"), ids=lambda row: row[0][:30])
def test_every_figure_of_the_front_page_stands_in_the_file_that_it_names(row):
    what, came_out, where = row
    asked = numbers(f"{what} {came_out}")
    assert asked
    assert asked <= numbers(source_of(where)), asked - numbers(source_of(where))


def test_the_letters_turn_the_cat_and_as_much_white_does_not():
    cat = next(each for each in LETTERS if each["photo"] == "cat")
    assert cat["plain"]["answer"] == cat["with as much white, spread evenly"]["answer"] == "cat"
    assert cat["with letters"]["answer"] == "carton"
    assert "from cat to carton" in README


def test_the_first_picture_is_of_the_letters():
    first = re.search(r"!\[.+?\]\((.+?)\)", README)[1]
    assert first == "docs/img/letters.webp"
    assert re.search(r"!\[.+?\]\((.+?)\)", (DOCS / "index.md").read_text("utf-8"))[1] == "img/letters.webp"


def test_make_knows_the_targets_of_the_front_page():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    asked = set(re.findall(r"\bmake ([a-z-]+)", README)) - {"no"}
    assert {"demo", "app", "test"} <= asked <= targets


def commands() -> Iterator[str]:
    """Every line of the documentation that calls seewhy, without its remark, lines that go on put together."""
    for page in PAGES:
        text = re.sub(r"\\\n\s*", " ", page.read_text("utf-8"))
        yield from (line.split("#")[0].strip() for line in re.findall(r"^ {4,}(seewhy .*)$", text, re.MULTILINE))


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_every_command_of_the_documentation_has_the_options_that_it_names(line):
    words = line.split()[1:]
    command: Any = typer.main.get_group(app)
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    assert not hasattr(command, "commands"), f"{line} names no command"
    known = {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]}
    asked = {word.split("=")[0] for word in words if word.startswith("--")}
    assert asked <= known | {"--help"}


def test_what_a_command_of_the_front_page_reads_an_earlier_one_has_written():
    written: set[str] = set()
    text = re.sub(r"\\\n\s*", " ", README)
    for line in (each.split("#")[0] for each in re.findall(r"^ {4}(seewhy .*)$", text, re.MULTILINE)):
        read = re.findall(
            r"\b(?:file|learned):(\S+)|--(?:findings|cases)[ =](\S+)|(?:judge|study|dossier) ((?!photos)\S+)", line
        )
        made = re.search(r"--out (\S+)", line)
        for folder in filter(None, map("".join, read)):
            assert any(each.startswith(folder.rstrip("/")) for each in written), f"{line}: nobody wrote {folder}"
        written |= {made[1]} if made else set()
    assert len(written) > 10


def test_every_picture_of_the_documentation_is_in_the_list_with_a_command_that_is_there():
    listed = dict(re.findall(r"^\| `(img/[^`]+)` \| `([^`]+)`", FIGURES, re.MULTILINE))
    pictures = {path.relative_to(DOCS).as_posix() for path in (DOCS / "img").rglob("*") if path.suffix != ".json"}
    pictures = {name for name in pictures if (DOCS / name).is_file()}
    for name in pictures:
        assert [each for each in listed if fnmatch(name, each)], f"docs/figures.md does not tell of {name}"
    for each, command in listed.items():
        assert any(fnmatch(name, each) for name in pictures), f"{each} is of no picture"
        python, script, *wanted = command.split()
        assert python == "python"
        known = (ROOT / script).read_text("utf-8")
        assert all(f"\ndef {name}(" in known for name in wanted), command


def test_every_picture_that_a_page_shows_is_there_and_every_picture_is_shown():
    shown = set()
    for page in PAGES:
        for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text("utf-8")):
            assert (page.parent / name).is_file(), f"{page.name}: {name}"
            shown.add((page.parent / name).resolve())
    left = {path for path in (DOCS / "img").glob("*.*") if path.suffix != ".json"} - shown
    assert not left, "shown nowhere"


@pytest.mark.heavy
def test_the_letters_come_out_as_they_are_told(monkeypatch, tmp_path):
    """The script is run again; other processors give other last digits."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import letters

    monkeypatch.setattr(letters, "PICTURE", tmp_path / "letters.webp")
    monkeypatch.setattr(letters, "FIGURES", tmp_path / "letters.json")
    letters.main()
    again = json.loads((tmp_path / "letters.json").read_text("utf-8"))["photos"]
    for mine, told in zip(again, LETTERS, strict=True):
        for name, said in told.items():
            if isinstance(said, dict):
                assert mine[name]["answer"] == said["answer"]
                assert mine[name]["probability"] == pytest.approx(said["probability"], abs=0.05)
