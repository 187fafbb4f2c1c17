"""Poisoned files: one error in one sentence, through Python and the command line, and nothing of them runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from poison import POISONS, SUBJECTS, Poison, Sound, Subject
from seewhy.cli import main
from seewhy.core.text import is_plain
from seewhy.errors import SeewhyError

SENTENCE = 2000  # letters, of which a path may be most


@pytest.fixture(autouse=True)
def in_the_folder(tmp_path, monkeypatch):
    """Where code that a file names could be imported from."""
    (tmp_path / "subject").mkdir()
    monkeypatch.chdir(tmp_path / "subject")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "subject")])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # Typer sets its own
    monkeypatch.delitem(sys.modules, "poisonous", raising=False)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return Sound(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def spoiled(sound, tmp_path):
    def spoil(poison: Poison) -> tuple[Path, Path]:
        folder, canary = tmp_path / "subject", tmp_path / "canary"
        sound.copied(poison.subject, folder)
        poison.spoil(folder, canary)
        return folder, canary

    return spoil


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=lambda each: each.name)
def test_a_sound_one_opens(tmp_path, subject: Subject):
    subject.make(tmp_path / "subject")
    subject.opens(tmp_path / "subject")


@pytest.mark.parametrize("poison", POISONS, ids=str)
def test_python_is_told_in_a_sentence(spoiled, poison: Poison):
    folder, canary = spoiled(poison)
    with pytest.raises(SeewhyError) as told:
        SUBJECTS[poison.subject].opens(folder)
    message = str(told.value)
    assert is_plain(message)
    assert len(message) < SENTENCE
    assert "Traceback" not in message
    assert not canary.exists()


@pytest.mark.parametrize("poison", [each for each in POISONS if SUBJECTS[each.subject].command], ids=str)
def test_the_command_line_is_told_in_a_sentence(spoiled, poison: Poison, monkeypatch, capsys):
    folder, canary = spoiled(poison)
    command = [each.format(folder=folder) for each in SUBJECTS[poison.subject].command]
    monkeypatch.setattr(sys, "argv", ["seewhy", *command])
    with pytest.raises(SystemExit) as stopped:
        main()
    told = capsys.readouterr()
    assert stopped.value.code in {1, 2}
    assert told.out == ""
    assert "Traceback" not in told.err
    assert told.err.count("seewhy: ") == 1
    assert not canary.exists()
