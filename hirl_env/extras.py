"""Packages that not everybody needs, and what to install where one is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def optional(name: str, extra: str) -> Any:
    """Imports a package that an extra of this one installs.

    Args:
        name: Name of the package.
        extra: Name of the extra.

    Raises:
        ImportError: If it is not installed; says how to.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ImportError(f"{name} is not installed: pip install 'hirl-restore[{extra}]'") from None
