"""Few-shot training: what guiding by explanations brings, on classes that were learned about and on new ones.

    python -m benchmarks._few_shot DATA [--seeds 5] [--shots 5]

DATA is where Fashion-MNIST lies (`make data`). For each seed five classes are drawn. A small network learns to tell
them apart, then a relation head learns from episodes of them, guided and not, and is asked about episodes of the five
and of the five others, of pictures that it has not seen. Beside it stands the nearest mean of the same features.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import numpy as np
import torch
from scripts.fashion_mnist import CLASSES, MEAN, STD, network, prepared, read, train
from torch import Tensor
from torch.nn.functional import cosine_similarity

from seewhy import Classifier
from seewhy.models import Preprocessing
from seewhy.models.backbone import Backbone
from seewhy.models.relation import RelationHead, paired
from seewhy.train.few_shot import Episode, drawn, episode_stage
from seewhy.train.loop import fit
from seewhy.train.recipe import find_recipe

LEARNED, EACH, ASKED = 6000, 40, 100  # pictures of the backbone, of each class of the head, and episodes to ask about


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--shots", type=int, default=5)
    given = parser.parse_args()
    rows: list[dict[str, float]] = []
    for seed in range(given.seeds):
        rows.append(measured(given.data, seed, given.shots))
        print(seed, {what: round(value, 3) for what, value in rows[-1].items()}, flush=True)
    for what in rows[0]:
        values = np.array([row[what] for row in rows])
        spread = values.std(ddof=1) if len(values) > 1 else float("nan")
        print(f"{what}: {values.mean():.1%}, standard deviation {spread:.1%}, {', '.join(f'{v:.1%}' for v in values)}")


def measured(data: Path, seed: int, shots: int) -> dict[str, float]:
    """Accuracies over episodes of learned and of new classes."""
    order = torch.randperm(len(CLASSES), generator=torch.Generator().manual_seed(seed))
    learned, new = order[:5], order[5:]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module, head = network(), RelationHead(64)
    pictures, labels = read(data, "train")
    mine = torch.nonzero(torch.isin(labels, learned)).flatten()
    train(module, pictures[mine[:LEARNED]], labels[mine[:LEARNED]], epochs=2, seed=seed)
    preparing = Preprocessing((28, 28), mean=(MEAN,), std=(STD,))
    backbone = Backbone.of(Classifier.from_module(module.eval(), preparing, CLASSES))
    kept = torch.cat([mine[labels[mine] == each][:EACH] for each in learned])
    features, own = seen(backbone, pictures[kept]), labels[kept]
    recipe, found = find_recipe("few-shot", shots=shots), dict[str, float]()
    heads = {"guided": head, "plain": copy.deepcopy(head)}
    for name, each in heads.items():
        fit(each, episode_stage(each, features, own, recipe, seed, guided=name == "guided"))
    unseen, truth = read(data, "t10k")
    for name, classes in {"learned classes": learned, "new classes": new}.items():
        some = torch.nonzero(torch.isin(truth, classes)).flatten()[:1000]
        theirs, told = seen(backbone, unseen[some]), truth[some]
        episodes = [drawn(told, shots, seed + 1000, step) for step in range(ASKED)]
        for kind, each in heads.items():
            found[f"{name}, {kind}"] = float(np.mean([right(each, theirs, episode) for episode in episodes]))
        found[f"{name}, nearest mean"] = float(np.mean([nearest(theirs, episode) for episode in episodes]))
    return found


@torch.no_grad()
def seen(backbone: Backbone, pictures: Tensor) -> Tensor:
    """Features `(n, C, h, w)` of pictures uint8 `(n, 28, 28)`."""
    return torch.cat([backbone(prepared(part)) for part in pictures.split(500)])


@torch.no_grad()
def right(head: RelationHead, features: Tensor, episode: Episode) -> float:
    """The share of an episode's pictures that the head gives their class."""
    pairs = paired(features[episode.shown].mean(1), features[episode.asked])
    return float((head(pairs).view(len(episode.asked), -1).argmax(1) == episode.truth).float().mean())


def nearest(features: Tensor, episode: Episode) -> float:
    """The share whose nearest mean, by cosine, is that of their class."""
    means, asked = features[episode.shown].mean((1, 3, 4)), features[episode.asked].mean((2, 3))
    alike = cosine_similarity(asked[:, None], means[None], dim=-1)
    return float((alike.argmax(1) == episode.truth).float().mean())


if __name__ == "__main__":
    main()
