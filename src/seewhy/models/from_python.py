"""`py:module:factory` one's own code: a function that returns a network or a `Classifier`.

This runs that code, so it is for the command line and Python, never for the app.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from torch import nn

from seewhy.errors import ModelError
from seewhy.models.classifier import Classifier
from seewhy.models.weights import load_weights, read_weights


def load(name: str, weights: Path | None = None) -> Classifier:
    """Call `factory()` of `module`, looked up from the working folder as Python does."""
    module_name, _, factory_name = name.partition(":")
    if not factory_name:
        raise ModelError(f"'py:{name}' lacks the function: write py:module:factory")
    made = _factory(module_name, factory_name)()
    if isinstance(made, nn.Module):
        made = Classifier.from_module(made, name=f"py:{name}")
    if not isinstance(made, Classifier):
        raise ModelError(f"py:{name} returned {type(made).__name__}; expected a torch.nn.Module or a Classifier")
    if weights is not None:
        load_weights(made.module, read_weights(weights), weights.name)
    return made


def names() -> list[str]:
    """One's own code cannot be listed."""
    return []


def _factory(module_name: str, factory_name: str) -> Callable[[], object]:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        factory = getattr(import_module(module_name), factory_name, None)
    except ImportError as error:
        raise ModelError(f"cannot import '{module_name}' ({error}); run seewhy where it can be imported") from error
    if not callable(factory):
        raise ModelError(f"module '{module_name}' has no function '{factory_name}'")
    return factory
