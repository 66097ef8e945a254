"""Options that are filled from names and values."""

from dataclasses import dataclass
from typing import Literal

import pytest

from hirl_experiments.command_line.options import option_names, replaced


@dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    kind: Literal["a", "b"] = "a"
    sizes: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class Outer:
    name: str | None = "x"
    count: int = 1
    flag: bool = False
    inner: Inner = Inner()


def test_names_of_options_have_a_dot_for_each_level():
    assert option_names(Outer()) == ["name", "count", "flag", "inner.rate", "inner.kind", "inner.sizes"]


def test_values_come_nested_or_by_their_full_names():
    changed = Outer(None, 2, True, Inner(1e-4, "b", (3, 4)))
    flat = {"name": None, "count": 2, "flag": True, "inner.rate": "1e-4", "inner.kind": "b", "inner.sizes": [3, 4]}
    nested = {"name": None, "count": 2, "flag": True, "inner": {"rate": 1e-4, "kind": "b", "sizes": ["3", "4"]}}
    assert replaced(Outer(), flat) == replaced(Outer(), nested) == changed
    assert replaced(Outer(), {}) == Outer()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cuont": 2}, "unknown option cuont; did you mean count?"),
        ({"inner.rat": 2}, "unknown option inner.rat; did you mean inner.rate?"),
        ({"count.more": 2}, "unknown option count.more: count is a single value"),
        ({"inner": 3}, "inner holds options of its own, and is not 3"),
        ({"count": 1.5}, "count does not take 1.5: "),
        ({"inner.kind": "c"}, "inner.kind does not take 'c': Input should be 'a' or 'b'"),
        ({"name": 3}, "name does not take 3: Input should be a valid string"),
    ],
)
def test_what_is_wrong_is_named(changes, words):
    with pytest.raises(ValueError) as error:
        replaced(Outer(), changes)
    assert str(error.value).startswith(words)
