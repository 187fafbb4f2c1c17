"""The command line: it parses, calls one command, and sets the exit code."""

from __future__ import annotations

from seewhy.cli.app import main

__all__ = ["main"]
