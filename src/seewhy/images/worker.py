"""What a process does that decodes pictures for others; `seewhy.images.isolation` starts it.

It reads requests from its standard input and answers on its standard output, each a length, a line of JSON and the
bytes of arrays. Its memory, its computing time and what it may write are limited by the system; a decoder that breaks
takes this process along and no other. What native libraries print, such as libtiff, is caught: it counts as damage.
"""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from seewhy.core.text import shown
from seewhy.errors import BadImage
from seewhy.images.decoding import class_numbers, from_bytes

_LENGTH = struct.Struct(">I")
_HEADER_BYTES = 1 << 20
_MESSAGES = 1 << 16  # bytes that native libraries may print, before the process is ended
_REASON = 100  # letters of them that are told

# Bytes of memory beside what the process holds: for each pixel, for each byte of the file, and in any case.
_PIXEL_BYTES, _FILE_COPIES, _SPARE_BYTES = 40, 4, 256 << 20
# Seconds of computing: in any case, and for each pixel.
_SECONDS, _PIXEL_SECONDS = 5, 2e-7


def serve() -> None:
    """Decode what is asked for until nobody asks any more."""
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    messages = _catch_messages()
    _limit_writing()
    send(answers, {})  # ready
    with suppress(EOFError):
        while True:
            request = receive(asked)
            data = read_exactly(asked, request["bytes"])
            _limit_work(request["max_pixels"], len(data))
            send(answers, *_answer(request, data, messages))


def _answer(request: dict[str, Any], data: bytes, messages: int) -> tuple[dict[str, Any], Sequence[NDArray[Any]]]:
    name = request["name"]
    os.ftruncate(messages, 0)
    os.lseek(messages, 0, os.SEEK_SET)
    try:
        reply, arrays = _decoded(request, data, name)
    except BadImage as error:
        return {"error": [error.code, str(error)]}, ()
    except MemoryError:
        return {"error": ["too_large", f"{name} needs more memory than pictures do. Save it again smaller."]}, ()
    os.lseek(messages, 0, os.SEEK_SET)
    if said := os.read(messages, _MESSAGES).decode("utf-8", "replace").strip():
        reason = shown(said.splitlines()[0].rstrip(" ."), _REASON)
        return {"error": ["truncated", f"{name} is cut off or damaged ({reason}). Copy or download it again."]}, ()
    return {**reply, "arrays": [[each.dtype.str, each.shape] for each in arrays]}, arrays


def _decoded(request: dict[str, Any], data: bytes, name: str) -> tuple[dict[str, Any], Sequence[NDArray[Any]]]:
    if request["what"] == "numbers":
        numbers = class_numbers(data, name, request["max_pixels"])
        return {}, () if numbers is None else (numbers,)
    image = from_bytes(data, name, request["max_pixels"], tuple(request["background"]))
    arrays = (image.pixels,) if image.stored is None else (image.pixels, image.stored)
    return {"notes": image.notes, "composite": image.composite}, arrays


def _catch_messages() -> int:
    """A file in memory that takes whatever anybody prints from here on; Python's own warnings go nowhere."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("messages")
    else:
        with tempfile.TemporaryFile() as temporary:
            file = os.dup(temporary.fileno())
    logging.disable()
    sys.stdout = sys.stderr = StringIO()
    for standard in (1, 2):
        os.dup2(file, standard)
    return file


def _limit_writing() -> None:
    """No core dumps, and no files but that of the messages, which is short: who prints more is ended."""
    sys.dont_write_bytecode = True
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (_MESSAGES, _MESSAGES))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def _limit_work(max_pixels: int, size: int) -> None:
    """What the next picture may take of memory and of computing time; whoever takes more is ended by the system."""
    if sys.platform == "win32":
        return
    import resource

    seconds = math.ceil(time.process_time() + _SECONDS + _PIXEL_SECONDS * max_pixels)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
    with suppress(OSError):  # elsewhere than on Linux nobody tells how much there is
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        most = held + _PIXEL_BYTES * max_pixels + _FILE_COPIES * size + _SPARE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


def send(stream: BinaryIO, header: dict[str, Any], arrays: Sequence[NDArray[Any]] = ()) -> None:
    """Write a header and the bytes of arrays."""
    line = json.dumps(header).encode()
    stream.write(_LENGTH.pack(len(line)) + line)
    stream.writelines(as_bytes(np.ascontiguousarray(each)) for each in arrays)
    stream.flush()


def as_bytes(array: NDArray[Any]) -> memoryview:
    """The bytes of a contiguous array, to be read or written in place."""
    return array.reshape(-1).view(np.uint8).data


def receive(stream: BinaryIO) -> dict[str, Any]:
    """The next header.

    Raises:
        EOFError: nobody writes any more.
        ValueError: it is none.
    """
    (length,) = _LENGTH.unpack(read_exactly(stream, _LENGTH.size))
    if length > _HEADER_BYTES:
        raise ValueError("no header")
    header = json.loads(read_exactly(stream, length))
    if not isinstance(header, dict):
        raise ValueError("no header")  # noqa: TRY004 - of the stream
    return header


def read_exactly(stream: BinaryIO, count: int) -> bytes:
    """So many bytes; raises `EOFError` where there are fewer."""
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data
