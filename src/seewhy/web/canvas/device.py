"""A secret that this browser keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamlit.components.v2 import component

HERE = Path(__file__).parent
_device: Any = component("seewhy_device", js=(HERE / "device.js").read_text("utf-8"))


def device_secret(key: str, keep: str | None = None, *, forget: bool = False) -> str | None:
    """What the browser keeps, after it was told to `keep` something else or to `forget` it; None before it answers."""
    return _device(data={"keep": keep, "forget": forget}, key=key, on_token_change=_nothing, height=1).token


def _nothing() -> None:
    """Streamlit wants to call something when the value changes; the new run is enough."""
