"""The `hirl` command: imports of its sub-commands the one that is called."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points, version
from typing import Any

DESCRIPTION = """Restore photographs step by step, choosing among tools for noise, JPEG artefacts and blur.

Start with "hirl demo". "hirl COMMAND --help" explains a command."""


@dataclass(frozen=True)
class Command:
    """A sub-command.

    Attributes:
        target: Where its function is, as "module:function".
        help: What it does, in one line.
        defaults: Where a function is that maps arguments to defaults of other options; empty for none.
    """

    target: str
    help: str
    defaults: str = ""

    def load(self) -> Callable[..., Any]:
        """Imports the function."""
        return _imported(self.target)

    def prepared(self, arguments: list[str]) -> Callable[..., Any]:
        """The function with the defaults that its arguments decide on."""
        return partial(self.load(), **_imported(self.defaults)(arguments)) if self.defaults else self.load()


def _imported(target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function


def _shipped(name: str, text: str) -> Command:
    """A command whose function has the name of its module, in the room of commands."""
    return Command(f"hirl_experiments.commands.{name}:{name}", text)


# A plugin adds its own under another name.
COMMANDS: dict[str, Command] = {
    "demo": _shipped("demo", "restore the embedded photographs and draw what was done"),
    "restore": _shipped("restore", "restore picture files"),
    "web": _shipped("web", "open a page on which pictures are restored step by step"),
    "score": _shipped("score", "score pictures by any quality measure"),
    "evaluate": _shipped("evaluate", "measure restoration methods on a folder of photographs"),
    "benchmark": _shipped("benchmark", "measure agents and baselines on the frozen suites"),
    "fixed-path": _shipped("fixed_path", "find the path that gains most when every image takes it"),
    "evaluate-tools": _shipped("evaluate_tools", "measure every tool on its own distortion"),
    "evaluate-measures": _shipped("evaluate_measures", "check blind measures against those that see the reference"),
    "train-tools": _shipped("train_tools", "train a network of the toolset"),
    "train-biqa": _shipped("train_biqa", "train the embedded blind measure"),
    "train": Command(
        "hirl_experiments.commands.train:train", "train an agent", "hirl_experiments.commands.train:defaults_of"
    ),
    "calibrate": _shipped("calibrate", "fit an agent's stop margin within a bound on harm"),
    "train-pixel-rl": _shipped("train_pixel_rl", "train PixelRL"),
    "sweep": _shipped("sweep", "train many settings, several seeds each, side by side"),
    "compare": _shipped("compare", "draw and tabulate learning curves"),
    "reproduce": _shipped("reproduce", "measure the paper's tables and figures"),
    "bench": _shipped("bench", "time environments, agents and measures"),
}


def main() -> None:
    """Runs a sub-command; a user's mistake ends in one line on standard error and exit code 1."""
    try:
        plugins, arguments = _plugins(sys.argv[1:])
        if plugins or entry_points(group="hirl.plugins"):
            _load(plugins)
        name = _chosen(arguments[:1])
        _run(COMMANDS[name], f"hirl {name}", arguments[1:])
    except (ValueError, OSError) as error:
        sys.exit(f"hirl: {error}")
    except KeyboardInterrupt as interrupt:
        print(f"hirl: {str(interrupt) or 'interrupted'}", file=sys.stderr)
        sys.exit(130)


def _plugins(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The plugins that are named among the arguments, and all other arguments."""
    parser = argparse.ArgumentParser(prog="hirl", add_help=False, allow_abbrev=False)
    parser.add_argument("--plugin", action="append", default=[])
    known, others = parser.parse_known_args(arguments)
    return known.plugin, others


def _load(plugins: list[str]) -> None:
    from hirl_env.plugins import load_installed, load_plugin

    load_installed()
    for plugin in plugins:
        load_plugin(plugin)


def _chosen(arguments: list[str]) -> str:
    """The name of the command; explains them, or says the version, and exits, where that is asked for."""
    explained = "\n".join(f"  {name:<18} {command.help}" for name, command in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="hirl",
        usage="hirl [--help] [--version] [--plugin MODULE] COMMAND ...",
        description=DESCRIPTION,
        epilog=f"commands:\n{explained}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hirl {version('hirl-restore')}")
    parser.add_argument(
        "--plugin",
        metavar="MODULE",
        help="module or .py file that registers tools, degradations, measures, agents or methods; with every command",
    )
    parser.add_argument("command", metavar="COMMAND", choices=COMMANDS, help=argparse.SUPPRESS)
    name: str = parser.parse_args(arguments).command
    return name


def _run(command: Command, prog: str, arguments: list[str]) -> None:
    """Reads the arguments of a sub-command, and calls it with them."""
    import tyro

    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: print(f"hirl: {message}", file=sys.stderr)
        tyro.cli(command.prepared(arguments), prog=prog, args=arguments)


if __name__ == "__main__":
    main()
