"""Optional packages, and what to install if one is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from hirl_env.errors import first_line


def optional(name: str, extra: str) -> Any:
    """Imports a package that an extra of this package installs.

    Args:
        name: Name of the package.
        extra: Name of the extra.

    Raises:
        ImportError: If it is not installed, or cannot be imported; says what to install.
    """
    try:
        return import_module(name)
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == name
        reason = "is not installed" if missing else f"cannot be imported ({first_line(error)})"
        raise ImportError(f"{name} {reason}: pip install 'hirl-restore[{extra}]'") from None
