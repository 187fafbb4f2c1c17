"""The report of `evaluate`: how good a classifier is, and its mistakes with their reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seewhy.cases import Twins
from seewhy.core.outcome import Outcome
from seewhy.core.statistics import Share
from seewhy.core.text import percent
from seewhy.draw import Confidence, confusion_svg, fit, reliability_svg
from seewhy.methods import Explanation, method_info
from seewhy.methods.explanation import explanation_tile
from seewhy.models import Classifier
from seewhy.report.page import alternative, counted, drawing, embed, render
from seewhy.train.data import Pictures
from seewhy.train.evaluate import Evaluation
from seewhy.train.label_evaluation import LabelEvaluation

MOST_CLASSES = 25  # of a confusion matrix; of more the commonest confusions are listed
CONFUSIONS = 10
CELL = 360


@dataclass(frozen=True, eq=False)
class Mistake:
    """A picture that was taken for another class, why, and which pictures it is like. Either may be lacking.

    Of labels `label` is the one that is wrong.
    """

    path: str
    index: int  # among the pictures that were evaluated
    explanation: Explanation | None
    twins: Twins | None
    label: int | None = None


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """How good a classifier is on the pictures of a folder.

    Attributes:
        model: The name that opens the classifier.
        classifier: Whose answers were judged.
        pictures: What was evaluated, in the order of `evaluation`.
        evaluation: The figures.
        mistakes: The most confident wrong predictions first; `unshown` more are in the table alone.
        learned: How many pictures of the folder were left out, because the classifier has learned from them.
        failures: Pictures that could not be opened, or whose class the classifier does not know.
    """

    model: str
    classifier: Classifier
    pictures: Pictures
    evaluation: Evaluation | LabelEvaluation
    mistakes: Sequence[Mistake]
    unshown: int
    learned: int
    failures: Sequence[Outcome[Any]]


def evaluate_page(found: EvaluationReport) -> str:
    """The figures of an evaluation, and its mistakes with their reasons."""
    evaluation = found.evaluation
    several = isinstance(evaluation, LabelEvaluation)
    count = int((evaluation.said != evaluation.truth).sum() if several else (~evaluation.right).sum())
    explained = [each.explanation for each in found.mistakes if each.explanation]
    return render(
        "evaluate.html",
        title="How good is it?",
        found=found,
        lead=f"{found.model} {_lead(evaluation)}",
        judgement=judgement("How good each label is" if several else "What it gets right", evaluation),
        mistakes_title=f"Its {counted(count, 'mistake')}" if count else "It makes no mistakes here",
        mistakes=[_shown(each, evaluation, found.pictures) for each in found.mistakes],
        method=method_info(explained[0].method).title if explained else "",
    )


def _lead(evaluation: Evaluation | LabelEvaluation) -> str:
    if isinstance(evaluation, LabelEvaluation):
        share = share_words(evaluation.mean_average_precision)
        return (
            f"finds the labels of {counted(len(evaluation.truth), 'picture')} with a mean average precision of {share}."
        )
    return f"gets {accuracy_words(evaluation)}"


def evaluate_charts(evaluation: Evaluation | LabelEvaluation) -> dict[str, str]:
    """The charts of an evaluation as SVG, by name; a confusion matrix where there are few classes; none of labels."""
    if isinstance(evaluation, LabelEvaluation):
        return {}
    steps = [
        Confidence(each.confidence, each.accuracy.value, each.accuracy.low, each.accuracy.high, each.pictures)
        for each in evaluation.bins
    ]
    charts = {"reliability": reliability_svg(steps)}
    if len(evaluation.present) <= MOST_CLASSES:
        names = [evaluation.names[index] for index in evaluation.present]
        charts["confusion"] = confusion_svg(evaluation.confusion, names)
    return charts


def judgement(title: str, found: Evaluation | LabelEvaluation) -> dict[str, Any]:
    """The figures of one set of pictures for a page; `confusion` is None where there are too many classes."""
    if isinstance(found, LabelEvaluation):
        return label_judgement(title, found)
    charts = {name: drawing(chart) for name, chart in evaluate_charts(found).items()}
    return {
        "title": title,
        "words": f"{_right(found)} right: accuracy {share_words(found.accuracy)}, mean F1 {found.macro_f1:.2f}.",
        "confusion": None,
        "confusions": [] if "confusion" in charts else _confusions(found),
        "found": found,
        **charts,
    }


def headline(found: Evaluation | LabelEvaluation) -> tuple[str, Share]:
    """The one figure that says how good it is, and its name."""
    if isinstance(found, LabelEvaluation):
        return "mean average precision", found.mean_average_precision
    return "accuracy", found.accuracy


def evaluation_table(found: Evaluation | LabelEvaluation) -> tuple[list[str], list[list[str]]]:
    """The columns and rows of a plain table: class by class, or label by label."""
    if isinstance(found, LabelEvaluation):
        shown = [
            [each.name, str(each.pictures), percent(each.threshold)]
            + ["" if share is None else share_words(share) for share in (each.average_precision, each.f1)]
            for each in found.labels
        ]
        return ["label", "pictures", "threshold", "average precision", "F1"], shown
    shown = [
        [each.name, str(each.pictures), *("" if share is None else f"{share:.1%}" for share in shares)]
        for each in found.classes
        for shares in [(each.precision, each.recall, each.f1)]
    ]
    return ["class", "pictures", "precision", "recall", "F1"], shown


def label_judgement(title: str, found: LabelEvaluation) -> dict[str, Any]:
    """The figures of labels on one set of pictures for a page."""
    return {"title": title, "words": label_words(found), "found": found, "labels": found.labels}


def label_words(found: LabelEvaluation) -> str:
    """How good labels are found, all together."""
    return (
        f"Mean average precision {share_words(found.mean_average_precision)}, mean F1 {share_words(found.macro_f1)}; "
        f"all labels are right for {share_words(found.exact)} of {counted(len(found.truth), 'picture')}."
    )


def share_words(share: Share) -> str:
    """`91.0 % (84.0 to 95.0 %)`."""
    return f"{share.value:.1%} ({share.low * 100:.1f} to {share.high:.1%})"


def accuracy_words(found: Evaluation | LabelEvaluation) -> str:
    """How often it is right, and what that is worth."""
    if isinstance(found, LabelEvaluation):
        return label_words(found)
    plain = f"{_right(found)} right, which is {share_words(found.accuracy)}."
    base = f"Calling every picture by the commonest class would be right for {found.commonest.value:.1%}"
    if found.accuracy.low > found.commonest.value:
        return f"{plain} {base}."
    if found.accuracy.high < found.commonest.value:
        return f"{plain} {base}, and so would be better."
    return f"{plain} {base}, which the interval holds too: accuracy alone does not show that it has learned anything."


def _right(found: Evaluation) -> str:
    return f"{int(found.right.sum()):,} of {counted(len(found.truth), 'picture')}"


def _confusions(found: Evaluation) -> list[str]:
    """The commonest pairs of a true and a wrong class."""
    pairs = Counter(zip(found.truth[~found.right].tolist(), found.predicted[~found.right].tolist(), strict=True))
    return [
        f"{found.names[true]} taken for {found.names[said]}: {count}"
        for (true, said), count in sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:CONFUSIONS]
    ]


def _shown(mistake: Mistake, evaluation: Evaluation | LabelEvaluation, pictures: Pictures) -> dict[str, Any]:
    """One mistake: the photo, the evidence and the twins, each with a caption."""
    explanation, twins = mistake.explanation, mistake.twins
    photo = explanation.image if explanation else pictures.image(mistake.index)
    shown = [("Photo", embed(fit(photo.pixels, CELL), f"The photo {mistake.path}"))]
    if explanation:
        evidence, words = (
            explanation_tile(explanation).picture,
            alternative(explanation, method_info(explanation.method)),
        )
        shown.append((f"Evidence for {explanation.target_label}", embed(fit(evidence, CELL), words)))
    for twin in twins.twins if twins else ():
        words = f"Twin {twin.case.label}, {twin.case.similarity:.2f} alike"
        shown.append((words, embed(fit(twin.image.pixels, CELL), f"The twin {twin.case.path}")))
    return {
        "path": mistake.path,
        **_taken_for(mistake, evaluation),
        "twins": twins,
        "pictures": shown,
    }


def _taken_for(mistake: Mistake, evaluation: Evaluation | LabelEvaluation) -> dict[str, str]:
    """What is true, what was said, and how surely."""
    names, row = evaluation.names, mistake.index
    if isinstance(evaluation, LabelEvaluation):
        label = mistake.label or 0
        likely, limit = evaluation.probabilities[row, label], evaluation.thresholds[label]
        missed = evaluation.truth[row, label]
        true = ", ".join(name for name, holds in zip(names, evaluation.truth[row], strict=True) if holds) or "nothing"
        said = f"{'not ' if missed else ''}{names[label]}"
        return {
            "true": true,
            "said": said,
            "words": f"{names[label]} has {percent(likely)}, its threshold is {percent(limit)}.",
        }
    true, said = int(evaluation.truth[row]), int(evaluation.predicted[row])
    sure, missed = evaluation.probabilities[row, [said, true]]
    words = f"{percent(sure)} sure of {names[said]}, {percent(missed)} of {names[true]}."
    return {"true": names[true], "said": names[said], "words": words}
