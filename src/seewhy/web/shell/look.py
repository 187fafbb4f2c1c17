"""Colours and type of the app, light and dark."""

from __future__ import annotations

from typing import Any

ACCENT = {"light": "#b34a0c", "dark": "#f0a06a"}
LIGHT = {
    "primaryColor": ACCENT["light"],
    "backgroundColor": "#ffffff",
    "secondaryBackgroundColor": "#f5f4f2",
    "textColor": "#1b1f24",
    "linkColor": "#9c4209",
    "borderColor": "#dfe2e6",
}
DARK = {
    "primaryColor": ACCENT["dark"],
    "backgroundColor": "#14171a",
    "secondaryBackgroundColor": "#1e2226",
    "textColor": "#e8eaed",
    "linkColor": ACCENT["dark"],
    "borderColor": "#31373d",
}

THEME: dict[str, Any] = {
    "theme.baseRadius": "medium",
    "theme.headingFontSizes": ["2.4rem", "1.75rem", "1.35rem", "1.1rem", "1rem", "1rem"],
    "theme.headingFontWeights": [650, 650, 650, 600, 600, 600],
    **{f"theme.light.{name}": value for name, value in LIGHT.items()},
    **{f"theme.dark.{name}": value for name, value in DARK.items()},
}
