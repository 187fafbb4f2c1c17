"""The questions that several pages ask: which photo, which model, which class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

import streamlit as st

from seewhy.errors import SeewhyError
from seewhy.images import Image, open_image, samples
from seewhy.methods import method_info, suitable_methods
from seewhy.models import Classifier
from seewhy.verbs.compare import chosen_methods
from seewhy.web.desk import desk
from seewhy.web.shelf import label
from seewhy.web.shell.brought import Brought, bring, brought_before, forget
from seewhy.web.shell.visit import visit

SAMPLES, UPLOAD, CAMERA = "Samples", "Upload", "Camera"
PHOTO = "photo"  # what was brought last in this visit
KINDS = ["jpg", "jpeg", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff"]


def choose_photo(page: str) -> Image | None:
    """A sample, an upload or a snapshot; None while there is none, or where it was refused, which is told.

    What somebody brings to one page is there on the others, too.
    """
    source = st.segmented_control(
        "Photo",
        [SAMPLES, UPLOAD, CAMERA],
        default=UPLOAD if PHOTO in st.session_state else SAMPLES,
        required=True,
        width="stretch",
        key=f"{page}-source",
        bind="query-params",
    )
    if source == UPLOAD:
        limit = desk().settings.upload_mb
        given = st.file_uploader(
            "Your photo", KINDS, max_upload_size=limit, key=f"{page}-upload", on_change=forget, args=[PHOTO]
        )
        return _checked(given.name, given.getvalue(), given.file_id) if given else _before()
    if source == CAMERA:
        given = st.camera_input("Take a photo", key=f"{page}-camera", on_change=forget, args=[PHOTO])
        return _checked("snapshot", given.getvalue(), given.file_id) if given else _before()
    name = st.pills(
        "Sample",
        list(samples()),
        default="cat",
        required=True,
        format_func=str.capitalize,
        label_visibility="collapsed",
        wrap=True,
        key=f"{page}-sample",
        bind="query-params",
    )
    return _sample(name)


@st.cache_resource(show_spinner=False, max_entries=16)
def _sample(name: str) -> Image:
    return open_image(f"sample:{name}", name=name)


def _checked(name: str, data: bytes, file_id: str) -> Image | None:
    return bring(PHOTO, file_id, name, lambda: desk().uploads.open(data, name))


def _before() -> Image | None:
    kept: Brought[Image] | None = brought_before(PHOTO)
    return kept and kept.content


def choose_model(page: str) -> str:
    """One of the models, or of those trained in this visit; no question where there is but one."""
    names = [*desk().shelf.names, *(each.model for each in visit().taught)]
    if len(names) == 1:
        return names[0]
    return st.selectbox("Model", names, format_func=label, key=f"{page}-model", persist_state="session")


def choose_methods(page: str, classifier: Classifier, first: Sequence[str], placeholder: str) -> tuple[str, ...]:
    """Methods that suit the model; at the beginning those of `first`, or where none of them suits, as many others."""
    names = [info.name for info in suitable_methods(classifier)]
    return tuple(
        st.multiselect(
            "Methods",
            names,
            [name for name in first if name in names] or chosen_methods(classifier)[: len(first)],
            format_func=lambda name: method_info(name).title,
            placeholder=placeholder,
            key=f"{page}-methods",
            wrap=True,
            select_all=False,
            persist_state="session",
        )
    )


def choose_target(page: str, classifier: Classifier) -> str | None:
    """A class by its index, "A vs B" by two, or None for what the model finds likeliest."""
    indices = list(range(len(classifier.categories)))
    index = st.selectbox(
        "Why",
        indices,
        None,
        format_func=lambda each: classifier.categories[each],
        placeholder="the likeliest class",
        width=240,
        key=f"{page}-class",
        persist_state="session",
    )
    place = st.empty()  # its own, so that what follows stays where it is
    if index is None:
        return None
    against = place.selectbox(
        "rather than",
        [each for each in indices if each != index],
        None,
        format_func=lambda each: classifier.categories[each],
        placeholder="any other",
        width=240,
        key=f"{page}-against",
        persist_state="session",
    )
    return str(index) if against is None else f"{index} vs {against}"


def opened(model: str) -> Classifier:
    """The classifier; waits while it is being loaded, and ends the page where it cannot be, which is told."""
    try:
        if (ready := desk().shelf.loaded(model)) is not None:
            return ready
        with st.spinner("Loading the model"):
            return desk().shelf.get(model)
    except SeewhyError as error:
        st.error(str(error), icon=":material/error:")
        st.stop()


def file_stem(about: Image | str, *more: str) -> str:
    """What to call files about a photo, or about what has this name, and about `more` than it."""
    name = about if isinstance(about, str) else PurePath(about.name).stem
    return "-".join(filter(None, map(_letters, (name, *more)))) or "photo"


def _letters(words: str) -> str:
    letters = (letter if letter.isalnum() else "-" for letter in words)
    return "".join(letters).strip("-")[:60]
