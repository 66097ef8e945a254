"""The measurements of a training, as rows of a CSV file that a resumed run continues."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from hirl_env.files import atomic_write_text, unwritable


class CsvLog:
    """Rows appended to a CSV file; all have the keys of the first."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, row: dict[str, Any]) -> None:
        """Appends a row.

        Raises:
            OSError: If the file cannot be written.
            ValueError: If it has other keys than the rows before, which its header could not name.
        """
        if (before := self.read()) and before[0].keys() != row.keys():
            raise ValueError(
                f"{self.path} has the columns {', '.join(before[0])}, and this is measured on {', '.join(row)}: the "
                "settings were changed; give the run those it began with, or start another elsewhere"
            )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = not self.path.exists()
            with self.path.open("a", newline="") as file:
                writer = csv.DictWriter(file, list(before[0] if before else row))
                if new:
                    writer.writeheader()
                writer.writerow(row)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def rewrite(self, rows: list[dict[str, str]]) -> None:
        """Replaces all rows."""
        if rows:
            text = io.StringIO(newline="")
            writer = csv.DictWriter(text, rows[0])
            writer.writeheader()
            writer.writerows(rows)
            atomic_write_text(self.path, text.getvalue())
        else:
            self.path.unlink(missing_ok=True)

    def read(self) -> list[dict[str, str]]:
        """The rows so far, without a last one that was cut off while it was written."""
        if not self.path.exists():
            return []
        text = self.path.read_text()
        return list(csv.DictReader(text[: text.rfind("\n") + 1].splitlines()))
