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


class Records(UserDict[Any, Any]):
    """A dictionary that is stored in a file of JSON lines, so that a later run finds the results of earlier ones.

    The first line holds the settings that the results were made with. Only ``weights`` may gain entries later: so a
    method can be added to a finished run without repeating the others.

    Args:
        path: The file; created with the first result.
        settings: Settings that the results depend on; their ``weights`` map methods to hashes.

    Raises:
        ValueError: If the file was made with other settings, or is not a file of records.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.path = path
        self.settings: dict[str, Any] = json.loads(json.dumps(settings, default=str))
        if not path.exists():
            return
        if records := self._read():
            first, *lines = records
            self._check(first)
            self.settings["weights"] = first["settings"]["weights"] | self.settings["weights"]
            self.data = {tuple(line["key"]): line["result"] for line in lines}
            # Rewritten, because weights may have been added, and the last line may have been cut off.
            atomic_write_text(path, "".join(map(_line, [{"settings": self.settings}, *lines])))
        else:
            path.unlink()

    def __setitem__(self, key: Key, result: Any) -> None:
        new = not self.path.exists()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write((_line({"settings": self.settings}) if new else "") + _line({"key": key, "result": result}))
        except OSError as error:
            raise unwritable(self.path, error) from error
        super().__setitem__(key, result)

    def _read(self) -> list[dict[str, Any]]:
        try:
            text = self.path.read_text()
            whole = text[: text.rfind("\n") + 1]  # a kill may have cut off the last line
            lines: list[dict[str, Any]] = [json.loads(line) for line in whole.splitlines()]
            if lines and "weights" in lines[0]["settings"] and all("key" in line for line in lines[1:]):
                return lines
            if not lines and _line({"settings": self.settings}).startswith(text):  # empty, or cut off in the first line
                return []
        except (ValueError, TypeError, LookupError):
            pass
        raise ValueError(f"{self.path} holds no results of this command; choose another --out, or delete it")

    def _check(self, first: Mapping[str, Any]) -> None:
        """Raises ValueError if the results in the file were made with other settings."""
        before, now = (
            {key: value for key, value in settings.items() if key != "weights"}
            | {f"weights of {method}": value for method, value in settings["weights"].items()}
            for settings in (first["settings"], self.settings)
        )
        added = {key for key in now.keys() - before.keys() if key.startswith("weights of ")}
        if changed := differences(before, {key: value for key, value in now.items() if key not in added}):
            raise ValueError(
                f"{self.path} holds results of other settings: {', '.join(changed)}; choose another --out, or delete it"
            )


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record) + "\n"
