"""The authors' weights of RL-Restore, as one .npz file that a user makes from their TensorFlow checkpoints.

They are in the public repository github.com/yuke93/RL-Restore. In a clone of it, with any TensorFlow from 1.5 on::

    import numpy as np
    import tensorflow as tf

    places = {"policy": "models/model"} | {f"tool{k:02d}": f"toolbox/tool{k:02d}" for k in range(1, 13)}
    arrays = {}
    for name, place in places.items():
        for variable, _ in tf.train.list_variables(place):
            arrays[f"{name}/{variable.replace('prediction/', '', 1)}"] = tf.train.load_variable(place, variable)
    np.savez("rl-restore.npz", **arrays)

Then run ``hirl evaluate --methods rl-restore.npz``; or use the tools alone with
``gym.make("HIRL-Restore-v0", toolset="rl-restore.npz")``. Other variables in the checkpoints (the optimiser's) do no
harm.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from hirl_agents.rl_restore.agent import RLRestoreAgent
from hirl_agents.rl_restore.network import FORGET_BIAS, RecurrentQ, SameConv2d
from hirl_env.tools.rl_restore import Released, new_tools
from hirl_env.weights import makes_networks


@torch.no_grad()
@makes_networks
def load_released(path: str | Path) -> RLRestoreAgent:
    """The authors' agent with its twelve tools, ready for inference.

    Args:
        path: An .npz file made as above.

    Raises:
        ValueError: If the file or an array is missing, or has another shape.
    """
    released, tools, q = Released(path), new_tools(), RecurrentQ()
    released.fill_tools(tools)
    convolutions = [layer for layer in q.convolutions if isinstance(layer, SameConv2d)]
    for number, layer in enumerate(convolutions, 1):
        released.fill(layer, f"policy/l{number}/w", f"policy/l{number}/biases")

    features, flattened = q.features.weight.shape
    channels = convolutions[-1].out_channels
    side = round((flattened / channels) ** 0.5)
    # Theirs flattens (width, height, channels), because their images are swapped; PyTorch (channels, height, width).
    matrix = released.take("policy/l7/Matrix", (flattened, features)).reshape(side, side, channels, features)
    q.features.weight.copy_(_tensor(matrix.transpose(3, 2, 1, 0).reshape(features, flattened)))
    q.features.bias.copy_(_tensor(released.take("policy/l7/bias", (features,))))

    cell, inputs = "policy/prediction_rnn/basic_lstm_cell", features + q.n_tools
    kernel = released.take(f"{cell}/kernel", (inputs + q.units, 4 * q.units))
    bias = released.take(f"{cell}/bias", (4 * q.units,))
    # Their LSTM orders the gates input, candidate, forget, output; PyTorch's input, forget, candidate, output.
    gates = np.arange(4 * q.units).reshape(4, q.units)[[0, 2, 1, 3]].reshape(-1)
    from_inputs, from_itself, first_bias, second_bias = q.lstm.all_weights[0]
    from_inputs.copy_(_tensor(kernel[:inputs, gates].T))
    from_itself.copy_(_tensor(kernel[inputs:, gates].T))
    first_bias.copy_(_tensor(bias[gates]))
    first_bias[q.units : 2 * q.units] += FORGET_BIAS
    second_bias.zero_()

    q.q.weight.copy_(_tensor(released.take("policy/q/Matrix", (q.units, q.n_tools + 1)).T))
    q.q.bias.copy_(_tensor(released.take("policy/q/bias", (q.n_tools + 1,))))
    return RLRestoreAgent(q, tools).eval()


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
