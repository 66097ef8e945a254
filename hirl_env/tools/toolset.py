"""The grid of tools, types x degrees, that an environment's actions choose from."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import nn

from hirl_env.data.degradations import (
    BLUR_SIZES,
    JPEG_QUALITIES,
    NOISE_SIGMAS,
    Degradation,
    GaussianBlur,
    GaussianNoise,
    JpegCompression,
)
from hirl_env.registry import Registry
from hirl_env.tools.fast_arcnn import FastARCNN
from hirl_env.tools.ffdnet import FFDNet
from hirl_env.tools.rl_restore import BLUR_BANDS, JPEG_BANDS, NOISE_BANDS, read_tools
from hirl_env.tools.sharpen import Sharpen
from hirl_env.tools.srcnn import SRCNN
from hirl_env.tools.srn import SRN
from hirl_env.weights import load_weights, without_drawing

SHIPPED_TOOLS = Path(__file__).parent / "weights"
Precision = Literal["float32", "bf16"]
Cell = tuple[int, int]


@dataclass(frozen=True)
class Tool:
    """One restoration operator.

    Attributes:
        name: As shown in paths and tables.
        restore: Maps images (N, 3, H, W), float32 in [0, 1], to new ones of the same shape; need not clamp. A function,
            or a module in evaluation mode.
        undoes: The distortion it is the specialist of, if of any: for the reverse order, and to be measured on.
        clamp: Whether its results are clamped to [0, 1]. RL-Restore's are not: its tools were trained on, and its agent
            decides by, what lies beyond.
    """

    name: str
    restore: Callable[[torch.Tensor], torch.Tensor]
    undoes: Degradation | None = None
    clamp: bool = True


class Toolset:
    """Tools in a grid: a row of degrees, from weak to strong, for each type.

    Args:
        types: Name of each type to its tools; every type has the same number of degrees.
        device: Where the tools' networks are.

    Raises:
        ValueError: If there are no tools, or the rows differ in length.
    """

    def __init__(self, types: Mapping[str, Sequence[Tool]], device: str | torch.device = "cpu") -> None:
        lengths = {name: len(tools) for name, tools in types.items()}
        if len(set(lengths.values())) != 1 or 0 in lengths.values():
            raise ValueError(f"a toolset needs types with equally many degrees, at least one; got {lengths}")
        self.types = tuple(types)
        self.device = torch.device(device)
        self._grid = tuple(tuple(tools) for tools in types.values())

    @property
    def n_types(self) -> int:
        """The number of types."""
        return len(self._grid)

    @property
    def n_degrees(self) -> int:
        """The number of degrees of every type."""
        return len(self._grid[0])

    @property
    def cells(self) -> list[Cell]:
        """Every (type, degree), type by type."""
        return [(kind, degree) for kind in range(self.n_types) for degree in range(self.n_degrees)]

    def cell(self, name: str) -> Cell:
        """The cell that is called TYPE-DEGREE, as in ``deblur-2``.

        Raises:
            ValueError: If there is none of that name.
        """
        named = {f"{self.types[kind]}-{degree}": (kind, degree) for kind, degree in self.cells}
        if name not in named:
            raise ValueError(f"unknown tool {name!r}; known are: {', '.join(named)}")
        return named[name]

    def __getitem__(self, cell: Cell) -> Tool:
        kind, degree = cell
        return self._grid[kind][degree]

    def with_type(self, name: str, tools: Sequence[Tool]) -> Toolset:
        """A toolset with one more type.

        Raises:
            ValueError: If there is a type of that name, or the tools are not as many as the degrees.
        """
        if name in self.types:
            raise ValueError(f"the toolset has a type {name!r} already; choose another name")
        return Toolset({**dict(zip(self.types, self._grid, strict=True)), name: tools}, self.device)

    def mapped(self, change: Callable[[Tool], Tool]) -> Toolset:
        """The toolset with every tool replaced by what a function makes of it."""
        rows = [[change(tool) for tool in row] for row in self._grid]
        return Toolset(dict(zip(self.types, rows, strict=True)), self.device)

    def on(self, device: str | torch.device) -> Toolset:
        """This toolset where its networks are on ``device`` already, else a copy there.

        Raises:
            ValueError: If there is no such device.
        """
        device = available_device(device)
        if device == self.device:
            return self
        # One deep copy of the whole grid, so that cells that share a network go on sharing it.
        modules = copy.deepcopy([[tool.restore for tool in row] for row in self._grid])
        rows = [
            [replace(tool, restore=_moved(restore, device)) for tool, restore in zip(row, restores, strict=True)]
            for row, restores in zip(self._grid, modules, strict=True)
        ]
        return Toolset(dict(zip(self.types, rows, strict=True)), device)

    @torch.no_grad()
    def apply(self, images: torch.Tensor, cell: Cell, precision: Precision = "float32") -> torch.Tensor:
        """Runs the tool of a cell.

        Args:
            images: (N, 3, H, W), float32 in [0, 1], on the toolset's device.
            cell: (type, degree).
            precision: ``bf16`` runs the convolutions in bfloat16.

        Returns:
            A new tensor (N, 3, H, W), float32, clamped to [0, 1] unless the tool says otherwise.

        Raises:
            ValueError: If the precision is unknown, or a tool changes the shape, writes into its input, or returns no
                tensor or what is not finite.
        """
        check_precision(precision)
        tool = self[cell]
        # Channels last is the layout in which CPUs and tensor cores convolve fastest.
        inputs = images.contiguous(memory_format=torch.channels_last)
        # Tensors made under torch.inference_mode() do not count what is written into them.
        version = None if inputs.is_inference() else inputs._version
        with torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bf16"):
            restored = tool.restore(inputs)
        if version is not None and inputs._version != version:
            raise ValueError(f"tool {tool.name!r} writes into the images it is given; it must return new ones")
        if not isinstance(restored, torch.Tensor):
            raise ValueError(f"tool {tool.name!r} returned {type(restored).__name__}; it must return a tensor")
        if restored.shape != images.shape:
            raise ValueError(
                f"tool {tool.name!r} turned images of shape {tuple(images.shape)} into {tuple(restored.shape)}"
            )
        if not restored.isfinite().all():
            raise ValueError(f"tool {tool.name!r} returned values that are not finite")
        return restored.float().clamp(0, 1) if tool.clamp else restored.float()


def _moved(
    restore: Callable[[torch.Tensor], torch.Tensor], device: torch.device
) -> Callable[[torch.Tensor], torch.Tensor]:
    return restore.to(device) if isinstance(restore, nn.Module) else restore


def available_device(device: str | torch.device) -> torch.device:
    """The device of that name; raises ValueError where this machine has none."""
    try:
        empty = torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {str(device)!r} is not to be had here ({str(error).splitlines()[0]})") from None
    return empty.device  # "cuda" by its number, so that it equals the same device named in full


def check_precision(precision: str) -> None:
    """Raises ValueError where ``precision`` is not one that tools can run in."""
    if precision not in get_args(Precision):
        raise ValueError(f"unknown precision {precision!r}; known are: {', '.join(get_args(Precision))}")


class DenoiseAt(nn.Module):
    """FFDNet told one noise level (of 255); cells share the network."""

    def __init__(self, network: FFDNet, sigma: float) -> None:
        super().__init__()
        self.network, self.sigma = network, sigma

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(images, images.new_full((len(images),), self.sigma))


def _shipped(network: nn.Module, name: str) -> nn.Module:
    load_weights(network, SHIPPED_TOOLS / f"{name}.safetensors")
    return network.eval().to(memory_format=torch.channels_last)


class ShippedToolset(Toolset):
    """A toolset whose networks nobody trains: one copy on each device serves the whole process."""

    def on(self, device: str | torch.device) -> Toolset:
        """This toolset where its networks are on ``device`` already, else the one copy there."""
        return _the_copy(self, available_device(device))


@cache
def _the_copy(toolset: ShippedToolset, device: torch.device) -> Toolset:
    return Toolset.on(toolset, device)


@lru_cache(maxsize=1)
@without_drawing
def paper_toolset() -> Toolset:
    """The paper's 3 x 3 toolset (section 2.1) with the shipped weights; made once per process and shared."""
    ffdnet = FFDNet()
    _shipped(ffdnet, "ffdnet")
    denoise = [Tool(f"FFDNet {sigma}", DenoiseAt(ffdnet, sigma), GaussianNoise(sigma)) for sigma in NOISE_SIGMAS]
    dejpeg = [
        Tool(f"Fast AR-CNN {quality}", _shipped(FastARCNN(), f"fast-arcnn-{quality}"), JpegCompression(quality))
        for quality in JPEG_QUALITIES
    ]
    # The paper sorts the three deblurring tools by what they measure on Gaussian blur.
    sorted_tools = {"Sharpen": Sharpen(), "SRCNN": _shipped(SRCNN(), "srcnn"), "SRN": _shipped(SRN(), "srn")}
    deblur = [
        Tool(name, network, GaussianBlur(size))
        for (name, network), size in zip(sorted_tools.items(), BLUR_SIZES, strict=True)
    ]
    return ShippedToolset({"denoise": denoise, "dejpeg": dejpeg, "deblur": deblur})


def rl_restore_toolset(networks: Iterable[nn.Module], device: str | torch.device = "cpu") -> Toolset:
    """RL-Restore's 3 x 4 toolset (Yu et al., CVPR 2018).

    Args:
        networks: The twelve tools in the authors' order: four that deblur, denoise, and remove JPEG artefacts, each
            from weak to strong, as `hirl_env.tools.rl_restore.read_tools` returns them.
        device: Where they are.
    """
    undone: dict[str, list[Degradation]] = {
        "deblur": [GaussianBlur(21, band.middle) for band in BLUR_BANDS],
        "denoise": [GaussianNoise(band.middle) for band in NOISE_BANDS],
        "dejpeg": [JpegCompression(round(band.middle)) for band in JPEG_BANDS],
    }
    numbered = enumerate(networks, 1)
    return Toolset(
        {
            name: [
                Tool(f"RL-Restore {number} ({name})", network, undoes, clamp=False)
                for undoes, (number, network) in zip(each, numbered, strict=False)
            ]
            for name, each in undone.items()
        },
        device,
    )


toolsets: Registry[Toolset] = Registry("toolset", Toolset)
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
