"""What a process loads before others are forked of it. It uses none of it, since then they could hang."""

from __future__ import annotations

from importlib import import_module

from seewhy.models.shim import ready_torchvision

VERBS = ("cases", "compare", "evaluate", "explain", "network", "people", "prototypes", "study", "train")

ready_torchvision()
for name in ("alembic.command", "polars", "timm.data", "seewhy.cli.app", *(f"seewhy.verbs.{each}" for each in VERBS)):
    import_module(name)
