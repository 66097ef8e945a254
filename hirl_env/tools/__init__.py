"""The restoration tools: one file per family, and the grid they stand in."""

from hirl_env.tools.toolset import Tool, Toolset, toolsets

__all__ = ["Tool", "Toolset", "toolsets"]
