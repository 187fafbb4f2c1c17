"""What the sources of models share: answers to unknown names and to missing networks."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches

from torch import Tensor, nn

from seewhy.errors import ModelError, SeewhyError, UnknownName
from seewhy.models.categories import Categories, imagenet

HUB_PATIENCE = 5.0  # seconds


def check_known(name: str, known: Sequence[str], source: str) -> None:
    """Refuse a model name that `source` does not have, with the nearest it has."""
    if name not in known:
        near = get_close_matches(name, known, n=4, cutoff=0.4)
        shown = ", ".join(f"'{source}:{other}'" for other in near) or "see `seewhy list models`"
        raise UnknownName(f"{source} has no classifier '{name}'; nearest: {shown}")


@contextmanager
def downloading(name: str) -> Generator[None]:
    """Turn every way in which a download fails into one error with its cure."""
    try:
        yield
    except SeewhyError:
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"the weights of {name} could not be fetched ({reason}). No network? "
            "Pass --weights PATH, or use the default model"
        ) from error


@contextmanager
def hub_or_cache() -> Generator[None]:
    """Ask the Hugging Face hub once; if it does not answer, make do with what is cached.

    Left to itself, its client tries each file six times, which takes a minute without a network.
    """
    from huggingface_hub import constants

    offline = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = offline or not _hub_answers()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = offline


def _hub_answers() -> bool:
    from huggingface_hub import constants, get_session

    with suppress(Exception):  # which ones is up to the hub's HTTP library of the day
        get_session().head(constants.ENDPOINT, timeout=HUB_PATIENCE)
        return True
    return False


def build_for(weights: Mapping[str, Tensor], build: Callable[[int], nn.Module]) -> tuple[nn.Module, int]:
    """`build(classes)` for as many classes as `weights` score, and that number.

    What has a row for each of ImageNet's 1000 classes where it is built for them is the head.
    """
    count = len(imagenet())
    module = build(count)
    heads = [name for name, tensor in module.state_dict().items() if tensor.shape[:1] == (count,) and name in weights]
    rows = {tuple(weights[name].shape[:1]) for name in heads}
    if len(rows) != 1 or rows == {(count,)} or rows == {()}:
        return module, count
    (found,) = rows.pop()
    return build(found), found


def categories_for(count: int) -> Categories:
    """ImageNet's class names for its 1000 classes, else numbers."""
    return imagenet() if count == len(imagenet()) else Categories.numbered(count)
