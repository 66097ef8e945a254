"""The restoration tools, one file per family, and the toolsets that they form."""

from hirl_env.tools.registry import tools, toolsets
from hirl_env.tools.tool import Tool
from hirl_env.tools.toolset import Toolset

__all__ = ["Tool", "Toolset", "tools", "toolsets"]
