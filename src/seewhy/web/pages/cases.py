"""Cases: a decision explained by other pictures, and by what would have turned it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from seewhy.core.progress import Progress
from seewhy.images import Image
from seewhy.models import Classifier
from seewhy.web.parts.figures import photo_html
from seewhy.web.parts.jobs import follow
from seewhy.web.parts.page import Page, file_stem, heading
from seewhy.web.parts.questions import choose_photo
from seewhy.web.parts.reports import show_report
from seewhy.web.parts.session import trained, visitor
from seewhy.web.services.bases import BASE, PROTOTYPES, offered_model
from seewhy.web.services.hub import LONG, services
from seewhy.web.services.jobs import Job
from seewhy.web.services.reports import Files, counterfactual_files, prototype_files, report_of, twins_files

MINE = " (of this visit)"
NOTHING = "There is nothing to compare with here yet."  # strangers give this machine no commands
NOTHING_YET = "There is nothing to compare with yet. Teach it classes of your own on Train, or run this command:"
BUILD = "seewhy cases build photos/ --out {}"
LEARN = "seewhy prototypes train photos/ --backbone file:my-model --out {}"


@dataclass(frozen=True)
class Kind:
    """One way to explain by cases: `find` asks a base of cases; without it a model with prototypes is asked."""

    about: str
    doing: str
    find: Callable[[Classifier, Path, Image, Progress], Files] | None = None


KINDS = {
    "Twins": Kind(
        "Of the pictures that it says the same of, those most like this one to the network, and where they are alike.",
        "looking for twins of",
        twins_files,
    ),
    "What would turn it": Kind(
        "Another picture, parts of it, or less of this one: what makes the model say something else.",
        "looking for what would turn",
        counterfactual_files,
    ),
    "Prototypes": Kind(
        "Which places in the photo look like patches of training pictures, and what each counts.", "matching"
    ),
}


def show() -> None:
    """Draw the page."""
    heading("Has it seen something like this?", "A decision explained by other pictures.")
    left, right = st.columns([1, 2.1], gap="large")
    with left:
        image = choose_photo("cases")
        if image:
            st.html(photo_html(image))
    with right:
        chosen = st.segmented_control(
            "Explain by", list(KINDS), default=next(iter(KINDS)), required=True, key="cases-kind", bind="query-params"
        )
        kind = KINDS[chosen]
        st.caption(kind.about)
        folder = _choose_folder(with_prototypes=kind.find is None)
        if folder is None or image is None:
            return
        wanted = (chosen, str(folder), image.sha256, image.name)
        files = follow("cases-job", wanted, lambda: _ask(kind, folder, image))
        if files:
            show_report("cases", f"seewhy-{file_stem(image)}-cases", report_of(files), lambda: files)


def _choose_folder(*, with_prototypes: bool) -> Path | None:
    """The model with prototypes or the base of cases to ask; tells how to make one where there is none."""
    if with_prototypes:
        where, mark, command = services().settings.prototypes_folder, PROTOTYPES, LEARN
    else:
        where, mark, command = services().settings.cases_folder, BASE, BUILD
    own = [each.prototypes if with_prototypes else each.cases for each in trained()]
    mine = [path for path in own if (path / mark).is_file()]
    found = [*mine, *(path.parent for path in sorted(where.glob(f"*/{mark}")))]
    if found:
        return st.selectbox(
            "From",
            found,
            format_func=lambda path: path.name + MINE * (path in mine),
            key=f"cases-from-{'prototypes' if with_prototypes else 'base'}",
            bind="query-params",
        )
    public = services().settings.public
    st.info(NOTHING if public else NOTHING_YET, icon=":material/photo_library:")
    if not public:
        st.code(command.format(where / "first"), language=None, wrap_lines=True)
    return None


def _ask(kind: Kind, folder: Path, image: Image) -> Job[Files]:
    about = f"{kind.doing} {image.name}"
    find = kind.find
    at, who = services(), visitor()
    if find is None:
        photo = at.photos.refer(image, who)
        return at.queue.submit(
            lambda job: prototype_files(folder, at.photos.open(photo), job.tell), about, visitor=who, lane=LONG
        )
    return at.ask(
        offered_model(at, folder),
        about,
        image,
        lambda classifier, photo, tell: find(classifier, folder, photo, tell),
        visitor=who,
        lane=LONG,
    )


PAGE = Page("Cases", ":material/photo_library:", "cases", 30, show)
