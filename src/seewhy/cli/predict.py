"""`seewhy predict`: what the classifier says."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from seewhy.cli import options
from seewhy.cli.console import finish, print_json, print_table, progress_bar, waiting


def predict(
    images: options.Images,
    model: options.Model = options.DEFAULT_MODEL,
    weights: options.Weights = None,
    top: Annotated[int, typer.Option(min=1, help="How many classes to show.")] = 5,
    device: options.Device = "auto",
    json: options.Json = False,
) -> None:
    """Say what is in each picture: the likeliest classes with their probabilities."""
    from seewhy.images import find_images
    from seewhy.models import load
    from seewhy.verbs import predict_each

    sources = find_images(images)
    with waiting(f"loading {model}"):
        classifier = load(model, weights, device)
    with progress_bar() as progress:
        answers = list(predict_each(classifier, sources, top, progress))
    good = [answer for answer in answers if not answer.error]
    if json:
        print_json([{"image": each.source, "predictions": [asdict(p) for p in each.predictions]} for each in good])
    else:
        rows = [[each.source, p.name, f"{p.probability:.1%}", str(p.index)] for each in good for p in each.predictions]
        print_table(classifier.name, ["image", "class", "probability", "index"], rows)
    finish([(each.source, each.error) for each in answers if each.error], len(answers))
