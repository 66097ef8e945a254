"""Picture files for tests of image sources."""

from pathlib import Path

from PIL import Image


def save(path: Path, value: int = 100, size: tuple[int, int] = (12, 10)) -> None:
    """Writes a grey picture of one level, and the folders that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value, value)).save(path)
