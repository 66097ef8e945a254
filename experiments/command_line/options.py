"""Frozen dataclasses of options, filled from names and values: those of YAML files and of sweeps."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

Options = TypeVar("Options")


def option_names(options: Any) -> list[str]:
    """Names of the options of a dataclass; options of nested dataclasses have names like ``env.crop_size``."""
    names = []
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        names += [f"{field.name}.{name}" for name in option_names(value)] if _nests(value) else [field.name]
    return names


def replaced(options: Options, changes: Mapping[str, Any], within: str = "") -> Options:
    """Options with some changed.

    Args:
        options: Instance of a frozen dataclass, which may hold others.
        changes: Values by names as in `option_names`, or nested: ``{"env": {"crop_size": 32}}``. Numbers may be text,
            because YAML reads 1e-4 as text.
        within: Prefix of names in errors.

    Raises:
        ValueError: If there is no such option, or it does not accept the value; names both.
    """
    hints = get_type_hints(type(options))
    known = {field.name for field in dataclasses.fields(options)}  # type: ignore[arg-type]
    plain: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        head, _, rest = name.replace("-", "_").partition(".")
        if head not in known:
            near = difflib.get_close_matches(f"{within}{head}", [f"{within}{one}" for one in known], 1)
            raise ValueError(f"unknown option {within}{name}" + (f"; did you mean {near[0]}?" if near else ""))
        if not _nests(getattr(options, head)):
            if rest:
                raise ValueError(f"unknown option {within}{name}: {within}{head} is a single value")
            plain[head] = _checked(f"{within}{name}", value, hints[head])
        elif rest:
            nested.setdefault(head, {})[rest] = value
        elif isinstance(value, Mapping):
            nested.setdefault(head, {}).update(value)
        else:
            raise ValueError(f"{within}{name} holds options of its own, and is not {value!r}")
    for head, inner in nested.items():
        plain[head] = replaced(getattr(options, head), inner, f"{within}{head}.")
    return dataclasses.replace(options, **plain)  # type: ignore[type-var]


def _nests(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _checked(name: str, value: Any, kind: Any) -> Any:
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        reason = "; ".join(dict.fromkeys(one["msg"] for one in error.errors()))
        raise ValueError(f"{name} does not take {value!r}: {reason}") from None
