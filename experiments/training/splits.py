"""The training and the validation split of photographs."""

from __future__ import annotations

from hirl_env.data.photographs import Photographs, image_sources


def open_splits(images: str, validate: str | None, hold_out: int) -> tuple[Photographs, Photographs]:
    """The photographs to train on, and those to validate on.

    Args:
        images: Photographs to train on: a folder, or the name of a data set.
        validate: Photographs to validate on; None takes some of ``images``.
        hold_out: Number of photographs to take from ``images`` for validation.

    Raises:
        ValueError: If there are no photographs, or too few to split.
    """
    found = image_sources.resolve(images)
    if validate is not None:
        return found, image_sources.resolve(validate)
    try:
        return found.split(hold_out)
    except ValueError as error:
        raise ValueError(f"{error}, by --hold-out") from None
