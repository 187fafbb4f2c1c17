"""`seewhy predict`: what the classifier says."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from seewhy.cli import options
from seewhy.cli.run import Answer, Run, Table, command


@command("model weights device")
def predict(
    run: Run, images: options.Images, top: Annotated[int, typer.Option(min=1, help="How many classes to show.")] = 5
) -> Answer:
    """Say what is in each picture: the likeliest classes with their probabilities."""
    from seewhy.images import find_images
    from seewhy.verbs import predict_each

    sources = find_images(images)
    classifier = run.load()
    with run.progress() as progress:
        outcomes = list(predict_each(classifier, sources, top, progress))
    good = [(each.source, each.value) for each in outcomes if each.value]
    return Answer(
        [{"image": source, "predictions": [asdict(each) for each in found]} for source, found in good],
        [
            Table(
                ["image", "class", "probability", "index"],
                [
                    [source, each.name, f"{each.probability:.1%}", str(each.index)]
                    for source, found in good
                    for each in found
                ],
                classifier.name,
            )
        ],
        failures=[each for each in outcomes if each.error],
        asked=len(outcomes),
    )
