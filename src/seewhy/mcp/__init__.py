"""The questions of REST as tools of the Model Context Protocol, over standard input and output, on this machine."""

from __future__ import annotations

from seewhy.mcp.server import serve
from seewhy.mcp.tools import told_tools

__all__ = ["serve", "told_tools"]
