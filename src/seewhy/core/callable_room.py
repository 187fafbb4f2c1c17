"""Packages that are verbs, too: `seewhy.study` holds `seewhy.study.ledger`, and `seewhy.study(...)` runs a study.

Python binds a sub-package to its parent's attribute whenever somebody imports it, so a function of the same name in
`seewhy` would last only until then. Therefore the package itself can be called.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any


class CallableRoom(ModuleType):
    """A package that passes calls on to the function of its own name in `seewhy.verbs.NAME`, imported when called."""

    def __call__(self, *args: Any, **settings: Any) -> Any:
        """Call the verb."""
        return self._verb()(*args, **settings)

    @property
    def __signature__(self) -> inspect.Signature:
        """That of the verb, for help in notebooks."""
        return inspect.signature(self._verb())

    def _verb(self) -> Callable[..., Any]:
        parent, _, name = self.__name__.rpartition(".")
        return getattr(import_module(f"{parent}.verbs.{name}"), name)


def make_callable(package: str) -> None:
    """Let the package called `package` be called as the verb of its name; its `__init__` says so with `__name__`."""
    sys.modules[package].__class__ = CallableRoom
