"""RL-Restore's agents on disk."""

from __future__ import annotations

from pathlib import Path

import torch

from hirl_agents.rl_restore.agent import RLRestoreAgent
from hirl_agents.rl_restore.network import RecurrentQ
from hirl_agents.rl_restore.released import load_released
from hirl_env.tools.rl_restore import new_tools
from hirl_env.weights import load_weights, makes_networks, read_metadata, read_sizes, save_weights

KIND = "rl-restore"
# Bounds on the sizes in a file, so that loading one cannot exhaust memory or time.
BOUNDS = {"n_tools": (1, 1000), "side": (1, 1000), "features": (1, 1000), "units": (1, 1000), "tools": (0, 1)}
BOUNDS["max_steps"] = (1, 100)


def save_rl_restore(agent: RLRestoreAgent, path: str | Path, dtype: torch.dtype = torch.float16) -> None:
    """Writes an agent with its tools as safetensors, with what is needed to build it again."""
    sizes = agent.q.architecture | {"tools": int(agent.tools is not None), "max_steps": agent.max_steps}
    save_weights(agent, path, dtype, {"network": KIND} | {key: str(value) for key, value in sizes.items()})


@makes_networks
def load_rl_restore(path: str | Path) -> RLRestoreAgent:
    """Reads an agent, ready for inference.

    Args:
        path: File of `save_rl_restore`, or the authors' weights (.npz, see `hirl_agents.rl_restore.released`).

    Raises:
        ValueError: If the file is missing, damaged, or holds no RL-Restore.
    """
    if Path(path).suffix == ".npz":
        return load_released(path)
    metadata = read_metadata(path)
    if metadata.pop("network", "") != KIND:
        raise ValueError(f"weights {path}: not those of RL-Restore; give a file of hirl train --preset {KIND}")
    sizes = read_sizes(path, metadata, BOUNDS)
    try:
        tools, max_steps = new_tools() if sizes.pop("tools") else None, sizes.pop("max_steps")
        agent = RLRestoreAgent(RecurrentQ(**sizes), tools, max_steps)
    except (TypeError, KeyError) as error:
        raise ValueError(f"weights {path}: written by another version of this package ({error})") from None
    load_weights(agent, path)
    return agent.eval()
