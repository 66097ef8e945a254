"""The settings of `hirl restore`, on which results depend in addition to the pictures."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

from hirl_agents.restorer import Restorer
from hirl_agents.rollout import Stopping
from hirl_env.devices import AnyPrecision, available_device, available_precision
from hirl_env.tools.registry import toolsets
from hirl_experiments.command_line.checks import at_least, blind_measure, some
from hirl_experiments.command_line.fingerprints import of_agent, of_toolset
from hirl_experiments.pictures.formats import format_named
from hirl_experiments.restoring.one_picture import SaveOptions
from hirl_experiments.restoring.progress import Progress, with_progress


@dataclass(frozen=True)
class RestoreSettings:
    """The settings that results depend on in addition to the pictures.

    Attributes:
        agent: Agent that chooses the tools: hirl; hirl-paper or flat-dqn with --toolset paper; or a file of hirl train,
            Stable-Baselines3, or RL-Restore's authors (.npz).
        toolset: Toolset that the agent was trained with: a name, a YAML file, or the path of RL-Restore's twelve tools.
        max_steps: Largest number of tools to use on a picture. Default: as many as in the agent's training.
        only: Tools and types that may be used, such as denoise, "SRN" or deblur-2. Default: all.
        without: Tools and types that may not be used.
        price: Gain that a GFLOP must bring, counted for 64x64 pixels, in the units of the agent's values: dB, unless it
            was trained for another reward. 0 gives the best quality; 0.1, for example, uses cheaper tools, and fewer.
        strength: Share of the change that is kept, from 0 (the original) to 1 (the result).
        stop: Rule by which the agent stops. value: when no tool is predicted to gain anything; quality: when a step
            does not raise the --measure, and is taken back; reference: when it does not raise the PSNR; steps: only
            after --max-steps.
        measure: Blind measure for --stop quality: hirl-biqa, paq2piq, brisque.
        guard: A blind measure; if the result scores lower than the original, the original is saved instead.
        format: Format to save in: png, jpeg, tiff, webp, ... Default: that of each file.
        quality: Quality of JPEG, WebP, AVIF, HEIC and JPEG XL, 1 to 100. Default: 95; lossless files stay lossless.
        precision: Precision of the tools' convolutions: float32, bf16, or auto (bf16 where the hardware has it).
        device: Device on which the tools run: cpu, cuda, mps, or auto.
        save_steps: Whether to save the picture after each step as well, at the same --strength, as NAME.step1.png and
            so on; for a TIFF, of the first page.
        sheet: Whether to save a sheet of before and after as well, as NAME.sheet.png.
        trust: Whether --agent may be a .zip file of Stable-Baselines3: loading one runs code that it holds.
    """

    agent: str = "hirl"
    toolset: str = "hirl"
    max_steps: int | None = None
    only: tuple[str, ...] | None = None
    without: tuple[str, ...] | None = None
    price: float = 0.0
    strength: float = 1.0
    stop: Stopping = "value"
    measure: str = "hirl-biqa"
    guard: str | None = None
    format: str | None = None
    quality: int | None = None
    precision: AnyPrecision = "auto"
    device: str = "auto"
    save_steps: bool = False
    sheet: bool = False
    trust: bool = False

    def prepared(self) -> RestoreSettings:
        """The settings with ``auto`` replaced by this machine's device and precision.

        Raises:
            ValueError: If an option is out of range, or there is no such device.
        """
        at_least(1, quality=self.quality)
        given = {"only": self.only, "without": self.without}
        some(**{name: values for name, values in given.items() if values is not None})
        if self.quality is not None and self.quality > 100:
            raise ValueError(f"--quality is 1 to 100, got {self.quality}")
        if not 0 <= self.strength <= 1:
            raise ValueError(f"--strength is 0 (the original) to 1 (the result), got {self.strength}")
        if self.measure != type(self).measure and self.stop != "quality":
            raise ValueError(f"--measure {self.measure} is for --stop quality: add that, or leave it out")
        device = str(available_device(self.device))
        return replace(self, device=device, precision=available_precision(self.precision, device))

    def restorer(self, progress: Progress | None = None) -> Restorer:
        """The restorer that these settings describe, which reports its progress.

        Raises:
            ValueError: If there is no such agent, toolset or measure, or they do not go together.
        """
        toolset = toolsets.resolve(self.toolset).to(self.device)
        return Restorer(
            self.agent,
            toolset if progress is None else with_progress(toolset, progress.tile),
            max_steps=self.max_steps,
            stop=self.stop,
            measure=self.measure,
            precision=available_precision(self.precision, self.device),
            device=self.device,
            only=self.only or (),
            without=self.without or (),
            price=self.price,
            trust=self.trust,
        )

    def save_options(self, max_pixels: int | None) -> SaveOptions:
        """How pictures are saved.

        Args:
            max_pixels: Most pixels of a picture.

        Raises:
            ValueError: If there is no such format or guard.
        """
        format = self.format and format_named(self.format)
        guard = None if self.guard is None else blind_measure(self.guard, "--guard")
        return SaveOptions(format, self.quality, self.strength, guard, max_pixels)

    def as_logged(self) -> dict[str, Any]:
        """The settings as the log stores them, with the hashes of agent and tools."""
        kept = asdict(self) | {"only": list(self.only or ()), "without": list(self.without or ())}
        hashes = {"agent_sha256": of_agent(self.agent), "toolset_sha256": of_toolset(self.toolset)}
        return kept | hashes | {"version": version("hirl-restore")}
