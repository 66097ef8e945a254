"""The agents' part of `hirl bench`: updates against bare networks, photographs against brute force, memory."""

from __future__ import annotations

import multiprocessing
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from skimage.transform import resize
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import DummyVecEnv

from hirl_agents.hirl.config import HIRLConfig
from hirl_agents.restorer import Restorer
from hirl_agents.search import brute_force
from hirl_env.data.degradations import degradations
from hirl_env.data.images import to_pixels
from hirl_env.data.photographs import image_sources
from hirl_env.data.samples import Sample, Samples
from hirl_env.devices import Precision
from hirl_env.tools.registry import toolsets
from hirl_experiments.evaluation.sampling import begin

PHOTOGRAPH = (321, 481)
LARGE = (3000, 4000)
LEVEL = "moderate"
DEPTH = 3


class _Spaces(gym.Env[Any, Any]):
    """Only the spaces of the environment, which is all that updates need."""

    observation_space = gym.spaces.Box(0, 255, (64, 64, 3), np.uint8)
    action_space = gym.spaces.MultiDiscrete([3, 3])


def bench_updates(seconds: float, seed: int) -> dict[str, Any]:
    """Updates per second of HIRL (preset ``hirl-transitions``), and of its networks alone.

    ``passes_alone`` are the same forward and backward passes on a fixed batch, without replay buffer, targets and
    optimisers; ``two_networks_alone`` are the forward and backward passes of TS and DS only, without those that compute
    targets.
    """
    config = HIRLConfig(buffer_size=1_000, learning_starts=0)
    model = config.build(DummyVecEnv([_Spaces]), config.learning_rate, seed)
    rng = np.random.default_rng(seed)
    memory = model.replay_buffer
    for _ in range(memory.buffer_size):
        picture = rng.integers(256, size=(1, 3, 64, 64), dtype=np.uint8)
        memory.add(picture, picture, rng.integers(3, size=(1, 2)), rng.normal(size=1), np.zeros(1), [{}])
    model.set_logger(Logger(None, []))
    batch = model.learning.sample(memory, model.batch_size)
    q = model.policy.q

    def alone(network: Callable[[torch.Tensor], torch.Tensor]) -> None:
        q.zero_grad(set_to_none=True)
        network(batch.images).square().mean().backward()

    def passes() -> None:
        with torch.no_grad():
            model.policy.q_target.degree_values(batch.images)  # what TS learns
        alone(q.ds)
        alone(q.ts)

    def networks() -> None:
        alone(q.ds)
        alone(q.ts)

    timed = _alternating(
        {"update": lambda: model.train(1, model.batch_size), "passes": passes, "networks": networks}, seconds
    )
    return {
        "what": f"HIRL updates, batch {model.batch_size}",
        "per_second": 1 / timed["update"],
        "of_passes_alone": timed["passes"] / timed["update"],
        "of_two_networks_alone": timed["networks"] / timed["update"],
    }


def _alternating(tasks: dict[str, Callable[[], None]], seconds: float) -> dict[str, float]:
    """Seconds per call of several tasks, taken in turns so that all see the machine in the same state."""
    for task in tasks.values():
        task()
    spent, rounds = dict.fromkeys(tasks, 0.0), 0
    while sum(spent.values()) < seconds * len(tasks):
        for name, task in tasks.items():
            began = time.perf_counter()
            task()
            spent[name] += time.perf_counter() - began
        rounds += 1
    return {name: total / rounds for name, total in spent.items()}


def degraded_photograph(size: tuple[int, int], seed: int) -> Sample:
    """An embedded photograph, resized and degraded."""
    rng = np.random.default_rng(seed)
    photographs = image_sources.resolve("photos")
    episodes = Samples(photographs, degradations.resolve(LEVEL), None)
    photograph = next(iter(photographs))
    assert photograph.reference is not None
    pixels = (resize(photograph.reference, size) * 255).round().astype(np.uint8)
    return episodes.of(type(photograph)(photograph.name, pixels, None), rng)


def bench_photograph(precision: Precision, seed: int) -> list[dict[str, Any]]:
    """Seconds, trials and gain on a photograph of 481x321: HIRL, without the reference, and brute force, with it."""
    sample = degraded_photograph(PHOTOGRAPH, seed)
    assert sample.reference is not None
    restorer = Restorer("hirl", precision=precision)
    began = time.perf_counter()
    restored = restorer.restore(to_pixels(sample.distorted), to_pixels(sample.reference))
    seconds = time.perf_counter() - began
    assert restored.psnr_before is not None
    assert restored.psnr_after is not None
    gain = restored.psnr_after - restored.psnr_before
    rows = [{"what": "hirl", "seconds": seconds, "trials": len(restored.steps), "gain": gain}]
    node = begin([sample], toolsets.resolve("hirl"), precision)
    began = time.perf_counter()
    found = brute_force(node, DEPTH, progress=True)[-1]
    seconds = time.perf_counter() - began
    trials, gain = int(found.trials[0]), float(found.state.gains[0])
    return [*rows, {"what": f"brute force, length {DEPTH}", "seconds": seconds, "trials": trials, "gain": gain}]


def bench_memory(precision: Precision, seed: int) -> list[dict[str, Any]]:
    """Peak memory (GiB, in a separate process) and seconds for a photograph of 4000x3000."""
    # Made here, because degrading it takes more memory than restoring it.
    picture = to_pixels(degraded_photograph(LARGE, seed).distorted)
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return [pool.apply(_restore_large, (picture, precision, torch.get_num_threads()))]


def _restore_large(picture: npt.NDArray[np.uint8], precision: Precision, threads: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    restorer = Restorer("hirl", precision=precision)
    before = _peak()
    began = time.perf_counter()
    restored = restorer.restore(picture)
    return {
        "what": f"hirl, {LARGE[1]}x{LARGE[0]}",
        "seconds": time.perf_counter() - began,
        "trials": len(restored.steps),
        "peak_gib": _peak(),
        "peak_before_gib": before,
    }


def _peak() -> float:
    """The peak memory of this process, in GiB."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux, where getrusage begins with what the parent held
        (kibibytes,) = re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())
        return int(kibibytes) / 2**20
    import resource  # not on Windows, where the other parts of the benchmark run

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
