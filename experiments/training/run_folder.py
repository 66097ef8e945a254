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
PHOTOGRAPHS = "photographs"  # fingerprints of both splits
PROVENANCE = ("command", "git_revision", "versions", PHOTOGRAPHS)  # keys of config.yaml that are not settings


def write_config(
    config: TrainConfig, out: Path, command: str | None = None, photographs: dict[str, str] | None = None
) -> None:
    """Writes config.yaml: the settings of a run, the command, and the version of the code.

    Args:
        config: Configuration of the run.
        out: Folder of the run.
        command: Command that began it. Default: this one.
        photographs: Fingerprints of the photographs of each split, for `check_photographs`; None for no such check.
    """
    more = provenance(command) | ({} if photographs is None else {PHOTOGRAPHS: photographs})
    atomic_write_text(out / CONFIG, yaml.safe_dump(config.as_dict() | more, sort_keys=False))


def check_photographs(out: Path, photographs: dict[str, str]) -> None:
    """Raises ValueError if a run began with other photographs: some would be trained and validated on."""
    before = yaml.safe_load((out / CONFIG).read_text()).get(PHOTOGRAPHS, photographs)
    for split, now in photographs.items():
        if before.get(split) != now:
            raise ValueError(
                f"{out} began with other photographs to {split} on ({before.get(split)}; now {now}): give it the same "
                "again, or start a run elsewhere"
            )


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


def check_different(memory: Sequence[Path | str]) -> None:
    """Raises ValueError if a run is named twice: what it remembers would count twice."""
    first: dict[Path, Path | str] = {}
    for run in memory:
        twin = first.setdefault(Path(run).resolve(), run)
        if twin is not run:
            raise ValueError(f"--memory names {twin} twice; give each run once")


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
