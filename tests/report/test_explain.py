import re
import tracemalloc
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from report.samples import CLASSES, PREDICTIONS, explanation, photo
from report.viewing import shown
from seewhy.core.outcome import Outcome
from seewhy.draw.charts import EXPLAINED
from seewhy.errors import BadImage
from seewhy.images import Image
from seewhy.methods import RegionWeights, Rule, method_info
from seewhy.models import Box, Prediction, Target
from seewhy.report.explain import ExplainReport

GRADED = method_info("grad-cam")
EMPTY = np.zeros((6, 6), np.float32)


class Page(HTMLParser):
    """A page as its tags and its words; blanks are as in print."""

    def __init__(self, text):
        super().__init__()
        self.source, self.tags, self.words = text, [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def named(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def report(tmp_path):
    def write(*outcomes, saved=None):
        return Page(written(tmp_path, *outcomes, saved=saved).read_text("utf-8"))

    return write


def written(folder, *outcomes, saved=None):
    report = ExplainReport(folder)
    for each in outcomes:
        report.add(each, saved)
    return report.close()


def outcome(*explanations, source="cat.png"):
    return Outcome(source, explanations or (explanation(),))


def failure(source="broken <b>.jpg", message="it holds no bytes at all. Copy it again."):
    return Outcome(source, error=BadImage("empty", message))


def test_a_stranger_finds_everything(report):
    page = report(outcome(explanation(checks={"similarity": 0.5}, image=photo(notes=("first of 3 frames",)))))
    for words in (
        "Where the model looked",
        "Asked of bundled:tiny: why the class it finds likeliest? Answered by Grad-CAM.",
        "cat.png The model says tiger cat (60.0%)",
        "The frame marks what the model saw.",
        "First of 3 frames.",
        "no evidence strongest evidence",
        "tiger cat · layer blocks.3",
        f"{GRADED.question} {GRADED.reading}",
        "Selvaraju et al. 2017, arXiv:1610.02391",
        "1 forward, 1 backward, 0.25 s",
        "two pictures are 0.50 alike",
        "What this cannot tell you",
        "see whether several agree",
    ):
        assert words in page.text
    assert "could not be explained" not in page.text


def test_nothing_comes_from_elsewhere(report):
    page = report(outcome(), outcome(), failure())
    loaded = {tag for tag, attributes in page.tags if {"src", "srcset", "poster", "data"} & attributes.keys()}
    assert loaded == {"img"}
    assert all(each["src"].startswith("data:image/") for each in page.named("img"))
    assert not {"script", "iframe", "object", "embed", "form", "base"} & {tag for tag, _ in page.tags}
    assert [each["href"] for each in page.named("link")] == ["data:,"]
    assert "@import" not in page.source
    assert "url(" not in page.source
    elsewhere = {each["href"] for each in page.named("a") if ":" in each["href"]}
    assert elsewhere == {"https://arxiv.org/abs/1610.02391"}


def test_names_cannot_break_out_of_the_page(report):
    nasty = '<script>alert("x")</script>'
    target = Target(284, chosen="asked")
    page = report(
        outcome(explanation(target=target, target_label=nasty, image=photo(nasty), layer=nasty, classifier=nasty)),
        failure(nasty, nasty),
    )
    assert "<script" not in page.source
    assert page.text.count("alert") >= 6


def test_every_picture_says_what_it_shows(report):
    page = report(outcome(explanation(), explanation(values=EMPTY)))
    pictures = [each for each in page.named("img") if each["alt"]]
    assert [each["alt"] for each in pictures] == [
        "The photo cat.png, with a frame round the part that the model saw",
        "Grad-CAM on cat.png: evidence for “tiger cat” is strongest at the top left",
        "Grad-CAM on cat.png: the photo in grey, no evidence found for “tiger cat”",
    ]
    assert all("alt" in each and each["width"] and each["height"] for each in page.named("img"))
    assert [each["role"] for each in page.named("svg")] == ["img"]


def test_a_reader_of_headings_gets_an_outline(report):
    page = report(outcome(), outcome(), failure())
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert page.named("html") == [{"lang": "en"}]
    assert any(each.get("name") == "viewport" for each in page.named("meta"))
    assert not [
        name for name, count in Counter(each["id"] for _, each in page.tags if "id" in each).items() if count > 1
    ]


def test_an_empty_map_is_an_answer_in_words_without_a_legend(report):
    page = report(outcome(explanation(values=EMPTY)))
    assert "No evidence found: to this method nothing in the picture speaks for this class." in page.text
    assert "strongest evidence" not in page.text
    signed = report(outcome(explanation(values=EMPTY, signed=True)))
    assert "speaks for this class or against it." in signed.text


def test_a_map_of_both_signs_has_a_legend_of_both_signs(report):
    values = EMPTY.copy()
    values[0, 0], values[5, 5] = 1, -2
    assert "against 0 for" in report(outcome(explanation(values=values, signed=True))).text


def test_failures_are_listed_with_their_words_and_announced_above(report):
    page = report(outcome(), failure(), failure("b.jpg"))
    assert "2 photos could not be explained: see the end." in page.text
    assert "broken <b>.jpg it holds no bytes at all. Copy it again." in page.text
    assert page.text.index("Not explained") > page.text.index("The model says")


def test_where_all_failed_the_page_says_so(report):
    page = report(failure())
    assert page.text.count("Nothing could be explained") == 2  # title and heading
    assert "it holds no bytes at all" in page.text
    assert "What this cannot tell you" not in page.text


def test_a_file_name_that_is_no_text_does_no_harm(report):
    assert r"caf\udce9.jpg" in report(failure(b"caf\xe9.jpg".decode("utf-8", "surrogateescape"))).text


def test_contents_lead_to_every_photo(report):
    page = report(*(outcome(explanation(image=photo(f"{number}.png"))) for number in range(3)))
    inside = [each["href"].removeprefix("#") for each in page.named("a") if each["href"].startswith("#")]
    assert inside == ["photo-1", "photo-2", "photo-3"]
    assert set(inside) <= {each["id"] for each in page.named("section") if "id" in each}
    assert "Where the model looked in 3 photos" in page.text
    assert "Contents" not in report(outcome()).text


def test_the_explained_class_stands_out_among_the_bars(report):
    asked = report(outcome(explanation(target=Target(282), target_label="tabby")))
    assert asked.source.count(EXPLAINED) == 1
    assert re.search(r'<g><title>tabby</title><text [^>]*font-weight="bold"', asked.source)
    assert "Explained here: tabby (10.0%)" in asked.text
    assert "why “tabby”?" in asked.text
    several = report(outcome(explanation(), explanation(target=Target(281, chosen="predicted"))))
    assert EXPLAINED not in several.source
    assert "Explained here: tiger cat (60.0%), Egyptian cat (20.0%)" in several.text


def test_a_class_is_one_bar_though_methods_differ_in_the_last_digit(report):
    nearly = (Prediction(280, "tiger cat", 0.6 + 1e-9), *PREDICTIONS[1:])
    page = report(outcome(explanation(), explanation(predictions=nearly)))
    assert page.source.count("<title>tiger cat</title>") == 1
    assert "Explained here" not in page.text


def test_how_to_read_a_method_is_told_once_per_photo(report):
    layers = [explanation(layer=layer) for layer in ("blocks.1", "blocks.2")]
    page = report(outcome(*layers, explanation(method="layer-cam")), outcome(*layers))
    assert page.text.count(GRADED.reading) == 2
    assert page.text.count(method_info("layer-cam").reading) == 1


def test_a_rule_is_told_in_its_own_words(report):
    rule = Rule((0,), 0.97, 0.95, 0.99, 0.1, 0.2, 500, 0.95, "While ear & eye stay, it stays a cat.")
    assert "While ear & eye stay, it stays a cat." in report(outcome(explanation(rule=rule))).text


REGIONS = RegionWeights(np.kron([[0, 1], [2, 3]], np.ones((3, 3))).astype(np.int32), np.array([2.0, -1.0, 0.5, 0.0]))


def of_regions(errors=None, regions=REGIONS, **changes):
    found = replace(regions, errors=None if errors is None else np.full(4, errors))
    return explanation(**{"values": found.painted, "signed": True, "regions": found, **changes})


def test_regions_come_with_bars_that_are_explained_once(report):
    scores = replace(REGIONS, unit="score")
    page = report(outcome(of_regions(0.1, scores), of_regions(0.1, scores, layer="blocks.1")))
    assert [each["aria-label"] for each in page.named("svg")][1:] == [
        "1: score +2.00 ± 0.20; 2: score \N{MINUS SIGN}1.00 ± 0.20; 3: score +0.50 ± 0.20"
    ] * 2
    assert page.text.count("95 % intervals") == 1
    assert "against 0 for score \N{MINUS SIGN}2.00 score +2.00" in page.text
    exact = report(outcome(of_regions()))
    assert "The strongest regions, by their numbers in the picture, in per cent of the strongest." in exact.text
    assert exact.named("svg")[1]["aria-label"] == "1: +100%; 2: \N{MINUS SIGN}50%; 3: +25%"
    assert "95 %" not in exact.text


def test_regions_that_may_all_be_chance_are_no_evidence(report):
    page = report(outcome(of_regions(9.0)))
    assert "No region stands out from chance." in page.text
    assert "against no evidence for" not in page.text
    assert page.named("img")[1]["alt"].endswith(": the photo in grey, no region stands out from chance")


COMPANY = "variations that keep 50% of the regions"
ODDS = replace(REGIONS, unit="log-odds", least=0.4, company=COMPANY, alone=(0.2, None, None, None))


def test_log_odds_are_told_as_what_hiding_does_to_the_odds(report):
    page = report(outcome(of_regions(0.1, ODDS)))
    assert page.named("svg")[1]["aria-label"] == (
        "1: odds ÷ 7.4 (6.1 to 9.0); 2: odds × 2.7 (2.2 to 3.3); 3: odds ÷ 1.6 (1.4 to 2.0)"
    )
    assert "Hiding region 1 makes the odds of “tiger cat” 7.4 times smaller, on average over" in page.text
    assert "The whole picture gives “tiger cat” 60.0%. With only one region hidden it gives 20.0% (1)." in page.text
    assert "odds × 7.4 where hidden odds ÷ 7.4" in page.text


def test_where_no_single_part_decides_nothing_is_coloured(report):
    found = replace(ODDS, least=2.5)
    page = report(outcome(of_regions(0.1, found, checks={"change": 60.0})))
    assert "No single part decides: hiding any one region changes the odds of “tiger cat” by a factor" in page.text
    assert "Hiding everything makes them over 1,000,000 times smaller." in page.text
    assert "where hidden" not in page.text
    assert page.named("img")[1]["alt"].endswith(": the photo in grey, no single part decides")


def test_a_rule_shows_what_must_stay(report):
    rule = Rule((0, 3), 0.97, 0.95, 0.99, 0.1, 0.2, 500, 0.95, "While these stay, it stays a cat.")
    page = report(outcome(of_regions(rule=rule)))
    assert "While these stay, it stays a cat." in page.text
    assert "No evidence" not in page.text
    assert page.named("img")[1]["alt"] == (
        "Grad-CAM on cat.png: in colour, with the rest in grey, 2 of 4 regions that are enough for “tiger cat”"
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"precision": 0.5}, "of the best rule found, which does not hold, for"),
        ({"precision": 0.0, "variations": 0, "regions": ()}, "the photo in grey, not the model's answer:"),
    ],
)
def test_a_rule_that_does_not_hold_is_never_called_enough(report, changes, words):
    rule = Rule((0, 3), 0.97, 0.95, 0.99, 0.1, 0.2, 500, 0.95, "What was found.")
    page = report(outcome(of_regions(rule=replace(rule, **changes))))
    assert f"{words} “tiger cat”" in page.named("img")[1]["alt"]
    assert "enough" not in page.named("img")[1]["alt"]


def several_classes(**changes):
    labels = {280: "tiger cat", 282: "tabby", 284: CLASSES[4]}
    return [of_regions(target=Target(index), target_label=label, **changes) for index, label in labels.items()]


def test_several_classes_of_one_method_of_regions_get_a_grid(report):
    page = report(outcome(*several_classes()))
    assert "What speaks for each class? Grad-CAM In colour the regions that speak for it" in page.text
    two = "2 of 4 regions surely speak for it"
    assert f"tiger cat · 60.0% {two} tabby · 10.0% {two} <script>alert(1)</script> · 1.0% {two}" in page.text
    assert [each["alt"] for each in page.named("img") if "in favour" in each["alt"]] == [
        f"cat.png, in colour, with the rest in grey, 2 of 4 regions in favour of “{name}”"
        for name in ("tiger cat", "tabby", CLASSES[4])
    ]
    assert "<script" not in page.source


def test_of_several_classes_each_method_has_a_row(report):
    mixed = [each for pair in zip(several_classes(), several_classes(method="layer-cam"), strict=True) for each in pair]
    page = report(outcome(*mixed))
    drawn = [each["alt"].split(" on ")[0] for each in page.named("img") if " on cat.png" in each["alt"]]
    assert drawn == ["Grad-CAM"] * 3 + ["LayerCAM"] * 3
    assert sum("rows" in each.get("class", "") for each in page.named("div")) == 3
    assert not any("rows" in each.get("class", "") for each in report(outcome(*mixed[:2])).named("div"))


def test_a_contrast_tells_both_probabilities(report):
    page = report(outcome(explanation(target=Target(280, 282), target_label="tiger cat rather than tabby")))
    assert "tiger cat rather than tabby · 60.0% against 10.0%" in page.text
    asked = of_regions(0.1, ODDS, target=Target(280, 282), target_label="tiger cat rather than tabby")
    assert "The whole picture gives “tiger cat rather than tabby” 85.7%." in report(outcome(asked)).text


def test_a_grid_of_rules_says_what_must_stay(report):
    rule = Rule((0,), 0.97, 0.95, 0.99, 0.1, 0.2, 500, 0.95, "While it stays, it stays.")
    page = report(outcome(*several_classes(rule=rule)))
    assert "In colour the regions that are enough for the model to say so" in page.text
    assert "in favour" not in page.source


def test_there_is_a_grid_for_each_method_asked_about_several_classes_and_for_no_other(report):
    maps = [explanation(target=Target(index)) for index in (280, 281)]
    assert "What speaks for each class?" not in report(outcome(*maps, of_regions())).text
    page = report(outcome(*maps, *several_classes(), *several_classes(method="layer-cam"), of_regions(method="fam")))
    assert page.text.count("What speaks for each class?") == 2


def test_a_photo_seen_whole_needs_no_frame(report):
    page = report(outcome(explanation(view=Box(0.0, 0.0, 90.0, 60.0))))
    assert "frame" not in page.text
    assert "The photo cat.png" in [each["alt"] for each in page.named("img")]


def test_raw_results_are_linked_beside_the_page(report, tmp_path):
    linked = report(outcome(), saved=tmp_path / "my cat #1")
    assert [each["href"] for each in linked.named("a")] == ["my%20cat%20%231/", "https://arxiv.org/abs/1610.02391"]
    assert "raw maps" not in report(outcome()).text


def test_the_same_outcomes_give_the_same_bytes(tmp_path):
    first = written(tmp_path / "a", outcome(), failure()).read_bytes()
    assert written(tmp_path / "b", outcome(), failure()).read_bytes() == first


def test_a_large_photo_stays_small_on_the_page(report):
    across, down = np.meshgrid(np.linspace(0, 9, 3000), np.linspace(0, 9, 2000))
    pixels = np.stack([np.sin(across), np.cos(down), np.sin(across + down)], axis=-1)
    large = Image(((pixels + 1) * 127).astype(np.uint8), "large.png")
    page = report(outcome(explanation(image=large, view=Box(500.0, 0.0, 2500.0, 2000.0))))
    assert max(int(each["width"]) for each in page.named("img")) == 640
    assert len(page.source) < 200_000


def test_photos_do_not_gather_in_memory(tmp_path):
    report, held = ExplainReport(tmp_path), []
    tracemalloc.start()
    for number in range(60):
        report.add(outcome(explanation(image=photo(f"{number}.png"))))
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    page = report.close()
    assert held[-1] - held[20] < page.stat().st_size / 10
    assert page.read_text("utf-8").count("<section id=") == 60


@pytest.mark.browser
def test_a_browser_shows_it_on_phone_and_desk_by_day_and_night(tmp_path, browser):
    long = "Donaudampfschifffahrtsgesellschaftskapitän " * 9
    odd = explanation(image=photo(f"{long}.png"), target_label=long, predictions=(Prediction(280, long, 0.9),))
    rule = Rule((0, 3), 0.97, 0.95, 0.99, 0.1, 0.2, 500, 0.95, long)
    regions = outcome(*several_classes(), of_regions(0.1, rule=rule, target_label=long))
    path = written(tmp_path, outcome(odd), regions, outcome(), failure())
    grounds = set()
    for page in shown(browser, path):
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 2


def test_what_one_method_notes_of_every_class_stands_with_the_method(report):
    lrp, cam = (explanation(method=name, notes=("Only 8% of the score arrived.",)) for name in ("lrp", "grad-cam"))
    other = replace(lrp, target=Target(281), target_label="Egyptian cat")
    alone, both = report(outcome(lrp, other)), report(outcome(lrp, cam))
    assert [page.text.count("Only 8% of the score arrived.") for page in (alone, both)] == [2, 1]
    place = alone.text.index("Only 8%")
    assert alone.text.index("Layer-wise relevance propagation tiger cat") < place, "not beside the photo"


def test_a_picture_has_its_title_above_it(report):
    page = report(outcome(explanation(), explanation(method="layer-cam")))
    assert [tag for tag, given in page.tags if tag == "h3" or given.get("alt")] == ["h3", "img"] * 3
