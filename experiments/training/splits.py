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
        ValueError: If there are no photographs, or too few to split, or one would be in both.
    """
    found = image_sources.resolve(images)
    if validate is not None:
        return found, open_validation(found, validate)
    try:
        return found.split(hold_out)
    except ValueError as error:
        raise ValueError(f"{error}, by --hold-out") from None


def open_validation(training: Photographs, validate: str) -> Photographs:
    """The photographs to validate on.

    Args:
        training: Photographs to train on.
        validate: Photographs to validate on: a folder, or the name of a data set.

    Raises:
        ValueError: If there are none, or one of them would be trained on.
    """
    validation = image_sources.resolve(validate)
    trained_on = {file.resolve() for file in training.files}
    for file in validation.files:
        if file.resolve() in trained_on:
            raise ValueError(
                f"{file}: in --images and in --validate, but no photograph may be trained and validated on; give two "
                "folders, neither of which lies in the other"
            )
    return validation
