"""What every request passes before it reaches a page or the REST interface: one module for each kind of guard."""

from __future__ import annotations

from seewhy.web.middleware.bodies import BodyLimit, Room
from seewhy.web.middleware.origins import ClosedPaths, OwnHosts, SameOrigin, SecureHeaders, content_policy
from seewhy.web.middleware.pace import PaceLimit
from seewhy.web.middleware.uploads import UploadDoor, sign_file_ids
from seewhy.web.middleware.visitors import Forwarded
from seewhy.web.middleware.visits import KeepsVisit

__all__ = [
    "BodyLimit",
    "ClosedPaths",
    "Forwarded",
    "KeepsVisit",
    "OwnHosts",
    "PaceLimit",
    "Room",
    "SameOrigin",
    "SecureHeaders",
    "UploadDoor",
    "content_policy",
    "sign_file_ids",
]
