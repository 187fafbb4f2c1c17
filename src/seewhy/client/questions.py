"""What an app can be asked, a method for each; written by `scripts/client.py` from the OpenAPI document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, cast

from seewhy.answers.cases import Counterfactuals, Influences, ListedCases, Parts, PrototypePhoto, Twins
from seewhy.answers.explaining import Compared, Explanations, NetworkManifest, Predictions
from seewhy.answers.folders import Studied
from seewhy.answers.network import ClassView, PhotoConcepts
from seewhy.answers.people import ListedLayer, ListedMethod, ListedMetric
from seewhy.client.connection import Connection, Job


class Questions(Connection):
    """A job for each question, and lists."""

    def models(self) -> list[str]:
        """The models to choose from; the first is the default."""
        return cast("list[str]", self._json("/models"))

    def methods(self) -> list[ListedMethod]:
        """The methods that explain."""
        return cast("list[ListedMethod]", self._json("/methods"))

    def metrics(self) -> list[ListedMetric]:
        """The metrics that say how far to believe an explanation."""
        return cast("list[ListedMetric]", self._json("/metrics"))

    def samples(self) -> list[str]:
        """Photos that are always there."""
        return cast("list[str]", self._json("/samples"))

    def cases(self) -> list[ListedCases]:
        """Case bases to compare photos with."""
        return cast("list[ListedCases]", self._json("/cases"))

    def list_prototypes(self) -> list[str]:
        """Models with prototypes."""
        return cast("list[str]", self._json("/prototypes"))

    def studies(self) -> list[str]:
        """Studies that were run before."""
        return cast("list[str]", self._json("/studies"))

    def prototypes(self, image: str | Path, prototypes: str) -> Job[PrototypePhoto]:
        """What in a photo looks like which patch of a training picture, and the points that it gives.

        Args:
            image: The id of an uploaded photo, or sample:cat.
            prototypes: One of /prototypes, or the id of a job of /train that learned some.
        """
        return cast("Job[PrototypePhoto]", self._ask("prototypes", {"image": image, "prototypes": prototypes}))

    def predict(self, image: str | Path, *, model: str | None = None, top: int = 5) -> Job[Predictions]:
        """The likeliest classes of a photo with their probabilities.

        Args:
            image: The id of an uploaded photo, or sample:cat.
            model: One of /models, such as bundled:efficientnet-lite0, or the id of a job that made one; by default
                the first.
            top: How many classes.
        """
        return cast("Job[Predictions]", self._ask("predict", {"model": model, "image": image, "top": top}))

    def explain(
        self,
        image: str | Path,
        *,
        model: str | None = None,
        methods: Sequence[str] = ("grad-cam",),
        target: str | int | None = None,
        seed: int = 0,
    ) -> Job[Explanations]:
        """Where in a photo the model looked for a class, by one method or several; maps and pictures are in the files.

        Args:
            image: The id of an uploaded photo, or sample:cat.
            model: One of /models, such as bundled:efficientnet-lite0, or the id of a job that made one; by default
                the first.
            methods: Names of /methods.
            target: A class, its index, or "A vs B"; by default the likeliest.
            seed: Of all randomness.
        """
        return cast(
            "Job[Explanations]",
            self._ask(
                "explain", {"model": model, "image": image, "methods": list(methods), "target": target, "seed": seed}
            ),
        )

    def compare(
        self,
        image: str | Path,
        *,
        model: str | None = None,
        methods: Sequence[str] = (),
        target: str | int | None = None,
        seed: int = 0,
        metrics: Sequence[str] = (),
    ) -> Job[Compared]:
        """Score several methods on a photo against maps drawn by chance, and say which to believe, if any.

        Args:
            image: The id of an uploaded photo, or sample:cat.
            model: One of /models, such as bundled:efficientnet-lite0, or the id of a job that made one; by default
                the first.
            methods: Two or more of /methods; by default eight fast ones.
            target: A class, its index, or "A vs B"; by default the likeliest.
            seed: Of all randomness.
            metrics: Names of /metrics; by default four.
        """
        return cast(
            "Job[Compared]",
            self._ask(
                "compare",
                {
                    "model": model,
                    "image": image,
                    "methods": list(methods),
                    "target": target,
                    "seed": seed,
                    "metrics": list(metrics),
                },
            ),
        )

    def network(
        self,
        image: str | Path,
        *,
        model: str | None = None,
        target: str | int | None = None,
        layers: Sequence[str] = (),
        clustering: Literal["ward", "classic"] = "ward",
        signed: bool = False,
        seed: int = 0,
    ) -> Job[NetworkManifest]:
        """What each layer found in a photo, how much each find weighs, and what is lost without it.

        Args:
            image: The id of an uploaded photo, or sample:cat.
            model: One of /models, such as bundled:efficientnet-lite0, or the id of a job that made one; by default
                the first.
            target: A class, its index, or "A vs B"; by default the likeliest.
            layers: Names of layers; by default the last nine stages.
            clustering: How maps are grouped.
            signed: Keep what speaks against the class, too.
            seed: Of all randomness.
        """
        return cast(
            "Job[NetworkManifest]",
            self._ask(
                "network",
                {
                    "model": model,
                    "image": image,
                    "target": target,
                    "layers": list(layers),
                    "clustering": clustering,
                    "signed": signed,
                    "seed": seed,
                },
            ),
        )

    def class_view(self, of: str | int, *, model: str | None = None) -> Job[ClassView]:
        """Sum up a class in the words of people who played with its photos, layer by layer.

        Args:
            of: A class, or its index.
            model: One of /models, such as bundled:efficientnet-lite0, or the id of a job that made one; by default
                the first.
        """
        return cast("Job[ClassView]", self._ask("class-view", {"model": model, "of": of}))

    def concepts(
        self, image: str | Path, concepts: str, *, model: str | None = None, target: str | int | None = None
    ) -> Job[PhotoConcepts]:
        """A photo in the concepts that /build-concepts found: what each adds to the score, layer by layer.

        Args:
            image: The id of an uploaded photo, or sample:cat.
            concepts: The id of a job of /build-concepts.
            model: One of /models, such as bundled:efficientnet-lite0, or the id of a job that made one; by default
                the first.
            target: A class, its index, or "A vs B"; by default the likeliest.
        """
        return cast(
            "Job[PhotoConcepts]",
            self._ask("concepts", {"model": model, "image": image, "concepts": concepts, "target": target}),
        )

    def twins(self, image: str | Path, cases: str, *, top: int = 5) -> Job[Twins]:
        """The pictures of a case base most like a photo to the model, and where they are alike.

        Args:
            image: The id of an uploaded photo, or sample:cat.
            cases: One of /cases, or the id of a job of /train or /build-cases.
            top: How many twins.
        """
        return cast("Job[Twins]", self._ask("twins", {"image": image, "cases": cases, "top": top}))

    def counterfactual(
        self, image: str | Path, cases: str, *, target: str | None = None, seed: int = 0
    ) -> Job[Counterfactuals]:
        """Another picture, parts of it, or less of this photo: what makes the model say something else.

        Args:
            image: The id of an uploaded photo, or sample:cat.
            cases: One of /cases, or the id of a job of /train or /build-cases.
            target: The class to turn to; by default any other.
            seed: Of all randomness.
        """
        return cast(
            "Job[Counterfactuals]",
            self._ask("counterfactual", {"image": image, "cases": cases, "target": target, "seed": seed}),
        )

    def parts(
        self, image: str | Path, cases: str, *, against: str | None = None, parts: int = 5, top: int = 4
    ) -> Job[Parts]:
        """Divide a decision into parts that add up to it, each with the cases that it is found in.

        Args:
            image: The id of an uploaded photo, or sample:cat.
            cases: One of /cases, or the id of a job of /train or /build-cases.
            against: A class to compare with, or "next"; by default all others.
            parts: How many parts.
            top: How many cases of each part.
        """
        return cast(
            "Job[Parts]",
            self._ask("parts", {"image": image, "cases": cases, "against": against, "parts": parts, "top": top}),
        )

    def influence(self, image: str | Path, cases: str, *, top: int = 5, seed: int = 0) -> Job[Influences]:
        """The training pictures that helped a decision or stood against it, and which labels to look at.

        Args:
            image: The id of an uploaded photo, or sample:cat.
            cases: One of /cases, or the id of a job of /train or /build-cases.
            top: How many that helped, and how many that stood against it.
            seed: Of all randomness.
        """
        return cast(
            "Job[Influences]", self._ask("influence", {"image": image, "cases": cases, "top": top, "seed": seed})
        )

    def layers(self, *, model: str | None = None, pattern: str = "") -> Job[list[ListedLayer]]:
        """A model's layers in the order they run. Questions that take layers take these names.

        Args:
            model: One of /models, such as bundled:efficientnet-lite0, or the id of a job that made one; by default
                the first.
            pattern: Only names that contain this, such as resnet.
        """
        return cast("Job[list[ListedLayer]]", self._ask("layers", {"model": model, "pattern": pattern}))

    def study(self, study: str) -> Job[Studied]:
        """Which methods to believe over a whole folder of pictures, by a study that was run.

        Args:
            study: One of /studies, or the id of a job of /run-study.
        """
        return cast("Job[Studied]", self._ask("study", {"study": study}))
