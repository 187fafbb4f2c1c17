"""Fine-tune a classifier: a new head on what the network already sees, then the whole network.

Source: the order is that of Kumar et al. 2022, Fine-Tuning can Distort Pretrained Features and Underperform
Out-of-Distribution: a head of random weights would spoil the features before it has learned anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seewhy.core.outcome import Outcome
from seewhy.core.progress import Progress, silent
from seewhy.errors import ExplainError, ModelError
from seewhy.models import Categories, Classifier, Head
from seewhy.models.building import build
from seewhy.models.card import Architecture, write_model
from seewhy.models.foreign import require_own
from seewhy.train.attention import Attention, AttentiveBatch, attention_loss, energy, watching
from seewhy.train.data import Augmentation, Pictures, Stream, answers
from seewhy.train.evaluate import Evaluation
from seewhy.train.label_evaluation import LabelEvaluation, best_thresholds
from seewhy.train.loop import Batch, Group, Record, Stage, batch_norms, fit, seed_of
from seewhy.train.parts import Parts
from seewhy.train.recipe import Recipe

KEPT = {"loss", "accuracy", "validation_loss", "validation_accuracy"}  # of what a stage records


@dataclass(frozen=True)
class Training:
    """A trained classifier, how it came to be, and how good it is on each part it did not learn from.

    `failures` are pictures that could not be opened.
    """

    out: Path
    backbone: str
    classifier: Classifier
    recipe: Recipe
    parts: Parts
    epochs: Sequence[Epoch]
    evaluations: Mapping[str, Evaluation | LabelEvaluation]
    failures: Sequence[Outcome[None]]

    @property
    def model(self) -> str:
        """The name by which every other command opens it."""
        return f"file:{self.out}"


@dataclass(frozen=True)
class Epoch:
    """What one epoch left; `stage` is "head", "all" or, of few-shot training, "episodes"."""

    stage: str
    number: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float


def with_new_head(
    classifier: Classifier,
    architecture: Architecture,
    classes: tuple[str, ...],
    recipe: Recipe,
    seed: int,
    *,
    several: bool = False,
) -> Classifier:
    """The same network with a head for `classes`, drawn from the seed; all else keeps its weights.

    With `several` they are labels of which more than one may be true.

    Raises:
        ModelError: the network has no linear head.
    """
    head = _head_name(classifier)
    device = classifier.device
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed_of(seed, "head"))
        module = build(architecture, len(classes))
    known, own = classifier.module.state_dict(), module.state_dict()
    backbone = {name: tensor for name, tensor in known.items() if name in own and not name.startswith(f"{head}.")}
    if strange := [name for name, tensor in backbone.items() if tensor.shape != own[name].shape]:
        raise ModelError(f"{classifier.name} has another shape in {strange[0]} when it is built for {len(classes)} "
                         "classes; it cannot be trained further")  # fmt: skip
    module.load_state_dict(own | backbone)
    preprocessing = recipe.preprocessing or require_own(classifier.preprocessing, classifier.name)
    declared = Head("sigmoid" if several else "logits")
    return Classifier(module.to(device), preprocessing, Categories(classes), classifier.name, declared=declared)


def finetune(
    classifier: Classifier,
    train: Pictures,
    validation: Pictures,
    recipe: Recipe,
    *,
    seed: int = 0,
    checkpoints: Path | None = None,
    progress: Progress = silent,
    tell: Callable[[Epoch], None] | None = None,
    attention: Attention | None = None,
) -> list[Epoch]:
    """Train the classifier's network in place on `train`; `validation` is looked at after each epoch.

    With `attention` the map of each picture's class is drawn into its mask.

    With `checkpoints`, a folder, a run that was interrupted goes on where it was. What the epochs left is returned, and
    given to `tell` as it comes.

    Raises:
        NonFinite: the loss is no number.
    """
    stages = _Stages(classifier, train, validation, recipe, seed, progress, attention)
    found: list[Epoch] = []
    steps = Stream(train, recipe.batch_size).steps_per_epoch

    def told(stage: str, record: Record) -> None:
        values = {name: value for name, value in record.items() if name in KEPT}
        epoch = Epoch(stage, round(record["step"] / steps), **values)
        found.append(epoch)
        if tell:
            tell(epoch)

    for name, module, stage in stages.all():
        path = checkpoints / f"{name}.pt" if checkpoints else None
        fit(module, stage, checkpoint=path, progress=progress, tell=partial(told, name))
    return found


def save_classifier(folder: Path, classifier: Classifier, architecture: Architecture, about: Mapping[str, Any]) -> None:
    """Write weights and card; `about` stands in the card as `training`. The same classifier gives the same bytes."""
    fields = {
        "architecture": architecture.name,
        "options": architecture.options,
        "preprocessing": classifier.preprocessing.to_dict(),
        "categories": list(classifier.categories),
        **({} if classifier.head.meaning == "classes" else {"gives": classifier.head.gives}),
        **({} if classifier.head.threshold is None else {"threshold": classifier.head.threshold}),
        "training": about,
    }
    write_model(folder, classifier.module, fields)


def predict(classifier: Classifier, pictures: Pictures, progress: Progress = silent) -> Tensor:
    """Logits `(n, K)` of pictures as they are, on the CPU."""
    return answers(classifier.logits, pictures, classifier.device, progress).float().cpu()


def judged(classifier: Classifier, pictures: Pictures, scores: Tensor | None = None) -> Evaluation | LabelEvaluation:
    """How good a classifier is on pictures that name its classes or labels in its own order; `scores` are known."""
    scores = predict(classifier, pictures) if scores is None else scores
    likely, names = classifier.head.probabilities(scores.double()), pictures.classes
    if pictures.folder.labelled:
        return LabelEvaluation.of(names, pictures.labels > 0.5, likely, classifier.head.limits(len(names)))
    return Evaluation.of(names, pictures.labels, likely)


def with_thresholds(classifier: Classifier, pictures: Pictures) -> Classifier:
    """The same network of labels, each with the threshold that has the best F1 on these pictures."""
    likely = classifier.head.probabilities(predict(classifier, pictures).double())
    found = best_thresholds(pictures.labels > 0.5, likely)
    return replace(classifier, declared=replace(classifier.declared, threshold=found))


def measured(logits: Tensor, y: Tensor) -> Mapping[str, float]:
    """Validation loss and accuracy of logits `(n, K)` for pictures of the classes `y` `(n,)` or labels `(n, K)`."""
    found = losses(logits, y, None)
    return {f"validation_{name}": float(value) for name, value in found.items()}


@dataclass(frozen=True)
class _Stages:
    classifier: Classifier
    train: Pictures
    validation: Pictures
    recipe: Recipe
    seed: int
    progress: Progress
    attention: Attention | None = None

    def all(self) -> Iterator[tuple[str, nn.Module, Stage]]:
        """Each stage with the name and the module that it trains, made when its turn comes."""
        if self.recipe.head_epochs:
            head = self.classifier.module.get_submodule(_head_name(self.classifier))
            if self.attention is None and (on_features := self._head_on_features(head)):
                yield "head", head, on_features
            else:
                yield "head", self.classifier.module, self._whole("head", list(head.parameters()))
        if self.recipe.epochs:
            parameters = list(self.classifier.module.parameters())
            yield "all", self.classifier.module, self._whole("all", parameters)

    def _whole(self, name: str, parameters: list[nn.Parameter]) -> Stage:
        recipe, module, attention = self.recipe, self.classifier.module, self.attention
        head, layer = name == "head", "" if attention is None else self.classifier.default_layer
        augmentation = Augmentation() if recipe.augment and not head else None
        device = self.classifier.device
        stream = Stream(self.train, recipe.batch_size, seed_of(self.seed, name), augmentation, device=device)
        still = [module] if head else [] if recipe.batch_statistics else batch_norms(module)

        def objective(batch: Batch) -> Mapping[str, Tensor]:
            return losses(self.classifier.head.ask(module, batch.x), batch.y, self._weights)

        def attentive(batch: AttentiveBatch) -> Mapping[str, Tensor]:
            with watching(module, layer) as kept:
                logits = self.classifier.head.ask(module, batch.x)
            found, outside = losses(logits, batch.y, self._weights), logits.sum() * 0
            if attention is not None and batch.known.any():
                shares = energy(logits, batch.y, kept[-1], self.classifier.require_grid(layer), batch.masks)
                outside = attention.weight * attention_loss(shares, batch.known)
            return {**found, "loss": found["loss"] + outside}

        def look() -> Mapping[str, float]:
            return measured(predict(self.classifier, self.validation), self.validation.labels)

        steps = (recipe.head_epochs if head else recipe.epochs) * stream.steps_per_epoch
        return Stage(
            steps=steps,
            every=stream.steps_per_epoch,
            batches=stream if attention is None else partial(attention.batch, stream),
            objective=objective if attention is None else attentive,
            groups=[Group(parameters, recipe.head_learning_rate if head else recipe.learning_rate)],
            evaluating=[part for each in still for part in each.modules()],
            # From 1 to nearly 0 by half a cosine. Source: Loshchilov & Hutter 2017, without restarts.
            decay=(lambda step: (1 + math.cos(math.pi * step / steps)) / 2) if recipe.decay and not head else None,
            look=look,
            patience=None if head else recipe.patience,
            half=True,
            seed=seed_of(self.seed, name, "draws"),
        )

    def _head_on_features(self, head: nn.Module) -> Stage | None:
        """The head alone, on what goes into it; None where the scores are not a linear function of that."""
        probe = self.classifier.probe()
        with torch.no_grad():
            features = self.classifier.embed(probe)
            direct = (
                isinstance(head, nn.Linear)
                and features.shape[1] == head.in_features
                and torch.allclose(head(features), self.classifier.logits(probe), rtol=1e-4, atol=1e-5)
            )
        if not direct:
            return None
        classifier, words = self.classifier, "pictures for the head"
        features, seen = (
            answers(classifier.embed, pictures, classifier.device, self.progress, words)
            for pictures in (self.train, self.validation)
        )
        labels, expected = self.train.labels.to(features.device), self.validation.labels
        stream = Stream(self.train, self.recipe.batch_size, seed_of(self.seed, "head"))

        def batches(step: int) -> tuple[Tensor, Tensor]:
            indices = torch.tensor(stream.indices(step))
            return features[indices], labels[indices]

        return Stage(
            steps=self.recipe.head_epochs * stream.steps_per_epoch,
            every=stream.steps_per_epoch,
            batches=batches,
            objective=lambda batch: losses(head(batch[0]), batch[1], self._weights),
            groups=[Group(list(head.parameters()), self.recipe.head_learning_rate)],
            look=lambda: measured(head(seen).cpu(), expected),
        )

    @property
    def _weights(self) -> Tensor | None:
        """Of each class: one over how often it comes, so that all weigh alike; of labels how much it counts there."""
        if not self.recipe.class_weights:
            return None
        if self.train.folder.labelled:
            counts = self.train.labels.sum(0).clamp(min=1)
            return ((len(self.train) - counts).clamp(min=1) / counts).to(self.classifier.device, torch.float32)
        counts = torch.bincount(self.train.labels, minlength=len(self.train.classes)).clamp(min=1)
        weights = len(self.train) / (len(self.train.classes) * counts)
        return weights.to(self.classifier.device, torch.float32)


def _head_name(classifier: Classifier) -> str:
    try:
        return classifier.head_layer
    except ExplainError as error:
        raise ModelError(f"{classifier.name} cannot be fine-tuned: {error}") from error


def losses(logits: Tensor, y: Tensor, weights: Tensor | None) -> Mapping[str, Tensor]:
    """Cross entropy and accuracy of logits `(n, K)`: of classes `(n,)`, or of labels `(n, K)` each by itself."""
    if y.dim() == 2:
        right = ((logits > 0) == (y > 0.5)).float().mean()
        return {"loss": F.binary_cross_entropy_with_logits(logits.float(), y, pos_weight=weights), "accuracy": right}
    each = F.cross_entropy(logits.float(), y, weights, reduction="none")
    return {
        "loss": each.mean(),  # not over the weights of the batch, which a batch of one class would cancel
        "accuracy": (logits.argmax(1) == y).float().mean(),
    }
