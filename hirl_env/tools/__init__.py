"""The restoration tools: one file per family, and the grid they stand in."""

from hirl_env.tools.toolset import Tool, Toolset, open_toolset, toolsets

__all__ = ["Tool", "Toolset", "open_toolset", "toolsets"]
