"""How tests ask the REST interface."""

from __future__ import annotations

import io
import time
import zipfile
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

SOON = 60


def over(ask: TestClient, handed: Any) -> Any:
    """The job that was handed in, once it is over."""
    assert handed.status_code == 202, handed.text
    deadline = time.monotonic() + SOON
    while (found := ask.get(f"/jobs/{handed.json()['id']}").json())["state"] in {"waiting", "running"}:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def answer(ask: TestClient, name: str, /, **asked: Any) -> tuple[str, Any]:
    """The id of a question's job, and what came of it."""
    job = over(ask, ask.post(f"/{name}", json=asked))
    assert job["state"] == "done", job["error"]
    return job["id"], ask.get(f"/jobs/{job['id']}/result").json()


def zip_of(folder: Path) -> bytes:
    """The pictures of a folder as people upload them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*.png")):
            archive.write(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()


def upload_set(ask: TestClient, content: bytes) -> Any:
    return ask.post("/sets", files={"file": ("mine.zip", content, "application/zip")})
