"""Generate cats that never were, with a diffusion model from the Hugging Face hub.

    python studies/cats/fakes.py --count 150 --out cats/ai_generated

Needs `pip install 'seewhy[diffusers]'`, and the hub or its cache; a GPU makes it bearable.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

MODEL = "google/ddpm-cat-256"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--steps", type=int, default=1000, help="of denoising; fewer are faster and worse")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    pipeline = _pipeline()
    given.out.mkdir(parents=True, exist_ok=True)
    for start in range(0, given.count, given.batch_size):
        paths = [
            given.out / f"ddpm-{number:04}.png" for number in range(start, min(start + given.batch_size, given.count))
        ]
        if all(path.exists() for path in paths):  # an earlier run made them
            continue
        generator = torch.Generator().manual_seed(start)
        found = pipeline(len(paths), generator, num_inference_steps=given.steps).images
        for path, picture in zip(paths, found, strict=True):
            picture.save(path)
            print(path)


def _pipeline():  # noqa: ANN202 - diffusers may be missing
    try:
        from diffusers import DDPMPipeline
    except ImportError:
        raise SystemExit("this needs diffusers: pip install 'seewhy[diffusers]'") from None
    try:
        pipeline = DDPMPipeline.from_pretrained(MODEL)
    except (OSError, RuntimeError, ValueError) as error:
        raise SystemExit(
            f"{MODEL} cannot be fetched ({str(error).splitlines()[0]}); run this where the Hugging Face hub can be "
            "reached, or put generated pictures into a folder yourself"
        ) from None
    return pipeline.to("cuda" if torch.cuda.is_available() else "cpu")


if __name__ == "__main__":
    main()
