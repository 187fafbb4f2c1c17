from __future__ import annotations

import inspect

import pytest

import seewhy
from seewhy.commands import console as options
from seewhy.commands.explain import explain
from seewhy.engines import FILLS, Images
from seewhy.errors import BadImage, UnknownName, UsageError
from seewhy.methods import list_methods
from seewhy.verbs.explain import Request


def names(background):
    assert isinstance(background, Images)
    return [image.name for image in background.images]


def test_the_command_line_has_the_defaults_of_python():
    def default(function, parameter):
        return inspect.signature(function).parameters[parameter].default

    assert default(seewhy.load, "name") == options.DEFAULT_MODEL
    for parameter in ("method", "seed"):
        assert default(explain, parameter) == default(seewhy.explain, parameter)


@pytest.mark.parametrize(
    ("text", "parts"),
    [("a", ["a"]), ("a,b", ["a", "b"]), (" a , b,,", ["a", "b"]), ("", []), (",", []), ("a b", ["a b"])],
)
def test_lists_are_joined_by_commas(text, parts):
    assert options.split_commas(text) == parts


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("samples=50", 50),
        ("keep=0.5", 0.5),
        ("signed=true", True),
        ("fill=blur", "blur"),
        ('fill="50"', "50"),
        ("size=[1, 2]", [1, 2]),
        ("most=null", None),
        ("of=a=b", "a=b"),
        ("of=", ""),
        (" of = a", " a"),
    ],
)
def test_values_are_json_or_text(text, value):
    ((_, found),) = options.parse_settings([text]).items()
    assert found == value
    assert type(found) is type(value)


def test_settings_add_up_and_the_last_word_counts():
    assert options.parse_settings(["a=1", "b=x", "a=2"]) == {"a": 2, "b": "x"}
    assert options.parse_settings([]) == {}


def test_a_setting_without_a_value_is_refused():
    with pytest.raises(UsageError, match="--set wants NAME=VALUE, not 'samples'"):
        options.parse_settings(["a=1", "samples"])


def test_what_has_an_option_of_its_own_is_sent_there():
    own = set(inspect.signature(Request.of).parameters) - {"parameters"}
    assert own == options.OWN_OPTIONS.keys(), "else Python would complain of a value given twice"
    for name, option in options.OWN_OPTIONS.items():
        with pytest.raises(UsageError, match=f"write {option} instead"):
            options.parse_settings([f"{name}=1"])
    assert {name for info in list_methods() for name in info.parameters} & own == {"layers"}


def test_a_background_may_be_a_fill_a_picture_or_a_folder(photos):
    assert [options.parse_background(name) for name in FILLS] == list(FILLS)
    assert names(options.parse_background(str(photos / "b.png"))) == ["b.png"]
    assert names(options.parse_background(str(photos))) == ["a.png", "b.png"]
    assert names(options.parse_background("sample:coffee")) == ["coffee.png"]


def test_a_fill_is_one_although_a_file_is_called_so(photos, monkeypatch):
    (photos / "blur").write_bytes((photos / "a.png").read_bytes())
    monkeypatch.chdir(photos)
    assert options.parse_background("blur") == "blur"
    assert names(options.parse_background("./blur")) == ["blur"]


def test_what_is_no_background_is_answered_with_the_fills(broken):
    with pytest.raises(UnknownName, match=r"'blurr' is no picture, no folder and none of .*blur"):
        options.parse_background("blurr")
    with pytest.raises(UnknownName, match="sample:cat"):
        options.parse_background("sample:cats")
    with pytest.raises(BadImage, match=r"broken\.png"):
        options.parse_background(str(broken))
