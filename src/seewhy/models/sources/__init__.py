"""Where models come from: one `Source` for each prefix of a model's name, and what several of them share.

A further source is one file here and one entry of `SOURCES` in `seewhy/models/load.py`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from seewhy.core.names import nearest
from seewhy.errors import ModelError, SeewhyError, UnknownName
from seewhy.models.card import load_weights
from seewhy.models.categories import Categories, imagenet
from seewhy.models.classifier import Classifier

HUB_PATIENCE = 5.0  # seconds


class Source:
    """One origin of classifiers; `prefix:NAME` names one of them.

    Attributes:
        prefix: what names of its models begin with.
        form: how such a name is written, for help texts.
        is_path: whether the name after the prefix is a path, which means another file in another folder.
        options: what `build` takes besides.
    """

    prefix: ClassVar[str]
    form: ClassVar[str]
    is_path: ClassVar[bool] = False
    options: ClassVar[tuple[str, ...]] = ()

    def load(self, name: str, weights: Path | None = None) -> Classifier:
        """The classifier `name` with its own weights, or with those of the file `weights`.

        Raises:
            UnknownName: there is no such model.
            ModelError: its weights cannot be had, or do not fit.
        """
        raise NotImplementedError

    def names(self) -> list[str] | None:
        """Every name that can be listed; None where they cannot."""
        return None

    def build(self, name: str, classes: int, **options: Any) -> nn.Module:
        """The bare architecture for `classes` classes, in evaluation mode."""
        raise ModelError(f"{self.prefix}:{name} is no architecture that can be built anew")

    def encoder(self, name: str) -> Classifier | None:
        """The network `name` without its classes, which answers with vectors; None where that is not known."""
        return None

    def built(self, name: str, weights: Mapping[str, Tensor], origin: str) -> tuple[nn.Module, int]:
        """The architecture with these weights, and the number of classes they score.

        What has a row for each of ImageNet's 1000 classes where it is built for them is the head.
        """
        count = len(imagenet())
        module = self.build(name, count)
        rows = {
            tuple(weights[key].shape[:1])
            for key, tensor in module.state_dict().items()
            if tensor.shape[:1] == (count,) and key in weights
        }
        if len(rows) == 1 and rows not in ({(count,)}, {()}):
            ((count,),) = rows
            module = self.build(name, count)
        load_weights(module, weights, origin)
        return module, count


def check_known(name: str, known: Sequence[str], source: str) -> None:
    """Refuse a model name that `source` does not have, with the nearest it has."""
    if name not in known:
        near = nearest(name, known, cutoff=0.4)
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


def categories_for(count: int) -> Categories:
    """ImageNet's class names for its 1000 classes, else numbers."""
    return imagenet() if count == len(imagenet()) else Categories.numbered(count)
