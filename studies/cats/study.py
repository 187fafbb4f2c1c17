"""Real against generated photos: a classifier, its mistakes with reasons and twins, and prototypes, by one command.

    python studies/cats/study.py CATS --classes real,ai_generated --larger FOLDER --out FOLDER

CATS and the larger FOLDER hold a sub-folder of pictures for each class. Writes reports, and `results.md`. Run it again
to go on where it was interrupted.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seewhy import load
from seewhy.commands.console import progress_bar
from seewhy.core.progress import Progress
from seewhy.errors import SeewhyError
from seewhy.models import Classifier
from seewhy.report.evaluate import share_words
from seewhy.report.page import counted
from seewhy.train.data import Pictures, open_pictures
from seewhy.train.finetune import Training
from seewhy.train.parts import open_parts
from seewhy.train.recipe import Recipe, find_recipe
from seewhy.verbs.evaluate import evaluate
from seewhy.verbs.prototypes import train_prototypes_on
from seewhy.verbs.train import train

BATCH = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cats", type=Path)
    parser.add_argument("--classes", default="", help="take these class folders alone, joined by commas")
    parser.add_argument("--larger", type=Path, help="a second folder, for comparison with a linear probe")
    parser.add_argument("--backbone", default="bundled:efficientnet-lite0", help="the project's: torchvision:resnet18")
    parser.add_argument("--recipe", default="default", help="the project's: source1")
    parser.add_argument("--epochs", type=int, help="of the whole network; 0 trains the head alone")
    parser.add_argument("--seeds", type=int, default=5, help="so many splits of the larger folder")
    parser.add_argument("--prototypes", action="store_true", help="train prototypes as well")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    recipe = find_recipe(given.recipe, epochs=given.epochs)
    classes = [name for name in given.classes.split(",") if name]
    with progress_bar() as progress:
        lines = [*_flow(given, recipe, classes, progress)]
        if given.larger:
            lines += _against_probe(given, recipe, progress)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "results.md").write_text("\n".join(lines) + "\n", "utf-8")
    print(given.out / "results.md")


def _flow(given: argparse.Namespace, recipe: Recipe, classes: Sequence[str], progress: Progress) -> Iterator[str]:
    """From a folder to a classifier, its mistakes and its prototypes."""
    trained = train(given.cats, given.backbone, given.out / "model", recipe=recipe, classes=classes, progress=progress)
    judged = evaluate(trained.classifier, given.cats, model=trained.model, classes=classes, progress=progress)
    judged.save(given.out / "mistakes")
    found = judged.evaluation
    yield f"## {given.cats.name}\n"
    counts = ", ".join(f"{len(folder.entries)} for {part}" for part, folder in trained.parts.named.items())
    yield f"{given.backbone}, recipe {given.recipe}, {counted(recipe.epochs, 'epoch')} of the whole network; {counts}."
    yield f"Accuracy {share_words(found.accuracy)}, always the commonest class {found.commonest.value:.1%}.\n"
    yield "| class | pictures | precision | recall | F1 |\n|---|--:|--:|--:|--:|"
    for each in found.classes:
        shares = " | ".join(map(_number, (each.precision, each.recall, each.f1)))
        yield f"| {each.name} | {each.pictures} | {shares} |"
    yield "\n" + _twins_words(judged)
    if given.prototypes:
        yield _prototypes(given, trained, progress)


def _twins_words(judged: Any) -> str:
    with_twins = [each for each in judged.mistakes if each.twins]
    truth = judged.evaluation.names
    voted = sum(each.twins.vote[0].name == truth[int(judged.evaluation.truth[each.index])] for each in with_twins)
    return f"Of {len(with_twins)} mistakes, the pictures nearest to it vote for the true class in {voted}.\n"


def _prototypes(given: argparse.Namespace, trained: Training, progress: Progress) -> str:
    try:
        run = train_prototypes_on(given.cats, trained.model, given.out / "prototypes", progress=progress)
    except SeewhyError as error:
        return f"Prototypes: {error}\n"
    found = run.model.diagnosis
    verdict = "usable" if found.usable else f"not usable: {'; '.join(found.reasons)}"
    return f"Prototypes: accuracy {found.accuracy:.1%} (the backbone's {found.backbone_accuracy:.1%}), {verdict}.\n"


def _against_probe(given: argparse.Namespace, recipe: Recipe, progress: Progress) -> Iterator[str]:
    """Fine-tuned against a straight line through the untrained network's features, on the same pictures."""
    frozen = load(given.backbone)
    rows: list[dict[str, Any]] = []
    for seed in range(given.seeds):
        out = given.out / "larger" / f"seed-{seed}"
        trained = train(given.larger, given.backbone, out, recipe=recipe, seed=seed, progress=progress)
        right = trained.evaluations["validation"].right
        probed = _probe(given.larger, frozen, recipe, seed)
        paths = [entry.path for entry in trained.parts.validation.entries]
        rows += [
            {"seed": seed, "path": path, "tuned": bool(tuned), "probe": bool(probe)}
            for path, tuned, probe in zip(paths, right, probed, strict=True)
        ]
    (given.out / "probe.json").write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    yield f"\n## {given.larger.name}, {given.seeds} splits\n"
    yield "| split | fine-tuned | linear probe |\n|--:|--:|--:|"
    for seed in range(given.seeds):
        mine = [row for row in rows if row["seed"] == seed]
        yield f"| {seed} | {_mean(mine, 'tuned'):.1%} | {_mean(mine, 'probe'):.1%} |"
    tuned, probe, difference = paired(rows)
    yield f"\nFine-tuned {tuned}, linear probe {probe}, difference {difference}; 95 % intervals over pictures.\n"


def paired(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Fine-tuned, probe, difference: means over pictures with their intervals; a picture is its mean over splits."""
    paths = sorted({row["path"] for row in rows})
    table = np.array([
        [np.mean([row[name] for row in rows if row["path"] == path]) for name in ("tuned", "probe")] for path in paths
    ])  # fmt: skip
    scores = np.column_stack([table, table[:, 0] - table[:, 1]])
    draws = np.random.default_rng(0).multinomial(len(scores), np.full(len(scores), 1 / len(scores)), 10_000)
    low, high = np.quantile(draws @ scores / len(scores), [0.025, 0.975], axis=0)
    means = zip(scores.mean(axis=0), low, high, strict=True)
    return [f"{mean:.1%} ({below:.1%} to {above:.1%})" for mean, below, above in means]


def _probe(folder: Path, frozen: Classifier, recipe: Recipe, seed: int) -> np.ndarray:
    """Which validation pictures a logistic regression on frozen features gets right."""
    from sklearn.linear_model import LogisticRegression

    parts = open_parts(folder, recipe.split, seed)
    (x, y), (others, truth) = (
        _features(frozen, open_pictures(part, parts.classes, frozen.preprocessing)[0])
        for part in (parts.train, parts.validation)
    )
    return LogisticRegression(max_iter=2000).fit(x, y).predict(others) == truth


def _features(frozen: Classifier, pictures: Pictures) -> tuple[np.ndarray, np.ndarray]:
    starts = range(0, len(pictures), BATCH)
    batches = [pictures.batch(range(start, min(start + BATCH, len(pictures))), frozen.device) for start in starts]
    return np.concatenate([frozen.embed(batch.x).cpu().numpy() for batch in batches]), pictures.labels.numpy()


def _mean(rows: Sequence[dict[str, Any]], name: str) -> float:
    return float(np.mean([row[name] for row in rows]))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    main()
