"""What became of one picture among many."""

from __future__ import annotations

from dataclasses import dataclass

from seewhy.errors import SeewhyError
from seewhy.methods.explanation import Explanation


@dataclass(frozen=True)
class Outcome:
    """The explanations of one picture, or the error that stopped it."""

    source: str
    explanations: tuple[Explanation, ...] = ()
    error: SeewhyError | None = None
