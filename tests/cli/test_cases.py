from __future__ import annotations

import json

import numpy as np
import pytest

from cases.squares import folder_of, square

MODEL = "py:planted:classifier"
MINE = ("--cases", "cases", "--model", MODEL)  # code is named by people alone, not by the base


@pytest.fixture
def built(seewhy, tmp_path):
    """A case base `cases` of the pictures in `squares`."""
    folder_of(tmp_path / "squares", each=4)
    square("red", 50).to_pil().save(tmp_path / "asked.png")
    run = seewhy("cases", "build", "squares", "--model", MODEL, "--out", "cases")
    assert run.code == 0, run.err
    return run


def manifest(path):
    return json.loads(path.read_text("utf-8"), parse_constant=pytest.fail)


def test_build_counts_and_goes_on(built, seewhy, tmp_path):
    assert built.rows == [["12", "12", "0"]]
    (tmp_path / "squares/red/0.png").unlink()
    square("blue", 7).to_pil().save(tmp_path / "squares/blue/new.png")
    (tmp_path / "squares/blue/bad.png").write_bytes(b"no picture")
    again = seewhy("cases", "build", "squares", "--model", MODEL, "--out", "cases", "--json")
    assert again.code == 3
    assert "blue/bad.png" in again.err
    assert {key: again.json[key] for key in ("cases", "embedded", "failed")} == {
        "cases": 12,
        "embedded": 1,
        "failed": 1,
    }
    assert manifest(tmp_path / "cases/manifest.json")["about"]["fingerprint"] == again.json["fingerprint"]


def test_twins_are_told_drawn_and_saved(built, seewhy, tmp_path):
    run = seewhy("cases", "twins", "asked.png", *MINE, "--top", "3")
    assert run.code == 0, run.err
    assert [row[:2] for row in run.rows] == [["asked.png", "red"]] * 3
    assert [row[4:] for row in run.rows] == [["red", "red"]] * 3
    assert run.rows[0][3] >= run.rows[1][3] >= run.rows[2][3]
    folder = tmp_path / "seewhy-out/asked"
    told = manifest(folder / "manifest.json")
    assert [each["path"] for each in told["twins"]] == [row[2] for row in run.rows]
    assert told["base"]["classifier"] == "colours"
    assert told["cases"] == 12
    values = np.load(folder / "twin-1/own.npy")
    assert values.mean() == pytest.approx(told["twins"][0]["similarity"], abs=1e-5)
    assert (folder / "twins.png").exists()
    page = (tmp_path / "seewhy-out/report.html").read_text("utf-8")
    assert all(words in page for words in ("asked.png", run.rows[0][2], "Why they match", "Trust score", "They agree"))
    assert page.count("data:image/jpeg") == 1 + 3 + 4 * 3


def test_where_its_class_has_one_case_the_neighbours_are_still_counted(built, seewhy, tmp_path):
    for name in ("1", "2", "3"):
        (tmp_path / f"squares/red/{name}.png").unlink()
    assert seewhy("cases", "build", "squares", "--model", MODEL, "--out", "cases").code == 0
    run = seewhy("cases", "twins", "asked.png", *MINE, "--top", "3")
    assert len(run.rows) == 1
    assert "The 3 nearest cases, whatever" in (tmp_path / "seewhy-out/report.html").read_text("utf-8")


def test_two_encoders_are_shown_side_by_side(built, seewhy, tmp_path):
    seewhy("cases", "build", "squares", "--model", MODEL, "--embedding", "cole", "--out", "cole")
    run = seewhy("cases", "twins", "asked.png", *MINE, "--beside", "cole", "--json")
    assert run.code == 0, run.err
    (found,) = run.json
    assert found["beside"]["embedding"] == "cole"
    assert 0 <= found["beside"]["overlap"] <= 1
    assert "What looks alike to cole" in (tmp_path / "seewhy-out/report.html").read_text("utf-8")


def test_a_picture_of_the_base_is_left_out_and_named(built, seewhy):
    run = seewhy("cases", "twins", "squares/red/1.png", *MINE)
    assert "left out red/1.png, the picture itself" in run.err
    assert "red/1.png" not in {row[2] for row in run.rows}


def test_counterfactuals_are_told_drawn_and_saved(built, seewhy, tmp_path):
    run = seewhy("cases", "counterfactual", "asked.png", *MINE, "--target", "blue")
    assert run.code == 0, run.err
    assert {row[1] for row in run.rows} == {"red"}
    assert {row[3] for row in run.rows[:2]} == {"blue"}
    told = manifest(tmp_path / "seewhy-out/asked/manifest.json")
    assert told["target"] == told["unlike"]["prediction"]["name"] == told["swap"]["prediction"]["name"] == "blue"
    assert told["swap"]["pairs"]
    names = {path.name for path in (tmp_path / "seewhy-out/asked").iterdir()}
    assert names >= {"unlike", "like", "borderline", "swap-own.png", "swap-other.png", "manifest.json"}
    page = (tmp_path / "seewhy-out/report.html").read_text("utf-8")
    assert all(words in page for words in ("What would have turned", "parts of another picture", "Asked: what would"))


def test_bad_pictures_do_not_stop_the_rest(built, seewhy):
    for command in ("twins", "counterfactual"):
        run = seewhy("cases", command, "asked.png", "missing.png", *MINE)
        assert run.code == 3
        assert run.rows
        assert "missing.png" in run.err
        assert seewhy("cases", command, "missing.png", *MINE).code == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["twins", "asked.png", "--cases", "cases", "--model", "py:cli.nets:named"], "cases of another classifier"),
        (["build", "squares", "--model", "py:cli.nets:named", "--out", "cases"], "cases of another classifier"),
        (["build", "squares", "--model", MODEL, "--embedding", "cole", "--out", "cases"], "not by cole"),
        (["build", "squares", "--model", MODEL, "--embedding", "clip", "--out", "other"], "names no source of models"),
        (["build", "nowhere", "--model", MODEL, "--out", "other"], "there is no folder nowhere"),
        (["twins", "asked.png", "--cases", "squares"], "holds no case base"),
        (["counterfactual", "asked.png", *MINE, "--target", "mauve"], "no class 'mauve'"),
    ],
)
def test_a_request_without_sense_is_refused_with_the_cause(built, seewhy, arguments, words):
    run = seewhy("cases", *arguments)
    assert run.code == 2, run.err
    assert words in run.err
    assert run.out == ""


@pytest.mark.parametrize("command", ["twins", "counterfactual"])
def test_code_that_a_base_names_is_run_only_where_it_is_named_again(built, seewhy, command, tmp_path):
    run = seewhy("cases", command, "asked.png", "--cases", "cases")
    assert run.code == 2
    assert f"names code, {MODEL}" in run.err
    assert f"give --model {MODEL} yourself" in run.err
    encoded = seewhy("cases", "build", "squares", "--model", MODEL, "--embedding", MODEL, "--out", "encoded")
    assert encoded.code == 0, encoded.err
    asked = ("cases", command, "asked.png", "--cases", "encoded", "--model", MODEL)
    refused = seewhy(*asked)
    assert refused.code == 2
    assert f"give --embedding {MODEL} yourself" in refused.err
    assert seewhy(*asked, "--embedding", MODEL).code == 0


def test_what_is_written_tells_no_place_of_the_pictures(built, seewhy, tmp_path):
    place = str(tmp_path).encode()
    assert place in (tmp_path / "cases/manifest.json").read_bytes()
    for command in ("twins", "counterfactual"):
        assert seewhy("cases", command, "asked.png", *MINE, "--out", command).code == 0
        for path in (tmp_path / command).rglob("*"):
            assert path.is_dir() or place not in path.read_bytes(), path
    told = manifest(tmp_path / "twins/asked/manifest.json")["base"]
    assert (told["root"], told["model"], told["classifier"]) == ("squares", MODEL, "colours")


def test_damage_is_told_and_mended_by_building_again(built, seewhy, tmp_path):
    path = tmp_path / "cases/embeddings.npy"
    before = path.read_bytes()
    path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    run = seewhy("cases", "twins", "asked.png", *MINE)
    assert run.code == 2
    assert "embeddings.npy is damaged (its bytes are not those that were written); build it again" in run.err
    again = seewhy("cases", "build", "squares", "--model", MODEL, "--out", "cases")
    assert again.rows == [["12", "12", "0"]]
    assert "mended: cases/embeddings.npy is damaged" in again.err
    assert path.read_bytes() == before


def test_influence_names_pictures_and_doubtful_labels(built, seewhy, tmp_path):
    square("blue", 61).to_pil().save(tmp_path / "squares/red/wrong.png")
    assert seewhy("cases", "build", "squares", "--model", MODEL, "--out", "cases").code == 0
    run = seewhy("cases", "influence", "asked.png", *MINE, "--top", "2", "--json")
    assert run.code == 0, run.err
    assert run.json["classes"] == ["blue", "green", "red"]
    assert "red/wrong.png: labelled red, the others say blue" in run.err
    assert [each["path"] for each in run.json["doubted_labels"]] == ["red/wrong.png"]
    (photo,) = run.json["photos"]
    assert photo["said"] == "red"
    assert all(each["real"] < 0 for each in photo["helpful"])
    assert manifest(tmp_path / "seewhy-out/asked/manifest.json")["helpful"] == photo["helpful"]
    page = (tmp_path / "seewhy-out/report.html").read_text("utf-8")
    assert all(words in page for words in ("Labels to look at", "red/wrong.png", "Without these it would be surer"))


def test_parts_add_up_and_are_saved(built, seewhy, tmp_path):
    run = seewhy("cases", "parts", "asked.png", *MINE, "--parts", "3", "--top", "2", "--json")
    assert run.code == 0, run.err
    (photo,) = run.json
    assert sum(each["points"] for each in photo["parts"]) + photo["bias"] == pytest.approx(photo["margin"], abs=1e-5)
    assert [len(each["cases"]) for each in photo["parts"]] == [2, 2, 2]
    page = (tmp_path / "seewhy-out/report.html").read_text("utf-8")
    assert all(words in page for words in ("What is it made of?", "the mean of all others", "Part 3"))
    refused = seewhy("cases", "parts", "asked.png", *MINE, "--against", "mauve")
    assert refused.code == 2
    assert "mauve" in refused.err


def test_a_base_and_its_pictures_travel_together(built, seewhy, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    for name in ("cases", "squares", "asked.png"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    monkeypatch.chdir(tmp_path / "elsewhere")
    run = seewhy("cases", "twins", "asked.png", *MINE, "--top", "2")
    assert run.code == 0, run.err
    (tmp_path / "elsewhere/squares").rename(tmp_path / "squares")  # away from the base: back where they were
    assert seewhy("cases", "twins", "asked.png", *MINE, "--top", "2").code == 0
    (tmp_path / "squares").rename(tmp_path / "gone")
    lost = seewhy("cases", "twins", "asked.png", *MINE, "--top", "2")
    assert lost.code == 1
    assert "is no longer in the folder squares" in lost.err


def test_only_some_classes_are_built(built, seewhy, tmp_path):
    run = seewhy("cases", "build", "squares", "--model", MODEL, "--classes", "red,blue", "--out", "two", "--json")
    assert run.code == 0, run.err
    assert run.json["cases"] == 8
    wrong = seewhy("cases", "build", "squares", "--model", MODEL, "--classes", "mauve", "--out", "none")
    assert wrong.code == 2
    assert "has no class mauve; it has blue, green, red" in wrong.err
    assert not (tmp_path / "none").exists()
