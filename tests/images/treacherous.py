"""A worker whose decoder does to some pictures what broken or hostile ones would do to it; told by their names."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

import numpy as np

from seewhy.errors import BadImage
from seewhy.images import worker

honest = worker.from_bytes


def hoard():
    held = []
    while True:
        held.append(np.ones(1 << 20))


def compute():
    while True:
        pass


def chatter():
    while True:
        os.write(2, b"Fax3Decode1D: Bad code word at line 1 of strip 0\n")


DEEDS = {
    "segfault": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exits": lambda: os._exit(0),
    "raises": lambda: 1 / 0,
    "hangs": lambda: time.sleep(99),
    "computes": compute,
    "hoards": hoard,
    "asks for a terabyte": lambda: bytearray(1 << 40),
    "chatters": chatter,
    "complains": lambda: os.write(2, b"Fax4Decode: Bad code word.\n"),
    "prints": lambda: os.write(1, b"no protocol\n"),
    "says it in Python": lambda: print("only a warning", file=sys.stderr),
    "takes its time": lambda: time.sleep(2),
    "waits": lambda: time.sleep(0.3),
}


def from_bytes(data, name, max_pixels, background):
    if name == "environment":
        raise BadImage("truncated", " ".join(sorted(os.environ)))
    if name == "process":
        raise BadImage("truncated", f"{os.getpid()}")
    if name in DEEDS:
        DEEDS[name]()
    return honest(data, name, max_pixels, background)


worker.from_bytes = from_bytes
worker._SECONDS = 0.5
worker.serve()
