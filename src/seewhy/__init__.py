"""seewhy shows why an image classifier decided what it did, and how far to believe the explanation.

>>> import seewhy
>>> classifier = seewhy.load()
>>> seewhy.explain(classifier, "cat.png", method="grad-cam").show()
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seewhy.draw import Colors
    from seewhy.errors import SeewhyError
    from seewhy.images import Image, open_image
    from seewhy.methods import Explanation, find_method, list_methods, register
    from seewhy.models import Classifier, Prediction, Preprocessing, Target, black_box, load
    from seewhy.verbs import explain

__version__ = "0.1.0"

__all__ = [
    "Classifier",
    "Colors",
    "Explanation",
    "Image",
    "Prediction",
    "Preprocessing",
    "SeewhyError",
    "Target",
    "black_box",
    "explain",
    "find_method",
    "list_methods",
    "load",
    "open_image",
    "register",
]

# Loaded on first use, so that `import seewhy` and `seewhy --help` do not wait for PyTorch.
_HOMES = {
    "Classifier": "models",
    "Colors": "draw",
    "Explanation": "methods",
    "Image": "images",
    "Prediction": "models",
    "Preprocessing": "models",
    "SeewhyError": "errors",
    "Target": "models",
    "black_box": "models",
    "explain": "verbs",
    "find_method": "methods",
    "list_methods": "methods",
    "load": "models",
    "open_image": "images",
    "register": "methods",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'seewhy' has no attribute '{name}'")
    return getattr(import_module(f"seewhy.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
