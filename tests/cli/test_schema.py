"""What `--json` looks like is documented, for every command."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator
from typer.main import get_command

from answering import KNOWN, against, open_places
from cli.test_options_kept import commands
from seewhy.answers import schema_of
from seewhy.cli.app import app


def test_every_command_has_json_and_a_schema():
    with_options = {name for name, options in commands(get_command(app)) if options}
    assert with_options - {""} == set(KNOWN)
    assert all("--json" in options for name, options in commands(get_command(app)) if name in KNOWN)


@pytest.mark.parametrize("name", KNOWN)
def test_a_schema_says_something_of_every_field(name):
    found = schema_of(KNOWN[name])
    Draft202012Validator.check_schema(found)
    assert not list(open_places(found, name)), "anything at all is no answer"


def test_the_tools_of_agents_are_told(seewhy):
    told = seewhy("mcp", "--json").json
    assert not against(KNOWN["mcp"], told)
    assert {"list", "explain", "audit"} <= {each["name"] for each in told}
    for each in told:
        Draft202012Validator.check_schema(each["input"])
        Draft202012Validator.check_schema(each["output"])
        assert each["output"]["type"] == "object", each["name"]


def test_schemas_are_told(seewhy):
    listed = seewhy("schema", "--json").json
    assert set(listed) == set(KNOWN)
    assert all(text.endswith((".", ";", ":")) or len(text) > 20 for text in listed.values())
    assert seewhy("schema", "cases", "twins", "--json").json == schema_of(KNOWN["cases twins"])
    assert "$schema" in seewhy("schema", "predict").out
    wrong = seewhy("schema", "cases")
    assert (wrong.code, "cases twins" in wrong.err) == (2, True)


def test_what_is_not_in_the_schema_is_seen():
    good = [{"image": "a.png", "predictions": [{"index": 0, "name": "cat", "probability": 0.5}]}]
    assert not against(KNOWN["predict"], good)
    for bad in ([{**good[0], "new": 1}], [{"image": "a.png"}], [{**good[0], "predictions": [{"index": "0"}]}], {}):
        assert against(KNOWN["predict"], bad)
