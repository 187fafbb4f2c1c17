"""Results of the zoo as a page: what works in short, network by network, and beside other libraries.

python -m zoo_coverage.page RESULTS.jsonl PEERS.jsonl > docs/coverage.md
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from zoo_coverage.peers import COMPARED, UNJUDGED
from zoo_coverage.running import ZOO, Outcome, Result, read

MARKS: dict[Outcome, str] = {"right": "✓", "refused": "–", "wrong": "✗", "raw error": "!"}
LIBRARIES = {"torchvision": "torchvision", "timm": "timm", "transformers": "Hugging Face transformers"}
CELLS = {
    "predicts": "The classes and probabilities that the network itself gives.",
    "default layer": "The layer that somebody who knows the network would choose, or one with the very same map.",
    "Grad-CAM": "Equal to a hook and autograd, by hand.",
    "LIME": "Regions with weights, and R²; few regions are said to be few.",
    "IG": "Integrated gradients: what it says is missing is what is missing of the change of the score; more than 1 % "
    "is said in words, too.",
    "DeepSHAP": "Adds up to the change of the score within 1 %.",
    "LRP": "Keeps the share of the score that it tells; LRP-0 is input × gradient where all is ReLU, not elsewhere.",
    "AttnLRP": "Keeps the share of the score that it tells, and is not the plain gradient.",
    "network": "`network explain`: the stages in the order they run, up to where the decision is read.",
    "embedding": "All that goes into the scores goes through it; where it says that scores are linear in it, they are.",
    "no trace": "After all of it weights, statistics, flags, hooks, gradients and the random state are as they were.",
}
SHOWN = 160  # characters of a reason


def page(results: Sequence[Result], peers: Sequence[Result]) -> str:
    """The page, in Markdown."""
    return "\n".join(
        [*_head(results), *_by_network(results), *_refused(results), *_faults(results), *_beside(peers), ""]
    )


def _head(results: Sequence[Result]) -> Iterator[str]:
    counts = Counter(each.outcome for each in results)
    networks = {each.network for each in results}
    yield "# Which networks work"
    yield ""
    yield (
        f"{len(networks)} networks with random weights, one or more of every family of torchvision, timm and "
        f"transformers, {len(results):,} checks: **{counts['right'] / len(results):.1%} right**, {counts['refused']} "
        f"refused with a reason, {counts['wrong']} wrong, {counts['raw error']} raw errors. BatchNorm is moved off its "
        "statistics, so that folding it matters, and no weight is left where it does nothing. What is right is "
        "computed with an untouched copy of the network, by PyTorch alone."
    )
    yield ""
    yield "This page is written by `tests/zoo_coverage`; `make zoo` writes it anew."
    yield ""
    yield "| check | what is right | right | refused | wrong | raw error |"
    yield "|---|---|---|---|---|---|"
    for cell, told in CELLS.items():
        found = Counter(each.outcome for each in results if each.cell == cell)
        yield f"| {cell} | {told} | " + " | ".join(str(found[outcome]) for outcome in MARKS) + " |"
    yield ""


def _by_network(results: Sequence[Result]) -> Iterator[str]:
    table = by_network(results)
    yield "## Network by network"
    yield ""
    yield "✓ right, – refused, ✗ wrong, ! raw error. Inputs are as small as the network's last map allows."
    for library, title in LIBRARIES.items():
        rows = [network for network in ZOO if network.library == library and network.full in table]
        if not rows:
            continue
        yield ""
        yield f"### {title}"
        yield ""
        yield f"| network | pixels | {' | '.join(CELLS)} |"
        yield f"|---|---|{'---|' * len(CELLS)}"
        for network in rows:
            marks = [MARKS[table[network.full][cell].outcome] if cell in table[network.full] else "" for cell in CELLS]
            yield f"| {network.name} | {network.size} | {' | '.join(marks)} |"
    yield ""


def _refused(results: Iterable[Result]) -> Iterator[str]:
    yield from _reasons("Refused, and why", [each for each in results if each.outcome == "refused"])


def _faults(results: Iterable[Result]) -> Iterator[str]:
    yield from _reasons("Wrong answers and raw errors", [e for e in results if e.outcome in {"wrong", "raw error"}])


def _reasons(title: str, results: Sequence[Result]) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    if not results:
        yield "None."
    reasons: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for each in results:
        reasons[_short(each.detail)][each.network].append(each.cell)
    for reason, networks in sorted(reasons.items(), key=lambda pair: -len(pair[1])):
        told = "; ".join(f"{network} ({', '.join(cells)})" for network, cells in networks.items())
        yield f"- {reason}: {told}"
    yield ""


def _beside(peers: Sequence[Result]) -> Iterator[str]:
    if not peers:
        return
    table = by_network(peers)
    columns = list(dict.fromkeys(each.cell for each in peers))
    yield f"## {len(table)} networks, beside other libraries"
    yield ""
    yield (
        "The same weights, picture and target. A gap is what is missing of the change of the score: up to 1 % is "
        "right. A map is right when it equals a hook and autograd at the layer that an expert names, which the others "
        "have to be told, and pytorch-grad-cam the way from tokens to a map as well. LRP-0 has to be input × gradient "
        "in a network of ReLUs; elsewhere it is not judged. Each library was used as its documentation shows, on a "
        "network that was not rewritten for it. “Said” stands where seewhy tells the gap on the page of the map."
    )
    yield ""
    yield f"| network | {' | '.join(columns)} |"
    yield f"|---|{'---|' * len(columns)}"
    for network in (each for each in COMPARED if each in table):
        cells = table[network]
        told = [_told(cells[column]) if column in cells else "not run" for column in columns]
        yield f"| {network.partition(':')[2]} | {' | '.join(told)} |"
    judged = [[each for each in peers if each.cell == column and each.detail != UNJUDGED] for column in columns]
    right = [f"{sum(each.outcome == 'right' for each in column)} of {len(column)}" for column in judged]
    yield f"| **right** | {' | '.join(right)} |"


def by_network(results: Iterable[Result]) -> Mapping[str, Mapping[str, Result]]:
    """Results by network and cell, in the order they come."""
    table: dict[str, dict[str, Result]] = defaultdict(dict)
    for each in results:
        table[each.network][each.cell] = each
    return table


def _told(result: Result) -> str:
    return f"{MARKS[result.outcome]} {_short(result.detail, 60)}".strip()


def _short(text: str, most: int = SHOWN) -> str:
    line = " ".join(text.replace("|", "/").split())
    return line if len(line) <= most else f"{line[:most].rsplit(' ', 1)[0]} …"


if __name__ == "__main__":
    print(page(read(Path(sys.argv[1])), read(Path(sys.argv[2])) if len(sys.argv) > 2 else []), end="")
