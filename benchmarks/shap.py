"""Kernel SHAP against captum's, and Partition SHAP against shap's, at the same number of evaluations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from benchmarks._networks import MODELS, classifier_of
from benchmarks._processes import answer, contestant, take_turns_apart
from benchmarks._timing import Timing, machine, write_section
from torch import Tensor

from seewhy import Classifier, Explanation, Image, Target, find_method, open_image
from seewhy.engines import find_fill, segment
from seewhy.methods import Method
from seewhy.methods.regions import seen_pixels

KERNEL, PARTITION = "Kernel SHAP", "Partition SHAP"
EVALUATIONS = {KERNEL: 200, PARTITION: 200}
FILLS = {KERNEL: "region-mean", PARTITION: "blur"}
PEERS = {KERNEL: "captum", PARTITION: "shap"}
OURS = "seewhy"
PHOTO = "sample:coffee"
BATCH = 32  # of the peers: as good as any on a CPU; ours finds its own
CELLS = 7
ABOUT = f"""\
## SHAP

Median seconds an explanation of one class of one photo, and how many times as long the peer takes (median over
rounds and its quartiles). **Wanted: 2.00 at least.** Each contestant is a process of its own.

- *{KERNEL}*: {EVALUATIONS[KERNEL]:,} evaluations over the same regions with the same fill; captum's `KernelShap`.
- *{PARTITION}*: {EVALUATIONS[PARTITION]:,} evaluations, down to pixels, with the same blurred picture as fill;
  shap's `PartitionExplainer`, its masker made beforehand.
- The peers ask {BATCH} pictures at once, in float32, of the network as it was loaded; seewhy chooses its batch and
  precision itself, and its time includes that.
- *Agreement* is the correlation of what they find: by regions, or in {CELLS} × {CELLS} cells.
"""


@dataclass(frozen=True)
class Task:
    """One photo, one class, and what hides its regions: all that the contestants have in common."""

    classifier: Classifier
    image: Image
    target: int
    labels: np.ndarray
    x: Tensor
    hidden: Tensor

    @classmethod
    def of(cls, what: str, model: str, device: torch.device) -> Task:
        """What `model` finds likeliest on the photo, its regions hidden as `what` hides them."""
        classifier, image = classifier_of(model, device), open_image(PHOTO)
        labels = segment(seen_pixels(classifier.preprocessing.pixels([image])[0]), "quickshift")
        pixels = classifier.preprocessing.pixels([image])[0].to(device)
        regions = torch.from_numpy(labels).to(device).long()
        filler = find_fill(FILLS[what]).prepare(pixels, regions, torch.Generator().manual_seed(0))
        nothing = torch.zeros((1, *labels.shape), dtype=torch.bool, device=device)
        hidden = filler(nothing, torch.zeros(1, dtype=torch.int64, device=device))
        x, fill = (classifier.preprocessing.normalize(each) for each in (pixels[None], hidden))
        return cls(classifier, image, int(classifier.logits(x).argmax()), labels, x, fill)


def main(device: torch.device, budget: float) -> None:
    """Measure, and write the section `shap` of the results; `budget` is in seconds a row."""
    rows = [_row(what, model, device, budget) for what in EVALUATIONS for model in MODELS]
    head = "| method | network | seewhy | peer | peer ÷ seewhy | agreement |\n|---|---|--:|--:|--:|--:|"
    write_section("shap", "\n".join([ABOUT, machine(device), "", head, *rows]))


def _row(what: str, model: str, device: torch.device, budget: float) -> str:
    peer = PEERS[what]
    options = [str(EVALUATIONS[what]), str(device), str(torch.get_num_threads())]
    commands = {name: ["benchmarks.shap", what, name, model, *options] for name in (OURS, peer)}
    timing, found = take_turns_apart(commands, budget, rounds=3)
    agreement = float(np.corrcoef(found[OURS][0], found[peer][0])[0, 1])
    cells = [what, model, _seconds(timing, OURS), f"{peer}: {_seconds(timing, peer)}"]
    return f"| {' | '.join([*cells, timing.ratio(peer, OURS), f'{agreement:.3f}'])} |"


def _seconds(timing: Timing, name: str) -> str:
    return f"{timing.milliseconds(name) / 1000:.2f}"


# --- The contestants ----------------------------------------------------------------------------------------------


def _kernel_seewhy(task: Task, evaluations: int) -> Callable[[int], list[float]]:
    method = find_method("kernel-shap", regions=task.labels, samples=evaluations)
    return lambda _: _explain(task, method).regions.weights.tolist()


def _partition_seewhy(task: Task, evaluations: int) -> Callable[[int], list[float]]:
    method = find_method("partition-shap", samples=evaluations)
    return lambda _: _cells(_explain(task, method).values)


def _explain(task: Task, method: Method) -> Explanation:
    generator = torch.Generator().manual_seed(0)
    return method(task.classifier, [task.image], [[Target(task.target)]], generator=generator)[0]


def _kernel_captum(task: Task, evaluations: int) -> Callable[[int], list[float]]:
    from captum.attr import KernelShap

    explainer = KernelShap(task.classifier.logits)
    regions = torch.from_numpy(task.labels).to(task.x.device).long()[None, None]
    firsts = np.unique(task.labels, return_index=True)[1]

    def run(_: int) -> list[float]:
        torch.manual_seed(0)
        found = explainer.attribute(
            task.x, task.hidden, task.target, None, regions, n_samples=evaluations, perturbations_per_eval=BATCH
        )
        return found[0, 0].flatten()[torch.from_numpy(firsts)].cpu().tolist()

    return run


def _partition_shap(task: Task, evaluations: int) -> Callable[[int], list[float]]:
    import shap

    picture, hidden = (each[0].permute(1, 2, 0).cpu().numpy() for each in (task.x, task.hidden))

    def network(pictures: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(pictures).to(task.x.device).permute(0, 3, 1, 2)
        with torch.no_grad():
            return task.classifier.logits(x)[:, task.target].cpu().numpy()

    explainer = shap.PartitionExplainer(network, shap.maskers.Image(hidden))
    options = {"max_evals": evaluations, "batch_size": BATCH, "silent": True}
    return lambda _: _cells(explainer(picture[None], **options).values[0].sum(-1))


CONTESTANTS = {
    (KERNEL, OURS): _kernel_seewhy,
    (KERNEL, "captum"): _kernel_captum,
    (PARTITION, OURS): _partition_seewhy,
    (PARTITION, "shap"): _partition_shap,
}


def _cells(values: np.ndarray) -> list[float]:
    """Summed up in cells."""
    height, width = values.shape
    return values.reshape(CELLS, height // CELLS, CELLS, width // CELLS).sum((1, 3)).flatten().tolist()


def _contestant() -> None:
    given = contestant("benchmarks.shap", what=EVALUATIONS, name=str, model=MODELS, evaluations=int)
    task = Task.of(given.what, given.model, given.device)
    answer(CONTESTANTS[given.what, given.name](task, given.evaluations), given.device)


if __name__ == "__main__":
    _contestant()
