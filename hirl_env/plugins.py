"""Packages of users that add tools, degradations, measures, agents, methods or commands by registering them.

A plugin is a module that registers what it adds when it is imported. An installed one is found by its entry point in
the group ``hirl.plugins``; any other is named to a command by ``--plugin``.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from functools import cache
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

GROUP = "hirl.plugins"
_named: list[str] = []


@cache
def load_installed() -> None:
    """Imports every installed plugin, once; one that fails is left out with a warning."""
    for entry in entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:  # whatever another's package does, all else works
            warnings.warn(f"plugin {entry.name} was left out: {type(error).__name__}: {error}", stacklevel=3)


def load_plugin(module: str) -> None:
    """Imports one plugin.

    Args:
        module: Name of a module, looked for in the working folder too, or a .py file.

    Raises:
        ValueError: If there is no such module, it cannot be imported, or a file has the name of another module.
    """
    path = Path(module)
    if path.suffix != ".py" and path.is_file():
        raise ValueError(f"--plugin {module} is not a .py file; give one, or the name of a module")
    _named.append(str(path.resolve()) if path.suffix == ".py" else module)
    try:
        if path.suffix == ".py":
            _load_file(path)
        else:
            import_here(module)
    except Exception as error:
        raise ValueError(f"--plugin {module} cannot be imported: {type(error).__name__}: {error}") from error


def import_here(module: str) -> ModuleType:
    """Imports a module by its name, also one that lies in the working folder."""
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    return importlib.import_module(module)


def _load_file(path: Path) -> None:
    """Imports a file as the module of its name, once.

    Raises:
        ImportError: If there is another module of that name, which the file would hide.
    """
    present = sys.modules.get(path.stem)
    if present is not None:
        place = getattr(present, "__file__", None) or "Python itself"
    else:  # a module that has not been imported yet; a mere folder of that name has no origin
        place = getattr(PathFinder.find_spec(path.stem), "origin", None)
    if place is not None and Path(place).resolve() != path.resolve():
        raise ImportError(f"there is another module {path.stem}, of {place}; rename the file")
    if present is not None:
        return
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(loaded)
    except BaseException:
        del sys.modules[path.stem]
        raise


def named_plugins() -> tuple[str, ...]:
    """Plugins that `load_plugin` was given, for processes elsewhere to load: names of modules, and paths of files."""
    return tuple(dict.fromkeys(_named))
