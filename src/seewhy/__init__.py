"""seewhy shows why an image classifier decided what it did, and how far to believe the explanation.

>>> import seewhy
>>> classifier = seewhy.load()
>>> found = seewhy.explain(classifier, "sample:cat", method="grad-cam")
>>> found.target_label
'tiger cat'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seewhy import images, methods, metrics
    from seewhy.core.progress import progress_bar
    from seewhy.draw import Colors
    from seewhy.errors import SeewhyError
    from seewhy.images import Image, find_images, open_image
    from seewhy.methods import Attribution, Explanation, Method, attribute, check_method, find_method, list_methods
    from seewhy.models import Classifier, Prediction, Preprocessing, Target, black_box, load
    from seewhy.verbs.compare import compare
    from seewhy.verbs.evaluate import evaluate
    from seewhy.verbs.explain import explain
    from seewhy.verbs.explanations import Explanations
    from seewhy.verbs.study import study
    from seewhy.verbs.train import train
    from seewhy.verbs.truth import overlay_study

__version__ = "0.2.0"

__all__ = [
    "Attribution",
    "Classifier",
    "Colors",
    "Explanation",
    "Explanations",
    "Image",
    "Method",
    "Prediction",
    "Preprocessing",
    "SeewhyError",
    "Target",
    "attribute",
    "black_box",
    "check_method",
    "compare",
    "evaluate",
    "explain",
    "find_images",
    "find_method",
    "images",
    "list_methods",
    "load",
    "methods",
    "metrics",
    "open_image",
    "overlay_study",
    "progress_bar",
    "study",
    "train",
]

# Loaded on first use, so that `import seewhy` and `seewhy --help` do not wait for PyTorch.
_HOMES = {
    "Attribution": "methods",
    "Classifier": "models",
    "Colors": "draw",
    "Explanation": "methods",
    "Explanations": "verbs.explanations",
    "Image": "images",
    "Method": "methods",
    "Prediction": "models",
    "Preprocessing": "models",
    "SeewhyError": "errors",
    "Target": "models",
    "attribute": "methods",
    "black_box": "models",
    "check_method": "methods",
    "compare": "verbs.compare",
    "evaluate": "verbs.evaluate",
    "explain": "verbs.explain",
    "find_images": "images",
    "find_method": "methods",
    "list_methods": "methods",
    "load": "models",
    "open_image": "images",
    "overlay_study": "verbs.truth",
    "progress_bar": "core.progress",
}
# Packages for whom `import seewhy` is enough; study and train are called, too (`seewhy.core.callable_room`).
_ROOMS = {"errors", "images", "methods", "metrics", "study", "train"}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"seewhy.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'seewhy' has no attribute '{name}'")
    return getattr(import_module(f"seewhy.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
