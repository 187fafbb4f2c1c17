"""Weights from the network: whether it is there, and what is said where they cannot be had."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from urllib.error import HTTPError, URLError

from seewhy.errors import ModelError, SeewhyError

HUB_PATIENCE = 5.0  # seconds
HTTP_LIBRARIES = {"httpx", "httpcore", "requests", "urllib3"}
WEIGHTS_CURE = "Pass --weights PATH, or use the default model"
FOLDER_CURE = "Fetch the repository elsewhere and name its folder, hf-hub:FOLDER, or use the default model"


@contextmanager
def opening(name: str, cure: str = WEIGHTS_CURE) -> Generator[None]:
    """Turn every way in which a library fails to open `name` into one error with its reason.

    Args:
        name: of what is opened.
        cure: what helps where there is no network.
    """
    try:
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
