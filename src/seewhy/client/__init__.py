"""A typed client of the app's REST interface: `with seewhy.client.Client() as app: app.explain("sample:cat").result()`.

`questions` and `over_sets` are written by `scripts/client.py` from the OpenAPI document.
"""

from __future__ import annotations

from seewhy.client.connection import ADDRESS, Job
from seewhy.client.over_sets import OverSets
from seewhy.client.questions import Questions

__all__ = ["ADDRESS", "Client", "Job"]


class Client(Questions, OverSets):
    """Asks an app that runs somewhere; each question gives a `Job`, whose `result()` waits for the answer.

    A photo is a path, which is uploaded, `sample:cat`, or the id that `upload` gave. A set of pictures is the path of a
    zip or a folder, or the id that `upload_set` gave.

    Args:
        address: of the app, as `seewhy app` tells it.
        key: where the app asks for keys.
        http: a client of httpx's to ask by, such as one with a proxy; its addresses begin where the interface does.

    Example:
        >>> with Client() as app:  # doctest: +SKIP
        ...     job = app.explain("cat.jpg", methods=["grad-cam", "lrp"])
        ...     print(job.result()["explanations"][0]["explanation"]["target_label"])
        tabby
    """
