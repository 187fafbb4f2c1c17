"""Pictures in folders that somebody brings, as a zip or as a folder: checked once, and kept for a day."""

from __future__ import annotations

from hashlib import sha256
from pathlib import PurePath
from typing import Any

import streamlit as st

from seewhy.errors import SeewhyError
from seewhy.images.uploads import members, unpack
from seewhy.web.parts.page import plain, refusal
from seewhy.web.parts.session import keep, visit, visitor
from seewhy.web.services.hub import services
from seewhy.web.services.visits import Brought
from seewhy.web.telling import told

ZIP, FOLDER = "A zip", "A folder"


def bring_folder(page: str, *, classes: int = 2) -> Brought | None:
    """The pictures that were brought to a page; None where there are none, or they were refused, which is told.

    Args:
        page: To which, since pages want them apart.
        classes: How many folders there have to be; of one, pictures without a folder are taken, too.
    """
    before = visit().kept.pictures.get(page)
    if before and not before.folder.is_dir():
        before = None
    kind = st.segmented_control(
        "Pictures",
        [ZIP, FOLDER],
        default=ZIP,
        required=True,
        width="stretch",
        key=f"{page}-kind",
        bind="query-params",
    )
    limit = services().settings.training_mb
    if kind == ZIP:
        given = st.file_uploader("Your zip", ["zip"], max_upload_size=limit, key=f"{page}-zip")
        files = [given] if given else []
    else:
        files = st.file_uploader("Your folder", accept_multiple_files="directory", key=f"{page}-folder")
    key = sha256("".join(each.file_id for each in files).encode()).hexdigest()
    if files and (before is None or before.key != key):
        before = _unpacked(page, kind, key, files, classes)
    if before and not files:
        st.caption(f"Still {plain(before.name)}. Another takes its place.")
    if before and before.failures:
        with st.expander(f"{len(before.failures)} left out"):
            for name, words in before.failures:
                st.caption(plain(f"{name}: {words}"))
    return before


def _unpacked(page: str, kind: str, key: str, files: list[Any], classes: int) -> Brought | None:
    at, chosen = services(), services().settings
    path = PurePath(files[0].name)
    name = path.stem if kind == ZIP else path.parts[0]
    try:
        with st.spinner("Looking at the pictures"), at.disk.filling(at.new_training_folder(), visitor()) as lesson:
            listed = (
                members(files[0].getvalue(), chosen.upload_bytes)
                if kind == ZIP
                else ((each.name, each.getvalue()) for each in files)
            )
            found = unpack(listed, lesson / "pictures", chosen.upload_bytes, chosen.upload_pixels, classes=classes)
    except SeewhyError as error:
        st.error(refusal(error), icon=":material/broken_image:")
        return None
    brought = Brought.of(key, name, found, told)
    keep(lambda kept: kept.pictures.update({page: brought}))
    return brought
