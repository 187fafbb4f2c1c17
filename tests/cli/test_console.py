from __future__ import annotations

import json
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from seewhy.commands import console, run
from seewhy.core.outcome import Outcome
from seewhy.errors import BadImage
from seewhy.verbs.result import Result

NASTY = "[red]:cat:[/nothing] \\[b] photo.png"
EVIL = ["\x1b[2J", "\x1b]0;owned\x07", "\r", "\n", "\x9b2K", "\x7f", "\u202e", "\u200b", "\x85"]
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
@pytest.mark.parametrize("evil", EVIL, ids=ascii)
def test_no_edge_lets_through_what_a_terminal_obeys(capsys, request, where, evil):
    if where:
        request.getfixturevalue(where)
    name = f"a{evil}b"
    console.print_table(name, [name], [[name], ["c"]])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == (4 if where else 2)
    for line in lines[-2:-1]:
        assert line.rstrip() == ascii(name)[1:-1]
    console.complain(name)
    console.note(name)
    with console.waiting(name):
        pass
    with console.progress_table([name]) as (progress, add):
        add([name])
        progress(1, 3, name)
    told = capsys.readouterr()
    assert name not in told.out + told.err
    assert not told.out
    assert told.err.count(ascii(name)[1:-1]) >= 4
    console.print_json([name])
    told = capsys.readouterr().out
    assert json.loads(told) == [name]
    assert name not in told


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


def test_the_time_left_is_that_of_the_work_at_hand():
    lines: list[str] = []
    now = [0.0]
    report = console.progress_lines(lines.append, clock=lambda: now[0])

    def at(second: float, *told) -> None:
        now[0] = second
        report(*told)

    at(0, 40, 100, "rows")  # a study that goes on where it stood
    at(60, 70, 100, "rows")
    at(90, 100, 100, "rows")
    at(100, 1, 160, "pictures")  # another piece of work
    at(140, 5, 160, "pictures")
    at(150, 1, 160, "pictures")  # and the next, of as many
    at(190, 41, 160, "pictures")
    assert lines == [
        "rows 70 of 100, about 1 minute left",
        "rows 100 of 100",
        "pictures 5 of 160, about 26 minutes left",
        "pictures 41 of 160, about 2 minutes left",
    ]


def test_what_happens_inside_comes_out():
    for around in (console.waiting("loading"), console.progress_bar()):
        with pytest.raises(KeyError), around:
            raise KeyError


@pytest.mark.parametrize(("failed", "asked", "code"), [(1, 1, 1), (1, 2, 3), (2, 2, 1), (2, 5, 3)])
def test_the_code_says_how_much_failed(capsys, failed, asked, code):
    with pytest.raises(typer.Exit) as stopped:
        tell(failures_of(*(f"{place}.png" for place in range(failed))), asked)
    assert stopped.value.exit_code == code
    told = capsys.readouterr()
    assert not told.out
    assert told.err.splitlines() == [f"seewhy: {place}.png: no bytes" for place in range(failed)]


def test_a_picture_is_named_once(capsys):
    with pytest.raises(typer.Exit):
        tell([Outcome("a.png", error=BadImage("empty", "a.png holds no bytes"))], 1)
    assert capsys.readouterr().err == "seewhy: a.png holds no bytes\n"


def test_where_nothing_failed_nothing_is_said(capsys):
    tell([], 3)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "")


def failures_of(*names):
    return [Outcome(name, error=BadImage("empty", "no bytes")) for name in names]


def tell(failures, asked):
    run.tell(console.Run(), console.Answer([], failures=failures, asked=asked))


# --- Any command --------------------------------------------------------------------------------------------------


class Sum(Result):
    def to_dict(self):
        return {"sum": 3.5}

    def rows(self):
        return [{"name": "a", "sum": 3.5, "of": 2, "left": None}]

    def page(self):
        return "<p>3.5</p>"


@run.command("out seed")
def add(run: console.Run, first: Annotated[int, typer.Argument()], second: int = 2) -> console.Answer:
    """Add."""
    return console.Answer.of(Sum(), notes=[f"{first} + {second}, seed {run.seed}"])


@pytest.fixture
def adding(tmp_path):
    app = typer.Typer()
    app.command()(add)
    return lambda *arguments: CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")])


def test_a_result_is_told_and_saved_without_a_word_of_the_command(adding, tmp_path):
    done = adding("1", "--second", "3", "--seed", "7")
    assert (done.exit_code, done.stdout) == (0, "a\t3.500\t2\t\n")
    assert done.stderr.splitlines() == ["1 + 3, seed 7", f"report: {tmp_path / 'out/report.html'}"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"result.json", "report.html"}
    assert json.loads(adding("1", "--json").stdout) == {"sum": 3.5}


def test_a_command_has_the_shared_options_that_it_asks_for_and_no_other(adding):
    told = adding("--help").stdout
    assert all(option in told for option in ("--second", "--out", "--seed", "--json"))
    assert "--model" not in told
    assert adding("1", "--model", "x").exit_code == 2
