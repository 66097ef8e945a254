"""The tools and toolsets that have a name or a short-hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hirl_env.registry import Registry
from hirl_env.tools.hirl import hirl_toolset
from hirl_env.tools.paper import paper_toolset
from hirl_env.tools.rl_restore import read_tools, rl_restore_toolset
from hirl_env.tools.tool import Tool
from hirl_env.tools.toolset import Toolset
from hirl_env.tools.toolset_file import YAML_SUFFIXES, read_toolset


def _shorthand(value: Any) -> Toolset | None:
    """A toolset from a list of its tools, from a file that describes it, or from the path of RL-Restore's tools.

    Args:
        value: Path of a YAML file for `hirl_env.tools.toolset_file.read_toolset`, or a path for
            `hirl_env.tools.rl_restore.read_tools`: an .npz or .safetensors file, or a folder. Or types with their
            tools, weak to strong, as in ``light=own-1,own-2;jpeg=paper:dejpeg-0,paper:dejpeg-2``, where each tool is a
            registered one, or one of a toolset.
    """
    # Not Path.exists and Path.is_dir, which fail if the text is too long for a path.
    if isinstance(value, str) and "=" in value and not os.path.exists(value):
        types = [_type_of(part, value) for part in value.split(";")]
        if len(dict(types)) < len(types):
            raise ValueError(f"toolset {value!r}: a type is there twice")
        return Toolset(dict(types))
    if value and isinstance(value, str | Path):  # as a path, an empty text would be the working directory
        path = Path(value)
        if path.suffix in YAML_SUFFIXES:
            return read_toolset(path, _tool_of)
        if os.path.isdir(path) or path.suffix in (".npz", ".safetensors"):
            return rl_restore_toolset(read_tools(path))
    return None


# Registered tools, for short-hands of toolsets; shipped tools are named by their toolset and cell instead.
tools: Registry[Tool] = Registry("tool", Tool, shorthand_help="tools of a toolset, as in paper:dejpeg-0")
toolsets: Registry[Toolset] = Registry("toolset", Toolset, _shorthand)
toolsets.register("paper", paper_toolset)
toolsets.register("hirl", hirl_toolset)


def _type_of(part: str, toolset: str) -> tuple[str, list[Tool]]:
    """A type and its tools from ``TYPE=TOOL,TOOL``."""
    name, equals, rest = part.partition("=")
    if not (name.strip() and equals and rest.strip()):
        raise ValueError(f"toolset {toolset!r}: write it as TYPE=TOOL,TOOL;TYPE=TOOL,TOOL")
    return name.strip(), [_tool_of(one.strip()) for one in rest.split(",")]


def _tool_of(name: str) -> Tool:
    whose, colon, cell = name.partition(":")
    if not colon:
        return tools.resolve(name)
    toolset = toolsets.resolve(whose)
    return toolset[toolset.cell(cell)]
