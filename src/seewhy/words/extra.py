"""The libraries of language are an extra: who lacks them is told so."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from seewhy.errors import UsageError


@contextmanager
def needs_extra() -> Generator[None]:
    """Turn a library that is missing into one error with its cure."""
    try:
        yield
    except ImportError as error:
        raise UsageError(
            f"to understand words takes {error.name or error}, which is not installed: pip install 'seewhy[words]'"
        ) from error
