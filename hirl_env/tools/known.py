"""The toolsets that have a name, and how one is opened."""

from __future__ import annotations

from pathlib import Path

from hirl_env.registry import Registry
from hirl_env.tools.paper import paper_toolset
from hirl_env.tools.rl_restore import read_tools, rl_restore_toolset
from hirl_env.tools.toolset import Toolset

toolsets: Registry[Toolset] = Registry("toolset", Toolset)
toolsets.register("paper", paper_toolset)
toolsets.register("hirl", paper_toolset)


def open_toolset(value: str | Path | Toolset) -> Toolset:
    """A toolset from its name, from itself, or from where RL-Restore's twelve tools are.

    Args:
        value: A registered name, a toolset, or a place as of `hirl_env.tools.rl_restore.read_tools`: an .npz or
            .safetensors file, or a folder.

    Raises:
        ValueError: If it is none of these.
    """
    if isinstance(value, Path) or (isinstance(value, str) and value not in toolsets.names()):
        place = Path(value)
        if place.is_dir() or place.suffix in (".npz", ".safetensors"):
            return rl_restore_toolset(read_tools(place))
        value = str(value)
    return toolsets.resolve(value)
