from __future__ import annotations

import json

import pytest
import typer

from seewhy.cli import console
from seewhy.errors import BadImage

NASTY = "[red]:cat:[/nothing] \\[b] photo.png"
ROWS = [["a.png", NASTY], ["b.png", "50.0%"]]


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")


def test_json_is_strict_and_keeps_letters(capsys):
    console.print_json({"name": "Löwe → 猫", "values": [1, None]})
    told = capsys.readouterr()
    assert json.loads(told.out) == {"name": "Löwe → 猫", "values": [1, None]}
    assert "Löwe → 猫" in told.out
    assert not told.err
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON"):
            console.print_json([value])


def test_a_table_into_a_pipe_is_for_programs(capsys):
    console.print_table("Title", ["image", "class"], ROWS)
    told = capsys.readouterr()
    assert told.out == f"a.png\t{NASTY}\nb.png\t50.0%\n"
    assert not told.err


def test_a_table_on_a_terminal_is_for_people(capsys, terminal):
    console.print_table(f"Title {NASTY}", ["image", "class"], ROWS)
    told = capsys.readouterr()
    title, columns, first, second = (line.rstrip() for line in told.out.splitlines())
    assert f"Title {NASTY}" in title
    assert "image" in columns
    assert first.split(maxsplit=1) == ["a.png", NASTY]
    assert second.split() == ["b.png", "50.0%"]
    assert not told.err


def test_no_title_takes_no_line(capsys, terminal):
    console.print_table("", ["image"], [["a.png"]])
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize("say", [console.complain, console.note])
def test_chatter_goes_to_stderr_in_one_line_letter_by_letter(capsys, say):
    message = f"{NASTY} {'long ' * 50}end"
    say(message)
    told = capsys.readouterr()
    assert not told.out
    assert told.err.removeprefix("seewhy: ") == f"{message}\n"


@pytest.mark.parametrize("where", ["terminal", None])
def test_waiting_and_progress_leave_stdout_alone(capsys, request, where):
    if where:
        request.getfixturevalue(where)
    with console.waiting(f"loading {NASTY}"):
        pass
    with console.progress_bar() as progress:
        progress(0, None, "images")
        progress(1, 3, "images")
        progress(3, 3, "images")
    assert not capsys.readouterr().out


def test_what_happens_inside_comes_out():
    for around in (console.waiting("loading"), console.progress_bar()):
        with pytest.raises(KeyError), around:
            raise KeyError


@pytest.mark.parametrize(("failed", "asked", "code"), [(1, 1, 1), (1, 2, 3), (2, 2, 1), (2, 5, 3)])
def test_the_code_says_how_much_failed(capsys, failed, asked, code):
    with pytest.raises(typer.Exit) as stopped:
        console.finish([(f"{place}.png", BadImage("empty", "no bytes")) for place in range(failed)], asked)
    assert stopped.value.exit_code == code
    told = capsys.readouterr()
    assert not told.out
    assert told.err.splitlines() == [f"seewhy: {place}.png: no bytes" for place in range(failed)]


def test_a_picture_is_named_once(capsys):
    with pytest.raises(typer.Exit):
        console.finish([("a.png", BadImage("empty", "a.png holds no bytes"))], 1)
    assert capsys.readouterr().err == "seewhy: a.png holds no bytes\n"


def test_where_nothing_failed_nothing_is_said(capsys):
    console.finish([], 3)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "")
