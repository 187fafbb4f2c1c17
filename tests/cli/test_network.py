from __future__ import annotations

import numpy as np
from PIL import Image

from cli import nets
from cli.nets import TOY


def test_a_report_pictures_raw_maps_and_a_table(seewhy, photos, tmp_path):
    run = seewhy("network", "explain", photos, "--model", TOY, "--out", "out")
    assert run.code == 0
    assert {row[0] for row in run.rows} == {"a.png", "b.png"}
    assert {row[1] for row in run.rows} <= set(nets.NAMES)
    assert {row[2] for row in run.rows} == {"relu"}
    assert {len(row) for row in run.rows} == {9}
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


def test_concepts_are_built_named_and_found_again(seewhy, tmp_path):
    (tmp_path / "many").mkdir()
    for number in range(10):
        noise = np.random.default_rng(number).integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / "many" / f"{number}.png")
    run = seewhy(
        "network", "concepts", "build", "many", "--model", TOY, "--layers", "relu", "--count", 2, "--out", "book"
    )
    assert run.code == 0
    assert (tmp_path / "book" / "manifest.json").exists()
    again = seewhy("network", "explain", "many/0.png", "--model", TOY, "--concepts", "book", "--json")
    assert again.code == 0
    (photo,) = again.json
    (layer,) = photo["layers"]
    total = sum(part["added"] for part in layer["parts"]) + layer["together"] + layer["rest"]
    assert abs(total - layer["score"]) <= 1e-4 * abs(layer["score"])
    assert seewhy("network", "concepts", "name", "book", "7-7", "ear", "--player", "ann").code == 2
    one = seewhy("network", "concepts", "build", "many/0.png", "--model", TOY)
    assert one.code == 2
    assert "give 8 photos at least, not 1" in one.err
    both = seewhy("network", "explain", "many/0.png", "--model", TOY, "--concepts", "book", "--layers", "relu")
    assert both.code == 2
