from __future__ import annotations

import numpy as np
from PIL import Image

import planted_textures
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
    following = seewhy("network", "concepts", "next", "book", "--player", "ann", "--json")
    assert (following.json["seen"], following.json["said"]) == (0, [])
    assert f"ann has seen 0 of {following.json['concepts']} concept" in following.err
    one = seewhy("network", "concepts", "build", "many/0.png", "--model", TOY)
    assert one.code == 2
    assert "give 8 photos at least, not 1" in one.err
    both = seewhy("network", "explain", "many/0.png", "--model", TOY, "--concepts", "book", "--layers", "relu")
    assert both.code == 2


def test_classes_are_drawn_probed_set_on_axes_and_counted(seewhy, tmp_path):
    (tmp_path / "many").mkdir()
    for number in range(20):
        noise = np.random.default_rng(number).integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / "many" / f"{number}.png")
    drawn = seewhy(
        *("network", "class", "tabby", "espresso", "--images", "many", "--model", TOY),
        *("--steps", 2, "--rounds", 2, "--json", "--out", "class"),
    )
    assert drawn.code == 0
    assert [each["class"] for each in drawn.json["classes"]] == ["tabby", "espresso"]
    assert [len(each["near"]) for each in drawn.json["classes"]] == [4, 4]
    page = (tmp_path / "class/report.html").read_text("utf-8")
    for each in drawn.json["classes"]:
        said = each["phase picture"]["said"]["value"]
        assert f"{said:.0%} of crops of it {each['class']}" in page
        told = f"does not succeed: the network calls {said:.0%} of crops of it {each['class']}"
        assert (said < 0.5) == (told in page)
    axes = seewhy("network", "axes", "many", "--model", TOY, "--count", 2, "--out", "axes")
    assert axes.code == 0
    assert [row[0] for row in axes.rows] == ["1", "2"]
    built = "network concepts build many --layers relu --count 2 --out book --model"
    assert seewhy(*built.split(), TOY).code == 0
    counting = "network global --class tabby --images many --concepts book --model"
    counted = seewhy(*counting.split(), TOY, "--json")
    assert counted.code == 0
    assert counted.json["photos"] == 20
    page = (tmp_path / "seewhy-out/report.html").read_text("utf-8")
    assert all(each["verdict"] in page for each in counted.json["concepts"])
    assert seewhy(*counting.split(), TOY, "--simulated").code == 2


def test_a_probe_names_what_is_suspicious_or_says_that_nothing_is(seewhy, tmp_path):
    (tmp_path / "many").mkdir()
    for number, each in enumerate(planted_textures.pictures(32, 5)[0]):
        pixels = (255 * each.permute(1, 2, 0).numpy()).round().astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "many" / f"{number:02}.png")
    run = seewhy("network", "probe", "many", "--model", "py:cli.nets:stripes", "--steps", 3, "--out", "probe")
    assert run.code == 0
    assert "For 8 of 8 classes no change was found" in run.err
    assert len(run.rows) == 8
    page = (tmp_path / "probe/report.html").read_text("utf-8")
    assert "so that nothing can be said; take more steps." in page
    assert "stands out" not in page
    again = seewhy("network", "probe", "many", "--model", "py:cli.nets:stripes", "--class", ",".join(4 * ["0° 4 px"]))
    assert again.code == 2
    assert "4 classes at least, not 1" in again.err
    few = seewhy("network", "probe", "many", "--model", "py:cli.nets:stripes", "--class", "0° 4 px,0° 8 px")
    assert few.code == 2
    assert "4 classes at least, not 2" in few.err
