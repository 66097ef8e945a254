"""The command line that corresponds to a call of a command's function."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import tyro

from hirl_env.plugins import named_plugins


def command_line(function: Callable[..., Any], arguments: Mapping[str, Any]) -> str:
    """The `hirl` command line of a call; options with their default value are left out.

    Args:
        function: Function of a command, which has the command's name.
        arguments: Arguments by their names; missing ones have their default.
    """
    words = ["hirl", function.__name__.replace("_", "-")]
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        value = arguments.get(name, parameter.default)
        if value != parameter.default:
            positional = tyro.conf.Positional in getattr(parameter.annotation, "__metadata__", ())
            words += _values(value) if positional else _option(name.replace("_", "-"), value)
    return shlex.join([*words, *(word for plugin in named_plugins() for word in ("--plugin", plugin))])


def _option(name: str, value: Any) -> list[str]:
    """An option as tyro takes it: flags have no value."""
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}", *_values(value)]


def _values(value: Any) -> list[str]:
    return [str(one) for one in (value if isinstance(value, list | tuple) else [value])]
