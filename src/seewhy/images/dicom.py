"""DICOM: the first frame as a viewer shows it, by the file's own rescaling, window or look-up table."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from seewhy.errors import BadImage
from seewhy.images.image import Pixels
from seewhy.images.levels import Notes, bits_note, black_and_white, check_size, span_note, stretch, used_bits
from seewhy.images.measured import Measured

_DEFLATED = b"1.2.840.10008.1.2.1.99"  # unpacks to no limit before anything can be known of it
_FAR = 1e9  # beyond the numbers of any window


def read_dicom(file: BytesIO, name: str, max_pixels: int) -> Measured:
    """What a viewer shows of the first frame: grey `(H, W, 1)` or RGB `(H, W, 3)`."""
    try:
        from pydicom import dcmread
        from pydicom.pixels import apply_color_lut, pixel_array
    except ImportError as error:
        message = f"{name} is a DICOM file, which needs pydicom: pip install 'seewhy[dicom]'."
        raise BadImage("unsupported", message) from error
    if _DEFLATED in file.getvalue():
        raise BadImage("unsupported", f"{name} is a deflated DICOM file. Save it uncompressed.")
    data: Any = dcmread(file)
    if "PixelData" not in data:
        raise BadImage("not_an_image", f"{name} is a DICOM file without pixels, such as a report. Give the picture.")
    check_size(data.Columns, data.Rows, max_pixels, name)
    _check_frame(data, name)
    try:
        values: NDArray[Any] = pixel_array(data, index=0)
    except (RuntimeError, NotImplementedError) as error:
        how = f"packed as {data.file_meta.TransferSyntaxUID.name}, which is not unpacked here"
        cure = "Save it uncompressed, or install what pydicom names for it (pylibjpeg, python-gdcm)"
        raise BadImage("unsupported", f"{name} is {how}. {cure}.") from error
    frames = int(data.get("NumberOfFrames") or 1)
    notes = (f"first of {frames} frames",) if frames > 1 else ()
    if data.PhotometricInterpretation == "PALETTE COLOR":
        values = apply_color_lut(values, data)
    if values.ndim == 3:
        return Measured(values, alpha=False, notes=notes)
    levels, told = _as_shown(values, data)
    if data.PhotometricInterpretation == "MONOCHROME1":
        levels, told = np.invert(levels), (*told, "inverted, since its smallest value means white (MONOCHROME1)")
    return Measured(levels[..., np.newaxis], alpha=False, notes=(*notes, *told))


def _as_shown(values: NDArray[Any], data: Any) -> tuple[Pixels, Notes]:
    """Grey values to levels from black to white, by what the file says of them."""
    from pydicom.pixels import apply_modality_lut, apply_windowing

    measured = apply_modality_lut(values, data)
    if data.get("VOILUTSequence"):
        return _looked_up(measured, data.VOILUTSequence[0]), ("shown by its VOI look-up table",)
    if data.get("WindowCenter") is not None and data.get("WindowWidth") is not None:
        black, white = apply_windowing(np.array([-_FAR, _FAR]), data)
        level, width = (_first(data[key].value) for key in ("WindowCenter", "WindowWidth"))
        return stretch(apply_windowing(measured, data), black, white), (f"window level {level:g}, width {width:g}",)
    low, high = float(measured.min()), float(measured.max())
    if np.array_equal(measured, values) and data.PixelRepresentation == 0:
        bits = int(data.BitsStored) if data.BitsStored < 16 else used_bits(int(high))
        return stretch(values.clip(0, 2**bits - 1), 0, 2**bits - 1), bits_note(int(high), bits, int(data.BitsAllocated))
    black, white = black_and_white(low, high, fractions=False)
    return stretch(measured, black, white), (span_note(black, white),)


def _looked_up(values: NDArray[Any], item: Any) -> Pixels:
    """Values by a look-up table. Not by pydicom's `apply_voi`, which wraps around in tables of 8 bits."""
    entries, first, bits = map(int, item.LUTDescriptor)
    given = item.LUTData
    if isinstance(given, bytes):
        given = np.frombuffer(given, np.uint8 if len(given) == entries else "<u2")
    table = np.asarray(given, np.float64)
    places = (values.astype(np.int64) - first).clip(0, min(entries or 2**16, len(table)) - 1)
    return stretch(table[places].clip(0, 2**bits - 1), 0, 2**bits - 1)


def _first(value: Any) -> float:
    return float(value if isinstance(value, int | float) else value[0])


def _check_frame(data: Any, name: str) -> None:
    """A packed frame may be far larger than the file says."""
    if not data.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    from pydicom.encaps import get_frame

    try:
        with PIL.Image.open(BytesIO(get_frame(data.PixelData, 0)), formats=("JPEG", "JPEG2000")) as frame:
            size = frame.size
    except PIL.UnidentifiedImageError:  # packed otherwise, by rules that keep to the size
        return
    if size != (data.Columns, data.Rows):
        raise BadImage("truncated", f"{name} is damaged: its frame is not of the size that it says. Export it again.")
