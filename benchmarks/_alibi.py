"""alibi's AnchorImage in an interpreter of its own, which has no seewhy: asks its parent what the model says.

    python _alibi.py FOLDER PIPE SEED LARGEST

explains `picture.npy` with the regions `labels.npy` of the folder. Through the connection PIPE go pictures and come
classes; nothing marks the end, and then goes the rule, as JSON.
"""

from __future__ import annotations

import json
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from alibi.explainers import AnchorImage


def main() -> None:
    picture, labels = (np.load(Path(sys.argv[1], name)) for name in ("picture.npy", "labels.npy"))
    pipe, seed, largest = (int(number) for number in sys.argv[2:])
    parent = Connection(pipe)

    def classes(pictures: np.ndarray) -> np.ndarray:
        parent.send_bytes(pictures.astype(np.float32).tobytes())
        return np.frombuffer(parent.recv_bytes(), np.int64)

    explainer = AnchorImage(classes, picture.shape, segmentation_fn=lambda _: labels, seed=seed)
    found = explainer.explain(picture, max_anchor_size=largest)
    rule = {"regions": [int(region) for region in found.raw["feature"]], "precision": float(found.precision)}
    parent.send_bytes(b"")
    parent.send_bytes(json.dumps(rule).encode())


if __name__ == "__main__":
    main()
