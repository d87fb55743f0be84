"""`dataclass`, `field` and `replace` like those of the standard library, for classes that every process defines.

The one idea: methods of classes with as many fields differ in names only, so they are compiled once, and each class has them
under its own names; those that need not be fast are shared by all classes. A class takes a tenth of the standard library's
time to define: with the number of classes that `import weft` defines, that is as long as all the rest of it.

What is not needed here is not offered: no inheritance of fields, no ordering, no keyword-only fields.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, FrozenInstanceError, field
from types import CodeType, FunctionType
from typing import Any, TypeVar, dataclass_transform, overload

__all__ = ["dataclass", "field", "replace"]

T = TypeVar("T")


@overload
def dataclass(cls: type[T], /) -> type[T]: ...
@overload
def dataclass(
    *, frozen: bool = ..., slots: bool = ..., eq: bool = ..., keep_hash: bool = ...
) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(field_specifiers=(field,))
def dataclass(
    cls: Any = None,
    /,
    *,
    frozen: bool = False,
    slots: bool = False,
    eq: bool = True,
    keep_hash: bool = False,
) -> Any:
    """Give a class fields, one for each annotation, and methods that go with them: see `dataclasses.dataclass`.

    Args:
        cls: the class; its annotations are strings.
        frozen: whether fields stay what they are.
        slots: whether instances have no ``__dict__``.
        eq: whether instances are compared by their fields; frozen ones are then hashed by them too.
        keep_hash: whether a frozen instance with slots is hashed once, when it is made: for trees that are keys.
    """
    if cls is None:
        return lambda cls: dataclass(cls, frozen=frozen, slots=slots, eq=eq, keep_hash=keep_hash)  # type: ignore[call-overload]
    names = tuple(inspect.get_annotations(cls))
    defaults = {name: cls.__dict__[name] for name in names if name in cls.__dict__}
    if slots:  # they are settled when a class is made, so it is made again
        space = {
            name: x for name, x in cls.__dict__.items() if name not in (*names, "__dict__", "__weakref__")
        }
        space |= {"__slots__": (*names, "_hash") if keep_hash else names, "__qualname__": cls.__qualname__}
        cls = type(cls)(cls.__name__, cls.__bases__, space)
    shared: dict[str, Any] = {"__match_args__": names, "__fields__": names}
    if "__repr__" not in cls.__dict__:
        shared["__repr__"] = _repr
    if slots and "__reduce__" not in cls.__dict__:
        shared["__reduce__"] = _reduce
    if frozen:
        shared |= {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
    for name, value in shared.items():
        setattr(cls, name, value)
    _write_methods(cls, names, defaults, frozen, slots, eq, keep_hash)
    return cls


def replace(x: T, /, **changes: Any) -> T:
    """The same with other values for some fields."""
    kind = type(x)
    values = {name: getattr(x, name) for name in kind.__fields__}  # type: ignore[attr-defined]
    return kind(**(values | changes))


def _write_methods(
    cls: Any,
    names: tuple[str, ...],
    defaults: Mapping[str, Any],
    frozen: bool,
    slots: bool,
    eq: bool,
    keep_hash: bool,
) -> None:
    fields = {f"f{i}": name for i, name in enumerate(names)}  # as the text below calls them
    known: dict[str, Any] = {"MISSING": MISSING, "put": object.__setattr__, "__name__": cls.__module__}
    given: list[Any] = []  # the defaults of the last parameters
    body = []
    for short, name in fields.items():
        default = defaults.get(name, MISSING)
        value, before = short, len(given)
        if isinstance(default, Field):
            if default.default_factory is not MISSING:
                known[f"make_{short}"] = default.default_factory
                given.append(MISSING)
                value = f"make_{short}() if {short} is MISSING else {short}"
            elif default.default is not MISSING:
                given.append(default.default)
        elif default is not MISSING:
            given.append(default)
        if 0 < before == len(given):
            raise TypeError(f"the field {name} has no default, but one before it has")
        if frozen and slots:  # past __setattr__, as fast as can be
            known[f"put_{short}"] = cls.__dict__[name].__set__
            body.append(f"put_{short}(self, {value})")
        else:
            body.append(f"put(self, {short!r}, {value})" if frozen else f"self.{short} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    if keep_hash:
        known["put_hash"] = cls.__dict__["_hash"].__set__
        body.append(f"put_hash(self, hash(({''.join(f'{short}, ' for short in fields)})))")
    mine, theirs = ("".join(f"{owner}.{short}, " for short in fields) for owner in ("self", "other"))
    texts = {"__init__": f"def __init__(self, {', '.join(fields)}):\n  " + ("\n  ".join(body) or "pass")}
    if eq:
        texts["__eq__"] = (
            "def __eq__(self, other):\n"
            "  if other.__class__ is not self.__class__: return NotImplemented\n"
            f"  return ({mine}) == ({theirs})"
        )
        if frozen:
            texts["__hash__"] = (
                f"def __hash__(self): return {'self._hash' if keep_hash else f'hash(({mine}))'}"
            )
        elif cls.__dict__.get("__hash__") is None:
            cls.__hash__ = None
    for name, text in texts.items():
        if name not in cls.__dict__ or (name == "__hash__" and cls.__dict__[name] is None):
            last = tuple(given) if name == "__init__" else ()
            method = FunctionType(_renamed(_compiled(text), fields), known, name, last)
            method.__qualname__ = f"{cls.__qualname__}.{name}"
            setattr(cls, name, method)


@functools.cache
def _compiled(text: str) -> CodeType:
    """The code of the one function that a text defines."""
    (code,) = [x for x in compile(text, "<dataclass>", "exec").co_consts if isinstance(x, CodeType)]
    return code


def _renamed(code: CodeType, names: Mapping[str, str]) -> CodeType:
    """A function's code with other names for its parameters and for attributes."""

    def renamed(found: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple([names.get(x, x) if x.__class__ is str else x for x in found])

    return code.replace(
        co_varnames=renamed(code.co_varnames),
        co_names=renamed(code.co_names),
        co_consts=renamed(code.co_consts),
    )


def _repr(self: Any) -> str:
    parts = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__fields__)
    return f"{type(self).__qualname__}({parts})"


def _reduce(self: Any) -> Any:
    return type(self), tuple(getattr(self, name) for name in self.__fields__)


def _refuse_to_set(self: Any, name: str, value: Any) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")
