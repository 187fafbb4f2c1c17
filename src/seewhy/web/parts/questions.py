"""The questions that several pages ask: which photo, which model, which class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from seewhy.errors import SeewhyError
from seewhy.images import Image, samples
from seewhy.methods import suitable_methods
from seewhy.models import Classifier
from seewhy.report.page import title_of
from seewhy.verbs.compare import chosen_methods
from seewhy.web.parts.page import plain, refusal
from seewhy.web.parts.session import keep, trained, visit, visitor
from seewhy.web.services.caches import model_label
from seewhy.web.services.hub import services
from seewhy.web.services.jobs import untraced

SAMPLES, UPLOAD, CAMERA = "Samples", "Upload", "Camera"
PHOTO, LINKED, UPLOADS = "photo", "photo-linked", "photo-uploads"  # the photo of this window, and what it came by
KINDS = ["jpg", "jpeg", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "npy", "dcm", "heic", "heif", "avif"]
LIKELIEST = {
    "labels": "the likeliest label",
    "values": "the first value",
}  # what is asked about where nothing is chosen


def choose_photo(page: str) -> Image | None:
    """A sample, or a photo of this visit; None while there is none. What was refused is told.

    What somebody brings on one page is there on the others, after a reload and in other windows. The address names it,
    so that a link shows it to somebody else.
    """
    _follow_link()
    source = st.segmented_control(
        "Photo",
        [SAMPLES, UPLOAD, CAMERA],
        default=UPLOAD if _brought() else SAMPLES,
        required=True,
        width="stretch",
        key=f"{page}-source",
        bind="query-params",
    )
    if source == SAMPLES:
        return _choose_sample(page)
    if source == UPLOAD:
        files = st.file_uploader(
            "Your photos",
            KINDS,
            accept_multiple_files=True,
            max_upload_size=services().settings.upload_mb,
            key=f"{page}-upload",
            on_change=_take_away,
            args=[page],
        )
        st.session_state[f"{page}-there"] = [each.file_id for each in files]
        for each in files:
            _bring(each.file_id, each.name, each.getvalue)
    elif given := st.camera_input("Take a photo", key=f"{page}-camera"):
        _bring(given.file_id, "snapshot", given.getvalue)
    return _choose_brought(page)


def _brought() -> list[str]:
    """Secrets of the photos of this visit that are still there, the last one first."""
    return [each for each in reversed(visit().kept.photos) if services().photos.has(each)]


def _follow_link() -> None:
    """Take the photo that the address names for one of this visit."""
    named = st.query_params.get(PHOTO)
    if named and named != st.session_state.get(LINKED) and services().photos.has(named):
        st.session_state[LINKED] = st.session_state[PHOTO] = named
        if named not in visit().kept.photos:
            keep(lambda kept: kept.photos.append(named))


def _bring(file_id: str, name: str, read: Callable[[], bytes]) -> None:
    """Store a photo once for each upload, and again where it was forgotten meanwhile; what is wrong with it is told."""
    known: dict[str, str | SeewhyError] = st.session_state.setdefault(UPLOADS, {})
    before = known.get(file_id)
    if before is None or (isinstance(before, str) and not services().photos.has(before)):
        try:
            secret = services().photos.keep(services().photos.read(read(), name), visitor())
        except SeewhyError as error:
            known[file_id] = untraced(error)
        else:
            known[file_id] = st.session_state[PHOTO] = secret
            keep(lambda kept: kept.photos.append(secret))
    if isinstance(refused := known[file_id], SeewhyError):
        st.error(refusal(refused), icon=":material/broken_image:")


def _take_away(page: str) -> None:
    """Forget photos that somebody has just taken out of the uploader."""
    left = {each.file_id for each in st.session_state[f"{page}-upload"]}
    for file_id in {*st.session_state.get(f"{page}-there", ())} - left:
        secret = st.session_state.get(UPLOADS, {}).pop(file_id, None)
        if secret in visit().kept.photos:
            keep(lambda kept, secret=secret: kept.photos.remove(secret))


def _choose_brought(page: str) -> Image | None:
    photos, mine = services().photos, _brought()
    if not mine:
        return None
    names = {each: photos.find(each).name for each in mine}
    current = st.session_state.get(PHOTO)
    chosen = current if current in mine else mine[0]
    if len(mine) > 1:
        st.session_state[f"{page}-mine"] = chosen
        chosen = st.selectbox(
            "Your photos", mine, format_func=names.__getitem__, key=f"{page}-mine", on_change=_turn_to, args=[page]
        )
    else:
        st.caption(f"{plain(names[chosen])} is kept here for a day, and shown to whoever has the link to it.")
    st.session_state[PHOTO] = st.session_state[LINKED] = chosen
    if st.query_params.get(PHOTO) != chosen:
        st.query_params[PHOTO] = chosen
    try:
        return photos.open(photos.find(chosen))
    except SeewhyError as error:
        st.error(refusal(error), icon=":material/broken_image:")
        return None


def _turn_to(page: str) -> None:
    st.session_state[PHOTO] = st.session_state[f"{page}-mine"]


def _choose_sample(page: str) -> Image:
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
    photos = services().photos
    return photos.open(replace(photos.find(f"sample:{name}"), name=name))


def choose_model(page: str, *, own: bool = True) -> str:
    """One of those trained in this visit, the newest first, or of the others; no question where there is but one."""
    names = [*(each.model for each in trained() if own), *services().models.names]
    if len(names) == 1:
        return names[0]
    return st.selectbox("Model", names, format_func=model_label, key=f"{page}-model", bind="query-params")


def choose_methods(page: str, classifier: Classifier, first: Sequence[str], placeholder: str) -> tuple[str, ...]:
    """Methods that suit the model; at the beginning those of `first`, or where none of them suits, as many others."""
    names = [info.name for info in suitable_methods(classifier)]
    return tuple(
        st.multiselect(
            "Methods",
            names,
            [name for name in first if name in names] or chosen_methods(classifier)[: len(first)],
            format_func=title_of,
            placeholder=placeholder,
            key=f"{page}-methods",
            wrap=True,
            select_all=False,
            bind="query-params",
        )
    )


def choose_target(page: str, classifier: Classifier) -> str | None:
    """A class by its index, "A and B" or "A vs B" by two, or None for what the model finds likeliest."""
    names, meaning = classifier.categories, classifier.head.meaning

    def choose(place: Any, question: str, but: Sequence[int | None], nothing: str, key: str) -> int | None:
        indices = [each for each in range(len(names)) if each not in but]
        return place.selectbox(
            question,
            indices,
            None,
            format_func=names.__getitem__,
            placeholder=nothing,
            width=240,
            key=f"{page}-{key}",
            bind="query-params",
        )

    index = choose(st, "Why", (), LIKELIEST.get(meaning, "the likeliest class"), "class")
    more, place = st.empty(), st.empty()  # their own, so that what follows stays where it is
    if index is None:
        return None
    also = choose(more, "and", (index,), "no other", "also") if meaning == "labels" else None
    against = choose(place, "rather than", (index, also), "any other", "against") if meaning != "values" else None
    asked = f"#{index}" if also is None else f"#{index} and #{also}"
    return asked if against is None else f"{asked} vs #{against}"


def opened(model: str) -> Classifier:
    """The classifier; waits while it is being loaded, and ends the page where it cannot be, which is told."""
    try:
        if (ready := services().models.loaded(model)) is not None:
            return ready
        with st.spinner("Loading the model"):
            return services().models.get(model)
    except SeewhyError as error:
        st.error(refusal(error), icon=":material/error:")
        st.stop()
