"""What REST says of labels and values."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

import forge
import glyphs
from seewhy.web.rest.api import make_api
from web.rest.test_api import over, upload


@pytest.fixture
def ask(start):
    def make(meaning):
        start(models=f"py:glyphs:{meaning}")
        return TestClient(make_api(), raise_server_exceptions=False)

    return make


@pytest.mark.parametrize(
    ("meaning", "number"), [("labels", "probability"), ("binary", "probability"), ("values", "value")]
)
def test_predictions_and_explanations_of_every_meaning(ask, meaning, number):
    client, image = ask(meaning), glyphs.picture()
    photo = upload(client, forge.encoded(image.pixels, "PNG")).json()["image"]
    job = over(client, client.post("/predict", json={"image": photo}).json())
    said = client.get(f"/jobs/{job['id']}/result").json()["predictions"]
    wanted = glyphs.network(meaning).predict(image)
    assert [each[number] for each in said] == pytest.approx([each.number for each in wanted], abs=1e-5)
    assert {"probability", "value"} & {*said[0]} == {number}
    job = over(client, client.post("/explain", json={"image": photo, "methods": ["grad-cam"]}).json())
    (found,) = client.get(f"/jobs/{job['id']}/result").json()["explanations"]
    assert found["explanation"]["meaning"] == meaning
    assert found["explanation"]["notes"] == []
    assert wanted[0].told in client.get(f"/jobs/{job['id']}/report.html").text
