"""Why a model could not be opened: nobody answered, or something else."""

import socket
from urllib.error import HTTPError, URLError

import httpx
import pytest
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

from seewhy.errors import ModelError, UnknownName
from seewhy.models.fetching import FOLDER_CURE, opening

REQUEST = httpx.Request("GET", "https://hub/model")
NOT_FOUND = HfHubHTTPError("404 Client Error", response=httpx.Response(404, request=REQUEST))
SILENCE = [
    URLError(socket.gaierror(-2, "Name or service not known")),
    ConnectionResetError("reset by peer"),
    TimeoutError("timed out"),
    LocalEntryNotFoundError("not in the cache"),
    OfflineModeIsEnabled("offline"),
    httpx.ConnectError("no route"),
    httpx.ReadTimeout("slow"),
]
ANSWERS = [
    NOT_FOUND,
    HTTPError("https://hub", 403, "Forbidden", {}, None),
    OSError("no file named model.safetensors"),
    ImportError("\nMyProcessor requires the natten library but it was not found.\nmore"),
    KeyError("size"),
    RuntimeError(""),
]


def raised(error, cause=None, **how):
    with pytest.raises(ModelError) as caught, opening("hf-hub:a/b", **how):
        raise error from cause
    return str(caught.value)


@pytest.mark.parametrize("error", SILENCE, ids=repr)
def test_nobody_answered(error):
    assert "weights of hf-hub:a/b could not be fetched" in raised(error)
    assert "No network? Pass --weights PATH" in raised(error)
    assert raised(OSError("We couldn't connect"), error, cure=FOLDER_CURE).endswith(f"No network? {FOLDER_CURE}")


@pytest.mark.parametrize("error", ANSWERS, ids=repr)
def test_something_else(error):
    told = raised(error)
    assert told.startswith("hf-hub:a/b cannot be opened: ")
    assert "No network" not in told
    assert "No network" not in raised(OSError("There was an error"), NOT_FOUND)


def test_the_first_line_of_the_reason_is_told():
    assert (
        raised(ANSWERS[3])
        == "hf-hub:a/b cannot be opened: MyProcessor requires the natten library but it was not found."
    )
    assert raised(RuntimeError("")) == "hf-hub:a/b cannot be opened: RuntimeError"


def test_errors_of_ours_pass():
    with pytest.raises(UnknownName, match="nearest"), opening("a"):
        raise UnknownName("nearest: b")


def dealt_with():
    try:
        socket.create_connection(("localhost", 1), timeout=0.1)
    except OSError:
        raise ValueError("no classifier") from None


def test_what_came_before_and_was_dealt_with_is_not_the_reason():
    with pytest.raises(ModelError, match="cannot be opened: no classifier"), opening("a"):
        dealt_with()
