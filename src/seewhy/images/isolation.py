"""Pictures decoded in processes of their own, so that a decoder that breaks or stalls harms nobody else.

Two kinds of picture go there: those from strangers, and TIFFs that libtiff unpacks, since it prints to the terminal
what is damaged instead of saying so. All others are decoded in this process.
"""

from __future__ import annotations

import atexit
import math
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from queue import Empty, LifoQueue
from threading import Timer
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from seewhy.errors import BadImage
from seewhy.images.decoding import check_bytes, class_numbers, from_bytes
from seewhy.images.image import Image
from seewhy.images.levels import Colour
from seewhy.images.patience import stalling
from seewhy.images.structure import is_packed_tiff
from seewhy.images.worker import as_bytes, receive, send

_COMMAND = (sys.executable or "python", "-P", "-c", "from seewhy.images.worker import serve; serve()")
_COUNT = max(2, min(4, os.cpu_count() or 2))
_PICTURES = 500  # that a process decodes before another takes its place
_SECONDS = 60.0  # for one picture, however busy the machine is; the worker's own limit counts computing alone
_CHANNELS = 4  # numbers for each pixel allowed, at most
_VARIABLES = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "TEMP")
# How the system ends a worker: what `subprocess` tells of signals.
_SIGNALS = {name: -number for name, number in vars(signal).items() if name.startswith("SIG") and name[3] != "_"}
_STALLED, _STARVED, _GARRULOUS = (_SIGNALS.get(name) for name in ("SIGXCPU", "SIGKILL", "SIGXFSZ"))
_BYTES = ("|u1",)
_WHOLE = tuple(np.dtype(f"{order}{kind}{size}").str for order in "<>" for kind in "iu" for size in (1, 2, 4, 8))


def decode_image(data: bytes, name: str, max_pixels: int, background: Colour, *, isolated: bool = False) -> Image:
    """What `decoding.from_bytes` gives; in a process of its own where it is to be `isolated`, or libtiff unpacks it."""
    if isolated or is_packed_tiff(data):
        return _pool(os.getpid()).image(data, name, max_pixels, background)
    return from_bytes(data, name, max_pixels, background)


def decode_numbers(data: bytes, name: str, max_pixels: int) -> NDArray[np.integer] | None:
    """What `decoding.class_numbers` gives; in a process of its own where libtiff unpacks it."""
    if is_packed_tiff(data):
        return _pool(os.getpid()).numbers(data, name, max_pixels)
    return class_numbers(data, name, max_pixels)


class Workers:
    """A few processes that decode; each is started when it is needed, and replaced when it broke.

    Threads may share it: as many pictures are decoded at once as there are processes, the others wait.

    Args:
        count: how many processes there are at most.
        command: what starts one.
        seconds: of the clock that one picture may take.
    """

    def __init__(self, count: int = _COUNT, command: Sequence[str] = _COMMAND, seconds: float = _SECONDS) -> None:
        self._command, self._seconds = command, seconds
        self._idle: LifoQueue[_Process | None] = LifoQueue()  # the last one used comes first: few are started
        for _ in range(count):
            self._idle.put(None)

    def image(self, data: bytes, name: str, max_pixels: int, background: Colour) -> Image:
        """The picture in these bytes.

        Raises:
            BadImage: it cannot be opened, or broke or stalled its decoder.
        """
        check_bytes(data, name, max_pixels)
        request = {"what": "image", "name": name, "max_pixels": max_pixels, "background": background}
        with self._one(name) as process:
            reply = process.ask(request, data)
            pixels, *stored = process.arrays(reply, max_pixels, _BYTES)
            notes = tuple(map(str, reply["notes"]))
            return Image(pixels, name, notes, stored[0] if stored else None, bool(reply["composite"]))

    def numbers(self, data: bytes, name: str, max_pixels: int) -> NDArray[np.integer] | None:
        """The numbers of classes in these bytes, or None; raises what `image` raises."""
        check_bytes(data, name, max_pixels)
        with self._one(name) as process:
            reply = process.ask({"what": "numbers", "name": name, "max_pixels": max_pixels}, data)
            return next(iter(process.arrays(reply, max_pixels, _WHOLE)), None)

    def close(self) -> None:
        """End the processes that have nothing to do."""
        found: list[_Process | None] = []
        with suppress(Empty):
            while True:
                found.append(self._idle.get_nowait())
        for process in found:
            if process:
                process.end()
            self._idle.put(None)

    @contextmanager
    def _one(self, name: str) -> Generator[_Process]:
        """A process that nobody else uses meanwhile; whatever goes wrong with it becomes a `BadImage`."""
        process, sound = self._idle.get(), False
        try:
            if process and not process.is_alive:  # the system ended it while it was idle
                process.end()
                process = None
            process = process or _Process(self._command, name)
            with process.within(self._seconds):
                try:
                    yield process
                    sound = True
                except BadImage:
                    sound = True
                    raise
                except (OSError, EOFError, ValueError, TypeError, LookupError) as error:
                    raise process.obituary(name) from error
        finally:
            sound = sound and process is not None and process.is_alive and process.pictures < _PICTURES
            if process and not sound:
                process.end()
            self._idle.put(process if sound else None)


class _Process:
    """One worker: what it is asked, and what it answers, which is checked."""

    def __init__(self, command: Sequence[str], name: str) -> None:
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=_environment(),
                start_new_session=True,  # Ctrl+C is for the program, not for its helpers
            )
        except OSError as error:
            raise _no_process(name, str(error)) from error
        self.pictures, self._stopped = 0, False
        self._in, self._out, said = (
            cast("BinaryIO", each) for each in (self._process.stdin, self._process.stdout, self._process.stderr)
        )
        try:
            with said, self.within(_SECONDS):
                receive(self._out)  # that it is ready; what it says from then on, it hears itself
                return
        except (OSError, EOFError, ValueError) as error:
            self.end()
            raise _no_process(name, f"{error}" or f"code {self._process.returncode}") from error

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return not self._stopped and self._process.poll() is None

    @contextmanager
    def within(self, seconds: float) -> Generator[None]:
        """End it when what is done meanwhile takes longer."""
        timer = Timer(seconds, self._stop)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def ask(self, request: dict[str, Any], data: bytes) -> dict[str, Any]:
        """The answer to a request about these bytes."""
        self.pictures += 1
        send(self._in, {**request, "bytes": len(data)}, [np.frombuffer(data, np.uint8)])
        reply = receive(self._out)
        if "error" in reply:
            code, message = reply["error"]
            raise BadImage(str(code), str(message))
        return reply

    def arrays(self, reply: dict[str, Any], max_pixels: int, kinds: Sequence[str]) -> list[NDArray[Any]]:
        """The arrays that follow an answer."""
        found = []
        for kind, shape in reply["arrays"]:
            if kind not in kinds or not all(isinstance(side, int) and side > 0 for side in shape):
                raise ValueError("no array")
            if math.prod(shape) > _CHANNELS * max_pixels:
                raise ValueError("too large an array")
            array = np.empty(shape, kind)
            view, at = as_bytes(array), 0
            while at < len(view):
                count = cast("Any", self._out).readinto(view[at:])
                if not count:
                    raise EOFError
                at += count
            array.setflags(write=False)
            found.append(array)
        return found

    def end(self) -> None:
        """End it, and wait until it has."""
        self._process.kill()
        self._process.wait()
        for stream in (self._in, self._out):
            with suppress(OSError):  # what was not sent stays so
                stream.close()

    def obituary(self, name: str) -> BadImage:
        """Why it ended while it decoded this picture."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        code = self._process.poll()
        if self._stopped or code == _STALLED:
            return stalling(name)
        if code == _STARVED:
            return BadImage("too_large", f"{name} needs more memory than pictures do. Save it again as PNG or JPEG.")
        how = "its decoder complains without end" if code == _GARRULOUS else f"it broke its decoder, code {code}"
        return BadImage("truncated", f"{name} is cut off or damaged ({how}). Copy or download it again.")

    def _stop(self) -> None:
        self._stopped = True
        self._process.kill()


def _environment() -> dict[str, str]:
    """What a worker needs to find its modules; nothing else, for secrets lie in environments."""
    paths = dict.fromkeys(map(os.path.abspath, [str(Path(__file__).parents[2]), *filter(None, sys.path)]))
    needed = {name: value for name in _VARIABLES if (value := os.environ.get(name))}
    return {**needed, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _no_process(name: str, reason: str) -> BadImage:
    return BadImage(
        "unsupported",
        f"{name} is decoded in a process of its own, which cannot be started ({reason}). "
        "Let this program start processes, or save the picture as PNG and open it from a file.",
    )


@cache
def _pool(_process: int) -> Workers:
    """The workers of this process: a fork has others than its parent."""
    pool = Workers()
    atexit.register(pool.close)
    return pool
