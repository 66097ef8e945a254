"""Fixtures: small pictures made here, and a toolset whose arithmetic can be done by hand."""

import dataclasses
import os
import pickle
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image
from torch import nn

from hirl_agents.algorithm import AlgorithmConfig
from hirl_env.data.degradations import GaussianNoise, JpegCompression
from hirl_env.data.images import to_tensor
from hirl_env.data.photographs import Photographs, from_folder, image_sources
from hirl_env.tools.tool import Tool
from hirl_env.tools.toolset import Toolset
from hirl_experiments.command_line.interrupts import SIGNALS

# In the background of a script, or under nohup, this process ignores signals, and so would those that tests start and
# interrupt: they would go on for ever. A handler, even of nothing, they do not inherit.
for number in SIGNALS:
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, lambda *_: None)

# Sums come in one order then, and what is learned in a test is the same on machines of more or fewer cores.
torch.set_num_threads(1)

# How long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Seconds that W&B waits for a process of its own to start, which takes longer than its 30 where others are busy.
os.environ.setdefault("WANDB__SERVICE_WAIT", "300")

# Of the options of algorithms, in tests: as large as that, where the default is larger.
SMALL = {"width": 8, "units": 8, "buffer_size": 64, "learning_starts": 8, "batch_size": 8, "n_steps": 8, "n_epochs": 1}


def small(config: AlgorithmConfig) -> AlgorithmConfig:
    """An algorithm's options for a training that takes a second."""
    own = {field.name for field in dataclasses.fields(config)}
    return dataclasses.replace(
        config, **{name: min(most, getattr(config, name)) for name, most in SMALL.items() if name in own}
    )


def colours(*shape: int) -> np.ndarray:
    """Random pixels of uint8, (12, 10, 3) or of another shape, not so bright that 8 more are cut off."""
    return np.random.default_rng(0).integers(0, 200, shape or (12, 10, 3), dtype=np.uint8)


def add(amount: float) -> Tool:
    """A tool that brightens by ``amount`` / 255."""
    return Tool(f"add {amount:+g}", lambda images: images + amount / 255, GaussianNoise(abs(amount)))


@pytest.fixture
def toy_toolset() -> Toolset:
    """Two types of two degrees: brighten by 1 or 8, darken by 2 or 16 (of 255)."""
    darken = [
        Tool(f"sub {amount}", lambda images, a=amount: images - a / 255, JpegCompression(90 - amount))
        for amount in (2, 16)
    ]
    return Toolset({"brighten": [add(1), add(8)], "darken": darken})


def brightening(amount: float, layers: int) -> nn.Module:
    """A network that brightens by ``amount`` / 255, with a convolution of 81 weights in each of its layers."""
    network = nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(layers)))
    for layer in network:
        nn.init.dirac_(layer.weight)
        nn.init.constant_(layer.bias, amount / 255 / layers)
    return network.eval()


@pytest.fixture
def costly_toolset() -> Toolset:
    """Two types of two degrees: cheap ones brighten by 2 or 8 (of 255), a dear one by 8; the last costs nothing."""
    cheap = [Tool(f"{amount:+} cheaply", brightening(amount, 1)) for amount in (2, 8)]
    return Toolset({"cheap": cheap, "dear": [Tool("+8 dearly", brightening(8, 2)), add(-4)]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three smooth colour pictures of 40x32."""
    place = tmp_path / "pictures"
    place.mkdir()
    rows, columns = np.mgrid[0:32, 0:40]
    for number in range(3):
        channels = [np.sin(rows / 5 + number) * 80 + 128, np.cos(columns / 7) * 60 + 120, (rows + columns) * 2 + 20]
        Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8)).save(place / f"picture{number}.png")
    return place


@pytest.fixture
def large(folder: Path) -> Path:
    """The folder, whose pictures are made 80x64: large enough for hirl-biqa."""
    for file in folder.iterdir():
        with Image.open(file) as picture:
            picture.resize((80, 64)).save(file)
    return folder


@pytest.fixture
def pictures(folder: Path) -> Photographs:
    """The same as a source."""
    return from_folder(folder)


def translation(before: torch.Tensor, after: torch.Tensor) -> tuple[float, float]:
    """By how many rows and columns one image (3, H, W) has to be moved to lie best on the other; below a pixel."""

    def brightness(image: torch.Tensor) -> torch.Tensor:
        plane = image.double().mean(dim=0)
        return (plane - plane.mean()) * torch.outer(
            *(torch.hann_window(side, dtype=torch.float64) for side in plane.shape)
        )

    spectrum = torch.fft.fft2(brightness(after)) * torch.fft.fft2(brightness(before)).conj()
    likeness = torch.fft.ifft2(spectrum).real
    centre = likeness[0, 0]
    # The vertex of the parabola through the likeness unmoved and moved by a pixel to either side.
    vertices = [
        (ahead - behind) / (2 * (2 * centre - ahead - behind))
        for ahead, behind in ((likeness[1, 0], likeness[-1, 0]), (likeness[0, 1], likeness[0, -1]))
    ]
    return float(vertices[0]), float(vertices[1])


@pytest.fixture(scope="session")
def photograph() -> torch.Tensor:
    """A photograph (3, 400, 600)."""
    (coffee,) = [one for one in image_sources.resolve("photos") if one.name == "coffee"]
    return to_tensor(coffee.pixels)


@pytest.fixture
def grey() -> torch.Tensor:
    """One image (1, 3, 16, 16), 100/255 everywhere."""
    return torch.full((1, 3, 16, 16), 100 / 255)


class _Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def evil_pickle(path: Path) -> bytes:
    """A pickle that makes a file when it is loaded."""
    return pickle.dumps(_Evil(path))


@pytest.fixture
def ffdnet_file(tmp_path):
    """Writes FFDNet's weights as MATLAB does, between layers of other kinds; returns the file."""
    h5py = pytest.importorskip("h5py")

    def write(network) -> Path:
        path = tmp_path / "FFDNet_color.mat"
        reference = h5py.special_dtype(ref=h5py.Reference)
        with h5py.File(path, "w") as file:

            def cell(values, kind):
                layer = file.create_group(f"#refs#/{len(file['#refs#'])}")
                layer["type"] = np.frombuffer(kind.encode(), np.uint8)[:, None].astype(np.uint16)
                stored = [file["#refs#"].create_dataset(f"{layer.name[7:]}-{n}", data=a) for n, a in enumerate(values)]
                layer.create_dataset("weights", data=[[one.ref for one in stored]], dtype=reference)
                return layer.ref

            file.create_group("#refs#")
            layers = [cell([np.zeros(2)], "SubP")]
            arrays = iter(network.state_dict().values())
            for kernels, biases in zip(arrays, arrays, strict=True):
                layers += [cell([kernels.numpy(), biases.numpy()[None]], "conv"), cell([np.zeros(2)], "relu")]
            file.create_dataset("net/layers", data=[[layer] for layer in layers], dtype=reference)
        return path

    return write
