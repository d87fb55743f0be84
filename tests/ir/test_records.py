"""Our dataclasses behave like those of the standard library, where they offer the same."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from functools import cached_property
from typing import Any

import pytest

from weft.ir import records

OPTIONS: list[dict[str, bool]] = [
    {},
    {"frozen": True},
    {"slots": True},
    {"frozen": True, "slots": True},
    {"slots": True, "eq": False},
    {"frozen": True, "slots": True, "eq": False},
]


def define(dataclass: Any, options: dict[str, bool]) -> Any:
    @dataclass(**options)
    class Point:
        x: int
        y: float = 2.0
        z: list[int] = records.field(default_factory=list)

        def total(self) -> float:
            return self.x + self.y

    return Point


@pytest.mark.parametrize("options", OPTIONS)
def test_it_is_the_standard_one(options: dict[str, bool]) -> None:
    ours, theirs = (define(module.dataclass, options) for module in (records, dataclasses))
    a, b = ours(1), theirs(1)
    assert repr(a) == repr(b)
    assert (a.x, a.y, a.z, a.total()) == (1, 2.0, [], 3.0)
    assert ours(1).z is not a.z
    assert ours.__match_args__ == theirs.__match_args__
    assert (ours(1, 2.0, z=[]) == a) == (theirs(1, 2.0, z=[]) == b)
    assert (ours(2) == a) == (theirs(2) == b)
    assert a != b
    assert hasattr(a, "__dict__") == hasattr(b, "__dict__")
    assert (ours.__hash__ is None) == (theirs.__hash__ is None)
    if ours.__hash__ is not None and options.get("eq", True):
        assert hash(ours(1, 2.0, ())) == hash(theirs(1, 2.0, ()))
    assert repr(records.replace(a, y=5.0)) == repr(dataclasses.replace(b, y=5.0))
    for make in (ours, theirs):
        with pytest.raises(TypeError, match=r"__init__\(\) missing 1 required positional argument: 'x'"):
            make()
        with pytest.raises(TypeError, match="unexpected keyword argument 'w'"):
            make(1, w=3)


def test_fields_of_the_same_number_have_their_own_names() -> None:
    """Classes share compiled code, in which fields have other names."""

    def define(name: str, *names: str) -> Any:
        space = {"__annotations__": dict.fromkeys(names, "int"), "__qualname__": name, "__module__": __name__}
        return records.dataclass(frozen=True, slots=True)(type(name, (), space))

    one, other = define("One", "f1", "f0"), define("Other", "put", "MISSING")
    assert (one(1, 2).f1, one(f0=1, f1=2).f1) == (1, 2)
    assert (other(1, 2).put, other(MISSING=1, put=2).put) == (1, 2)
    assert one(1, 2) == one(f1=1, f0=2) != one(2, 1)
    assert one(1, 2) != other(1, 2)
    assert one.__init__.__qualname__ == "One.__init__"
    assert one.__init__.__module__ == __name__
    with pytest.raises(TypeError, match=r"One.__init__\(\) missing 1 required positional argument: 'f0'"):
        one(1)


def test_a_field_without_a_default_stands_before_those_with_one() -> None:
    for module in (records, dataclasses):
        with pytest.raises(TypeError, match="default"):

            @module.dataclass
            class Wrong:
                x: int = 1
                y: int


def test_frozen_ones_stay_as_they_are() -> None:
    a = define(records.dataclass, {"frozen": True, "slots": True})(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'x'"):
        a.x = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'x'"):
        del a.x


@records.dataclass(frozen=True, slots=True)
class Segment:
    """A line."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        if self.stop < self.start:
            object.__setattr__(self, "stop", self.start)

    def __repr__(self) -> str:
        return f"{self.start}..{self.stop}"


@records.dataclass(frozen=True)
class Cached:
    """It keeps what it computed."""

    x: int

    @cached_property
    def double(self) -> int:
        return 2 * self.x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cached)

    __hash__ = object.__hash__


def test_what_a_class_defines_itself_stays() -> None:
    assert repr(Segment(3, 1)) == "3..3"
    assert Segment.__doc__ == "A line."
    assert Segment.__module__ == __name__
    a = Cached(4)
    assert (a.double, a.double) == (8, 8)
    assert a == Cached(5)
    assert len({a, Cached(4)}) == 2


def test_copies() -> None:
    a = Segment(1, 5)
    assert pickle.loads(pickle.dumps(a)) == copy.copy(a) == copy.deepcopy(a) == a
    assert records.replace(a, stop=0) == Segment(1, 1)
    match a:
        case Segment(start, stop):
            assert (start, stop) == (1, 5)


def test_a_kept_hash_is_that_of_the_fields() -> None:
    @records.dataclass(frozen=True, slots=True, keep_hash=True)
    class Pair:
        a: Any
        b: Any = 0

    x, y = Pair(1, Pair(2, 3)), Pair(1, Pair(2, 3))
    assert x == y
    assert x != Pair(1, Pair(2, 4))
    assert {x: "found"}[y] == "found"
    assert hash(records.replace(x, b=1)) == hash(Pair(1, 1)) != hash(x)
    assert hash(copy.copy(x)) == hash(x)
    assert repr(Pair(1)).endswith("Pair(a=1, b=0)")
    with pytest.raises(TypeError, match="unhashable"):
        Pair([])
