"""`hirl train-heads`: teaches HIRL's second heads what runs remembered."""

from __future__ import annotations

from pathlib import Path

import torch
from tqdm import tqdm

from hirl_agents.hirl.heads import remembered, seeing_traces, teach_heads
from hirl_agents.loading import check_tools
from hirl_agents.networks import SUFFIX, TwoLevelQ, save_q
from hirl_agents.registry import agents
from hirl_env.tensor_files import read_state
from hirl_env.tools.registry import toolsets
from hirl_experiments.command_line.checks import at_least, check_free, check_writable, some
from hirl_experiments.command_line.threads import use_threads
from hirl_experiments.training.run_folder import MEMORY, check_different, check_same, read_config


def train_heads(
    agent: str,
    memory: tuple[Path, ...],
    out: Path,
    steps: int = 5000,
    batch: int = 256,
    learning_rate: float = 3e-3,
    seed: int = 0,
    threads: int | None = None,
    force: bool = False,
) -> None:
    """Teach an agent's second heads, which see the traces of JPEGs and noise, what runs remembered.

    An agent that sees no traces yet gets these heads; its trunks and first heads stay as they are. Follow it by hirl
    calibrate, because the stop margins are those of before.

    Args:
        agent: HIRL: a name, or a file that hirl train wrote.
        memory: Folders of runs with full feedback, of the same tools and reward; for runs that only remember, give hirl
            train --algorithm.gradient-steps 0.
        out: File to write, .safetensors.
        steps: Number of steps of each strategy.
        batch: Number of images in a step.
        learning_rate: Largest learning rate; it rises and falls in one cycle.
        seed: Seed of everything random.
        threads: Number of processor threads. Default: all.
        force: Whether a file may be overwritten.
    """
    at_least(1, steps=steps, batch=batch)
    at_least(0, seed=seed)
    some(memory=memory)
    if not learning_rate > 0:
        raise ValueError(f"--learning-rate must be above 0, got {learning_rate}")
    if out.suffix != SUFFIX:
        raise ValueError(f"--out {out}: name a file that ends in {SUFFIX}")
    check_free([out], force)
    check_writable(file=out)
    use_threads(threads)
    network = agents.resolve(agent)
    if not isinstance(network, TwoLevelQ) or network.blind:
        raise ValueError(f"--agent {agent}: has no heads to teach; give one of HIRL whose degree_head is per-type")
    torch.manual_seed(seed)
    network = seeing_traces(network)
    check_different(memory)
    first = read_config(memory[0])
    for run in memory[1:]:
        check_same(("env.toolset", "env.reward"), run, first, f"that of {memory[0]}")
    runs = [_memory(run, network) for run in memory]
    images, gains = (torch.cat(parts) for parts in zip(*runs, strict=True))
    with tqdm(total=len(images), desc="features", unit="image", leave=False, disable=None) as bar:
        seen = remembered(network, images, gains, bar.update)
    taught = teach_heads(network, seen, steps, batch, learning_rate, seed)
    losses = list(tqdm(taught, "heads", 2 * steps, leave=False, disable=None))
    save_q(network, out)
    tenth = max(1, steps // 10)
    degrees, types = (sum(last) / tenth for last in (losses[steps - tenth : steps], losses[-tenth:]))
    print(f"wrote {out}; {len(images)} images; losses at the end: degrees {degrees:.4f}, types {types:.4f}")


def _memory(run: Path, network: TwoLevelQ) -> tuple[torch.Tensor, torch.Tensor]:
    """The images that a run remembered, uint8 (N, C, H, W), and the gains of all tools, (N, types, degrees).

    Raises:
        ValueError: If it has none, or they are of other tools or another form than the network's.
    """
    config = read_config(run)
    check_tools(network, toolsets.resolve(config.env.toolset))
    arrays = read_state(run / MEMORY)["arrays"]
    if "gains" not in arrays:
        raise ValueError(f"--memory {run}: remembers no gains of all tools; give a run with full feedback")
    images, gains = (torch.as_tensor(arrays[name]).flatten(0, 1) for name in ("observations", "gains"))
    channels = 3 * network.n_images + network.sees_tool
    if images.shape[1] != channels:
        raise ValueError(f"--memory {run}: images have {images.shape[1]} channels, and the agent looks at {channels}")
    if images.shape[-1] != network.view:
        raise ValueError(f"--memory {run}: images of {images.shape[-1]} pixels, and the agent looks at {network.view}")
    return images, gains
