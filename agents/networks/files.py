"""Files of Q-networks: safetensors, with what is needed to build them again."""

from __future__ import annotations

from pathlib import Path

import torch

from hirl_agents.networks.flat_q import FlatQ
from hirl_agents.networks.two_level_q import TwoLevelQ
from hirl_env.weights import load_weights, makes_networks, read_metadata, read_sizes, save_weights

SUFFIX = ".safetensors"
# Bounds on the sizes in a file, so that loading one cannot exhaust memory or time.
BOUNDS = {
    "n_types": (1, 100),
    "n_degrees": (1, 100),
    "width": (8, 256),
    "view": (1, 4096),
    "max_steps": (1, 100),
    "doubt": (0, 100),
}
NETWORKS: dict[str, type[TwoLevelQ] | type[FlatQ]] = {"two-level": TwoLevelQ, "flat": FlatQ}


def save_q(network: TwoLevelQ | FlatQ, path: str | Path, dtype: torch.dtype = torch.float16) -> None:
    """Writes a Q-network as safetensors, with what is needed to build it again."""
    kind = next(name for name, kind in NETWORKS.items() if isinstance(network, kind))
    sizes = {name: getattr(network, name) for name in ("n_types", "n_degrees", "max_steps", "doubt", "tools")}
    metadata = {"network": kind} | {key: str(value) for key, value in (sizes | network.architecture).items()}
    save_weights(network, path, dtype, metadata)


@makes_networks
def load_q(path: str | Path) -> TwoLevelQ | FlatQ:
    """Reads a Q-network that `save_q` wrote, ready for inference.

    Raises:
        ValueError: If the file is missing, damaged, or holds no Q-network.
    """
    metadata = read_metadata(path)
    kind = NETWORKS.get(metadata.pop("network", ""))
    if kind is None:
        raise ValueError(
            f"weights {path}: not those of HIRL or a flat DQN; give what `hirl train --preset hirl` or `flat-dqn` wrote"
        )
    flags = {"True": True, "False": False}
    sizes = read_sizes(path, metadata, BOUNDS)
    arguments = {key: flags.get(value, value) for key, value in metadata.items()} | sizes
    try:
        network = kind(**arguments)  # type: ignore[arg-type]
    except TypeError as error:
        raise ValueError(f"weights {path}: written by another version of this package ({error})") from None
    load_weights(network, path)
    return network.eval().to(memory_format=torch.channels_last)
