"""The report of `train`: how a classifier learned, how good it is, and from what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from shlex import quote

from seewhy.draw import epochs_svg
from seewhy.errors import BadImage
from seewhy.images.folder import Folder
from seewhy.report.evaluate import accuracy_words, judgement
from seewhy.report.page import Picture, counted, drawing, listed, render, thumbnail
from seewhy.train.attention import Listened
from seewhy.train.few_shot import EPISODES, Guided
from seewhy.train.finetune import Epoch, Training

STAGES = {"head": "new head alone", "all": "whole network", "episodes": "relation head"}
EPOCH_COLUMNS = ("Trained", "Epoch", "Loss", "Accuracy", "Validation loss", "Validation accuracy")
SAMPLES, SAMPLED_CLASSES = 5, 12


def train_page(training: Training, listened: Listened | None = None, guided: Guided | None = None) -> str:
    """The page of a training; `listened` is what masks cost and changed in it, `guided` what explanations did."""
    parts = training.parts
    several = parts.train.labelled
    counts = [
        Counter(name for entry in folder.entries for name in entry.labels or (entry.label,))
        for folder in parts.named.values()
    ]
    part, found = list(training.evaluations.items())[-1]
    kind, many = "test" if part == "test" else "validation", "labels" if several else "classes"
    return render(
        "train.html",
        title=f"A classifier of {listed(parts.classes) if len(parts.classes) < 6 else f'{len(parts.classes)} {many}'}",
        noun="Label" if several else "Class",
        several=several,
        training=training,
        listened=listened,
        guided=guided,
        lead=f"Tried on {kind} pictures, which it has not learned from: {accuracy_words(found)}",
        told=_told(training.epochs, guided is not None),
        charts=[(title, words, drawing(chart)) for title, words, chart in curves(training.epochs, several)],
        columns=EPOCH_COLUMNS,
        epochs=[epoch_row(epoch) for epoch in training.epochs],
        judgements=[
            judgement(f"How good it is: {part} pictures", found) for part, found in training.evaluations.items()
        ],
        parts=[part.capitalize() for part in parts.named],
        classes=[(name, [count[name] for count in counts]) for name in parts.classes],
        samples=[(name, _samples(parts.train, name)) for name in parts.classes[:SAMPLED_CLASSES]],
        folder=quote(str(training.parts.folder)),
        model=quote(training.model),
    )


def train_charts(training: Training) -> dict[str, str]:
    """The curves of a training as SVG, by name."""
    return {title.lower(): chart for title, _, chart in curves(training.epochs, training.parts.train.labelled)}


def curves(epochs: Sequence[Epoch], several: bool = False) -> list[tuple[str, str, str]]:
    """Title, words and chart of the loss and of the accuracy, over the epochs."""
    shown = (
        ("Loss", "how far its probabilities are from the truth; lower is better", None),
        (
            "Accuracy",
            f"the share of {'answers about single labels' if several else 'pictures'} that it gets right",
            1.0,
        ),
    )
    found: list[tuple[str, str, str]] = []
    for title, words, top in shown:
        name = title.lower()
        lines = {
            "pictures it learns from": [getattr(each, name) for each in epochs],
            "pictures for validation": [getattr(each, f"validation_{name}") for each in epochs],
        }
        words = f"By epoch, {words}. Where the two part, it learns its pictures by heart."
        found.append((title, words, epochs_svg(lines, across="epoch", stages=_stages(epochs), top=top)))
    return found


def epoch_row(epoch: Epoch) -> list[str]:
    """An epoch under `EPOCH_COLUMNS`."""
    return [
        epoch.stage,
        str(epoch.number),
        f"{epoch.loss:.3f}",
        f"{epoch.accuracy:.1%}",
        f"{epoch.validation_loss:.3f}",
        f"{epoch.validation_accuracy:.1%}",
    ]


def _stages(epochs: Sequence[Epoch]) -> dict[str, int]:
    """How many epochs each stage had, in people's words."""
    return {STAGES[name]: count for name, count in Counter(each.stage for each in epochs).items()}


def _told(epochs: Sequence[Epoch], by_episodes: bool) -> str:
    stages = [f"{counted(count, 'epoch')} of the {name}" for name, count in _stages(epochs).items()]
    an_epoch = f"is {EPISODES} episodes" if by_episodes else "shows every picture once"
    return f"It went through {', then '.join(stages)}; an epoch {an_epoch}."


def _samples(folder: Folder, name: str) -> list[Picture]:
    """The first pictures of a class that can be opened."""
    found: list[Picture] = []
    for entry in folder.entries:
        if name in (entry.label, *(entry.labels or ())) and len(found) < SAMPLES:
            try:
                found.append(thumbnail(folder.image(entry)))
            except BadImage:
                continue
    return found
