"""Maps as a study keeps them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from seewhy.errors import BadFile, UsageError
from seewhy.metrics.context import cell_means
from seewhy.study import Result, Unit
from seewhy.study.maps import CELLS, bytes_kept, check_maps, kept, packed, size_of, unpacked
from seewhy.study.results import MAPS, read_maps, write

WIDE = np.random.default_rng(0).normal(0, 1e6, (56, 84))


def test_a_map_comes_back_to_half_precision_whatever_its_scale():
    for scale in (1e-30, 1.0, 1e9):
        found = unpacked(packed(WIDE * scale))
        assert found.dtype == np.float32
        assert np.abs(found / scale - WIDE).max() <= np.abs(WIDE).max() * 2**-11
    assert not unpacked(packed(np.zeros((3, 4)))).any()


def test_small_maps_are_means_of_cells_and_smaller_ones_stay_as_they_are():
    small, smaller = kept(WIDE, "small"), kept(WIDE[:20], "small")
    assert small is not None
    np.testing.assert_allclose(small.ravel(), cell_means(WIDE, CELLS))
    assert smaller is not None
    np.testing.assert_array_equal(smaller, WIDE[:20])
    assert kept(WIDE, "none") is None


@pytest.mark.parametrize("size", ["none", "small", "full"])
def test_how_many_bytes_they_take_is_known_before(size):
    shown = kept(WIDE, size)
    assert bytes_kept((56, 84), size) == (0 if shown is None else len(packed(shown)))
    assert size_of((CELLS, CELLS)) < 1600


def test_other_sizes_are_refused():
    with pytest.raises(UsageError, match="none, small or full, not 'huge'"):
        check_maps("huge")


@pytest.mark.parametrize("data", [b"", packed(np.eye(4))[:-1], packed(np.eye(4)) + b"x", b"\0\0\0\0\0\0\xc0\x7f"])
def test_other_bytes_are_no_map(data):
    with pytest.raises(ValueError, match="map"):
        unpacked(data)


def test_those_of_some_pictures_are_read(tmp_path):
    units = [Unit("m", method, image) for method in "ab" for image in ("1.png", "2.png", "3.png")]
    maps = {unit: np.full((2, 3), float(place)) for place, unit in enumerate(units)}
    found = [Result(unit, ({"metric": "x"},)) for unit in units]
    write(found, ((unit, packed(each)) for unit, each in maps.items()), tmp_path)
    read = read_maps(tmp_path, ["1.png", "3.png"])
    assert {*read} == {unit for unit in units if unit.image != "2.png"}
    for key, values in read.items():
        np.testing.assert_array_equal(values, maps[Unit(*key)])
    pl.read_parquet(tmp_path / MAPS).with_columns(map=pl.lit(b"x")).write_parquet(tmp_path / MAPS)
    with pytest.raises(BadFile, match="run the same study again"):
        read_maps(tmp_path, ["1.png"])


def test_more_than_a_table_holds_is_refused(tmp_path, monkeypatch):
    write([], [(Unit("m", "a", "1.png"), packed(np.eye(20)))], tmp_path)
    monkeypatch.setattr("seewhy.study.results.TABLE_BYTES", 500)
    with pytest.raises(BadFile, match="the maps of 1 pictures unpack to more"):
        read_maps(tmp_path, ["1.png"])
    assert read_maps(tmp_path, ["2.png"]) == {}


def test_where_none_are_kept_none_are_there(tmp_path):
    write([], [(Unit("m", "a", "1.png"), packed(np.eye(2)))], tmp_path)
    write([], [], tmp_path)
    assert read_maps(tmp_path, ["1.png"]) == {}
