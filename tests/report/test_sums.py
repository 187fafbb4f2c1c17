"""What pages say about sums, against the numbers themselves."""

import html
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import zoo
from seewhy.core.outcome import Outcome
from seewhy.images import open_image
from seewhy.methods import Explanation, find_method
from seewhy.models import Target
from seewhy.report.explain import ExplainReport
from seewhy.report.page import check_words

MISSES = re.compile(r"What was shared out adds up to the change of the score but for ([0-9.,]+)% of it\.")
KEPT = re.compile(r"The values add up to (-?[0-9.,]+)% of the score: biases and the rules themselves take or add the")


def explained(method: str, network: str = "residual", **parameters: object) -> Explanation:
    generator = torch.Generator().manual_seed(0)
    found = find_method(method, **parameters)
    return found(zoo.classifier(network), zoo.photos(1), [[Target(1)]], generator=generator)[0]


def scores(network: str = "residual") -> tuple[float, float]:
    """Of the photo, and of black."""
    photo = zoo.photos(1)[0]
    black = open_image(np.zeros((photo.height, photo.width, 3), np.uint8))
    classifier = zoo.classifier(network)
    photo_score, black_score = classifier.logits(classifier.preprocess([photo, black]))[:, 1].tolist()
    return photo_score, black_score


def page_of(folder: Path, explanation: Explanation) -> str:
    report = ExplainReport(folder)
    report.add(Outcome("photo", [explanation]))
    return html.unescape(report.close().read_text("utf-8"))


def told(words: re.Pattern[str], text: str) -> float:
    (found,) = words.findall(" ".join(text.split()))
    return float(found.replace(",", "")) / 100


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("deep-lift", {}),
        ("integrated-gradients", {}),
        ("integrated-gradients", {"steps": 2, "most_steps": 2}),
        ("integrated-gradients", {"steps": 5, "most_steps": 5}),
    ],
)
@pytest.mark.parametrize("network", ["residual", "tiny-vit", "functional"])
def test_the_page_tells_by_how_much_of_the_change_the_sum_misses(method, parameters, network, tmp_path):
    explanation = explained(method, network, **parameters)
    photo, black = scores(network)
    total, change = float(explanation.values.astype(float).sum()), photo - black
    page = page_of(tmp_path, explanation)
    gap = told(MISSES, page)
    assert gap == pytest.approx(abs(total - change) / abs(change), abs=1e-3)
    marked = "This map does not add up: its values sum to" in re.sub(
        r"<details.*?</details>", "", page, flags=re.DOTALL
    )
    assert marked == (gap > 0.01), "marked where everybody sees it, not in folded details"


@pytest.mark.parametrize("method", ["lrp", "attn-lrp"])
def test_the_page_tells_how_much_of_the_score_is_in_the_map(method, tmp_path):
    explanation = explained(method)
    kept = told(KEPT, page_of(tmp_path, explanation))
    assert kept == pytest.approx(float(explanation.values.astype(float).sum()) / scores()[0], abs=0.006)


def test_shares_of_the_score_may_be_more_than_all_of_it_or_less_than_none():
    assert told(KEPT, check_words("relevance_kept", -0.4)) == -0.4
    assert told(KEPT, check_words("relevance_kept", 12.5)) == 12.5
