"""The REST interface from outside."""

from __future__ import annotations

import io
import threading
import time
import zipfile

import numpy as np
import pytest
from fastapi.testclient import TestClient

import forge
from seewhy.errors import OverBudget
from seewhy.web.rest.api import make_api
from seewhy.web.services.hub import SHORT, services
from seewhy.web.services.queue import Queue
from seewhy.web.visitors import UNKNOWN
from web.conftest import TOY

SOON = 30
BODIES = {
    "empty.png": (b"", 422),
    "page.svg": (forge.SVG, 415),
    "text.jpg": (b"This is no picture.\n" * 50, 415),
    "zip.png": (forge.zip_of_a_text(), 415),
    "cut.png": (forge.encoded(forge.rough(), "PNG")[:-300], 422),
    "bomb.png": (forge.one_bit_png(9000), 413),
}


@pytest.fixture
def ask(at) -> TestClient:
    return TestClient(make_api(), raise_server_exceptions=False)


@pytest.fixture
def png(photo) -> bytes:
    return forge.encoded(photo.pixels, "PNG")


def upload(ask, content, name="photo.png"):
    return ask.post("/images", files={"file": (name, content, "image/png")})


def over(ask, job):
    deadline = time.monotonic() + SOON
    while (found := ask.get(f"/jobs/{job['id']}").json())["state"] in {"waiting", "running"}:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def explain(ask, image, **more):
    return ask.post("/explain", json={"image": image, "methods": ["grad-cam"], **more})


def test_upload_explain_and_take_away(ask, png):
    answer = upload(ask, png)
    assert answer.status_code == 201
    photo = answer.json()
    assert (photo["width"], photo["height"]) == (64, 64)
    handed = explain(ask, photo["image"], methods=["grad-cam", "fam"], target="red vs green")
    assert handed.status_code == 202
    job = over(ask, handed.json())
    assert job["state"] == "done"
    found = ask.get(f"/jobs/{job['id']}/result").json()
    assert found["explanations"][0]["explanation"]["target_label"] == "red rather than green"
    assert "reference" in found["failures"]["fam"]
    page = ask.get(f"/jobs/{job['id']}/report.html")
    assert page.headers["content-type"].startswith("text/html")
    assert "photo.png" in page.text
    with zipfile.ZipFile(io.BytesIO(ask.get(f"/jobs/{job['id']}/files.zip").content)) as archive:
        assert np.load(io.BytesIO(archive.read("photo/grad-cam/values.npy"))).ndim == 2


def test_to_draw_a_report_takes_a_place_and_time_of_who_asks(ask, monkeypatch):
    job = over(ask, explain(ask, "sample:cat").json())
    report = f"/jobs/{job['id']}/report.html"
    queue, drawn = services().queue, list[str]()

    def noted(work, about, **more):
        drawn.append(about)
        return Queue.submit(queue, work, about, **more)

    monkeypatch.setattr(queue, "submit", noted)
    assert ask.get(report).status_code == 200
    assert drawn == ["drawing report.html"]
    assert job["id"] in {each.id for each in queue.finished()}
    assert "drawing report.html" not in {each.about for each in queue.finished()}

    def refuse(*_: object, **__: object) -> None:
        raise OverBudget("you have enough", 3)

    monkeypatch.setattr(queue, "submit", refuse)
    answer = ask.get(report)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")


def test_predict_and_compare(ask):
    job = over(ask, ask.post("/predict", json={"image": "sample:cat", "top": 2}).json())
    found = ask.get(f"/jobs/{job['id']}/result").json()["predictions"]
    assert [len(found), set(found[0])] == [2, {"index", "name", "probability"}]
    assert ask.get(f"/jobs/{job['id']}/files.zip").status_code == 404
    asked = {"image": "sample:cat", "methods": ["grad-cam", "occlusion"], "metrics": ["sparseness"]}
    job = over(ask, ask.post("/compare", json=asked).json())
    found = ask.get(f"/jobs/{job['id']}/result").json()
    assert {row["method"] for row in found["scores"]} >= {"grad-cam", "occlusion", "control:random"}


@pytest.mark.parametrize("name", BODIES)
def test_what_is_no_photo_is_refused_with_its_reason(ask, name):
    content, status = BODIES[name]
    answer = upload(ask, content, name)
    assert answer.status_code == status
    assert len(answer.json()["detail"]) > 20


def test_a_file_without_a_name_is_no_file(ask):
    body = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + bytes(2_000_000) + b"\r\n--x--\r\n"
    answer = ask.post("/images", content=body, headers={"content-type": "multipart/form-data; boundary=x"})
    assert answer.status_code in {400, 422}


@pytest.mark.parametrize("model", ["py:os:getcwd", "file:/etc", "onnx:model.onnx", "timm:resnet18"])
def test_no_other_model_can_be_named(ask, model):
    answer = explain(ask, "sample:cat", model=model)
    assert answer.status_code == 404
    assert "there is no model" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("image", "status"),
    [
        ("/etc/passwd", 404),
        ("https://example.org/a.png", 404),
        ("file:///etc/passwd", 404),
        ("sample:../../x", 404),
        ("", 404),
        ("x" * 10_000, 404),
    ],
)
def test_photos_are_known_by_their_ids_and_nothing_else(ask, image, status):
    assert explain(ask, image).status_code == status


@pytest.mark.parametrize(
    "more",
    [
        {"methods": []},
        {"methods": ["a"] * 61},
        {"seed": "x"},
        {"seed": 2**63},
        {"method": "lrp"},
        {"target": True},
        {"target": 1.5},
    ],
)
def test_what_makes_no_sense_is_refused(ask, more):
    assert explain(ask, "sample:cat", **more).status_code == 422


def test_an_unknown_class_is_refused(ask):
    over(ask, ask.post("/predict", json={"image": "sample:cat"}).json())
    answer = explain(ask, "sample:cat", target="purple")
    assert answer.status_code == 404
    assert "purple" in answer.json()["detail"]


def test_a_job_that_failed_says_why(ask, at, monkeypatch):
    monkeypatch.setattr(at.models, "loaded", lambda _: None)
    job = over(ask, explain(ask, "sample:cat", target="purple").json())
    assert job["state"] == "failed"
    answer = ask.get(f"/jobs/{job['id']}/result")
    assert answer.status_code == 404
    assert "purple" in answer.json()["detail"]


def test_nobody_reads_what_is_not_theirs(ask, png, photo):
    upload(ask, png)
    over(ask, explain(ask, "sample:cat").json())
    assert ask.get("/jobs").status_code == 404
    for guess in (photo.sha256, "0", "a" * 43):
        assert ask.get(f"/jobs/{guess}").status_code == 404
        assert ask.get(f"/jobs/{guess}/result").status_code == 404
        assert explain(ask, guess).status_code == 404


def test_public_results_are_listed(start):
    start(results="public")
    ask = TestClient(make_api())
    job = over(ask, explain(ask, "sample:cat").json())
    assert job["id"] in [each["id"] for each in ask.get("/jobs").json()]


def test_thirty_wait_and_the_next_is_told_when_to_come(ask, at):
    gate = threading.Event()
    at.submit(TOY, "the first of all", lambda *_: gate.wait(SOON), visitor=UNKNOWN, lane=SHORT)
    jobs = [explain(ask, "sample:cat", seed=seed) for seed in range(29)]
    assert {each.status_code for each in jobs} == {202}
    refused = explain(ask, "sample:cat", seed=99)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    gate.set()
    assert {over(ask, each.json())["state"] for each in jobs} == {"done"}


def test_a_job_can_be_stopped(ask, at):
    gate = threading.Event()
    at.submit(TOY, "the first of all", lambda *_: gate.wait(SOON), visitor=UNKNOWN, lane=SHORT)
    job = explain(ask, "sample:cat").json()
    assert ask.get(f"/jobs/{job['id']}/result").status_code == 409
    assert ask.delete(f"/jobs/{job['id']}").json()["state"] == "cancelled"
    gate.set()


def test_keys_are_asked_for_where_there_are_some(start):
    start(api_keys="first,second")
    ask = TestClient(make_api())
    assert ask.get("/models").status_code == 401
    assert ask.get("/models", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert ask.get("/models", headers={"Authorization": "Bearer second"}).json() == [TOY]
    assert ask.get("/health").status_code == 200


def test_where_people_sign_in_the_interface_is_no_side_door(start):
    start(sign_in="oidc")
    ask = TestClient(make_api())
    for header in ({}, {"Authorization": "Bearer "}, {"Authorization": ""}):
        assert ask.get("/models", headers=header).status_code == 401


def test_what_there_is_can_be_asked(ask):
    assert ask.get("/models").json() == [TOY]
    assert "sample:cat" in ask.get("/samples").json()
    assert "grad-cam" in [each["name"] for each in ask.get("/methods").json()]
    assert "road" in [each["name"] for each in ask.get("/metrics").json()]


def test_the_description_names_every_route_and_asks_for_nothing_elsewhere(ask):
    page = ask.get("/docs").text
    paths = ask.get("/openapi.json").json()["paths"]
    assert all(f"/api{path}" in page for path in paths)
    assert "//" not in page.replace("http://", "")
    assert "<script" not in page
