"""Cases: a decision explained by other pictures, and by what would have turned it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from seewhy.core.files import home
from seewhy.images import Image
from seewhy.verbs import classifier_of_cases
from seewhy.verbs.teach import TeachResult
from seewhy.web.parts.figures import photo_html
from seewhy.web.parts.jobs import follow, show_report
from seewhy.web.parts.page import Page, file_stem, heading
from seewhy.web.parts.questions import choose_photo
from seewhy.web.parts.session import session
from seewhy.web.services.hub import services
from seewhy.web.services.queue import Job
from seewhy.web.services.reports import Files, counterfactual_files, prototype_files, report_of, twins_files

TOP = 5
MINE = " (of this visit)"
NOTHING = "There is nothing to compare with here yet."  # strangers give this machine no commands
NOTHING_YET = "There is nothing to compare with yet. Teach it classes of your own on Train, or run this command:"


@dataclass(frozen=True)
class Kind:
    """One way to explain by cases: what it asks lies in sub-folders of `folder` with a `mark`, made by `command`.

    `mine` is where it lies for a classifier of this session.
    """

    about: str
    folder: Callable[[], Path]
    mine: Callable[[TeachResult], Path]
    mark: str
    command: str
    ask: Callable[[Path, Image], Job[Files]]


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
            "Explain by", list(KINDS), default=next(iter(KINDS)), required=True, key="cases-kind"
        )
        kind = KINDS[chosen]
        st.caption(kind.about)
        folder = _folder(kind)
        if folder is None or image is None:
            return
        wanted = (chosen, str(folder), image.sha256, image.name)
        files = follow("cases-job", wanted, lambda: kind.ask(folder, image))
    if files:
        show_report("cases", f"seewhy-{file_stem(image)}-cases", report_of(files), lambda: files)


def _folder(kind: Kind) -> Path | None:
    """What is asked; tells how to make it where there is none."""
    where = kind.folder()
    mine = [path for each in reversed(session().trained) if ((path := kind.mine(each)) / kind.mark).is_file()]
    found = [*mine, *(path.parent for path in sorted(where.glob(f"*/{kind.mark}")))]
    if not found:
        public = services().settings.public
        st.info(NOTHING if public else NOTHING_YET, icon=":material/photo_library:")
        if not public:
            st.code(kind.command.format(where / "first"), language=None, wrap_lines=True)
        return None
    return st.selectbox(
        "From", found, format_func=lambda path: path.name + MINE * (path in mine), key=f"cases-from-{kind.mark}"
    )


def _model(cases: Path) -> str:
    """The model that the cases were built with, which has to be one of those offered here."""
    return services().models.check(classifier_of_cases(cases)[0])


def _twins(cases: Path, image: Image) -> Job[Files]:
    return services().submit(
        _model(cases),
        f"looking for twins of {image.name}",
        lambda classifier, tell: twins_files(classifier, cases, image, TOP, tell),
    )


def _turned(cases: Path, image: Image) -> Job[Files]:
    return services().submit(
        _model(cases),
        f"looking for what would turn {image.name}",
        lambda classifier, tell: counterfactual_files(classifier, cases, image, None, tell),
    )


def _prototypes(model: Path, image: Image) -> Job[Files]:
    return services().queue.submit(
        lambda job: prototype_files(model, image, job.tell), f"matching {image.name}", alone=str(model)
    )


def _cases_folder() -> Path:
    return services().settings.cases_folder


def _prototypes_folder() -> Path:
    return home() / "prototypes"


BUILD = "seewhy cases build photos/ --out {}"
LEARN = "seewhy prototypes train photos/ --backbone file:my-model --out {}"
KINDS = {
    "Twins": Kind(
        "Of the pictures that it says the same of, those most like this one to the network, and where they are alike.",
        _cases_folder,
        lambda each: each.cases,
        "manifest.json",
        BUILD,
        _twins,
    ),
    "What would turn it": Kind(
        "Another picture, parts of it, or less of this one: what makes the model say something else.",
        _cases_folder,
        lambda each: each.cases,
        "manifest.json",
        BUILD,
        _turned,
    ),
    "Prototypes": Kind(
        "Which places in the photo look like patches of training pictures, and what each counts.",
        _prototypes_folder,
        lambda each: each.prototypes,
        "card.json",
        LEARN,
        _prototypes,
    ),
}


PAGE = Page("Cases", ":material/photo_library:", "cases", 30, show)
