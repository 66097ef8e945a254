"""Results that outlive an interruption."""

from __future__ import annotations

import json
from collections import UserDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hirl_env.files import atomic_write_text, unwritable
from hirl_experiments.command_line.settings import differences

Key = tuple[str | int, ...]
PARTS = {"key", "weights", "result"}  # of a line


class Records(UserDict[Any, Any]):
    """A dictionary that is stored in a file of JSON lines, so that a later run finds the results of earlier ones.

    The first line holds the settings that the results were made with. Each result is stored with the weights of its
    method, and is found by runs that have the same: so a method can be added to a finished run, or given other weights,
    without repeating the others.

    Args:
        path: The file; created with the first result.
        settings: Settings that all results depend on.
        weights: Hashes of the weights of methods that have some, by method, which is the last part of a key.

    Raises:
        ValueError: If the file was made with other settings, or is not a file of records.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], weights: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.path, self.weights = path, dict(weights or {})
        self.settings: dict[str, Any] = json.loads(json.dumps(settings, default=str))
        if not path.exists():
            return
        if records := self._read():
            first, *lines = records
            if changed := differences(first["settings"], self.settings):
                raise ValueError(
                    f"{path} holds results of other settings: {', '.join(changed)}; choose another --out, or delete it"
                )
            for line in lines:
                key = tuple(line["key"])
                if line["weights"] == self._weights_of(key):
                    self.data[key] = line["result"]
            # Rewritten, because the last line may have been cut off.
            atomic_write_text(path, "".join(map(_line, records)))
        else:
            path.unlink()

    def __setitem__(self, key: Key, result: Any) -> None:
        new = not self.path.exists()
        record = {"key": key, "weights": self._weights_of(key), "result": result}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write((_line({"settings": self.settings}) if new else "") + _line(record))
        except OSError as error:
            raise unwritable(self.path, error) from error
        super().__setitem__(key, result)

    def _weights_of(self, key: Key) -> str | None:
        return self.weights.get(str(key[-1]))

    def _read(self) -> list[dict[str, Any]]:
        try:
            text = self.path.read_text()
            whole = text[: text.rfind("\n") + 1]  # a kill may have cut off the last line
            lines: list[dict[str, Any]] = [json.loads(line) for line in whole.splitlines()]
            if lines and isinstance(lines[0]["settings"], dict) and all(line.keys() >= PARTS for line in lines[1:]):
                return lines
            if not lines and _line({"settings": self.settings}).startswith(text):  # empty, or cut off in the first line
                return []
        except (ValueError, TypeError, LookupError):
            pass
        raise ValueError(f"{self.path} holds no results of this command; choose another --out, or delete it")


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record) + "\n"
