"""alibi's AnchorImage, in an interpreter of its own: asks its parent what the model says of pictures, through a pipe.

Nothing of seewhy is imported here. Arrays travel as NumPy's `.npy`; what was found comes last, as JSON.
"""

from __future__ import annotations

import json
import os
import sys

import numpy as np
from alibi.explainers import AnchorImage


def main() -> None:
    """Explain the picture at the first path, its regions at the second, with the seed and the largest rule given."""
    ask, answer = os.fdopen(os.dup(1), "wb"), sys.stdin.buffer
    os.dup2(2, 1)  # whatever else is printed must not get into the pipe
    picture, labels = (np.load(path) for path in sys.argv[1:3])
    seed, largest = (int(number) for number in sys.argv[3:5])

    def classes(pictures: np.ndarray) -> np.ndarray:
        np.save(ask, np.ascontiguousarray(pictures, np.float32))
        ask.flush()
        return np.load(answer)

    explainer = AnchorImage(classes, picture.shape, segmentation_fn=lambda _: labels, seed=seed)
    found = explainer.explain(picture, max_anchor_size=largest)
    np.save(ask, np.zeros(0, np.float32))
    rule = {"regions": [int(region) for region in found.raw["feature"]], "precision": float(found.precision)}
    ask.write(json.dumps(rule).encode())
    ask.flush()


if __name__ == "__main__":
    main()
