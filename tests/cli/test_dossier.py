"""From photos to a dossier by commands alone; and what a changed digit does to the exit code."""

from __future__ import annotations

import json
from pathlib import Path

from cases.squares import folder_of
from seewhy.commands.run import CHANGED

MODEL = "py:planted:classifier"


def test_a_dossier_is_made_and_verified_by_commands(seewhy, tmp_path: Path):
    folder_of(tmp_path / "squares", each=2)
    assert seewhy("diff", "squares", "--model", MODEL, "--model", MODEL, "--out", "all/diff").code == 0
    run = seewhy(
        "dossier", "all", "--model", MODEL, "--data", "squares", "--purpose", "to try", "--concluded", "Ada=Fine"
    )
    assert run.code == 0, run.err
    told = json.loads((tmp_path / "all/dossier.json").read_text("utf-8"))
    assert told["seal"] in run.err
    assert told["conclusions"] == [{"who": "Ada", "text": "Fine", "about": None}]
    assert told["models"][0]["loaded"]
    held = seewhy("verify", "all", "--model", MODEL, "--data", "squares", "--seal", told["seal"], "--json")
    assert (held.code, held.json["holds"], held.json["unchecked"]) == (0, True, [])
    rows = tmp_path / "all/diff/photos.csv"
    rows.write_text(rows.read_text("utf-8").replace("0.", "0.1", 1), "utf-8")
    found = seewhy("verify", "all", "--json")
    assert found.code == CHANGED
    assert {each["where"] for each in found.json["differences"]} >= {"diff/photos.csv"}


def test_what_has_no_sense_is_refused_with_the_cure(seewhy, tmp_path: Path):
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit/findings.json").write_text('[{"sentence": "A tag."}]')
    for words, cure in (
        (("judge", "audit", "2", "fine", "--who", "Ada"), "has 1 findings"),
        (("judge", "audit", "1", "good", "--who", "Ada"), "wrong reason, fine, unclear"),
        (("dossier", "audit"), "holds no result"),
        (("dossier", "audit", "--concluded", "Ada"), "--concluded wants"),
        (("verify", "audit"), "there is no dossier"),
        (("audit", "audit", "--name", "letters"), "--name wants"),
    ):
        run = seewhy(*words)
        assert (run.code, cure in run.err) == (2, True), run.err
    assert seewhy("judge", "audit", "1", "fine", "--who", "Ada").code == 0
    said = seewhy("judge", "audit", "1", "unclear", "--who", "Ada", "--why", "dark", "--json").json
    assert said == [{"finding": 1, "verdict": "unclear", "who": "Ada", "note": "dark"}]
