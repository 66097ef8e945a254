"""The `hirl` command: imports only the sub-command that is called."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from hirl_experiments.command_line.interrupts import exit_code, raised_interrupts

DESCRIPTION = """Restore photographs step by step, choosing among tools for noise, JPEG artefacts and blur.

Start with "hirl demo". "hirl COMMAND --help" explains a command."""

PLUGIN = "module or .py file that registers tools, degradations, measures, agents and more; with every command"

# Packages that commands import but the environment does not, and the extras that install them.
THIRD_PARTY = {
    **dict.fromkeys(("docstring_parser", "imagecodecs", "matplotlib", "pydantic", "rich", "scipy", "tifffile"), "cli"),
    **dict.fromkeys(("stable_baselines3", "tyro", "yaml"), "cli"),
    **{"gradio": "web", "ray": "sweep", "tensorboard": "train", "wandb": "train"},
}


@dataclass(frozen=True)
class Command:
    """A sub-command.

    Attributes:
        target: Name of its function, "module:function".
        help: One-line description.
        defaults: Name of a function that maps arguments to defaults of other options; empty for none.
    """

    target: str
    help: str
    defaults: str = ""

    def load(self) -> Callable[..., Any]:
        """Imports the function."""
        return _imported(self.target)

    def description(self) -> str:
        """The description in its help, including the option that every command takes."""
        import docstring_parser

        explained = docstring_parser.parse(self.load().__doc__ or "").description or self.help
        return f"{explained}\n\n--plugin MODULE: {PLUGIN}"

    def prepared(self, arguments: list[str]) -> Callable[..., Any]:
        """The function with the defaults that follow from its arguments."""
        return partial(self.load(), **_imported(self.defaults)(arguments)) if self.defaults else self.load()


def _imported(target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function


# A plain dictionary, because importing `hirl_env.registry.Registry` would make `hirl --help` slow.
COMMANDS: dict[str, Command] = {}


def register(name: str, command: Command) -> None:
    """Adds a sub-command, like the `register` methods of the registries.

    Raises:
        ValueError: If the name is taken.
    """
    if name in COMMANDS:
        raise ValueError(f"the command {name!r} is registered already; choose another name")
    COMMANDS[name] = command


def _register_shipped(name: str, text: str, defaults: str = "") -> None:
    """Adds a command whose function has the name of its module in `hirl_experiments.commands`."""
    module = name.replace("-", "_")
    room = f"hirl_experiments.commands.{module}"
    register(name, Command(f"{room}:{module}", text, defaults and f"{room}:{defaults}"))


_register_shipped("demo", "restore the embedded photographs and draw what was done")
_register_shipped("restore", "restore picture files")
_register_shipped("web", "open a page on which pictures are restored step by step")
_register_shipped("score", "score pictures by any quality measure")
_register_shipped("evaluate", "measure restoration methods on a folder of photographs")
_register_shipped("benchmark", "measure agents and baselines on the frozen suites")
_register_shipped("tabulate", "run all paths of tools on a set of crops, once, into a table")
_register_shipped("regret", "measure how much less agents gain than the best of all paths in a table")
_register_shipped("fixed-path", "find the path that gains most when every image takes it")
_register_shipped("evaluate-tools", "measure every tool on its own distortion")
_register_shipped("evaluate-measures", "check blind measures against those that see the reference")
_register_shipped("train-tools", "train a network of the toolset")
_register_shipped("train-biqa", "train the embedded blind measure")
_register_shipped("train", "train an agent", defaults="defaults_of")
_register_shipped("train-heads", "teach an agent what JPEGs and noise leave behind")
_register_shipped("calibrate", "fit an agent's stop margin within a bound on harm")
_register_shipped("train-pixel-rl", "train PixelRL")
_register_shipped("sweep", "train many settings, several seeds each, side by side")
_register_shipped("compare", "draw and tabulate learning curves")
_register_shipped("reproduce", "measure the paper's tables and figures")
_register_shipped("bench", "time environments, agents and measures")


def main() -> None:
    """Runs a sub-command; a user's mistake ends in one line on standard error and exit code 1.

    When asked to stop, it exits with 130 (Ctrl-C), 143 (SIGTERM) or 129 (SIGHUP), and says how to resume. When nobody
    reads its output any more, it exits with 141.
    """
    _open_streams()
    with raised_interrupts():
        try:
            try:
                _main(sys.argv[1:])
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read the output, such as `head`, has seen enough, and Python is not to try again at its exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)  # as a process that SIGPIPE ends
        except (ValueError, OSError) as error:
            sys.exit(f"hirl: {error}")
        except MemoryError as error:
            sys.exit(f"hirl: out of memory: {error}".removesuffix(": "))
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in THIRD_PARTY:
                raise
            sys.exit(f"hirl: {package} is not installed: pip install 'hirl-restore[{THIRD_PARTY[package]}]'")
        except ImportError as error:
            sys.exit(f"hirl: {error}")
        except KeyboardInterrupt as interrupt:
            print(f"hirl: {str(interrupt) or 'interrupted'}", file=sys.stderr)
            sys.exit(exit_code())


def _open_streams() -> None:
    """Lets everything be printed: what the terminal's encoding lacks is escaped, and a closed stream leads nowhere."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _main(given: list[str]) -> None:
    # Imported here, where an interrupt gives no traceback, because this import takes the longest.
    from importlib.metadata import entry_points

    plugins, arguments = _plugins(given)
    if plugins or entry_points(group="hirl.plugins"):
        _load(plugins)
    name = _chosen(arguments[:1])
    _run(COMMANDS[name], f"hirl {name}", arguments[1:])


def _plugins(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The plugins named in the arguments, and all other arguments."""
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
    """The name of the command; prints the help or the version and exits if that is asked for."""
    from importlib.metadata import version

    explained = "\n".join(f"  {name:<18} {command.help}" for name, command in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="hirl",
        usage="hirl [--help] [--version] [--plugin MODULE] COMMAND ...",
        description=DESCRIPTION,
        epilog=f"commands:\n{explained}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hirl {version('hirl-restore')}")
    parser.add_argument("--plugin", metavar="MODULE", help=PLUGIN)
    parser.add_argument("command", metavar="COMMAND", choices=COMMANDS, help=argparse.SUPPRESS)
    name: str = parser.parse_args(arguments).command
    return name


def _run(command: Command, prog: str, arguments: list[str]) -> None:
    """Parses the arguments of a sub-command, and calls it with them."""
    import tyro

    from hirl_experiments.command_line.results import with_json_alone

    function = with_json_alone(command.prepared(arguments))
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: print(f"hirl: {message}", file=sys.stderr)
        tyro.cli(function, prog=prog, description=command.description(), args=arguments)


if __name__ == "__main__":
    main()
