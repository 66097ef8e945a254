"""The `hirl` command."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

import tyro

from experiments.bench import bench
from experiments.compare import compare
from experiments.demo import demo
from experiments.evaluate import evaluate
from experiments.evaluate_measures import evaluate_measures
from experiments.evaluate_tools import evaluate_tools
from experiments.reproduce import reproduce
from experiments.restore import restore
from experiments.score import score
from experiments.sweep import sweep
from experiments.train import train
from experiments.train_biqa import train_biqa
from experiments.train_pixel_rl import train_pixel_rl
from experiments.train_tools import train_tools
from hirl_env import __version__

COMMANDS: dict[str, Callable[..., Any]] = {
    "demo": demo,
    "restore": restore,
    "score": score,
    "evaluate": evaluate,
    "evaluate-tools": evaluate_tools,
    "evaluate-measures": evaluate_measures,
    "train-tools": train_tools,
    "train-biqa": train_biqa,
    "train": train,
    "train-pixel-rl": train_pixel_rl,
    "sweep": sweep,
    "compare": compare,
    "reproduce": reproduce,
    "bench": bench,
}
DESCRIPTION = """Restore photographs step by step, choosing among tools for noise, JPEG artefacts and blur.

Start with "hirl demo". "hirl COMMAND --help" explains a command.
"""


def main() -> None:
    """Runs a sub-command; a user's mistake ends in one line on standard error and exit code 1."""
    if sys.argv[1:] == ["--version"]:
        print(f"hirl {__version__}")
        return
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: print(f"hirl: {message}", file=sys.stderr)
            tyro.extras.subcommand_cli_from_dict(COMMANDS, prog="hirl", description=DESCRIPTION)
    except (ValueError, OSError) as error:
        sys.exit(f"hirl: {error}")
    except KeyboardInterrupt as interrupt:
        print(f"hirl: {interrupt or 'interrupted'}", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
