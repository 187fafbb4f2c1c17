"""What reports of training and of evaluation say of a classifier's answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from seewhy.draw import Confidence, confusion_svg, reliability_svg
from seewhy.report.words import counted
from seewhy.train.evaluate import ClassScore, Evaluation, Share

MOST_CLASSES = 25  # of a confusion matrix; of more the commonest confusions are listed
CONFUSIONS = 10


@dataclass(frozen=True)
class Judgement:
    """The figures of one set of pictures, ready for a page; `confusion` is None where there are too many classes."""

    title: str
    words: str
    rows: Sequence[tuple[str, str, str, str, str]]
    confusion: Markup | None
    confusions: Sequence[str]
    reliability: Markup
    calibration: str


def judgement(title: str, found: Evaluation) -> Judgement:
    """What to say of an evaluation."""
    few = len(found.present) <= MOST_CLASSES
    names = [found.names[index] for index in found.present]
    return Judgement(
        title=title,
        words=_figures(found),
        rows=[_row(each) for each in found.classes],
        confusion=Markup(confusion_svg(found.confusion, names)) if few else None,  # noqa: S704 - escapes names
        confusions=[] if few else _confusions(found),
        reliability=Markup(reliability_svg(_steps(found))),  # noqa: S704 - it draws numbers alone
        calibration=_calibration(found),
    )


def share_words(share: Share) -> str:
    """`91.0 % (84.0 to 95.0 %)`."""
    return f"{share.value:.1%} ({share.low * 100:.1f} to {share.high:.1%})"


def accuracy_words(found: Evaluation) -> str:
    """How often it is right, and what that is worth."""
    plain = f"{_right(found)} right, which is {share_words(found.accuracy)}."
    base = f"Calling every picture by the commonest class would be right for {found.commonest.value:.1%}"
    if found.accuracy.low > found.commonest.value:
        return f"{plain} {base}."
    if found.accuracy.high < found.commonest.value:
        return f"{plain} {base}, and so would be better."
    return f"{plain} {base}, which the interval holds too: accuracy alone does not show that it has learned anything."


def _right(found: Evaluation) -> str:
    return f"{int(found.right.sum()):,} of {counted(len(found.truth), 'picture')}"


def _figures(found: Evaluation) -> str:
    return f"{_right(found)} right: accuracy {share_words(found.accuracy)}, mean F1 {found.macro_f1:.2f}."


def _row(score: ClassScore) -> tuple[str, str, str, str, str]:
    precision, recall = ("–" if share is None else f"{share:.1%}" for share in (score.precision, score.recall))
    return score.name, f"{score.pictures:,}", precision, recall, "–" if score.f1 is None else f"{score.f1:.2f}"


def _confusions(found: Evaluation) -> list[str]:
    """The commonest pairs of a true and a wrong class."""
    names = [found.names[index] for index in found.present]
    pairs = [
        (int(count), names[row], names[column])
        for row, line in enumerate(found.confusion.tolist())
        for column, count in enumerate(line)
        if count and row != column
    ]
    return [f"{true} taken for {said}: {count}" for count, true, said in sorted(pairs, key=lambda pair: -pair[0])][
        :CONFUSIONS
    ]


def _steps(found: Evaluation) -> list[Confidence]:
    return [
        Confidence(each.confidence, each.accuracy.value, each.accuracy.low, each.accuracy.high, each.pictures)
        for each in found.bins
    ]


def _calibration(found: Evaluation) -> str:
    gap = float(found.confidence.mean()) - found.accuracy.value
    side = "too sure of itself" if gap > 0 else "too modest"
    return (
        f"It is {found.confidence.mean():.1%} sure on average and right in {found.accuracy.value:.1%}"
        + (f": {side} by {abs(gap) * 100:.1f} points. " if abs(gap) >= 0.0005 else ". ")
        + f"The calibration error is {found.calibration_error * 100:.1f} points over ten steps of confidence; of few "
        "pictures it comes out larger than the truth."
    )
