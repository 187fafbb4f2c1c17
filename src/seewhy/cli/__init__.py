"""The command line: parse, call one job, print. Data on stdout, progress and chatter on stderr."""

from __future__ import annotations

from seewhy.cli.app import main

__all__ = ["main"]
