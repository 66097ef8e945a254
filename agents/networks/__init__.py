"""Q-networks and their files."""

from hirl_agents.networks.cell_q import CellQ, CellValues
from hirl_agents.networks.extractor import ResNet18Extractor
from hirl_agents.networks.files import NETWORKS, SUFFIX, load_q, save_q
from hirl_agents.networks.flat_q import FlatQ
from hirl_agents.networks.q_network import TOOL_WEIGHT, QNetwork
from hirl_agents.networks.rescaling import squashed, unsquashed
from hirl_agents.networks.self_ensemble import TurnAveraged, turned
from hirl_agents.networks.two_level_q import DegreeHead, TwoLevelQ

__all__ = [
    "NETWORKS",
    "SUFFIX",
    "TOOL_WEIGHT",
    "CellQ",
    "CellValues",
    "DegreeHead",
    "FlatQ",
    "QNetwork",
    "ResNet18Extractor",
    "TurnAveraged",
    "TwoLevelQ",
    "load_q",
    "save_q",
    "squashed",
    "turned",
    "unsquashed",
]
