"""Toolsets as YAML files: for every type, its tools from weak to strong.

Each tool is a network that spandrel reads, a Python function, or a registered tool::

    denoise:
      - {network: drunet.safetensors, strength: 10}
      - {network: drunet.safetensors, strength: 30}
    sharpen:
      - {function: "my_tools:lightly", name: light}
      - {tool: "paper:deblur-2", undoes: blur-15}
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from hirl_env.data.degradations import degradations
from hirl_env.extras import optional
from hirl_env.tools.spandrel import SUFFIXES, read_network
from hirl_env.tools.tool import Tool
from hirl_env.tools.toolset import Toolset

YAML_SUFFIXES = (".yaml", ".yml")
KINDS = ("network", "function", "tool")
OPTIONS = ("name", "undoes")


def read_toolset(path: Path, named: Callable[[str], Tool]) -> Toolset:
    """The toolset that a YAML file describes.

    Args:
        path: A file that maps each type to a list of tools, from weak to strong. Each tool has exactly one of
            ``network``, a file for `hirl_env.tools.spandrel.read_network`, relative to the folder of the YAML file,
            for some with a ``strength``; ``function``, as MODULE:FUNCTION, which maps images (N, 3, H, W) to new ones;
            or ``tool``, a registered one, or TOOLSET:TYPE-DEGREE. Optional are its ``name`` in tables, and the
            degradation that it ``undoes``.
        named: Function that returns the tool of a name.

    Raises:
        ValueError: If the file cannot be read, or has a mistake; names the file and the tool.
    """
    rows = {}
    for kind, cells in _rows(path).items():
        try:
            rows[kind] = [_tool(cell, path.parent, named) for cell in cells]
        except ValueError as error:
            raise ValueError(f"toolset {path}, type {kind!r}: {error}") from None
    twice = [name for name, count in Counter(tool.name for row in rows.values() for tool in row).items() if count > 1]
    if twice:
        raise ValueError(f"toolset {path}: several tools are called {twice[0]!r}; give each a name of its own")
    return Toolset(rows)


def cells_of(path: Path) -> list[Mapping[str, Any]]:
    """The entries of a toolset file, one for each tool; raises ValueError as `read_toolset` does."""
    return [cell for row in _rows(path).values() for cell in row]


def files_of(path: Path) -> list[Path]:
    """The files of a toolset: its YAML file, and those of its networks; raises ValueError as `read_toolset` does."""
    return [path, *(path.parent / str(cell["network"]) for cell in cells_of(path) if "network" in cell)]


def _rows(path: Path) -> dict[str, list[Mapping[str, Any]]]:
    """The entries of a toolset file, by the names of types."""
    rows = {}
    for kind, cells in _content(path).items():
        if not isinstance(cells, list) or not cells:
            raise ValueError(f"toolset {path}: type {kind!r} needs a list of tools, weak to strong")
        for cell in cells:
            if not isinstance(cell, Mapping):
                raise ValueError(
                    f"toolset {path}, type {kind!r}: a tool is written as {{network: FILE}}, {{function: MODULE:NAME}} "
                    f"or {{tool: NAME}}; got {cell!r}"
                )
        rows[str(kind)] = cells
    return rows


def _content(path: Path) -> Mapping[Any, Any]:
    yaml = optional("yaml", "spandrel")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"toolset {path}: {error.strerror}") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"toolset {path} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"toolset {path}: it must map types to lists of tools")
    return content


def _tool(cell: Mapping[str, Any], folder: Path, named: Callable[[str], Tool]) -> Tool:
    """One tool, from its entry in the file."""
    unknown = [key for key in cell if key not in (*KINDS, *OPTIONS, "strength")]
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}; known are: {', '.join((*KINDS, 'strength', *OPTIONS))}")
    given = [kind for kind in KINDS if kind in cell]
    if len(given) != 1:
        raise ValueError(f"a tool has exactly one of {', '.join(KINDS)}; got {dict(cell)}")
    value, strength = str(cell[given[0]]), cell.get("strength")
    if strength is not None and (given != ["network"] or not isinstance(strength, int | float)):
        raise ValueError(f"a strength is a number, and of a network; got {dict(cell)}")
    if given == ["network"]:
        tool = _of_network(folder / value, strength)
    else:
        tool = _of_function(value) if given == ["function"] else named(value)
    changes: dict[str, Any] = {"name": str(cell["name"])} if "name" in cell else {}
    if "undoes" in cell:
        changes["undoes"] = degradations.resolve(str(cell["undoes"]))
    return replace(tool, **changes)


def _of_network(path: Path, strength: float | None) -> Tool:
    if path.suffix not in SUFFIXES:
        raise ValueError(f"network {path}: a file of weights ends in {', '.join(SUFFIXES)}")
    return Tool(path.stem if strength is None else f"{path.stem} {strength:g}", read_network(path, strength))


def _of_function(name: str) -> Tool:
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise ValueError(f"function {name!r}: write it as MODULE:FUNCTION")
    try:
        function: Callable[[torch.Tensor], torch.Tensor] = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise ValueError(f"function {name}: {error}; install its package, or give --plugin {module}.py") from None
    except AttributeError:
        raise ValueError(f"function {name}: {module} has no {attribute}") from None
    if not callable(function):
        raise ValueError(f"function {name}: it is a {type(function).__name__}")
    return Tool(attribute, function)
