"""One small tree of exceptions. Every message names the cause and the cure."""

from __future__ import annotations

from typing import Any


class SeewhyError(Exception):
    """Root of every error that seewhy raises on purpose. With all of its fields it goes from process to process."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Left to itself, pickle calls the class with `args` alone, which is not what every constructor takes.
        return _restored, (type(self), self.args, self.__dict__)


class BadImage(SeewhyError):
    """A picture that cannot be opened safely; `code` is stable and meant for programs.

    Codes: `empty`, `not_an_image`, `unsupported`, `truncated`, `too_large`, `too_small`, `nonfinite`,
    `bad_array`, `channels`, `not_found`, `not_a_file`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ModelError(SeewhyError):
    """A network that cannot be loaded, or whose output is not what a classifier gives."""


class NonFinite(ModelError):
    """The network answered with NaN or infinity, so nothing about it can be explained."""


class ExplainError(SeewhyError):
    """A method could not explain this network on this image."""


class UsageError(SeewhyError):
    """The request itself is wrong: a combination that has no meaning, or a value out of range."""


class BadFile(UsageError):
    """A file of data that is missing, damaged, or names what a file may not name; the message names it and the cure."""


class NotWritten(SeewhyError):
    """A result that found no room on the disk, or may not be written where it was asked for; what was there stays."""


class UnknownName(UsageError):
    """A name that nothing answers to; the message lists the nearest valid names."""


class AmbiguousClass(UsageError):
    """A class name that stands for several classes; the message lists their indices."""


class QueueFull(SeewhyError):
    """Too much work is waiting already; `retry_after` says in how many seconds to ask again."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class OverBudget(QueueFull):
    """One visitor has asked for more than a visitor's share; others are still served."""


class Forbidden(SeewhyError):
    """Whoever asks may not do this here; it says where they may."""


class NoRoom(SeewhyError):
    """There is no room left on the disk, or none that may be used."""


class Cancelled(SeewhyError):
    """The caller asked to stop; nothing is left behind."""


class OutOfTime(Cancelled):
    """The work took longer than it may take here; nothing is left behind."""


class StoreError(SeewhyError):
    """The database of what people said cannot be opened, read or written.

    The message is fit for strangers; `details` say which database, and what it answered, and are for whoever runs it.
    """

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


class Conflict(SeewhyError):
    """Somebody or something was there first; nothing has been overwritten."""


def _restored(kind: type[SeewhyError], args: tuple[Any, ...], fields: dict[str, Any]) -> SeewhyError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(fields)
    return error
