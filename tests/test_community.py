"""What tools of strangers read of the project: its citation, its forms, its changelog, and what it runs on."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import seewhy

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
KINDS = {"textarea", "input", "dropdown", "checkboxes", "markdown"}


def read(name: str) -> dict:
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def test_the_citation_is_of_this_version():
    cited = read("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert cited["version"] == seewhy.__version__
    assert "version" in PROJECT["dynamic"], "the version stands in one place"
    assert cited["license"] == PROJECT["license"]


@pytest.mark.parametrize("form", [each for each in FORMS if each.stem != "config"], ids=lambda form: form.stem)
def test_a_form_is_one_that_github_shows(form):
    found = yaml.safe_load(form.read_text("utf-8"))
    assert {"name", "description", "body"} <= set(found)
    assert {each["type"] for each in found["body"]} <= KINDS
    names = [each["id"] for each in found["body"]]
    assert len(names) == len(set(names))
    assert all(each["attributes"]["label"] for each in found["body"])


def test_the_pages_that_forms_lead_to_are_there():
    for link in read(".github/ISSUE_TEMPLATE/config.yml")["contact_links"]:
        assert link["about"]
        if found := re.search(r"/blob/main/(.+)$", link["url"]):
            assert (ROOT / found[1]).is_file()


def test_the_changelog_begins_with_this_version_and_says_when_it_was_released():
    headings = re.findall(r"^## \[(.+?)\](.*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    versions = [version for version, _ in headings]
    assert versions[0] == seewhy.__version__
    assert len(versions) == len(set(versions))
    released = re.fullmatch(r" - (\d{4}-\d\d-\d\d)", headings[0][1])
    assert released or headings[0][1] == ": not yet released"
    assert str(read("CITATION.cff").get("date-released")) == (released[1] if released else "None")


def test_versions_of_python_are_those_that_the_page_on_contributing_tells_of():
    declared = {each.rpartition(" ")[2] for each in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", each)}
    told = set(re.findall(r"\b3\.1\d\b", (ROOT / "CONTRIBUTING.md").read_text("utf-8")))
    assert declared == told
    assert PROJECT["requires-python"] == f">={min(declared)}"


def test_every_link_between_files_of_the_root_leads_somewhere():
    for page in ROOT.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if "://" not in target and not target.startswith("mailto:"):
                assert (ROOT / target).exists(), f"{page.name}: {target}"
