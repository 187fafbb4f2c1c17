"""The commands that are questions, too: over sets of pictures, about the network, on what was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from seewhy.answers.folders import Studied
from seewhy.answers.network import ClassCounts
from seewhy.commands import cases, dossier, explainer, listing, network, study, train
from seewhy.core.files import write_whole
from seewhy.web.rest.by_command import METHOD, METHOD_NAMES, MODELS, NAMES, SET, SETS, Given, job_of, offer
from seewhy.web.rest.found import model_of, results_of
from seewhy.web.rest.question import Name
from seewhy.web.services.hub import Services


def _gathered(at: Services, jobs: Sequence[str]) -> Callable[[Path], None]:
    """What writes the results of jobs below a folder, each into one of its own."""
    found = [results_of(at, each) for each in jobs]

    def fill(folder: Path) -> None:
        for number, files in enumerate(found, start=1):
            for name, content in files().items():
                write_whole(folder / str(number) / name, content)

    return fill


BOOK, FINDINGS = job_of("build-concepts"), job_of("audit")
RESULTS = Given(Name, "Ids of jobs of /audit, /evaluate, /run-study, /repair and /diff.", _gathered, several=True)
STUDIED = replace(
    MODELS,
    words="Names of /models, or ids of jobs that made one; by default the first.",
    taken=lambda at, names: ",".join(model_of(at, name) for name in names or [None]),
)
POINTS = Given(
    dict[str, dict[str, list[float]]],
    'Of some photos the points by name: {"red/1.png": {"nose": [0.5, 0.4]}}, x and y as shares of the photo.',
)

offer(
    "layers",
    listing.layers,
    "Ask which layers a model has",
    "A model's layers in the order they run. Questions that take layers take these names.",
    private=False,
    pattern="pattern",
)
offer(
    "evaluate",
    train.evaluate,
    "Ask how good a model is",
    pictures=SET.of("folder"),
    method=METHOD.of("method"),
    shown="shown",
    seed="seed",
)
offer(
    "build-cases",
    cases.build,
    "Keep pictures to compare with",
    "Build a case base of a set of pictures for a model; its job's id then stands for the cases.",
    keeps="out",
    pictures=SET.of("folder"),
)
offer(
    "correspond",
    cases.cases_correspond,
    "Find points of some photos in all others",
    "Carry points from some photos of a set to all others, or say where nothing corresponds.",
    pictures=SET.of("photos"),
    points=POINTS.of("points", needed=True),
)
offer(
    "train-explainer",
    explainer.explainer_train,
    "Train an explainer that answers at once",
    "Train an explainer of a model on a set of photos; what is no better than Grad-CAM is marked as not usable. Its "
    "files are the folder that the method learned:FOLDER names on the command line and in Python.",
    keeps="out",
    pictures=SET.of("photos"),
    objective="objective",
    cells="cells",
    steps="steps",
    asked="asked",
    judged="judged",
    long="long",
    classes=NAMES.of("classes"),
    seed="seed",
)
offer(
    "build-concepts",
    network.build,
    "Find what each layer sees in many photos",
    "Find concepts that a network sees in a set of pictures; its job's id then stands for them.",
    keeps="out",
    pictures=SET.of("images"),
    layers=NAMES.of("layers"),
    count="count",
    seed="seed",
)
offer(
    "count-concepts",
    network.global_,
    "Count concepts over a class",
    "How often the concepts of /build-concepts are found in a set of pictures, and what they add to the class.",
    answer=ClassCounts,
    pictures=SET.of("images"),
    concepts=BOOK.of("concepts", needed=True),
    of="class_",
)
offer(
    "next-concept",
    network.next_,
    "Ask which concept to name next",
    "The concept that a player is to name next, and its crops among the files of its job; null when none is left.",
    concepts=BOOK.of("folder"),
    player="player",
)
offer(
    "name-concept",
    network.name,
    "Name a concept",
    concepts=BOOK.of("folder"),
    concept="concept",
    word="word",
    player="player",
    refuse="refuse",
)
offer(
    "class-pictures",
    network.class_,
    "Draw what a class looks like to a model",
    classes="names",
    pictures=SET.of("images"),
    steps="steps",
    rounds="rounds",
    seed="seed",
)
offer(
    "probe",
    network.probe,
    "Look for a backdoor",
    pictures=SET.of("images"),
    classes=NAMES.of("class_"),
    steps="steps",
    seed="seed",
)
offer("axes", network.axes, "Ask what separates a model's classes", pictures=SET.of("images"), count="count")
offer(
    "run-study",
    study.study,
    "Run a study",
    "Score methods for models over a set of pictures. The job says how far it is; its id then names the study.",
    answer=Studied,
    whole=True,
    keeps="out",
    fixed={"workers": 1},
    pictures=SET.of("folder"),
    models=STUDIED.of("models"),
    methods=METHOD_NAMES.of("methods"),
    metrics=NAMES.of("metrics"),
    cells="cells",
    limit="limit",
    seed="seed",
)
offer(
    "judge",
    dossier.judge,
    "Judge a finding of an audit",
    findings=FINDINGS.of("findings"),
    number="number",
    verdict="verdict",
    who="who",
    why="why",
)
offer(
    "dossier",
    dossier.dossier,
    "Gather what was found into a dossier",
    "Gather results of jobs into a page and a file. Their figures are computed again; judgements and conclusions stand "
    "beside them.",
    keeps="folder",
    results=RESULTS.of("folder"),
    models=MODELS.of("models"),
    data=SETS.of("data"),
    purpose="purpose",
    concluded="concluded",
)
offer(
    "verify",
    dossier.verify,
    "Verify a dossier",
    dossier=job_of("dossier").of("dossier"),
    models=MODELS.of("models"),
    data=SETS.of("data"),
    seal="seal",
)
