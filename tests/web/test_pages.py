"""Every page as Streamlit runs it, without a browser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import seewhy.web
from seewhy.models import DEFAULT_MODEL
from seewhy.web.parts.page import list_pages
from seewhy.web.services.reports import result_files
from web.zips import two_classes, with_a_mark

SCRIPT = Path(seewhy.web.__file__).parent / "parts/script.py"
TIMEOUT = 60


@pytest.fixture
def app(at) -> AppTest:
    return AppTest.from_file(SCRIPT, default_timeout=TIMEOUT)


def opened(app: AppTest, title: str) -> AppTest:
    """The app at one of its pages."""
    page = next(each for each in list_pages() if each.title == title)

    def script(title: str) -> None:
        from seewhy.web.parts.page import list_pages

        next(each for each in list_pages() if each.title == title).show()

    found = AppTest.from_function(script, default_timeout=TIMEOUT, args=(page.title,)).run()
    assert not found.exception
    return found


def headers(app: AppTest) -> list[str]:
    return [each.value for each in app.header]


def html(app: AppTest) -> str:
    return "\n".join(each.proto.body for each in app.get("html"))


def reports(app: AppTest) -> list[str]:
    """The reports in the page, and parts of them."""
    shown = [each.proto for each in app.get("bidi_component") if each.proto.component_name == "seewhy_report"]
    return ["".join(json.loads(each.json).values()) for each in shown]


def report(app: AppTest) -> str:
    """All of them."""
    found = reports(app)
    assert found
    return "\n".join(found)


def said(app: AppTest) -> str:
    """The first error on the page, as people read it."""
    return app.error[0].value.replace("\\", "")


def test_the_first_page_explains_a_sample_by_itself(app):
    app.run()
    assert not app.exception
    assert app.title[0].value == "Why did the model decide that?"
    assert "<figure" in html(app)


@pytest.mark.parametrize("title", [page.title for page in list_pages()])
def test_every_page_opens(app, title):
    found = opened(app, title)
    assert len(found.title) == 1


def test_pages_have_addresses_and_titles_of_their_own():
    pages = list_pages()
    assert len({page.path for page in pages}) == len({page.title for page in pages}) == len(pages)
    assert pages[0].title == "Explain"


class TestExplain:
    def test_the_photo_and_each_method_are_shown_with_words(self, app):
        page = opened(app, "Explain")
        assert "The photo cat" in html(page)
        assert "Grad-CAM on cat: evidence for" in report(page)
        assert "Method, cost and checks" in report(page)

    def test_photo_and_prediction_stand_before_any_method_is_done(self, at, monkeypatch):
        """The methods never come to an end; the page is drawn as far as it can be."""
        from seewhy.errors import QueueFull

        def full(*_asked, **_more):
            raise QueueFull("no place", 5)

        monkeypatch.setattr(type(at), "explain", full)
        page = opened(AppTest.from_file(SCRIPT), "Explain")
        assert "The photo cat" in html(page)
        assert any(each.startswith("It says") for each in headers(page))
        assert "Model: planted" in page.caption[0].value.replace("\\", "")
        assert "Grad-CAM on cat" not in report(page)

    def test_a_sentence_says_what_decides_with_what_it_was_held_against(self, app):
        found = html(opened(app, "Explain"))
        assert "of what the model sees" in found
        assert "hidden under the photo&#39;s mean colour, as were 19 others of its size" in found

    def test_a_method_that_no_class_changes_is_marked(self, app):
        page = opened(app, "Explain")
        page.multiselect(key="explain-methods").set_value(["eigen-cam"]).run()
        assert "Eigen-CAM (class-blind)" in report(page)
        assert "sw-decision" not in html(page)

    def test_another_class_and_a_contrast_can_be_asked_for(self, app):
        page = opened(app, "Explain")
        page.multiselect(key="explain-class").set_value([1]).run()
        assert "Why green?" in headers(page)
        page.selectbox(key="explain-against").select(2).run()
        assert "Why green rather than blue?" in headers(page)

    def test_several_classes_stand_beside_each_other_a_row_for_each_method(self, app):
        page = opened(app, "Explain")
        page.multiselect(key="explain-class").set_value([1, 2]).run()
        assert not page.exception
        assert "Why green and blue?" in headers(page)
        assert all(each.key != "explain-against" for each in page.selectbox)
        assert "sw-decision" not in html(page)
        rows = [shown for shown in reports(page) if "pictures rows" in shown]
        assert [shown.count('class="titled"') for shown in rows] == [2, 2]
        assert all("“green”" in shown and "“blue”" in shown for shown in rows)

    def test_a_method_of_regions_shows_what_speaks_for_each_class(self, app):
        page = opened(app, "Explain")
        page.multiselect(key="explain-methods").set_value(["lime"])
        page.multiselect(key="explain-class").set_value([1, 2]).run()
        assert "What speaks for each class?" in report(page)

    def test_without_a_method_nothing_is_asked(self, app):
        page = opened(app, "Explain")
        page.multiselect(key="explain-methods").set_value([]).run()
        assert page.info[0].value == "Choose a method."

    def test_the_colours_are_those_chosen(self, app):
        page = opened(app, "Explain")
        before = report(page)
        page.selectbox(key="explain-cmap").select("viridis").run()
        assert not page.exception
        assert report(page) != before

    def test_another_photo_is_explained_anew(self, app):
        page = opened(app, "Explain")
        page.button_group(key="explain-sample").set_value("coffee").run()
        assert "Grad-CAM on coffee" in report(page)

    def test_a_full_queue_is_told_kindly(self, start):
        import threading

        from seewhy.web.services.hub import SHORT
        from web.conftest import TOY

        gate, at = threading.Event(), start(queue_length=1)
        at.models.get(TOY)
        at.submit(TOY, "the first of all", lambda *_: gate.wait(TIMEOUT), visitor="anna", lane=SHORT)
        page = opened(AppTest.from_file(SCRIPT), "Explain")
        assert "Many people are asking right now" in page.warning[0].value
        gate.set()

    def test_photos_that_are_none_are_refused_with_the_reason(self, app):
        page = opened(app, "Explain")
        page.button_group(key="explain-source").set_value("Upload").run()
        for name, content, words in [
            ("empty.png", b"", "no bytes"),
            ("page.png", b"<svg></svg>", "SVG"),
            ("text.jpg", b"This is no picture." * 9, "text.jpg"),
        ]:
            page.file_uploader[0].set_value((name, content, "image/png")).run()
            assert words in said(page), name
            assert said(page).startswith(name) or said(page)[0].isupper()
            assert said(page).endswith(".")

    def test_a_photo_that_was_forgotten_is_asked_for_again(self, app, at, photo):
        import forge

        page = opened(app, "Explain")
        page.button_group(key="explain-source").set_value("Upload").run()
        page.file_uploader[0].set_value(("squares.png", forge.encoded(photo.pixels, "PNG"), "image/png")).run()
        assert "The photo squares.png" in html(page)
        for each in at.photos.folder.glob("*/*.png"):
            each.unlink()
        page.run()
        assert not page.error
        assert page.info[0].value == "Choose a photo to begin."


def test_a_model_that_cannot_be_loaded_is_told(start):
    start(models="py:planted:nothing")
    for title in ("Explain", "Compare", "Network"):
        page = opened(AppTest.from_file(SCRIPT), title)
        assert "nothing" in said(page)


class TestCompare:
    def test_methods_are_ranked(self, app):
        page = opened(app, "Compare")
        page.multiselect(key="compare-methods").set_value(["grad-cam", "occlusion"])
        page.multiselect(key="compare-metrics").set_value(["insertion-minus-deletion"]).run()
        next(each for each in page.button if each.label == "Compare").click().run()
        assert not page.exception
        found = report(page)
        assert 'class="lead"' in found
        assert "Why red" in found
        assert "Is it true to the network?" in found
        assert "1. " in found

    def test_one_method_is_nothing_to_compare(self, app):
        page = opened(app, "Compare")
        page.multiselect(key="compare-methods").set_value(["grad-cam"]).run()
        assert next(each for each in page.button if each.label == "Compare").disabled


class TestStudies:
    def test_without_any_the_command_is_shown(self, app):
        page = opened(app, "Studies")
        assert "seewhy study" in page.code[0].value

    def test_strangers_are_not_told_where_things_lie(self, start):
        start(public=True)
        for title in ("Studies", "Cases"):
            page = opened(AppTest.from_file(SCRIPT), title)
            assert "here yet" in page.info[0].value
            assert not page.code

    def test_a_study_is_browsed_down_to_a_photo(self, at):
        """And nobody reads in which folder the model of whoever made it lay."""
        from dataclasses import replace

        from seewhy.study import Result
        from seewhy.study.ledger import open_ledger
        from seewhy.study.results import write
        from verbs.test_studies import PLAN, rows

        out = at.settings.studies_folder / "first"
        plan = replace(PLAN, models={"file:/home/ann/birds": "f" * 64})
        with open_ledger(out, plan) as ledger:
            for place, unit in enumerate(plan.units):
                ledger.record([Result(unit, rows(place / 10))])
            write(ledger.results(), ledger.maps(), out)
        page = opened(AppTest.from_file(SCRIPT), "Studies")
        found = report(page)
        assert all(words in found for words in ("a.png", "b.png", "Sparseness", "cat (50.0%)", "file:birds"))
        assert "/home/ann" not in found


def test_people_sign_in_where_they_have_to(start):
    start(sign_in="oidc")
    app = AppTest.from_file(SCRIPT, default_timeout=TIMEOUT).run()
    assert [each.label for each in app.button] == ["Sign in"]
    assert "<figure" not in html(app)


class TestTrain:
    def test_a_zip_becomes_a_classifier_that_other_pages_offer(self, start):
        start(models=DEFAULT_MODEL)
        app = AppTest.from_file(SCRIPT, default_timeout=TIMEOUT)
        page = opened(app, "Train")
        page.file_uploader(key="train-zip").set_value(("mine.zip", two_classes(), "application/zip")).run()
        assert {each.label: each.value for each in page.metric} == {"cat": "6", "dog": "6"}
        page.slider(key="train-head").set_value(1)
        next(each for each in page.button if each.label == "Train").click().run()
        assert not page.exception
        assert not page.error
        assert "by the commonest class" in report(page)
        assert "How good is it?" not in report(page)
        assert "What it gets wrong, and why" in headers(page)
        assert "few pictures of cat, dog" in page.warning[0].value.replace("\\", "")
        (found,) = page.session_state["session"].visit.kept.trained.values()
        assert {"mine/card.json", "mine/model.safetensors", "mine/report.html"} <= set(result_files(found))

    def test_public_installations_do_not_offer_it(self, start):
        from seewhy.web.pages.train import PAGE

        assert [PAGE.offered(start(public=public).settings) for public in (False, True)] == [True, False]


class TestAudit:
    @pytest.mark.heavy
    def test_a_planted_mark_is_found_marked_and_exported(self, at):
        page = opened(AppTest.from_file(SCRIPT), "Audit")
        page.file_uploader(key="audit-zip").set_value(("shop.zip", with_a_mark(), "application/zip")).run()
        assert page.metric[0].value == "40"
        next(each for each in page.button if each.label == "Audit").click().run()
        assert not page.exception
        assert "at the bottom left makes this network say “red”" in report(page)
        assert "Paste test: laid over" in report(page)
        mark = next(each for each in page.get("button_group") if each.key.startswith("audit-mark"))
        mark.set_value("wrong reason").run()
        assert list(page.session_state["session"].visit.kept.marks.values()) == ["wrong reason"]

    def test_too_few_photos_are_refused_in_words(self, app):
        page = opened(app, "Audit")
        page.file_uploader(key="audit-zip").set_value(("few.zip", two_classes(2), "application/zip")).run()
        next(each for each in page.button if each.label == "Audit").click().run()
        assert "add photos" in said(page)

    def test_public_installations_do_not_offer_it(self, start):
        from seewhy.web.pages.audit import PAGE

        assert [PAGE.offered(start(public=public).settings) for public in (False, True)] == [True, False]


class TestNetwork:
    def test_the_report_stands_in_the_page(self, app):
        page = opened(app, "Network")
        assert "stage" in report(page)


class TestCases:
    def test_without_a_base_the_command_is_shown(self, app):
        page = opened(app, "Cases")
        assert "seewhy cases build" in page.code[0].value

    def test_twins_come_out_of_a_base(self, at, tmp_path):
        import zoo
        from seewhy.verbs.cases import build_cases
        from web.conftest import TOY

        (tmp_path / "photos").mkdir()
        for image in zoo.photos(6):
            image.to_pil().save(tmp_path / "photos" / f"{image.sha256[:8]}.png")
        base = at.settings.cases_folder / "first"
        build_cases(tmp_path / "photos", at.models.get(TOY), base, model=TOY)
        page = opened(AppTest.from_file(SCRIPT), "Cases")
        assert report(page)
        page.button_group(key="cases-kind").set_value("What would turn it").run()
        assert report(page)

    def test_cases_of_a_model_that_is_not_offered_are_refused(self, at, tmp_path):
        import zoo
        from seewhy.verbs.cases import build_cases
        from web.conftest import TOY

        (tmp_path / "photos").mkdir()
        for image in zoo.photos(3):
            image.to_pil().save(tmp_path / "photos" / f"{image.sha256[:8]}.png")
        build_cases(tmp_path / "photos", at.models.get(TOY), at.settings.cases_folder / "first", model="py:os:getcwd")
        page = opened(AppTest.from_file(SCRIPT), "Cases")
        assert "there is no model" in said(page)

    def test_what_is_wrong_with_a_base_is_told_without_where_it_lies(self, at, tmp_path):
        import json

        import zoo
        from seewhy.verbs.cases import build_cases
        from web.conftest import TOY

        (tmp_path / "photos").mkdir()
        for image in zoo.photos(3):
            image.to_pil().save(tmp_path / "photos" / f"{image.sha256[:8]}.png")
        base = at.settings.cases_folder / "first"
        build_cases(tmp_path / "photos", at.models.get(TOY), base, model=TOY)
        manifest = json.loads((base / "manifest.json").read_text())
        named = {
            "file:birds": {"model": f"file:{tmp_path}/birds"},
            "hf-hub:org/encoder": {"embedding": "hf-hub:org/encoder"},
            "py:os:getcwd": {"embedding": "py:os:getcwd"},
        }
        for name, changes in named.items():
            content = {**manifest, "about": {**manifest["about"], **changes}}
            (base / "manifest.json").write_text(json.dumps(content))
            page = opened(AppTest.from_file(SCRIPT), "Cases")
            assert f"there is no model {name} here" in said(page)
            assert str(tmp_path) not in said(page)
        for wrong, path in (("manifest.json is damaged", "manifest.json"), ("logits.npy is damaged", "logits.npy")):
            (base / "manifest.json").write_text(json.dumps(manifest))
            (base / path).write_bytes(b"no such file")
            page = opened(AppTest.from_file(SCRIPT), "Cases")
            assert wrong in said(page)
            assert str(tmp_path) not in said(page)


class TestWholeClass:
    def page(self):
        found = opened(AppTest.from_file(SCRIPT), "Network")
        found.button_group(key="network-kind").set_value("A whole class").run()
        found.selectbox(key="network-whole").select(0).run()
        return found

    def test_where_nobody_played_it_says_what_to_do(self, at):
        assert "Nobody has played with a photo" in self.page().info[0].value
