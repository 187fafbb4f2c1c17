from __future__ import annotations

from cli import nets
from cli.nets import TOY


def test_a_report_pictures_raw_maps_and_a_table(seewhy, photos, tmp_path):
    run = seewhy("network", "explain", photos, "--model", TOY, "--out", "out")
    assert run.code == 0
    assert {row[0] for row in run.rows} == {"a.png", "b.png"}
    assert {row[1] for row in run.rows} <= set(nets.NAMES)
    assert {row[2] for row in run.rows} == {"relu"}
    assert {len(row) for row in run.rows} == {8}
    made = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
    files = ("image.png", "manifest.json", "maps.npz", "network.png", "network.svg")
    assert made == {"report.html", *(f"{photo}/network/{name}" for photo in "ab" for name in files)}


def test_json_is_all_that_goes_to_stdout_and_what_failed_is_named(seewhy, photos, broken):
    run = seewhy(
        *(
            "network",
            "explain",
            photos,
            "--model",
            TOY,
            "--target",
            "tiger cat",
            "--signed",
            "--layers",
            "conv",
            "--json",
        )
    )
    assert run.code == 3
    assert str(broken) in run.err
    for found in (each["network"] for each in run.json):
        assert found["target"]["index"] == 1
        assert found["signed"]
        assert [layer["name"] for layer in found["layers"]] == ["conv"]


def test_wrong_names_are_wrong_usage(seewhy, photos):
    for wrong in (["--clustering", "warp"], ["--layers", "rellu"], ["--target", "unicorn"]):
        assert seewhy("network", "explain", photos, "--model", TOY, *wrong).code == 2


def test_a_black_box_cannot_be_looked_into(seewhy, photos):
    run = seewhy("network", "explain", photos, "--model", "py:cli.nets:service")
    assert run.code == 1
    assert "does not offer" in run.err
