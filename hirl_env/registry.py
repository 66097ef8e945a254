"""Names for the objects that an environment is made of."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from typing import Generic, TypeVar

from hirl_env.plugins import load_installed

T = TypeVar("T")


class Registry(Generic[T]):
    """Maps names to factories of one kind of object (a toolset, a degradation, a measure, ...).

    Installed plugins are imported when a name is asked for that is not there, or for all names.

    Strings keep the keyword arguments of ``gym.make`` JSON-able; objects are welcome in their place.

    Args:
        kind: What the objects are, in words, for error messages ("degradation").
        of: Their class.

    Attributes:
        factories: By the names that are registered.
    """

    def __init__(self, kind: str, of: type[T]) -> None:
        self.kind, self.of = kind, of
        self.factories: dict[str, Callable[[], T]] = {}

    def register(self, name: str, factory: Callable[[], T]) -> None:
        """Makes ``name`` stand for what ``factory()`` returns.

        Raises:
            ValueError: If the name is taken; two meanings of one name are never what is wanted.
        """
        if name in self.factories:
            raise ValueError(f"the {self.kind} {name!r} is registered already; choose another name")
        self.factories[name] = factory

    def names(self) -> list[str]:
        """Every registered name, in the order of registration."""
        load_installed()
        return list(self.factories)

    def resolve(self, value: str | T) -> T:
        """Turns a name into its object; an object is returned as it is.

        Raises:
            ValueError: If the name is unknown (the message lists the known ones), or the object of another kind.
        """
        if not isinstance(value, str):
            if isinstance(value, self.of):
                return value
            article = "an" if self.kind[0] in "aeiou" else "a"
            given = reprlib.repr(value)  # cut short: it may be a whole picture
            raise ValueError(f"{article} {self.kind} must be a name or a {self.of.__name__}, got {given}")
        if value not in self.factories and value not in self.names():
            raise ValueError(f"unknown {self.kind} {value!r}; known are: {', '.join(self.names())}")
        return self.factories[value]()
