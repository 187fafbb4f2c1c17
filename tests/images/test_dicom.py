"""DICOM files, made here, are shown as a viewer shows them."""

from __future__ import annotations

import io
import sys
from contextlib import suppress

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from forge import SCENE, encoded, grey_as_rgb
from seewhy.errors import BadImage
from seewhy.images import open_image

RAMP = np.arange(0, 4096, 8, dtype=np.uint16).reshape(16, 32)


def dataset(values, bits=12, photometric="MONOCHROME2", **tags):
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = SecondaryCaptureImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = "1.2.3"
    colours = photometric == "RGB"
    data.Rows, data.Columns = values.shape[:2] if colours else values.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = (3 if colours else 1), photometric
    if colours:
        data.PlanarConfiguration = 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 8 * values.itemsize, bits, bits - 1
    data.PixelRepresentation = int(values.dtype.kind == "i")
    for name, value in tags.items():
        setattr(data, name, value)
    data.PixelData = values.tobytes()
    return data


def saved(data):
    file = io.BytesIO()
    data.save_as(file, enforce_file_format=True)
    return file.getvalue()


def dicom(values, **tags):
    return saved(dataset(values, **tags))


def linear(values, level, width):
    """PS3.3 C.11.2.1.2.1, of an output from 0 to 255."""
    return np.clip(((values - (level - 0.5)) / (width - 1) + 0.5) * 255, 0, 255)


def shown(source, **options):
    image = open_image(source, **options)
    assert (image.pixels == image.pixels[..., :1]).all()
    return image.pixels[..., 0].astype(float), image.notes


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_white_is_what_the_bits_stored_can_hold(bits):
    values = np.linspace(0, 2**bits - 1, 512).astype(np.uint8 if bits == 8 else np.uint16).reshape(16, 32)
    levels, notes = shown(dicom(values, bits=bits))
    assert np.abs(levels - values * 255.0 / (2**bits - 1)).max() <= 0.5
    assert bool(notes) == (bits in (10, 12, 14))


def test_12_bits_that_are_said_to_be_16_are_seen_by_what_is_in_use():
    levels, notes = shown(dicom(RAMP, bits=16))
    assert np.abs(levels - RAMP * 255.0 / 4095).max() <= 0.5
    assert notes == ("12 of 16 bits in use (values up to 4088), so white is 4095",)


def test_black_and_white_change_places_where_the_file_says_so():
    levels, notes = shown(dicom(RAMP, photometric="MONOCHROME1"))
    assert np.array_equal(levels, 255 - shown(dicom(RAMP))[0])
    assert "MONOCHROME1" in notes[-1]


@pytest.mark.parametrize(("level", "width"), [(1000, 500), (2048, 4096), ([1000, 40], [500, 80])])
def test_the_first_window_is_applied(level, width):
    levels, notes = shown(dicom(RAMP, WindowCenter=level, WindowWidth=width))
    first = (level[0], width[0]) if isinstance(level, list) else (level, width)
    assert np.abs(levels - linear(RAMP, *first)).max() <= 0.5 + 1e-6
    assert notes == (f"window level {first[0]}, width {first[1]}",)


def test_hounsfield_units_are_windowed_after_rescaling():
    tags = {"RescaleSlope": 2, "RescaleIntercept": -1024, "WindowCenter": 40, "WindowWidth": 400}
    levels, _ = shown(dicom(RAMP, **tags))
    assert np.abs(levels - linear(RAMP * 2.0 - 1024, 40, 400)).max() <= 0.5 + 1e-6


def test_a_window_may_be_an_s():
    levels, _ = shown(dicom(RAMP, WindowCenter=1000, WindowWidth=500, VOILUTFunction="SIGMOID"))
    assert np.abs(levels - 255 / (1 + np.exp(-4 * (RAMP - 1000.0) / 500))).max() <= 0.6


def test_without_a_window_rescaled_values_go_from_the_smallest_to_the_largest():
    levels, notes = shown(dicom(RAMP, RescaleSlope=1, RescaleIntercept=-1024))
    assert np.abs(levels - RAMP * 255.0 / 4088).max() <= 0.5
    assert notes == ("values from -1024 to 3064 shown as black to white",)
    signed, _ = shown(dicom(RAMP.astype(np.int16) - 2000, bits=16))
    assert np.array_equal(signed, levels)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_look_up_table_is_applied(bits):
    table, steps = Dataset(), np.arange(4095, -1, -1) * (2**bits - 1) // 4095
    table.LUTDescriptor, table.LUTData = [4096, 0, bits], steps.tolist()
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "US"
    levels, notes = shown(dicom(RAMP, VOILUTSequence=Sequence([table])))
    assert np.abs(levels - steps[RAMP] * 255.0 / (2**bits - 1)).max() <= 0.5
    assert "look-up table" in notes[0]


def test_colours_stay():
    image = open_image(dicom(SCENE, photometric="RGB", bits=8))
    assert np.array_equal(image.pixels, SCENE)
    assert image.notes == ()


def test_of_several_frames_the_first_is_shown():
    levels, notes = shown(dicom(np.stack([RAMP, RAMP[::-1]]), NumberOfFrames=2))
    assert np.array_equal(levels, shown(dicom(RAMP))[0])
    assert notes[0] == "first of 2 frames"


def test_packed_files_are_read_where_that_can_be_done():
    data = dataset(RAMP)
    data.compress(RLELossless)
    assert np.array_equal(shown(saved(data))[0], shown(dicom(RAMP))[0])
    grey = SCENE[..., 0]
    photo = dataset(grey, bits=8)
    photo.PixelData = encapsulate([encoded(grey, "JPEG", quality=95)])
    photo.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    photo["PixelData"].is_undefined_length = True
    assert np.abs(open_image(saved(photo)).pixels - grey_as_rgb(grey).astype(float)).mean() < 3


def packed(frame, syntax=JPEGBaseline8Bit):
    data = dataset(SCENE[..., 0], bits=8)
    data.PixelData = encapsulate([frame])
    data.file_meta.TransferSyntaxUID = syntax
    data["PixelData"].is_undefined_length = True
    return saved(data)


def deflated():
    data = dataset(np.zeros((1000, 1000), np.uint16))
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return saved(data)


def report():
    data = dataset(RAMP)
    del data.PixelData
    return saved(data)


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (lambda: packed(b"\xff\xd8\xff\xf7" + bytes(90), JPEGLosslessSV1), "unsupported", "pylibjpeg"),
        (deflated, "unsupported", "deflated"),
        (report, "not_an_image", "without pixels"),
        (lambda: dicom(RAMP)[:-40], "truncated", "cut off or damaged"),
        (lambda: dicom(RAMP, Rows=20_000, Columns=20_000), "too_large", "limit"),
        (lambda: packed(encoded(np.zeros((900, 900), np.uint8), "JPEG")), "truncated", "not of the size"),
        (lambda: dicom(RAMP)[:132] + bytes(90), "not_an_image", "without pixels"),
    ],
    ids=["lossless", "deflated", "report", "cut", "vast", "frame-lies", "empty"],
)
def test_others_are_refused_with_the_reason(make, code, words):
    with pytest.raises(BadImage, match=words) as caught:
        open_image(make(), name="scan.dcm")
    assert caught.value.code == code
    assert "scan.dcm" in str(caught.value)


def test_without_pydicom_the_cure_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(BadImage, match=r"pip install 'seewhy\[dicom\]'"):
        open_image(dicom(RAMP))


def test_nothing_of_the_patient_is_kept():
    image = open_image(dicom(RAMP, PatientName="Doe^Jane", PatientID="1234"), name="scan.dcm")
    assert "Doe" not in repr(image)
    assert pydicom.__version__ >= "3"


@pytest.mark.parametrize("seed", range(40))
def test_damage_gives_a_picture_or_a_bad_image(seed):
    data = bytearray(dicom(RAMP, WindowCenter=1000, WindowWidth=500))
    generator = np.random.default_rng(seed)
    for place in generator.integers(132, len(data) - RAMP.nbytes, 6):
        data[place] = generator.integers(256)
    with suppress(BadImage):
        open_image(bytes(data))
