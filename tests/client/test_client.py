"""The typed client, against an app in this process and against a server."""

from __future__ import annotations

import runpy
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from answering import against
from cases.squares import folder_of, square
from seewhy.answers.explaining import Explanations
from seewhy.client import Client
from seewhy.errors import Forbidden, QueueFull, SeewhyError, UnknownName, UsageError
from seewhy.web.rest.api import make_api
from seewhy.web.rest.jobs import QUESTIONS
from web.conftest import TOY, at, main_module, start  # noqa: F401 - fixtures


@pytest.fixture
def app(at: Any) -> Iterator[Client]:  # noqa: F811 - the fixture
    with Client(http=TestClient(make_api(), raise_server_exceptions=False)) as found:
        yield found


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "asked.png"
    square("red", 50).to_pil().save(path)
    return path


def test_it_is_what_the_document_says():
    script = runpy.run_path(str(Path(__file__).parents[2] / "scripts/client.py"))
    for path, text in script["written"](make_api().openapi()).items():
        assert path.read_text("utf-8") == text, "python scripts/client.py"
    assert all(hasattr(Client, name.replace("-", "_")) for name in QUESTIONS)


def test_a_photo_is_uploaded_explained_and_taken_away(app: Client, photo: Path, tmp_path: Path):
    job = app.explain(photo, methods=["grad-cam", "fam"], target="red vs green")
    found = job.result()
    assert not against(Explanations, found)
    assert found["explanations"][0]["explanation"]["target_label"] == "red rather than green"
    assert "reference" in found["failures"]["fam"]
    assert "<html" in job.report()
    folder = job.save(tmp_path / "out")
    assert (folder / "asked/grad-cam/values.npy").is_file()
    assert app.predict(str(photo)).result()["predictions"][0]["name"] == "red"
    assert app.predict(app.upload(photo), top=1).result()["predictions"][0]["name"] == "red"
    assert job.look()["state"] == job.cancel()["state"] == "done"


def test_what_a_job_made_is_named_by_its_id(app: Client, photo: Path, tmp_path: Path):
    cases = app.build_cases(folder_of(tmp_path / "squares", each=3))
    assert cases.result()["cases"] == 9
    assert len(app.twins(photo, cases.id, top=2).result()["twins"]) == 2


def test_lists_are_lists(app: Client):
    assert app.models() == [TOY]
    assert "sample:cat" in app.samples()
    assert "grad-cam" in [each["name"] for each in app.methods()]
    assert "road" in [each["name"] for each in app.metrics()]
    assert app.cases() == app.list_prototypes() == app.studies() == []


def test_errors_are_those_of_seewhy(app: Client, tmp_path: Path):
    with pytest.raises(UnknownName, match="there is no model"):
        app.predict("sample:cat", model="file:/etc")
    with pytest.raises(UsageError, match="top"):
        app.predict("sample:cat", top=0)
    with pytest.raises(UsageError, match="name a file that is there"):
        app.upload(tmp_path / "none.png")
    with pytest.raises(SeewhyError, match="purple"):
        app.explain("sample:cat", target="purple").result()


@pytest.mark.parametrize(("status", "kind"), [(401, Forbidden), (403, Forbidden), (429, QueueFull), (500, SeewhyError)])
def test_what_an_app_refuses_is_told(status: int, kind: type[Exception]):
    answer = httpx.Response(status, json={"detail": "no, since"}, headers={"Retry-After": "7"})
    http = httpx.Client(transport=httpx.MockTransport(lambda _: answer), base_url="http://x")
    with pytest.raises(kind, match="no, since") as raised:
        Client(http=http).models()
    assert getattr(raised.value, "retry_after", 7) == 7


def test_no_app_is_told_with_the_cure():
    with pytest.raises(SeewhyError, match="seewhy app"):
        Client("http://127.0.0.1:1").models()


def test_files_of_an_app_stay_in_their_folder(tmp_path: Path):
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("files.zip"):
            with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
                archive.writestr("../out.txt", "x")
            return httpx.Response(200, content=(tmp_path / "bad.zip").read_bytes())
        return httpx.Response(200, json={"id": "a", "state": "done"})

    app = Client(http=httpx.Client(transport=httpx.MockTransport(answer), base_url="http://x"))
    with pytest.raises(SeewhyError, match="leads out"):
        app.predict("sample:cat").save(tmp_path / "in")
    assert not (tmp_path / "out.txt").exists()
