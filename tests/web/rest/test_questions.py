"""Every question by REST: what comes of it fits its schema, and nobody is led to this machine's folders."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import get_origin

import pytest
from fastapi.testclient import TestClient

from answering import against, open_places
from cases.squares import COLOURS, folder_of, square
from seewhy.core.files import home
from seewhy.errors import OverBudget
from seewhy.verbs.verify import verify
from seewhy.web.rest import sets
from seewhy.web.rest.api import make_api
from seewhy.web.rest.jobs import QUESTIONS
from web.conftest import TOY
from web.rest.asking import answer, over, upload_set, zip_of

PRIVATE = [name for name, each in QUESTIONS.items() if each.private]


@pytest.fixture
def ask(at) -> TestClient:
    return TestClient(make_api(), raise_server_exceptions=False)


@pytest.fixture
def squares(ask, tmp_path) -> str:
    """The id of a set of pictures of squares."""
    found = upload_set(ask, zip_of(folder_of(tmp_path / "squares", each=5))).json()
    assert found["classes"] == {"red": 5, "green": 5, "blue": 5}
    return found["pictures"]


@pytest.fixture
def photo(ask, tmp_path) -> str:
    square("red", 50).to_pil().save(tmp_path / "asked.png")
    return ask.post("/images", files={"file": ("asked.png", (tmp_path / "asked.png").read_bytes())}).json()["image"]


def fits(ask, name: str, tmp_path, /, **asked) -> tuple[str, dict]:
    """Ask, and hold the answer against its schema; it names no folder of this machine."""
    job, found = answer(ask, name, **asked)
    assert not against(QUESTIONS[name].answer, found)
    assert str(home()) not in json.dumps(found)
    assert str(tmp_path) not in json.dumps(found)
    return job, found


def taken(ask, job: str) -> zipfile.ZipFile:
    """The files of a job, as people take them away."""
    return zipfile.ZipFile(io.BytesIO(ask.get(f"/jobs/{job}/files.zip").content))


def test_one_photo_in_every_way(ask, photo, tmp_path):
    _, found = fits(ask, "predict", tmp_path, image=photo)
    assert found["predictions"][0]["name"] == "red"
    fits(ask, "explain", tmp_path, image=photo, methods=["grad-cam", "lime", "fam"])
    fits(ask, "compare", tmp_path, image=photo, methods=["grad-cam", "gradient"], metrics=["sparseness"])
    job, found = fits(ask, "network", tmp_path, image=photo, target="red vs green")
    assert found["network"]["target_label"] == "red rather than green"
    assert b"<html" in ask.get(f"/jobs/{job}/report.html").content


def test_cases_and_concepts_are_built_of_a_set_and_asked(ask, squares, photo, tmp_path):
    cases, found = fits(ask, "build-cases", tmp_path, pictures=squares)
    assert found["cases"] == 15
    job, found = fits(ask, "twins", tmp_path, image=photo, cases=cases, top=2)
    assert [each["prediction"]["name"] for each in found["twins"]] == ["red", "red"]
    assert b"<html" in ask.get(f"/jobs/{job}/report.html").content
    fits(ask, "counterfactual", tmp_path, image=photo, cases=cases, target="green")
    _, found = fits(ask, "parts", tmp_path, image=photo, cases=cases, parts=2, top=1)
    assert len(found["parts"]) == 2
    _, found = fits(ask, "influence", tmp_path, image=photo, cases=cases, top=1)
    assert len(found["photos"]) == 1
    book, _ = fits(ask, "build-concepts", tmp_path, pictures=squares, layers=["second"], count=2)
    fits(ask, "concepts", tmp_path, image=photo, concepts=book)
    assert ask.post("/concepts", json={"image": photo, "concepts": cases}).status_code == 404
    _, found = fits(ask, "next-concept", tmp_path, concepts=book, player="Ada")
    assert found["crops"]
    assert set(found["crops"]) <= set(taken(ask, book).namelist())
    named = {"concepts": book, "concept": found["concept"], "word": "hue"}
    for player in ("Ada", "Bo"):
        _, words = fits(ask, "name-concept", tmp_path, **named, player=player)
    assert words[found["concept"]] == {"word": "hue", "people": 2, "asked": 2}
    _, found = fits(ask, "count-concepts", tmp_path, pictures=squares, concepts=book, of="red")
    assert found["photos"] == 15


def test_a_set_judges_audits_and_compares_models(ask, squares, tmp_path):
    _, found = fits(ask, "evaluate", tmp_path, pictures=squares, shown=1)
    assert found["accuracy"]["value"] == 1
    audited, _ = fits(ask, "audit", tmp_path, pictures=squares, labels=True)
    _, found = fits(ask, "diff", tmp_path, pictures=squares, models=[TOY, TOY], findings=[audited, audited])
    assert (found["changed"], found["findings"]["new"]) == ([], [])
    job = over(ask, ask.post("/repair", json={"model": TOY, "findings": audited, "pictures": squares}))
    assert "there is none of the number 1" in job["error"]
    assert str(home()) not in job["error"]


def test_a_network_is_asked_about_its_classes(ask, squares, tmp_path):
    _, found = fits(ask, "layers", tmp_path, pattern="second")
    assert [each["name"] for each in found] == ["second"]
    _, found = fits(ask, "axes", tmp_path, pictures=squares, count=2)
    assert len(found["axes"]) == 2
    job, found = fits(ask, "class-pictures", tmp_path, classes=["red"], steps=2, rounds=2)
    assert b"<html" in ask.get(f"/jobs/{job}/report.html").content
    few = over(ask, ask.post("/probe", json={"pictures": squares, "classes": ["red", "green"]}))
    assert "4 classes at least, not 2" in few["error"]
    assert ask.post("/probe", json={"pictures": squares, "classes": ["red,green"]}).status_code == 422


def test_points_are_carried_to_all_pictures(ask, squares, tmp_path):
    points = {"red/0.png": {"middle": [0.5, 0.5]}}
    _, found = fits(ask, "correspond", tmp_path, pictures=squares, points=points)
    assert (found["parts"], len(found["photos"])) == (["middle"], 15)
    outside = over(ask, ask.post("/correspond", json={"pictures": squares, "points": {"red/0.png": {"x": [2, 0]}}}))
    assert "shares of the photo" in outside["error"]


def test_an_explainer_is_trained_and_judged(ask, squares, tmp_path):
    asked = {"objective": "mask", "cells": 4, "steps": 2, "judged": 2}
    job, found = fits(ask, "train-explainer", tmp_path, pictures=squares, **asked)
    assert found["objective"] == "mask"
    assert {"report.html", "card.json"} <= set(taken(ask, job).namelist())


def test_what_was_found_is_judged_gathered_and_verified(ask, squares, tmp_path):
    audited, _ = fits(ask, "audit", tmp_path, pictures=squares, labels=True)
    evaluated, _ = fits(ask, "evaluate", tmp_path, pictures=squares, shown=0)
    none = over(ask, ask.post("/judge", json={"findings": audited, "number": 1, "verdict": "fine", "who": "Ada"}))
    assert "there is none of the number 1" in none["error"]
    asked = {"results": [audited, evaluated], "models": [TOY], "data": [squares], "concluded": ["Ada=It may be used"]}
    gathered, found = fits(ask, "dossier", tmp_path, **asked)
    assert {each["kind"] for each in found["results"]} == {"audit", "evaluation"}
    assert found["conclusions"][0]["who"] == "Ada"
    verified, held = fits(ask, "verify", tmp_path, dossier=gathered, models=[TOY], data=[squares], seal=found["seal"])
    assert (held["holds"], held["unchecked"]) == (True, [])
    assert b"<html" in ask.get(f"/jobs/{verified}/report.html").content
    taken(ask, gathered).extractall(tmp_path / "taken")
    assert verify(tmp_path / "taken").holds, "it holds for whoever takes it away"


def test_a_study_is_run_told_by_its_job_gathered_and_shown_to_all(ask, squares, start, tmp_path):
    asked = {"methods": ["grad-cam", "control:random"], "metrics": ["sparseness"], "limit": 2}
    job, ran = fits(ask, "run-study", tmp_path, pictures=squares, **asked)
    assert {each["method"] for each in ran["scores"]} == {"grad-cam", "control:random"}
    assert fits(ask, "study", tmp_path, study=job)[1]["verdict"] == ran["verdict"]
    _, gathered = fits(ask, "dossier", tmp_path, results=[job])
    assert [each["kind"] for each in gathered["results"]] == ["study"]
    taken(ask, job).extractall(tmp_path / "studies/first")
    start(studies=tmp_path / "studies")
    later = TestClient(make_api())
    assert later.get("/studies").json() == ["first"]
    job, told = fits(later, "study", tmp_path, study="first")
    assert told["scores"] == ran["scores"]
    assert b"<html" in later.get(f"/jobs/{job}/report.html").content


@pytest.mark.heavy
def test_what_was_trained_is_a_model_for_every_question(start, tmp_path):
    start(models="bundled:efficientnet-lite0")
    ask = TestClient(make_api())
    pictures = upload_set(ask, zip_of(folder_of(tmp_path / "squares", each=6))).json()["pictures"]
    mine, found = fits(ask, "train", tmp_path, pictures=pictures, name="../mine", head_epochs=2)
    assert found["model"].startswith("file:")
    image = "sample:cat"
    _, said = fits(ask, "predict", tmp_path, image=image, model=mine)
    assert {each["name"] for each in said["predictions"]} == {"red", "green", "blue"}
    fits(ask, "twins", tmp_path, image=image, cases=mine)
    refused = ask.post("/prototypes", json={"image": image, "prototypes": mine})
    assert refused.status_code == 404


def test_strangers_bring_no_sets_and_train_nothing(start):
    start(public=1)
    ask = TestClient(make_api())
    assert upload_set(ask, b"").status_code == 403
    told = {"of": "red", "number": 1, "points": {}, "classes": ["red"], "results": ["x"]}
    body = {**told, "model": TOY, "models": [TOY, TOY]}
    for name in PRIVATE:
        needed = (key for key, field in QUESTIONS[name].body.model_fields.items() if field.is_required())
        refused = ask.post(f"/{name}", json={key: body.get(key, "x") for key in needed})
        assert (refused.status_code, "strangers" in refused.json()["detail"]) == (403, True), name


PATHS = ("../../etc", "/etc", "..", ".", "", "x" * 301, "file:/etc", "trainings")
FIELDS = {
    "cases",
    "prototypes",
    "concepts",
    "study",
    "pictures",
    "findings",
    "dossier",
    "results",
    "data",
}  # that name something kept here


def test_no_folder_of_this_machine_is_named_by_a_visitor(ask, squares):
    told = {"of": "red", "number": 1, "points": {}, "classes": ["red"]}
    whole = {**told, "image": "sample:cat", "model": TOY, "models": [TOY, TOY], "pictures": squares}
    tried = 0
    for name, each in QUESTIONS.items():
        fields = each.body.model_fields
        needed = {key for key, field in fields.items() if field.is_required()}
        for field in set(fields) & FIELDS:
            given = {key: whole.get(key, "x") for key in needed - {field}}
            several = get_origin(fields[field].annotation) is list
            for path in PATHS:
                refused = ask.post(f"/{name}", json={**given, field: [path] * 2 if several else path})
                assert refused.status_code in {404, 422}, (name, field, path)
                assert str(home()) not in refused.text
                tried += 1
        for field in {"method", "methods"} & set(fields):
            given = {key: whole.get(key, "x") for key in needed}
            named = "learned:/etc"
            refused = ask.post(f"/{name}", json={**given, field: [named] if field == "methods" else named})
            assert (refused.status_code, "is not offered here" in refused.text) == (404, True), (name, field)
    assert tried >= 25 * len(PATHS)


def test_every_question_is_on_the_page_of_the_app():
    page = (Path(__file__).parents[3] / "docs/app.md").read_text("utf-8")
    assert not [name for name in QUESTIONS if f"`{name}`" not in page]


def test_what_no_question_knows_is_refused(ask):
    for name in QUESTIONS:
        assert ask.post(f"/{name}", json={"surely": "not"}).status_code == 422, name


def test_a_set_has_to_be_a_zip_of_pictures(ask, tmp_path):
    assert upload_set(ask, b"no zip").status_code == 422
    (tmp_path / "empty").mkdir()
    refused = upload_set(ask, zip_of(tmp_path / "empty"))
    assert (refused.status_code, "no picture" in refused.json()["detail"]) == (422, True)
    assert not list((home() / "trainings").glob("*")), "nothing is left of it"


def test_a_set_without_classes_is_asked_what_needs_none(ask, tmp_path):
    (tmp_path / "plain").mkdir()
    for number in range(6):
        square(list(COLOURS)[number % 3], number).to_pil().save(tmp_path / f"plain/{number}.png")
    plain = upload_set(ask, zip_of(tmp_path / "plain")).json()
    assert plain["classes"] == {"pictures": 6}
    fits(ask, "axes", tmp_path, pictures=plain["pictures"], count=1)
    job = over(ask, ask.post("/train", json={"pictures": plain["pictures"], "head_epochs": 1}))
    assert "class" in job["error"]


def test_one_zip_of_a_visitor_is_unpacked_at_a_time(ask, monkeypatch):
    monkeypatch.setattr(sets, "_unpacking", {"somebody"})
    assert upload_set(ask, b"no zip").status_code == 422
    monkeypatch.setattr(sets, "_unpacking", {"one", "two"})
    assert upload_set(ask, b"no zip").status_code == 503
    monkeypatch.setattr(sets, "_unpacking", set())
    with sets._place("me"), pytest.raises(OverBudget):
        sets._place("me").__enter__()


def test_every_answer_has_a_schema_in_the_document(ask):
    document = ask.get("/openapi.json").json()
    known = document["components"]["schemas"]
    for path, routes in document["paths"].items():
        for method, route in routes.items():
            (status, told), *_ = route["responses"].items()
            assert route["summary"], path
            content = told.get("content", {})
            assert content or status == "204", f"{method} {path} says nothing of its answer"
            for kind, each in content.items():
                assert kind != "application/json" or each["schema"] not in ({}, {"title": "any"}), f"{method} {path}"
    for name in QUESTIONS:
        reference = document["paths"][f"/{name}"]["post"]["x-answer"]
        for each in reference.get("anyOf", [reference]):
            each = each.get("items") or each.get("additionalProperties") or each
            assert each["$ref"].rpartition("/")[2] in known
    assert not list(open_places({name: each for name, each in known.items() if name != "JsonValue"}))


def test_the_page_tells_what_comes_of_each_question(ask):
    page = ask.get("/docs").text
    assert page.count("Its job&#39;s result is") + page.count("Its job's result is") == len(QUESTIONS)
