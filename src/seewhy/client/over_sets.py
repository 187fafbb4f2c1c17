"""What an app can be asked over sets of pictures; written by `scripts/client.py` from the OpenAPI document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from seewhy.answers.cases import BuiltCases, Correspondence, LearnedExplainer
from seewhy.answers.dossier import Dossier, Judgement, Verified
from seewhy.answers.folders import Audited, Different, EvaluatedClasses, EvaluatedLabels, Repaired, Studied, Taught
from seewhy.answers.network import Book, ClassAxes, ClassCounts, ClassPictures, ConceptWord, NextConcept, Probed
from seewhy.client.connection import Connection, Job


class OverSets(Connection):
    """A job for each question that strangers may not ask."""

    def evaluate(
        self,
        pictures: str | Path,
        *,
        model: str | None = None,
        method: str = "grad-cam",
        shown: int = 12,
        seed: int = 0,
    ) -> Job[EvaluatedClasses | EvaluatedLabels]:
        """Count what a classifier gets right, and show what it gets wrong: why, and which pictures it is like.

        Args:
            pictures: The id of a set of pictures, as /sets gives it.
            model: One of /models, such as bundled:efficientnet-lite0, or the id of a job that made one; by default
                the first.
            method: How mistakes are explained.
            shown: Explain so many mistakes, the surest first.
            seed: Of all randomness; the same seed gives the same bytes.
        """
        return cast(
            "Job[EvaluatedClasses | EvaluatedLabels]",
            self._ask(
                "evaluate", {"model": model, "pictures": pictures, "method": method, "shown": shown, "seed": seed}
            ),
        )

    def build_cases(self, pictures: str | Path, *, model: str | None = None) -> Job[BuiltCases]:
        """Build a case base of a set of pictures for a model; its job's id then stands for the cases.

        Args:
            pictures: The id of a set of pictures, as /sets gives it.
            model: One of /models, such as bundled:efficientnet-lite0, or the id of a job that made one; by default
                the first.
        """
        return cast("Job[BuiltCases]", self._ask("build-cases", {"model": model, "pictures": pictures}))

    def correspond(
        self, pictures: str | Path, points: dict[str, dict[str, Sequence[float]]], *, model: str | None = None
    ) -> Job[Correspondence]:
        """Carry points from some photos of a set to all others, or say where nothing corresponds.

        Args:
            pictures: The id of a set of pictures, as /sets gives it.
            points: Of some photos the points by name: {"red/1.png": {"nose": [0.5, 0.4]}}, x and y as shares of the
                photo.
            model: One of /models, such as bundled:efficientnet-lite0, or the id of a job that made one; by default
                the first.
        """
        return cast(
            "Job[Correspondence]", self._ask("correspond", {"model": model, "pictures": pictures, "points": points})
        )

    def train_explainer(
        self,
        pictures: str | Path,
        *,
        model: str | None = None,
        objective: str = "shapley",
        cells: int | None = None,
        steps: int | None = None,
        asked: int | None = None,
        judged: int | None = None,
        long: int | None = None,
        classes: Sequence[str] = (),
        seed: int = 0,
    ) -> Job[LearnedExplainer]:
        """Train an explainer of a model on a set of photos; what is no better than Grad-CAM is marked as not usable.

        Its files are the folder that the method learned:FOLDER names on the command line and in Python.

        Args:
            pictures: The id of a set of pictures, as /sets gives it.
            model: One of /models, such as bundled:efficientnet-lite0, or the id of a job that made one; by default
                the first.
            objective: shapley: shares of the score. mask: what the class is recognised from.
            cells: Of the map, a side. Default: 7 for shapley, 14 for mask.
            steps: Updates of its weights. Default: 1500 for shapley, 400 for mask.
            asked: For shapley: coalitions asked about each photo. Default: 96.
            judged: Unseen photos to judge by. Default: 10 for shapley, 20 for mask.
            long: For shapley: forwards that each of these is judged by. Default: 4000.
            classes: Take these class folders alone.
            seed: Of all randomness; the same seed gives the same bytes.
        """
        return cast(
            "Job[LearnedExplainer]",
            self._ask(
                "train-explainer",
                {
                    "model": model,
                    "pictures": pictures,
                    "objective": objective,
                    "cells": cells,
                    "steps": steps,
                    "asked": asked,
                    "judged": judged,
                    "long": long,
                    "classes": list(classes),
                    "seed": seed,
                },
            ),
        )

    def build_concepts(
        self,
        pictures: str | Path,
        *,
        model: str | None = None,
        layers: Sequence[str] = (),
        count: int = 25,
        seed: int = 0,
    ) -> Job[Book]:
        """Find concepts that a network sees in a set of pictures; its job's id then stands for them.

        Args:
            pictures: The id of a set of pictures, as /sets gives it.
            model: One of /models, such as bundled:efficientnet-lite0, or the id of a job that made one; by default
                the first.
            layers: Layers. Default: two on the way and the last.
            count: How many concepts to look for in each layer.
            seed: Of all randomness; the same seed gives the same bytes.
        """
        return cast(
            "Job[Book]",
            self._ask(
                "build-concepts",
                {"model": model, "pictures": pictures, "layers": list(layers), "count": count, "seed": seed},
            ),
        )

    def count_concepts(
        self, pictures: str | Path, concepts: str, of: str, *, model: str | None = None
    ) -> Job[ClassCounts]:
        """How often the concepts of /build-concepts are found in a set of pictures, and what they add to the class.

        Args:
            pictures: The id of a set of pictures, as /sets gives it.
            concepts: The id of a job of /build-concepts.
            of: A class, several joined by commas, or a group of the file of --groups.
            model: One of /models, such as bundled:efficientnet-lite0, or the id of a job that made one; by default
                the first.
        """
        return cast(
            "Job[ClassCounts]",
            self._ask("count-concepts", {"model": model, "pictures": pictures, "concepts": concepts, "of": of}),
        )

    def next_concept(self, concepts: str, player: str) -> Job[NextConcept]:
        """The concept that a player is to name next, and its crops among the files of its job; null when none is left.

        Args:
            concepts: The id of a job of /build-concepts.
            player: Who is to name it.
        """
        return cast("Job[NextConcept]", self._ask("next-concept", {"concepts": concepts, "player": player}))

    def name_concept(
        self, concepts: str, concept: str, word: str, player: str, *, refuse: bool = False
    ) -> Job[dict[str, ConceptWord]]:
        """Give a concept a name, which stands on every photo where it is found; or refuse a proposed one.

        Args:
            concepts: The id of a job of /build-concepts.
            concept: Which, as its report says, such as 2-0.
            word: What you see in its crops; empty to pass.
            player: Who says so. A word stands on photos once two people agree.
            refuse: The word, which a model proposes, is wrong; two who say so end it.
        """
        return cast(
            "Job[dict[str, ConceptWord]]",
            self._ask(
                "name-concept",
                {"concepts": concepts, "concept": concept, "word": word, "player": player, "refuse": refuse},
            ),
        )

    def class_pictures(
        self,
        classes: Sequence[str],
        *,
        model: str | None = None,
        pictures: str | Path | None = None,
        steps: int = 160,
        rounds: int = 100,
        seed: int = 0,
    ) -> Job[ClassPictures]:
        """Draw what a class looks like to the network, and say how far the picture succeeds.

        Args:
            classes: Names or numbers of classes, or “A vs B”.
            model: One of /models, such as bundled:efficientnet-lite0, or the id of a job that made one; by default
                the first.
            pictures: The id of a set of pictures, as /sets gives it.
            steps: Of a phase picture, four crops each.
            rounds: Of an accumulated picture, twelve noise pictures each.
            seed: Of all randomness; the same seed gives the same bytes.
        """
        return cast(
            "Job[ClassPictures]",
            self._ask(
                "class-pictures",
                {
                    "model": model,
                    "classes": list(classes),
                    "pictures": pictures,
                    "steps": steps,
                    "rounds": rounds,
                    "seed": seed,
                },
            ),
        )

    def probe(
        self,
        pictures: str | Path,
        *,
        model: str | None = None,
        classes: Sequence[str] = (),
        steps: int = 200,
        seed: int = 0,
    ) -> Job[Probed]:
        """Look for a backdoor: a class that photos become by a far smaller change than other classes need.

        Args:
            pictures: The id of a set of pictures, as /sets gives it.
            model: One of /models, such as bundled:efficientnet-lite0, or the id of a job that made one; by default
                the first.
            classes: Classes, four at least. Default: all.
            steps: Of descent for each class, sixteen photos each.
            seed: Of all randomness; the same seed gives the same bytes.
        """
        return cast(
            "Job[Probed]",
            self._ask(
                "probe", {"model": model, "pictures": pictures, "classes": list(classes), "steps": steps, "seed": seed}
            ),
        )

    def axes(self, pictures: str | Path, *, model: str | None = None, count: int = 4) -> Job[ClassAxes]:
        """Find the directions that separate the classes most, with photos at both ends, and what no class sees.

        Args:
            pictures: The id of a set of pictures, as /sets gives it.
            model: One of /models, such as bundled:efficientnet-lite0, or the id of a job that made one; by default
                the first.
            count: How many axes.
        """
        return cast("Job[ClassAxes]", self._ask("axes", {"model": model, "pictures": pictures, "count": count}))

    def run_study(
        self,
        pictures: str | Path,
        *,
        models: Sequence[str] = (),
        methods: Sequence[str] = (),
        metrics: Sequence[str] = (),
        cells: int = 14,
        limit: int | None = None,
        seed: int = 0,
    ) -> Job[Studied]:
        """Score methods for models over a set of pictures. The job says how far it is; its id then names the study.

        Args:
            pictures: The id of a set of pictures, as /sets gives it.
            models: Names of /models, or ids of jobs that made one; by default the first.
            methods: Methods and controls. Default: grad-cam, expected-gradients, lime and three controls.
            metrics: Metrics. Default: confidence with the subject alone and hidden, ROAD, insertion − deletion; with
                masks three of localisation.
            cells: Compare maps in so many cells a side; 0 leaves them as they are.
            limit: Take so many pictures, spread over the folder.
            seed: Of all randomness; the same seed gives the same bytes.
        """
        return cast(
            "Job[Studied]",
            self._ask(
                "run-study",
                {
                    "pictures": pictures,
                    "models": list(models),
                    "methods": list(methods),
                    "metrics": list(metrics),
                    "cells": cells,
                    "limit": limit,
                    "seed": seed,
                },
            ),
        )

    def judge(self, findings: str, number: int, verdict: str, who: str, *, why: str = "") -> Job[list[Judgement]]:
        """Say of a finding whether it is a wrong reason; a dossier gathers it.

        Args:
            findings: The id of a job of /audit.
            number: Which finding, counted from 1.
            verdict: wrong reason, fine or unclear.
            who: The name of whoever looked.
            why: In a sentence.
        """
        return cast(
            "Job[list[Judgement]]",
            self._ask("judge", {"findings": findings, "number": number, "verdict": verdict, "who": who, "why": why}),
        )

    def dossier(
        self,
        results: Sequence[str],
        *,
        models: Sequence[str] = (),
        data: Sequence[str] = (),
        purpose: str | None = None,
        concluded: Sequence[str] = (),
    ) -> Job[Dossier]:
        """Gather results of jobs into a page and a file.

        Their figures are computed again; judgements and conclusions stand beside them.

        Args:
            results: Ids of jobs of /audit, /evaluate, /run-study, /repair and /diff.
            models: Names of /models, or ids of jobs that made one.
            data: Ids of sets.
            purpose: What the model is meant for, in its maker's words.
            concluded: What somebody concluded of all of it; can be repeated.
        """
        return cast(
            "Job[Dossier]",
            self._ask(
                "dossier",
                {
                    "results": list(results),
                    "models": list(models),
                    "data": list(data),
                    "purpose": purpose,
                    "concluded": list(concluded),
                },
            ),
        )

    def verify(
        self, dossier: str, *, models: Sequence[str] = (), data: Sequence[str] = (), seal: str | None = None
    ) -> Job[Verified]:
        """Compute every figure of a dossier again, and say what differs: figures, files, weights, photos, versions.

        Args:
            dossier: The id of a job of /dossier.
            models: Names of /models, or ids of jobs that made one.
            data: Ids of sets.
            seal: The seal that was noted when the dossier was made.
        """
        return cast(
            "Job[Verified]",
            self._ask("verify", {"dossier": dossier, "models": list(models), "data": list(data), "seal": seal}),
        )

    def train(
        self,
        pictures: str | Path,
        *,
        name: str = "classifier",
        model: str | None = None,
        head_epochs: int = 30,
        epochs: int = 0,
        prototypes: bool = False,
    ) -> Job[Taught]:
        """Train a classifier on a set of pictures. Its job's id then stands for the model, and for its cases.

        Args:
            pictures: The id of a set of pictures, as /sets gives it.
            name: What to call it.
            model: What to start from, one of /models; by default the first.
            head_epochs: Rounds of the last layer alone.
            epochs: Rounds of the whole network.
            prototypes: Learn prototypes, too.
        """
        return cast(
            "Job[Taught]",
            self._ask(
                "train",
                {
                    "pictures": pictures,
                    "name": name,
                    "model": model,
                    "head_epochs": head_epochs,
                    "epochs": epochs,
                    "prototypes": prototypes,
                },
            ),
        )

    def audit(
        self, pictures: str | Path, *, model: str | None = None, labels: bool = False, seed: int = 0
    ) -> Job[Audited]:
        """Look for what makes a model answer for wrong reasons over a set, and try each suspect on other pictures.

        Args:
            pictures: The id of a set of pictures, as /sets gives it.
            model: One of /models, such as bundled:efficientnet-lite0, or the id of a job that made one; by default
                the first.
            labels: The set's classes are the true ones, named as the model calls them.
            seed: Of all randomness.
        """
        return cast(
            "Job[Audited]", self._ask("audit", {"model": model, "pictures": pictures, "labels": labels, "seed": seed})
        )

    def repair(
        self, pictures: str | Path, model: str, findings: str, *, number: int = 1, seed: int = 0
    ) -> Job[Repaired]:
        """Change a model's last layer so that a finding no longer carries its class.

        A usable one goes by the job's id.

        Args:
            pictures: The id of a set of pictures, as /sets gives it.
            model: The model that was audited.
            findings: The id of its job of /audit.
            number: Which finding, counted from 1.
            seed: Of all randomness.
        """
        return cast(
            "Job[Repaired]",
            self._ask(
                "repair", {"model": model, "findings": findings, "pictures": pictures, "number": number, "seed": seed}
            ),
        )

    def diff(
        self,
        pictures: str | Path,
        models: Sequence[str],
        *,
        method: str = "grad-cam",
        findings: Sequence[str] | None = None,
        seed: int = 0,
    ) -> Job[Different]:
        """Find pictures to which two models give one answer for different reasons.

        Args:
            pictures: The id of a set of pictures, as /sets gives it.
            models: The model as it was, and as it is now.
            method: Which method explains both.
            findings: Jobs of /audit of both, so that new findings are told.
            seed: Of all randomness.
        """
        return cast(
            "Job[Different]",
            self._ask(
                "diff",
                {
                    "pictures": pictures,
                    "models": list(models),
                    "method": method,
                    "findings": None if findings is None else list(findings),
                    "seed": seed,
                },
            ),
        )
