"""FFDNet with its authors' weights, which are not part of this package, as a baseline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from hirl_env.errors import first_line
from hirl_env.extras import optional
from hirl_env.tools.ffdnet import FFDNet
from hirl_env.weights import makes_networks


class ReleasedFFDNet(FFDNet):
    """FFDNet as its authors released it: its layers return the image, without a global skip."""

    def forward(self, images: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """Removes noise of a given strength, as `FFDNet.forward` does."""
        # MATLAB stores arrays column by column, so the kernels read from its file have rows and columns swapped.
        swapped = images.transpose(2, 3)
        return (super().forward(swapped, sigma) - swapped).transpose(2, 3)


@makes_networks
def load_ffdnet(path: str | Path) -> ReleasedFFDNet:
    """The network with its authors' weights, ready for inference.

    Args:
        path: The file ``FFDNet_color.mat`` or ``FFDNet_Clip_color.mat`` of the release.

    Raises:
        ValueError: If the file is missing or damaged, or holds other arrays.
        ImportError: If h5py is not installed.
    """
    try:
        arrays = _arrays(path)
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        reason = first_line(error)
        raise ValueError(f"{path}: not FFDNet's weights ({reason}); give its release's FFDNet_color.mat") from None
    network = ReleasedFFDNet()
    state = network.state_dict()
    if [array.shape for array in arrays] != [value.shape for value in state.values()]:
        raise ValueError(f"{path}: not FFDNet's weights (other arrays); give its release's FFDNet_color.mat")
    network.load_state_dict(dict(zip(state, arrays, strict=True)))
    return network.eval()


def _arrays(path: str | Path) -> list[torch.Tensor]:
    """The kernels and biases of the convolutions in a MATLAB 7.3 (HDF5) file, in order."""
    with optional("h5py", "baselines").File(path) as file:
        layers = [file[layer] for layer in file["net/layers"][:].flat]
        convolutions = [layer for layer in layers if bytes(layer["type"][:].astype(np.uint8)) == b"conv"]
        values = [file[value][:] for layer in convolutions for value in layer["weights"][:].flat]
    return [torch.from_numpy(value if value.ndim > 2 else value.ravel()) for value in values]
