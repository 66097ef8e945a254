"""The experiment that all tables and figures share: settings, photographs, tools, agents, and measurements."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hirl_agents.common.tiling import tiled
from hirl_agents.pixel_rl.network import SHIPPED as SHIPPED_PIXEL_RL
from hirl_agents.registry import SHIPPED_AGENTS
from hirl_env import __version__
from hirl_env.data.degradations import Degradation, degradations
from hirl_env.data.photographs import Photographs, image_sources
from hirl_env.data.samples import Sample
from hirl_env.devices import AnyPrecision, available_precision
from hirl_env.quality.hirl_biqa import WEIGHTS as SHIPPED_BIQA
from hirl_env.tabulate import PIXELS
from hirl_env.tools.registry import toolsets
from hirl_experiments.command_line.checks import at_least
from hirl_experiments.command_line.fingerprints import of_agent, of_photographs, of_toolset
from hirl_experiments.command_line.records import Records
from hirl_experiments.evaluation.method import Run
from hirl_experiments.evaluation.methods import (
    BruteForce,
    Distorted,
    Follow,
    Greedy,
    PixelWise,
    Reverse,
    Search,
    Single,
)
from hirl_experiments.evaluation.runner import Row, Runner
from hirl_experiments.evaluation.sampling import evaluation_samples

# Methods of the comparison that need weights of their own: how tables call them.
REFERENCE_STOP = "hirl reference stop"
BASELINES = {"pixel-rl": "PixelRL", "rl-restore": "RL-Restore", "flat-dqn": "flat DQN"}


def _with_reference_stop(names: Sequence[str]) -> list[str]:
    """Names of methods; hirl has one more that stops by the reference."""
    return [one for name in names for one in ((name, REFERENCE_STOP) if name == "hirl" else (name,))]


@dataclass(frozen=True)
class Settings:
    """The settings that a user chooses.

    Attributes:
        images: Photographs: a folder, or a name (div2k-valid, cbsd68, photos, ...); the paper's are div2k-valid.
        out: Folder for the results, including unfinished ones: the same command resumes where it stopped.
        crop: Side of the crops in pixels, or None for whole photographs.
        per_image: Number of crops of each photograph.
        seed: Seed of the crops and of the noise.
        agent: Agent of HIRL: hirl-paper, or a .safetensors file that hirl train wrote on the toolset paper.
        flat_dqn: Agent of the flat DQN: a file written by hirl train --preset flat-dqn. Default: the shipped
            one.
        pixel_rl: Network of PixelRL: a file written by hirl train-pixel-rl. Default: the shipped one.
        rl_restore: Agent of RL-Restore: the authors' weights as an .npz file, or a file written by hirl train
            --preset rl-restore. Default: the shipped one, which has the paper's tools.
        csiq: CSIQ's folder, for Table 1 and Figure 3. Default: the one in $HIRL_DATA. Without it, the single
            distortions are made from --images, at five levels each.
        brute_force: Longest path of brute force as an additional column of Table 1. Default: none; 3 takes 819 trials
            per image.
        max_trials: Most trials of a column of Table 2; columns with more are left out. The paper's have 9, 90, 819 and
            7380.
        search_trials: Most trials of HIRL's search in Table 2, each of which takes several times as long as one of
            brute force; columns with more show what it found with these. Default: --max-trials.
        picture: Name of the photograph of Figure 1. Default: the first.
        pictures: Number of photographs (of each distortion) in Figures 3 and 4.
        precision: Precision of the tools' convolutions: float32, bf16, or auto (bf16 where the hardware has it).
        device: Device on which the tools run: cpu, cuda, mps, or auto.
        wandb: Whether to log tables and figures to Weights & Biases: honours WANDB_MODE, and is offline if nobody is
            logged in.
    """

    images: str
    out: Path
    crop: int | None = None
    per_image: int = 1
    seed: int = 0
    agent: str = "hirl-paper"
    flat_dqn: Path | None = None
    pixel_rl: Path | None = None
    rl_restore: Path | None = None
    csiq: Path | None = None
    brute_force: int | None = None
    max_trials: int = 90
    search_trials: int | None = None
    picture: str | None = None
    pictures: int = 2
    precision: AnyPrecision = "float32"
    device: str = "cpu"
    wandb: bool = False

    def __post_init__(self) -> None:
        at_least(1, per_image=self.per_image, brute_force=self.brute_force, pictures=self.pictures)
        at_least(0, seed=self.seed)


@dataclass(frozen=True)
class Distortion:
    """Distorted photographs that methods are measured on.

    Attributes:
        name: Name in rows and files.
        photographs: Photographs to distort, or that come distorted.
        degradation: Degradation that is applied; None if they come distorted.
        nominal: Degradation by which the degree of a network's tool is chosen.
    """

    name: str
    photographs: Photographs
    degradation: Degradation | None
    nominal: Degradation


class Experiment:
    """A user's settings, with everything that they name opened.

    Memory holds a few copies of one batch of crops (`hirl_experiments.evaluation.sampling.PIXELS`) or of one whole
    photograph; tools run over tiles, and agents look at crops of large pictures.

    Attributes:
        photographs: Photographs of ``--images``.
        toolset: Tools of the paper, over tiles.
        precision: Precision of their convolutions.
        baselines: Methods to compare with, and the files of their weights.

    Raises:
        ValueError: If the settings name something that is not there.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.photographs = image_sources.resolve(settings.images)
        self.toolset = tiled(toolsets.resolve("paper").to(settings.device))
        self.precision = available_precision(settings.precision, settings.device)
        self.baselines = {
            "pixel-rl": settings.pixel_rl or SHIPPED_PIXEL_RL,
            "rl-restore": settings.rl_restore or SHIPPED_AGENTS["rl-restore-paper"],
            "flat-dqn": settings.flat_dqn or SHIPPED_AGENTS["flat-dqn"],
        }

    def methods(
        self, names: Sequence[str], depth: int = 3, budgets: tuple[int, ...] = (), max_steps: int | None = None
    ) -> dict[str, Run]:
        """Methods by name, opened, with the agents of the settings.

        Args:
            names: Names; hirl has one more that stops by the reference.
            depth: Longest path of brute force and of greedy choice.
            budgets: Trials after which the value-guided search reports.
            max_steps: Longest path of HIRL and of its search; None for that of its training.
        """
        chosen = self.settings
        known = {
            "distorted": Distorted(),
            "single": Single(),
            "brute-force": BruteForce(depth),
            "reverse": Reverse(),
            "greedy": Greedy(depth),
            "hirl": Follow(chosen.agent, max_steps=max_steps),
            REFERENCE_STOP: Follow(chosen.agent, "reference", max_steps),
            "hirl-search": Search(chosen.agent, budgets, max_steps),
            "pixel-rl": PixelWise(None if chosen.pixel_rl is None else str(chosen.pixel_rl)),
            "flat-dqn": Follow(str(chosen.flat_dqn or "flat-dqn")),
            "rl-restore": Follow(str(chosen.rl_restore or "rl-restore-paper")),
        }
        return {name: known[name].open(name, self.toolset) for name in _with_reference_stop(names)}

    def weights(self, methods: Sequence[str]) -> dict[str, str]:
        """The hashes of the weights of methods that have some, by method; ``hirl-biqa`` may be among them."""
        agent = of_agent(self.settings.agent)
        known = {"hirl": agent, REFERENCE_STOP: agent, "hirl-search": agent, "hirl-biqa": of_agent(str(SHIPPED_BIQA))}
        known |= {method: of_agent(str(file)) for method, file in self.baselines.items()}
        return {method: known[method] for method in _with_reference_stop(methods) if method in known}

    def made(self, name: str, degradation: str | Degradation) -> Distortion:
        """The photographs of ``--images``, distorted."""
        resolved = degradations.resolve(degradation)
        return Distortion(name, self.photographs, resolved, resolved)

    def records(self, name: str, methods: Sequence[str], *others: Photographs, **settings: object) -> Records:
        """The finished results of a table or figure.

        Args:
            name: Name of the part: ``table1``, ...
            methods: Methods that are measured.
            others: Photographs other than ``--images``.
            settings: Settings that the results depend on in addition to the user's.

        Raises:
            ValueError: If the file in ``--out`` was made with other settings.
        """
        chosen = self.settings
        return Records(
            chosen.out / f"{name}.jsonl",
            {
                "photographs": of_photographs(file for source in (self.photographs, *others) for file in source.files),
                **{key: getattr(chosen, key) for key in ("crop", "per_image", "seed")},
                **{"precision": self.precision, "device": str(self.toolset.device)},
                **settings,
                "version": __version__,
                "tools": of_toolset("paper"),
            },
            self.weights(methods),
        )

    def chosen(self, photographs: Photographs, degradation: Degradation | None) -> Iterator[Sample]:
        """One crop each of a few photographs, evenly spread, for figures; only these are read.

        Args:
            photographs: Photographs from which ``--pictures`` are chosen.
            degradation: Degradation that is applied; None uses them as they are.
        """
        count = self.settings.pictures
        if count < len(photographs):
            _, photographs = photographs.split(count)
        return evaluation_samples(photographs, degradation, self.settings.crop, 1, self.settings.seed)

    def measure(
        self,
        distortion: Distortion,
        methods: dict[str, Run],
        records: Records,
        name: str | None = None,
        pixels: int = PIXELS,
    ) -> list[Row]:
        """Rows of methods on a distortion; finished results are reused, others measured.

        Args:
            distortion: Distorted photographs.
            methods: Methods, opened.
            records: Results that are finished.
            name: Name of the rows' degradation. Default: the distortion's name.
            pixels: Number of pixels in a batch.
        """
        chosen = self.settings
        samples = evaluation_samples(
            distortion.photographs, distortion.degradation, chosen.crop, chosen.per_image, chosen.seed
        )
        count = len(distortion.photographs) * chosen.per_image
        runner = Runner(methods, self.toolset, self.precision, records, pixels)
        return runner.rows(samples, count, name or distortion.name)

    def data(self) -> str:
        """A text on the photographs and crops of the measurements."""
        chosen = self.settings
        size = f"{chosen.crop}x{chosen.crop} pixels" if chosen.crop else "whole"
        crops = f", {chosen.per_image} of each" if chosen.per_image > 1 else ""
        return f"{self.photographs.name}, {len(self.photographs)} photographs, {size}{crops}"

    def notes(self) -> list[str]:
        """Notes of every table on how it was made, where the paper may differ."""
        return [
            f"Data: {self.data()}; the paper's hybrid distortions are on 100 photographs of DIV2K, of a size it does "
            "not say.",
            "Hybrid distortions: blur, then noise, then JPEG, 8 bits after each; a Gaussian kernel of k taps has sigma "
            "0.3 ((k - 1) / 2 - 1) + 0.8. The paper says neither.",
            "PSNR and SSIM are over RGB, means over images; nothing is rounded between steps.",
            *self.making(),
        ]

    def about_rl_restore(self) -> str:
        """A note on which agent of RL-Restore it is."""
        given = self.settings.rl_restore
        if given is not None:
            authors = ", its authors' agent, with tools of their own" if given.suffix == ".npz" else ""
            return f"RL-Restore is {given}{authors}."
        return "RL-Restore is the shipped agent, which was trained here with the same tools as HIRL."

    def making(self) -> list[str]:
        """Notes on the tools, agents and versions with which everything was made."""
        chosen = self.settings
        own = {
            "agent": None if chosen.agent in SHIPPED_AGENTS else chosen.agent,
            **{"flat-dqn": chosen.flat_dqn, "pixel-rl": chosen.pixel_rl, "rl-restore": chosen.rl_restore},
        }
        given = ", ".join(f"--{option} {file}" for option, file in own.items() if file is not None)
        return [
            f"Precision of the tools: {self.precision}, on {self.toolset.device}. Seed: {chosen.seed}. "
            f"Agent: {chosen.agent}. Weights: those of version {__version__}{given and f', but for {given}'}; the "
            "paper's were never published.",
            f"Command: `{shlex.join(['hirl', *sys.argv[1:]])}`",
        ]
