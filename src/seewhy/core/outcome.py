"""What became of one of many: its result, or the error that stopped it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from seewhy.errors import Cancelled, ExplainError, ModelError, SeewhyError

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """The result `value` of one `source`, such as a picture, or the `error` that stopped it."""

    source: str
    value: T | None = None
    error: SeewhyError | None = None


def attempt(source: object, work: Callable[[], T]) -> Outcome[T]:
    """Do one of many: the outcome holds what `work` returns, or its error, so that one failure never stops the rest.

    >>> attempt("cat.png", lambda: 3)
    Outcome(source='cat.png', value=3, error=None)

    Raises:
        Cancelled: The caller asked to stop all of them.
    """
    try:
        return Outcome(str(source), work())
    except Cancelled:
        raise
    except (SeewhyError, RuntimeError) as error:
        return Outcome(str(source), error=blamed(error, source))


def blamed(error: SeewhyError | RuntimeError, source: object) -> SeewhyError:
    """The error; where it is PyTorch's own, or tells of one that is not ours, one that names the picture, too."""
    if not isinstance(error, SeewhyError):
        return ExplainError(f"the network failed on {source}: {error}")
    foreign = error.__cause__ is not None and not isinstance(error.__cause__, SeewhyError)
    if not foreign or type(error) not in {ModelError, ExplainError}:
        return error
    named = type(error)(f"{source}: {error}")
    named.__cause__ = error.__cause__
    return named
