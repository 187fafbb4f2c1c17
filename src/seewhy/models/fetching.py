"""Weights from the network: whether it is there, and what is said where they cannot be had."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from urllib.error import HTTPError, URLError

from seewhy.errors import ModelError, SeewhyError

HUB_PATIENCE = 5.0  # seconds
FORCE, FORCE_NOT = "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"  # torch asks at each file
HTTP_LIBRARIES = {"httpx", "httpcore", "requests", "urllib3"}
WEIGHTS_CURE = "Pass --weights PATH, or use the default model"
FOLDER_CURE = "Fetch the repository elsewhere and name its folder, hf-hub:FOLDER, or use the default model"


@contextmanager
def opening(name: str, cure: str = WEIGHTS_CURE) -> Generator[None]:
    """Turn every way in which a library fails to open `name` into one error with its reason; no pickle of it runs code.

    Args:
        name: of what is opened.
        cure: what helps where there is no network.
    """
    try:
        with _TENSORS_ALONE:
            yield
    except SeewhyError:
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if any(_is_silence(each) for each in _causes(error)):
            raise ModelError(f"the weights of {name} could not be fetched ({reason}). No network? {cure}") from error
        raise ModelError(f"{name} cannot be opened: {reason}") from error


@contextmanager
def hub_or_cache() -> Generator[None]:
    """Ask the Hugging Face hub once; if it does not answer, make do with what is cached.

    Left to itself, its client tries each file six times, which takes a minute without a network.
    """
    from huggingface_hub import constants, get_session

    offline = constants.HF_HUB_OFFLINE
    answer = None
    with suppress(Exception):  # which ones is up to the hub's HTTP library of the day
        answer = None if offline else get_session().head(constants.ENDPOINT, timeout=HUB_PATIENCE)
    constants.HF_HUB_OFFLINE = answer is None
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = offline


class _TensorsAlone:
    """While any thread is inside, `torch.load` takes nothing but weights, whichever library calls it and how.

    torchvision asks for all that a pickle holds, and does not look at a file again that is in its cache.
    """

    def __init__(self) -> None:
        self._turn, self._inside, self._before = Lock(), 0, dict[str, str]()

    def __enter__(self) -> None:
        with self._turn:
            if not self._inside:
                self._before = {name: os.environ.pop(name) for name in (FORCE, FORCE_NOT) if name in os.environ}
                os.environ[FORCE] = "1"
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._turn:
            self._inside -= 1
            if not self._inside:
                del os.environ[FORCE]
                os.environ.update(self._before)


_TENSORS_ALONE = _TensorsAlone()


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _is_silence(error: BaseException) -> bool:
    """Whether nobody answered; a server that says no has answered."""
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    if isinstance(error, HTTPError | HfHubHTTPError) or type(error).__name__ == "HTTPStatusError":
        return False
    # httpx and requests share no base class, and which of them the hub's client uses is its own affair.
    if type(error).__module__.partition(".")[0] in HTTP_LIBRARIES:
        return True
    return isinstance(error, ConnectionError | TimeoutError | URLError | LocalEntryNotFoundError | OfflineModeIsEnabled)
