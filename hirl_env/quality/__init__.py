"""Quality measures: what scores an image, and so what an episode's reward is a gain of."""

from hirl_env.quality.full_reference import psnr, ssim
from hirl_env.quality.measure import Measure, as_measure, measures

__all__ = ["Measure", "as_measure", "measures", "psnr", "ssim"]
