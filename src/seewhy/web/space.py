"""What a Hugging Face Space tells the app about itself."""

from __future__ import annotations

import os


def told_by_space(name: str) -> str | None:
    """The variable of this name, on a Space; on other hosts the same name may mean something else."""
    return os.environ.get(name) if "SPACE_ID" in os.environ else None


def space_address() -> str | None:
    """Where people reach the Space outside of its frame."""
    host = told_by_space("SPACE_HOST")
    return host and f"https://{host}"


def space_frames() -> tuple[str, ...]:
    """The site that shows the Space in a frame."""
    return ("https://huggingface.co",) if told_by_space("SPACE_ID") else ()
