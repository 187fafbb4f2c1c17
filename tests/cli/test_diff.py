from __future__ import annotations

from xml.etree import ElementTree as ET

from cases.squares import folder_of
from seewhy.commands.run import CHANGED

MODEL = "py:planted:classifier"


def test_a_model_and_itself_end_well(seewhy, tmp_path):
    folder_of(tmp_path / "squares", each=2)
    run = seewhy("diff", "squares", "--model", MODEL, "--model", MODEL, "--check", "--json")
    assert run.code == 0, run.err
    assert run.json["same"] == 6
    assert run.json["changed"] == []
    suite = ET.fromstring((tmp_path / "seewhy-diff/junit.xml").read_text("utf-8"))  # noqa: S314 - our own
    assert suite.get("failures") == "0"


def test_a_new_finding_ends_with_its_code_where_that_is_asked(seewhy, tmp_path):
    folder_of(tmp_path / "squares", each=1)
    for name, text in (("old", "[]"), ("new", '[{"class": "red", "sentence": "A tag.", "region": null}]')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "findings.json").write_text(text)
    asked = ("diff", "squares", "--model", MODEL, "--model", MODEL, "--findings", "old", "--findings", "new")
    assert seewhy(*asked).code == 0
    run = seewhy(*asked, "--check")
    assert run.code == CHANGED == 4
    assert "A tag." in (tmp_path / "seewhy-diff/summary.md").read_text("utf-8")


def test_it_takes_two_models(seewhy, tmp_path):
    folder_of(tmp_path / "squares", each=1)
    run = seewhy("diff", "squares", "--model", MODEL)
    assert run.code == 2
    assert "give --model twice" in run.err
    assert not (tmp_path / "seewhy-diff").exists()
