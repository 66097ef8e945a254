"""PixelRL (Furuta et al., IEEE Transactions on Multimedia 2020): every pixel is an agent that chooses among filters."""

from hirl_agents.pixel_rl.environment import STEPS, PixelEnvironment
from hirl_agents.pixel_rl.network import PixelRL, load_pixel_rl, save_pixel_rl
from hirl_agents.pixel_rl.restorer import restore

__all__ = ["STEPS", "PixelEnvironment", "PixelRL", "load_pixel_rl", "restore", "save_pixel_rl"]
