"""Names for the objects that an environment, an agent or an evaluation is made of."""

from __future__ import annotations

import inspect
import os
import reprlib
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from hirl_env.plugins import load_installed

T = TypeVar("T")


def takes_nothing(factory: Any) -> bool:
    """Whether something is a function, or a class, that can be called without arguments."""
    if not callable(factory):
        return False
    try:
        inspect.signature(factory).bind()
    except TypeError:
        return False
    except ValueError:  # some of Python's own classes have no signature
        pass
    return True


class Registry(Generic[T]):
    """Maps names to factories of one kind of object (a toolset, a degradation, a measure, ...).

    Installed plugins are imported when an unknown name, or the list of all names, is asked for.

    Names keep the keyword arguments of ``gym.make`` JSON-able; an object can always be given instead of its name.

    Args:
        kind: Kind of the objects in words, for error messages ("degradation").
        cls: Class of the objects.
        shorthand: Function that makes an object from something other than a name (a folder, a sum of names); it returns
            None for what it does not know. None if there are only names.
        shorthand_help: What the short-hand takes, in words, for error messages.

    Attributes:
        factories: Factories by the names that are registered.
    """

    def __init__(
        self, kind: str, cls: type[T], shorthand: Callable[[Any], T | None] | None = None, shorthand_help: str = ""
    ) -> None:
        self.kind, self.cls, self.shorthand, self.shorthand_help = kind, cls, shorthand, shorthand_help
        self.factories: dict[str, Callable[[], T]] = {}

    def register(self, name: str, factory: Callable[[], T]) -> None:
        """Makes ``name`` stand for what ``factory()`` returns.

        Raises:
            ValueError: If the name is taken, or the factory cannot be called without arguments.
        """
        if name in self.factories:
            raise ValueError(f"the {self.kind} {name!r} is registered already; choose another name")
        if not takes_nothing(factory):
            raise ValueError(
                f"the {self.kind} {name!r}: register a function without arguments that returns it, such as "
                f"`lambda: it`; got {reprlib.repr(factory)}"
            )
        self.factories[name] = factory

    def names(self) -> list[str]:
        """Every registered name, in the order of registration."""
        load_installed()
        return list(self.factories)

    def _made(self, name: str) -> T:
        made = self.factories[name]()
        if not isinstance(made, self.cls):
            raise ValueError(
                f"what is registered as the {self.kind} {name!r} must return a {self.cls.__name__}; it returned "
                f"{reprlib.repr(made)}"
            )
        return made

    def resolve(self, value: Any) -> T:
        """Turns a name or a short-hand into its object; an object is returned as it is.

        Raises:
            ValueError: If the name is unknown (the message lists the known ones), or the object is of another kind.
        """
        if isinstance(value, str) and (value in self.factories or value in self.names()):
            return self._made(value)
        named = isinstance(value, str | os.PathLike)
        if not named and isinstance(value, self.cls):
            return value
        made = None if self.shorthand is None else self.shorthand(value)
        if made is not None:
            return made
        if named:
            known = ", and ".join(filter(None, (", ".join(self.names()), self.shorthand_help)))
            raise ValueError(f"unknown {self.kind} {os.fspath(value)!r}; known are: {known}")
        article = "an" if self.kind[0] in "aeiou" else "a"
        given = reprlib.repr(value)  # cut short: it may be a whole picture
        raise ValueError(f"{article} {self.kind} must be a name or a {self.cls.__name__}, got {given}")
