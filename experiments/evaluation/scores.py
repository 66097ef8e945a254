"""From images to a row of a table: means, the score with its interval, harm."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import DegenerateDataWarning, bootstrap

from hirl_agents.calibration import HARM
from hirl_env.arrays import Floats
from hirl_env.quality.full_reference import SEEN_CAP

CAP = SEEN_CAP  # of PSNR, in all that suites measure
ALTERED = 45.0  # dB: a clean image that comes out below is not what it was
RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Outcomes:
    """What an entrant made of the images of a suite, in the suite's order; every array is (N,).

    Attributes:
        photographs: Name of the photograph of each image.
        before: PSNR of the distorted image, dB, at most `CAP`.
        psnr: PSNR of the restored image, dB, at most `CAP`.
        ssim: SSIM of the restored image.
        trials: Applications of a tool.
        gflop: Cost of the tools on the path, 10^9 operations.
        computed: All operations together (10^9) that it took: those of its own networks and of what it tried, too.
        seconds: Time for all of them together.
    """

    photographs: Sequence[str]
    before: Floats
    psnr: Floats
    ssim: Floats
    trials: Floats
    gflop: Floats
    computed: float
    seconds: float

    @property
    def harmed(self) -> npt.NDArray[np.bool_]:
        """Which images lost more than `HARM`, (N,)."""
        return self.psnr < self.before - HARM

    @property
    def altered(self) -> npt.NDArray[np.bool_]:
        """Which of the images that were clean came out below `ALTERED`, (number of clean images,)."""
        return self.psnr[self.before >= CAP] < ALTERED


@dataclass(frozen=True)
class Score:
    """Where an entrant stands between the fixed path (0) and the oracle (1).

    Attributes:
        value: Score, (entrant - fixed) / (oracle - fixed) of mean PSNR.
        low: Lower end of its 95 % bootstrap interval over photographs; None where the photographs are too few for one.
        high: Upper end.
    """

    value: float
    low: float | None
    high: float | None


def score(entrant: Outcomes, fixed: Outcomes, oracle: Outcomes, seed: int = 0) -> Score | None:
    """The score of an entrant; None where the oracle gains nothing over the fixed path.

    Args:
        entrant: Outcomes on a suite.
        fixed: Outcomes of the suite's fixed path on the same images.
        oracle: Outcomes of the oracle on the same images.
        seed: Seed of the bootstrap.
    """
    # Images of one photograph are alike: photographs are drawn, not images.
    names, group = np.unique(np.asarray(entrant.photographs), return_inverse=True)
    sums: list[Floats] = [
        np.bincount(group, one.psnr, minlength=len(names)).astype(np.float64) for one in (entrant, fixed, oracle)
    ]

    def ratio(entrant: Floats, fixed: Floats, oracle: Floats, axis: int = -1) -> Floats:
        gained, room = (entrant - fixed).sum(axis=axis), (oracle - fixed).sum(axis=axis)
        share: Floats = gained / np.where(room > 0, room, np.nan)
        return share

    value = float(ratio(sums[0], sums[1], sums[2]))
    if np.isnan(value):
        return None
    if len(names) < 2:
        return Score(value, None, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)  # of draws of few photographs: there is no interval then
        interval = bootstrap(
            sums,
            ratio,
            paired=True,
            vectorized=True,
            n_resamples=RESAMPLES,
            confidence_level=CONFIDENCE,
            method="percentile",
            rng=np.random.default_rng(seed),
        ).confidence_interval
    # Few photographs, and some draws hold none on which the oracle gains: these have no score, so there is no interval.
    if np.isnan(interval.low):
        return Score(value, None, None)
    return Score(value, float(interval.low), float(interval.high))
