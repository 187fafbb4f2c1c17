"""How results go from process to process: by what they were made of, and as read-only as they were."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np


class Pickled:
    """A dataclass that survives pickle: arrays that cannot be written to stay so, caches are found again when wanted.

    Pickle itself forgets that an array is read-only, and takes along whatever hangs on an object.
    """

    def __getstate__(self) -> tuple[dict[str, Any], list[str]]:
        values = {each.name: getattr(self, each.name) for each in fields(self)}  # type: ignore[arg-type]
        kept = [name for name, value in values.items() if isinstance(value, np.ndarray) and not value.flags.writeable]
        return values, kept

    def __setstate__(self, state: tuple[dict[str, Any], list[str]]) -> None:
        values, kept = state
        self.__dict__.update(values)
        for name in kept:
            values[name].setflags(write=False)
