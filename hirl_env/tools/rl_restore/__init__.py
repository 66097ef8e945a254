"""RL-Restore's twelve tools (Yu et al., CVPR 2018): the networks, the authors' weights and the toolset."""

from hirl_env.tools.rl_restore.networks import TOOL_CLASSES, LargeTool, SmallTool, new_tools
from hirl_env.tools.rl_restore.released import Released
from hirl_env.tools.rl_restore.toolset import (
    BLUR_BANDS,
    JPEG_BANDS,
    NOISE_BANDS,
    Band,
    read_tools,
    rl_restore_toolset,
)

__all__ = [
    "BLUR_BANDS",
    "JPEG_BANDS",
    "NOISE_BANDS",
    "TOOL_CLASSES",
    "Band",
    "LargeTool",
    "Released",
    "SmallTool",
    "new_tools",
    "read_tools",
    "rl_restore_toolset",
]
