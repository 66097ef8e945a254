"""The folder of a run: its files, its configuration and its evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path

import yaml

from hirl_env.files import atomic_write_text
from hirl_experiments.reporting.provenance import provenance
from hirl_experiments.training.config import TrainConfig, train_config
from hirl_experiments.training.csv_log import CsvLog

CONFIG = "config.yaml"
CURVE = "evaluation.csv"
MODEL = "model.safetensors"
MEMORY = "replay_buffer.safetensors"  # next to the model, for algorithms that have a replay buffer
BEST = "best"  # .safetensors or .zip, with its card, .md
PROVENANCE = ("command", "git_revision", "versions")  # keys of config.yaml that are not settings


def write_config(config: TrainConfig, out: Path, command: str | None = None) -> None:
    """Writes config.yaml: the settings of a run, the command (default: this one), and the version of the code."""
    atomic_write_text(out / CONFIG, yaml.safe_dump(config.as_dict() | provenance(command), sort_keys=False))


def read_config(folder: Path) -> TrainConfig:
    """The configuration of a run, from its config.yaml.

    Raises:
        ValueError: If there is none, or it is another's.
    """
    try:
        content = yaml.safe_load((folder / CONFIG).read_text())
    except (OSError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{folder} is no run of hirl train, which has a {CONFIG} ({reason})") from None
    if not isinstance(content, dict) or not {"algo", "label"} <= content.keys():
        raise ValueError(f"{folder}/{CONFIG} is not that of a run")
    try:
        return train_config({key: value for key, value in content.items() if key not in PROVENANCE}, folder.name)
    except ValueError as error:
        raise ValueError(f"{folder}/{CONFIG}: {error}") from None


def check_same(names: Sequence[str], memory: Path, config: TrainConfig, whose: str) -> None:
    """Raises ValueError if a run, whose memory is to be used, had other settings.

    Args:
        names: Settings that must agree, as attributes of a `TrainConfig`: ``n_envs``, ``env.toolset``.
        memory: Folder of the run.
        config: Configuration to agree with.
        whose: Words for the settings of ``config`` in the message.
    """
    other = read_config(memory)
    for name in names:
        there, here = (attrgetter(name)(each) for each in (other, config))
        if there != here:
            short = name.rpartition(".")[2]
            raise ValueError(f"--memory {memory}: its {short} is {there}, and {whose} is {here}; give runs of the same")


def read_curve(run: Path) -> list[dict[str, float]]:
    """The rows of a run's evaluation.csv.

    Raises:
        ValueError: If there are none.
    """
    rows = CsvLog(run / CURVE).read()
    if not rows:
        raise ValueError(f"{run}: nothing was evaluated yet")
    return [{key: float(value) for key, value in row.items()} for row in rows]
