"""PaQ-2-PiQ (Ying et al., CVPR 2020): a network trained on people's ratings of pictures and their parts."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pooch
import torch
from torch import nn

from hirl_env.errors import first_line
from hirl_env.extras import optional
from hirl_env.files import atomic_write, cache_folder

NAME = "RoIPoolModel-fit.10.bs.120.pth"
URL = f"https://github.com/baidut/PaQ-2-PiQ/releases/download/v1.0/{NAME}"
CHUNK = 2**16  # bytes
TIMEOUT = 30  # seconds without a byte
GRID = 20  # blocks of the quality map, in each direction
STRIDE = 32  # pixels per cell of ResNet-18's last features

# In addition to the weights, the checkpoint may hold the state of fastai's optimiser, with rates as NumPy scalars. This
# is their constructor under its name in pickles of NumPy 1; it makes scalars and nothing else.
_NUMBERS: list[Any] = [
    (np.float64(0).__reduce__()[0], "numpy.core.multiarray.scalar"),
    np.dtype,
    type(np.dtype(np.float64)),
]


class _MaxAndMean(nn.Module):
    """Maximum and mean over a region, side by side: (N, C, h, w) to (N, 2 C, 1, 1)."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.cat([features.amax((2, 3), keepdim=True), features.mean((2, 3), keepdim=True)], dim=1)


class PaQ2PiQ(nn.Module):
    """The published RoIPool network: features of ResNet-18, pooled per region, rated by two dense layers.

    Images are RGB in [0, 1] at their native size, without ImageNet's normalisation. The parameters have the names of
    the authors' checkpoint. There are 11,704,897, random until `load_paq2piq` fills them.
    """

    def __init__(self) -> None:
        super().__init__()
        torchvision = optional("torchvision", "measures")
        self.body = nn.Sequential(*list(torchvision.models.resnet18(weights=None).children())[:-2])
        self.roi_pool = torchvision.ops.RoIPool((2, 2), 1 / STRIDE)
        self.head = nn.Sequential(
            _MaxAndMean(),
            nn.Flatten(),
            nn.BatchNorm1d(1024),
            nn.Dropout(0.25),
            nn.Linear(1024, 512),
            nn.ReLU(inplace=True),
            nn.BatchNorm1d(512),
            nn.Dropout(0.5),
            nn.Linear(512, 1),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores (N,) of whole images (N, 3, H, W) in [0, 1]; the authors' weights give about 0 to 100."""
        height, width = images.shape[-2:]
        return self._rated(images, torch.tensor([[0.0, 0.0, width, height]]))[:, 0]

    def quality_map(self, images: torch.Tensor) -> torch.Tensor:
        """Scores (N, 20, 20) of the blocks of a 20 x 20 grid over images (N, 3, H, W) in [0, 1], row by row."""
        height, width = images.shape[-2:]
        rows, columns = (torch.linspace(0, side, GRID + 1, dtype=torch.float64) for side in (height, width))
        tops, lefts = torch.meshgrid(rows[:-1], columns[:-1], indexing="ij")
        bottoms, rights = torch.meshgrid(rows[1:], columns[1:], indexing="ij")
        blocks = torch.stack([lefts, tops, rights, bottoms], dim=-1).flatten(0, 1).float()
        return self._rated(images, blocks).unflatten(1, (GRID, GRID))

    def _rated(self, images: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
        """Scores (N, R) of the same regions (R, 4) of every image, each (left, top, right, bottom) in pixels."""
        features = self.body(images.clamp(0, 1))
        pooled = self.roi_pool(features, [regions.to(features)] * len(images))
        return self.head(pooled).reshape(len(images), len(regions))


def load_paq2piq(path: str | Path | None = None) -> PaQ2PiQ:
    """The network with the authors' weights, in evaluation mode, on the CPU.

    Args:
        path: The authors' checkpoint; None for the one in the cache (``$HIRL_CACHE``, else the user's cache folder),
            which is fetched on first use. Its licence (CC BY-NC-SA 4.0) is the authors'. They publish no hash, so it is
            checked that the fetched checkpoint is whole, runs no code when read, and fits exactly this network.

    Raises:
        ValueError: If the file is missing, damaged, of another kind, or cannot be fetched; says which file to put
            where.
    """
    return _read(_cached() if path is None else Path(path))


def cached_paq2piq() -> Path:
    """The path of the checkpoint in the cache, whether or not it has been fetched."""
    return cache_folder() / NAME


def _cached() -> Path:
    """The path of the checkpoint in the cache; it is fetched and checked if it is not there yet."""
    path = cached_paq2piq()
    if path.is_file():
        return path
    fetched = io.BytesIO()
    try:
        fetch = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), chunk_size=CHUNK, timeout=TIMEOUT)
        fetch(URL, fetched, None)
    except OSError as error:
        raise ValueError(
            f"measure 'paq2piq' needs its published weights: download {URL} and save it as {path}, or set "
            f"HIRL_CACHE to the folder that holds it (fetching it failed: {error})"
        ) from None
    try:
        fetched.seek(0)
        _read(path, fetched)
    except ValueError as error:
        raise ValueError(f"what was fetched from {URL} is of no use and was not kept: {error}") from None
    with atomic_write(path) as file:
        file.write(fetched.getbuffer())
    return path


def _read(path: Path, fetched: io.BytesIO | None = None) -> PaQ2PiQ:
    try:
        with torch.serialization.safe_globals(_NUMBERS):
            checkpoint = torch.load(fetched or path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ValueError(f"weights {path}: {error.strerror}; download them from {URL}") from None
    except Exception as error:  # bytes that are not a checkpoint can fail in any way
        reason = first_line(error)
        raise ValueError(f"weights {path}: not a whole PyTorch checkpoint ({reason}); download them again") from None
    state = checkpoint.get("model") if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict):
        raise ValueError(f"weights {path}: not PaQ-2-PiQ's checkpoint, which has its weights under 'model'")
    with torch.device("meta"):  # no initialisation, so that nothing is drawn from torch's generator
        network = PaQ2PiQ().eval()
    expected = network.state_dict()
    wrong = sorted(
        str(name)
        for name in expected.keys() | state.keys()
        if getattr(expected.get(name), "shape", None) != getattr(state.get(name), "shape", ())
    )
    if wrong:
        raise ValueError(
            f"weights {path}: made for another network than PaQ-2-PiQ's; {len(wrong)} of its tensors are missing, "
            f"unknown or of another shape, {wrong[0]!r} for one"
        )
    network.load_state_dict(state, assign=True)
    return network.float()
