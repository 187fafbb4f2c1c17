"""The questions that several pages ask: which photo, which model, which class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

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
PHOTO, LINKED = "photo", "photo-linked"  # the photo of this window, and what the address named
GIVEN, REFUSED = "photo-given", "photo-refused"  # how often something was given, and what was wrong with the last
TAKEN = "photo-taken"  # files that were stored: a browser may report one twice, when several arrive one by one
SNAPSHOT = "snapshot"  # a camera's photo has no name
KINDS = ["jpg", "jpeg", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "npy", "dcm", "heic", "heif", "avif"]
LIKELIEST = {
    "labels": "the likeliest label",
    "values": "the first value",
}  # what is asked about where nothing is chosen


class Chosen(NamedTuple):
    """A photo, and the id by which questions name it."""

    id: str
    image: Image


def choose_photo(page: str) -> Chosen | None:
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
    # What was taken in is out of the widget: the next one is another.
    key = f"{page}-{source}-{st.session_state.get(GIVEN, 0)}"
    if source == UPLOAD:
        most = services().settings.upload_mb
        st.file_uploader(
            "Your photos",
            KINDS,
            accept_multiple_files=True,
            max_upload_size=most,
            key=key,
            on_change=_bring,
            args=[key],
        )
    else:
        st.camera_input("Take a photo", key=key, on_change=_bring, args=[key])
    for error in st.session_state.get(REFUSED, ()):
        st.error(refusal(error), icon=":material/broken_image:")
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


def _bring(key: str) -> None:
    """Store what was just given; what is wrong with it is told until something else is."""
    given, refused = st.session_state[key], list[SeewhyError]()
    taken: set[str] = st.session_state.setdefault(TAKEN, set())
    for each in given if isinstance(given, list) else filter(None, [given]):
        if each.file_id in taken:
            continue
        taken.add(each.file_id)
        try:
            image = services().photos.read(each.getvalue(), each.name if isinstance(given, list) else SNAPSHOT)
            secret = services().photos.keep(image, visitor())
        except SeewhyError as error:
            refused.append(untraced(error))
        else:
            st.session_state[PHOTO] = secret
            keep(lambda kept, secret=secret: kept.photos.append(secret))
    st.session_state[REFUSED] = refused
    st.session_state[GIVEN] = st.session_state.get(GIVEN, 0) + 1


def _forget(secret: str) -> None:
    """Take a photo out of this visit; whoever has the link to it has it still."""
    if secret in visit().kept.photos:
        keep(lambda kept: kept.photos.remove(secret))
    st.query_params.pop(PHOTO, None)


def _choose_brought(page: str) -> Chosen | None:
    photos, mine = services().photos, _brought()
    if not mine:
        return None
    names = {each: photos.find(each).name for each in mine}
    current = st.session_state.get(PHOTO)
    chosen = current if current in mine else mine[0]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if len(mine) > 1:
            st.session_state[f"{page}-mine"] = chosen
            chosen = st.selectbox(
                "Your photos", mine, format_func=names.__getitem__, key=f"{page}-mine", on_change=_turn_to, args=[page]
            )
        else:
            st.caption(f"{plain(names[chosen])} is kept here for a day, and shown to whoever has the link to it.")
        st.button("Remove", icon=":material/delete:", type="tertiary", on_click=_forget, args=[chosen])
    st.session_state[PHOTO] = st.session_state[LINKED] = chosen
    if st.query_params.get(PHOTO) != chosen:
        st.query_params[PHOTO] = chosen
    try:
        return Chosen(chosen, photos.open(photos.find(chosen)))
    except SeewhyError as error:
        st.error(refusal(error), icon=":material/broken_image:")
        return None


def _turn_to(page: str) -> None:
    st.session_state[PHOTO] = st.session_state[f"{page}-mine"]


def _choose_sample(page: str) -> Chosen:
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
    photos, named = services().photos, f"sample:{name}"
    return Chosen(named, photos.open(photos.find(named)))


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


def choose_targets(page: str, classifier: Classifier, most: int = 1) -> tuple[str, ...]:
    """Classes by their indices, at most so many; a single one may be "A and B" or "A vs B". None is the likeliest."""
    names, meaning = classifier.categories, classifier.head.meaning
    nothing = LIKELIEST.get(meaning, "the likeliest class")
    common: Any = {"format_func": names.__getitem__, "bind": "query-params"}

    def choose(question: str, but: Sequence[int], nothing: str, key: str) -> int | None:
        others = [each for each in range(len(names)) if each not in but]
        return st.selectbox(question, others, None, placeholder=nothing, width=240, key=f"{page}-{key}", **common)

    if most == 1:
        one = choose("Why", (), nothing, "class")
        chosen = [] if one is None else [one]
    else:
        chosen = st.multiselect(
            "Why",
            range(len(names)),
            placeholder=nothing,
            max_selections=most,
            select_all=False,
            wrap=True,
            key=f"{page}-class",
            width=320,
            **common,
        )
    if len(chosen) != 1:
        return tuple(f"#{each}" for each in chosen)
    also = choose("and", chosen, "no other", "also") if meaning == "labels" else None
    both = [*chosen, *([] if also is None else [also])]
    against = choose("rather than", both, "any other", "against") if meaning != "values" else None
    asked = " and ".join(f"#{each}" for each in both)
    return (asked if against is None else f"{asked} vs #{against}",)


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
