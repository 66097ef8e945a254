"""`TrainConfig`: the configuration of a training, from presets, the command line, sweeps or a run's config.yaml."""

from __future__ import annotations

import dataclasses
import os
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import tyro
import yaml

from hirl_agents.algorithm import AlgorithmConfig
from hirl_agents.hirl.config import HIRLConfig
from hirl_agents.registry import SHIPPED_AGENTS, algorithms
from hirl_env.config import EnvConfig
from hirl_env.data.photographs import image_sources
from hirl_env.tools.registry import toolsets
from hirl_experiments.command_line.checks import at_least
from hirl_experiments.command_line.options import replaced

DEFAULT_PRESET = "hirl"
PLAIN = (bool, int, float, str, types.NoneType)
# Arguments of `EnvConfig` that follow from --images, and from the algorithm.
FOLLOWING = ("images", "flat", "stop_action", "full_feedback")


def _plain(annotation: Any) -> Any:
    """The part of an annotation that a shell or a YAML file can express: numbers, strings, choices."""
    if get_origin(annotation) in (Union, types.UnionType):
        return Union[tuple(part for part in map(_plain, get_args(annotation)) if part is not None)]  # noqa: UP007
    return annotation if annotation in PLAIN or get_origin(annotation) is Literal else None


def _plain_environment() -> type[EnvConfig]:
    """`EnvConfig` with only the short-hands of its objects, and without the fields that follow from others."""
    hints = get_type_hints(EnvConfig)
    fields = []
    for one in dataclasses.fields(EnvConfig):
        kind = _plain(hints[one.name])
        kind = Annotated[kind, tyro.conf.Suppress] if one.name in FOLLOWING else kind
        # Other commands call it --toolset.
        kind = Annotated[kind, tyro.conf.arg(aliases=["--toolset"])] if one.name == "toolset" else kind
        fields.append((one.name, kind, field(default=one.default)))
    plain: type[EnvConfig] = dataclasses.make_dataclass("EnvConfig", fields, bases=(EnvConfig,), frozen=True)
    plain.__doc__ = (EnvConfig.__doc__ or "").replace("`", "")
    return plain


PlainEnvConfig = _plain_environment()


@dataclass(frozen=True)
class SweepGroup:
    """The sweep that a run belongs to.

    Attributes:
        name: Name of the sweep.
        id: Identifier that distinguishes it from others of that name.
    """

    name: str
    id: str


@dataclass(frozen=True)
class TrainConfig:
    """What is trained, on which photographs, and for how long.

    Args:
        images: Photographs to train on: a folder, or the name of a data set. (required)
        validate: Photographs to measure progress and choose the best model on. Default: some of --images.
        hold_out: Number of --images that make the validation split if --validate is not given.
        start_from: Weights of HIRL to start from instead of random ones: hirl, or a .safetensors file. Inputs that the
            new agent sees and the old one did not (the first image, the tool used last) have no effect at first.
        memory: Folders of runs whose replay buffers to begin with, joined, instead of an empty one; these runs must
            have the same toolset, reward, algorithm and n_envs, and buffer_size must have room for all.
        label: Name of the curve of this run and of runs with other seeds in hirl compare.
        total_steps: Number of environment steps (tools applied) to train for.
        every: Number of environment steps between evaluations, each with a checkpoint.
        lr_schedule: Course of the learning rate: constant, or linear, which falls to zero.
        n_envs: Number of images restored side by side.
        seed: Seed of everything random.
        sweep: Sweep that this run belongs to.
        env: Configuration of the environment.
        algorithm: Configuration of the algorithm, which is that of the preset.
    """

    images: str = ""
    validate: str | None = None
    hold_out: int = 40
    start_from: str | None = None
    memory: tuple[str, ...] = ()
    label: str = "hirl"
    total_steps: int = 48_000
    every: int = 4_000
    lr_schedule: Literal["constant", "linear"] = "linear"
    n_envs: int = 16
    seed: int = 0
    sweep: Annotated[SweepGroup | None, tyro.conf.Suppress] = None
    env: EnvConfig = PlainEnvConfig()  # noqa: RUF009  (frozen)
    algorithm: AlgorithmConfig = HIRLConfig()  # noqa: RUF009

    def prepared(self) -> TrainConfig:
        """The configuration with absolute paths, checked as far as possible without opening photographs.

        Raises:
            ValueError: If a setting is out of range, or does not fit the others.
        """
        if not self.images:
            raise ValueError("--images is missing: name a folder of photographs to train on (or --resume a run)")
        at_least(1, total_steps=self.total_steps, every=self.every, hold_out=self.hold_out, n_envs=self.n_envs)
        at_least(0, seed=self.seed)
        if Path(self.label).name != self.label or self.label in ("", ".."):
            raise ValueError(f"--label names a curve and a folder, without slashes; got {self.label!r}")
        self.env.check()
        self.algorithm.check()
        if self.start_from is not None and not isinstance(self.algorithm, HIRLConfig):
            raise ValueError(f"--start-from is for HIRL, not for the algorithm {self.algo}")
        return dataclasses.replace(
            self,
            images=_absolute(self.images),
            validate=self.validate and _absolute(self.validate),
            memory=tuple(str(Path(run).resolve()) for run in self.memory),
            start_from=self.start_from and str(SHIPPED_AGENTS.get(self.start_from, Path(self.start_from).resolve())),
            env=dataclasses.replace(self.env, toolset=_located(self.env.toolset)),
        )

    @property
    def algo(self) -> str:
        """Name of the algorithm."""
        return next(name for name in algorithms.names() if type(algorithms.resolve(name)) is type(self.algorithm))

    @property
    def environment(self) -> EnvConfig:
        """The environment's configuration, with the fields that follow from the algorithm."""
        return dataclasses.replace(self.env, **self.algorithm.environment)

    def as_dict(self) -> dict[str, Any]:
        """Every setting as plain values, as `train_config` reads them."""
        settings = dataclasses.asdict(self)
        for name in FOLLOWING:
            del settings["env"][name]
        if self.sweep is None:
            del settings["sweep"]
        return {"algo": self.algo, **settings}


def _absolute(source: str) -> str:
    """A folder as an absolute path; the name of a data set unchanged."""
    is_place = source not in image_sources.names() and Path(source).is_dir()
    return str(Path(source).resolve()) if is_place else source


def _located(toolset: Any) -> Any:
    """The path of a toolset as an absolute path; the name of a toolset unchanged."""
    named = not isinstance(toolset, str) or toolset in toolsets.names() or not os.path.exists(toolset)
    return toolset if named else str(Path(toolset).resolve())


def train_config(content: Mapping[str, Any], label: str) -> TrainConfig:
    """A configuration from plain values: those of a preset, or of a run's config.yaml.

    Args:
        content: Values by name: ``algo``, and settings of `TrainConfig` by their names; those that are missing have
            their defaults.
        label: Label to use if the content has none.

    Raises:
        ValueError: If an option is unknown, or does not accept its value.
    """
    settings = dict(content)
    algorithm = algorithms.resolve(settings.pop("algo", ""))
    config = replaced(TrainConfig(label=label, algorithm=algorithm), settings)
    for name in settings.get("env", {}):
        if name in FOLLOWING:
            raise ValueError(f"env.{name} is no setting: it follows from the photographs and the algorithm")
    return config


def preset_names() -> list[str]:
    """Names of the presets: the shipped ones, and algorithms without one, which stand for their defaults."""
    folder = files("hirl_experiments") / "configs"
    shipped = [file.name.removesuffix(".yaml") for file in folder.iterdir() if not file.name.startswith("sweep_")]
    return sorted({*shipped, *algorithms.names()})


def preset(name: str) -> TrainConfig:
    """A preset.

    Args:
        name: Name, one of `preset_names`, or a YAML file.

    Raises:
        ValueError: If there is no such preset, or it has a mistake.
    """
    shipped = files("hirl_experiments") / "configs" / f"{name}.yaml"
    if name in preset_names():
        return train_config(yaml.safe_load(shipped.read_text()) if shipped.is_file() else {"algo": name}, name)
    if Path(name).suffix not in (".yaml", ".yml"):
        raise ValueError(f"unknown preset {name!r}; known are: {', '.join(preset_names())}, and YAML files")
    try:
        content = yaml.safe_load(Path(name).read_text())
        if not isinstance(content, dict):
            raise ValueError("it holds no settings")
        return train_config(content, Path(name).stem)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"preset {name}: {' '.join(str(error).split())}") from None
