"""Which tools a training takes, as it is logged."""

import numpy as np
import pytest
from stable_baselines3.common.logger import Logger

from hirl_experiments.training.callbacks.actions import ActionShares


class Model:
    """What the callback needs of a model."""

    logger = Logger(None, [])


@pytest.mark.parametrize(
    ("actions", "shares"),
    [
        ([[0, 1], [1, 1], [1, 0], [1, 1]], {"type_0": 0.25, "type_1": 0.75, "degree_0": 0.25, "degree_1": 0.75}),
        ([[2, 0], [2, 0], [2, 0], [0, 1]], {"type_0": 0.25, "type_2": 0.75, "degree_0": 0, "degree_1": 1}),
        ([[2, 0]], {"type_0": 0, "type_2": 1}),
        ([1, 3, 3, 4], {"type_0": 0.25, "type_1": 0.5, "type_2": 0.25, "degree_0": 0, "degree_1": 1}),
    ],
    ids=["tools", "stop", "stop alone", "flat"],
)
def test_shares_of_the_types_and_of_the_degrees_of_tools(actions, shares, toy_toolset):
    callback = ActionShares(toy_toolset)
    callback.model = Model()
    callback.locals = {"actions": np.array(actions)}
    callback._on_step()
    callback.record()
    logged = {name.removeprefix("rollout/"): value for name, value in Model.logger.name_to_value.items()}
    assert {name: logged.get(name) for name in shares} == pytest.approx(shares)
    assert ("degree_0" in logged) == ("degree_0" in shares)
    Model.logger.dump()
