"""The connection to an app: uploads, jobs that are followed, errors with cause and cure."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

from seewhy.answers.folders import JobStatus, Set
from seewhy.core.files import write_whole
from seewhy.errors import Conflict, Forbidden, QueueFull, SeewhyError, UnknownName, UsageError

try:
    import httpx
except ModuleNotFoundError as _error:
    raise UsageError("the client needs httpx; install it with: pip install 'seewhy[client]'") from _error

T = TypeVar("T")

ADDRESS = "http://127.0.0.1:8501"
SLOWEST = 60.0  # seconds that one request may take
SOON, LATER, SLOWER = 0.05, 1.0, 1.5  # seconds between two looks at a job, first and at most, and how that grows
UPLOADED = {"image", "pictures"}  # what may be paths
OVER = {"done", "failed", "cancelled"}
ERRORS: dict[int, Callable[[str], SeewhyError]] = {
    401: Forbidden,
    403: Forbidden,
    404: UnknownName,
    409: Conflict,
    413: UsageError,
    415: UsageError,
    422: UsageError,
}


class Connection:
    """Requests to an app; see `Client`."""

    def __init__(self, address: str = ADDRESS, *, key: str | None = None, http: httpx.Client | None = None) -> None:
        self._address = address
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = http or httpx.Client(base_url=f"{address.rstrip('/')}/api", headers=headers, timeout=SLOWEST)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        self._http.close()

    def upload(self, photo: str | Path) -> str:
        """Upload a photo; returns its id, which is good for a day."""
        path = Path(photo)
        return str(self._posted("/images", path.name, _content(path))["image"])

    def upload_set(self, pictures: str | Path) -> Set:
        """Upload pictures: a zip, or a folder with a folder for each class, which is zipped on the way."""
        path = Path(pictures)
        content = _zipped(path) if path.is_dir() else _content(path)
        return cast("Set", self._posted("/sets", f"{path.stem}.zip", content))

    def asked(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request.

        Raises:
            SeewhyError: the app is not there, or refuses; it says why.
        """
        try:
            found = self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            raise SeewhyError(
                f"no app answers at {self._address} ({type(error).__name__}); start one with `seewhy app`, or give "
                "the address of one"
            ) from error
        if found.is_success:
            return found
        message = _message(found)
        if found.status_code in {429, 503}:
            raise QueueFull(message, int(found.headers.get("Retry-After", "1")))
        raise ERRORS.get(found.status_code, SeewhyError)(message)

    def _json(self, path: str) -> Any:
        return self.asked("GET", path).json()

    def _ask(self, name: str, body: Mapping[str, Any]) -> Any:
        """Hand in a question; paths are uploaded first."""
        sent = {key: self._sent(key, value) for key, value in body.items()}
        status: JobStatus = self.asked("POST", f"/{name}", json=sent).json()
        return Job(self, status)

    def _sent(self, key: str, value: Any) -> Any:
        if key not in UPLOADED or not (isinstance(value, Path) or Path(value).exists()):
            return value
        return self.upload_set(value)["pictures"] if key == "pictures" else self.upload(value)

    def _posted(self, path: str, name: str, content: bytes) -> Any:
        return self.asked("POST", path, files={"file": (name, content)}).json()


@dataclass
class Job(Generic[T]):
    """A question that was handed in; `status` is what was last heard of it."""

    connection: Connection
    status: JobStatus

    @property
    def id(self) -> str:
        """Its id, a secret, by which later questions name what it made."""
        return self.status["id"]

    def look(self) -> JobStatus:
        """Where it stands now."""
        self.status = self.connection.asked("GET", f"/jobs/{self.id}").json()
        return self.status

    def wait(self, seconds: float | None = None) -> Self:
        """Wait until it is over.

        Raises:
            SeewhyError: it is not after so many seconds; it goes on.
        """
        until, pause = time.monotonic() + (seconds or 0), SOON
        while self.look()["state"] not in OVER:
            if seconds is not None and time.monotonic() > until:
                raise SeewhyError(f"the job is {self.status['state']} after {seconds:g} seconds; wait for it again")
            time.sleep(pause)
            pause = min(LATER, pause * SLOWER)
        return self

    def result(self, seconds: float | None = None) -> T:
        """The answer, once it is there.

        Raises:
            SeewhyError: why there is none.
        """
        self.wait(seconds)
        found: T = self.connection.asked("GET", f"/jobs/{self.id}/result").json()
        return found

    def cancel(self) -> JobStatus:
        """Stop it."""
        self.status = self.connection.asked("DELETE", f"/jobs/{self.id}").json()
        return self.status

    def report(self) -> str:
        """Its report, a page that needs no other file."""
        return self.wait().connection.asked("GET", f"/jobs/{self.id}/report.html").text

    def save(self, folder: str | Path) -> Path:
        """Write its files below `folder`, as the command line would; returns the folder.

        Raises:
            SeewhyError: it left none, or they lead out of the folder.
        """
        content = self.wait().connection.asked("GET", f"/jobs/{self.id}/files.zip").content
        root = Path(folder)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                target = root / name
                if not target.resolve().is_relative_to(root.resolve()):
                    raise SeewhyError(f"the app sent a file that leads out of {folder}, so it was not written: {name}")
                write_whole(target, archive.read(name))
        return root


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); name a file that is there") from error


def _zipped(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            archive.write(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()


def _message(found: httpx.Response) -> str:
    """What the app says is wrong."""
    with suppress(ValueError, KeyError, TypeError):
        detail = found.json()["detail"]
        if isinstance(detail, str):
            return detail
        return "; ".join(f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in detail)
    return f"the app answers {found.status_code} {found.reason_phrase}"
