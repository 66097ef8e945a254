"""Comparison of the settings of earlier results with today's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LONGEST = 60  # characters of a value in a message


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The settings that have changed, each as in ``seed (there 0, now 1)``.

    Args:
        before: Settings that earlier results were made with.
        now: Current settings; only these are compared.
    """
    return [
        f"{name} (there {_short(before.get(name))}, now {_short(value)})"
        for name, value in now.items()
        if before.get(name) != value
    ]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
