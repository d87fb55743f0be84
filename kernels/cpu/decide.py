"""What is left of the body of an innermost loop where some of its conditions are known.

The one idea: a select whose condition is known is its operand; what nothing reads is gone, and so is what changes nothing: to
store an element where it has just been loaded from, or to fold in what a fold begins with. All of this is exact, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from weft.ir.loops.nest import Accumulate, Accumulator, Const, Index, IndexOp, IndexValue, Load, Op, Store
from weft.ir.records import replace
from weft.ir.types import BOOL, is_complex, is_floating, is_integer
from weft.kernels.schedule.index import names_in

PLAIN = (Accumulate, Const, IndexValue, Load, Op, Store)
"""The statements that bodies are made of here."""


def decided(
    body: Sequence[Any],
    known: Mapping[str, bool],
    consts: Mapping[str, Const],
    accs: Mapping[str, Accumulator] | None = None,
    same: Mapping[str, str] | None = None,
) -> tuple[Any, ...]:
    """The statements of a body that are needed where some conditions are known, simplified.

    Args:
        body: statements of the kinds of `PLAIN`.
        known: conditions, bound inside or outside of the body, that hold or do not.
        consts: the constants of the nest.
        accs: accumulators whose folds may be left out where they change nothing.
        same: values, bound inside of the body, that are others, which stand before them or outside.
    """
    known, consts, same = dict(known), dict(consts), dict(same or {})
    kept: list[Any] = []
    for statement in body:
        name = getattr(statement, "name", "")
        if name in same:
            same[name] = same.get(same[name], same[name])
            continue
        one = _read_same(statement, same)
        if isinstance(one, Load) and one.mask in known:
            zero = Const(one.name, one.dtype, bytes(one.dtype.itemsize))
            one = replace(one, mask=None) if known[one.mask] else zero
        if isinstance(one, Const):
            consts[one.name] = one
        elif isinstance(one, Op):
            if one.name in known:
                one = Const(one.name, BOOL, np.bool_(known[one.name]).tobytes())
            elif (other := _other_name(one, known, consts)) is not None:
                same[one.name] = other
                if other in known:
                    known[one.name] = known[other]
                continue
            elif one.op in ("and", "or") and any(a in known for a in one.args):  # settled by one operand
                known[one.name] = one.op == "or"
                one = Const(one.name, BOOL, np.bool_(known[one.name]).tobytes())
            elif one.op == "not" and one.args[0] in known:
                known[one.name] = not known[one.args[0]]
                one = Const(one.name, BOOL, np.bool_(known[one.name]).tobytes())
        kept.append(one)
    return _needed(kept, consts, accs or {})


def _other_name(op: Op, known: Mapping[str, bool], consts: Mapping[str, Const]) -> str | None:
    """The value that an operation gives back as it is, if that is what it does."""
    match op:
        case Op(_, _, "select", (condition, yes, no)) if condition in known:
            return yes if known[condition] else no
        case Op(_, _, "and" | "or" as name, (a, b)):  # True & x -> x, False | x -> x
            for one, other in ((a, b), (b, a)):
                if one in known and known[one] == (name == "and"):
                    return other
        case Op(_, dtype, "add", (a, b)):  # x + (-0.0) -> x, of integers x + 0 -> x
            for one, other in ((a, b), (b, a)):
                if _is(consts.get(one), dtype, -0.0):
                    return other
        case Op(_, dtype, "sub", (a, b)) if _is(consts.get(b), dtype, 0.0):  # x - 0.0 -> x
            return a
    return None


def _is(const: Const | None, dtype: np.dtype, value: float) -> bool:
    """Whether a constant is a real number, with its sign of zero."""
    if const is None or not (is_floating(dtype) or is_integer(dtype)):
        return False
    return const.bits == np.asarray(value).astype(dtype).tobytes()


def _needed(
    body: Sequence[Any], consts: Mapping[str, Const], accs: Mapping[str, Accumulator]
) -> tuple[Any, ...]:
    """The statements without those that change nothing, and those that nothing reads."""
    loaded: dict[str, tuple[str, Index]] = {}  # what is still in memory where it was loaded from
    changing: list[Any] = []
    for statement in body:
        match statement:
            case Load(name, _, buffer, index, None):
                loaded[name] = buffer, index
            case Store(buffer, index, value):
                if loaded.get(value) == (buffer, index):
                    continue
                loaded = {name: place for name, place in loaded.items() if place[0] != buffer}
            case Accumulate(acc, value) if acc in accs and _changes_nothing(accs[acc], consts, value):
                continue
            case Accumulate(acc, _):
                loaded = {name: place for name, place in loaded.items() if acc not in names_in(place[1])}
        changing.append(statement)
    needed: set[str] = set()
    kept: list[Any] = []
    for statement in reversed(changing):
        if isinstance(statement, Store | Accumulate) or statement.name in needed:
            kept.append(statement)
            needed.update(reads(statement))
    return tuple(reversed(kept))


def _changes_nothing(acc: Accumulator, consts: Mapping[str, Const], name: str) -> bool:
    """Whether a fold with a constant gives back what was folded so far.

    A sum that did not begin at -0.0 is never -0.0, the only number that adding 0.0 changes.
    """
    const = consts.get(name)
    if const is None:
        return False
    if acc.op == "add":
        begin = consts.get(acc.init)
        return begin is not None and not any(const.bits) and not _has_negative_zero(begin)
    if acc.op in ("max", "min") and not is_complex(acc.dtype):
        sign = 1 if acc.op == "min" else -1
        if is_floating(acc.dtype):
            return bool(const.value == sign * np.inf)
        if is_integer(acc.dtype):
            limits = np.iinfo(acc.dtype)
            return bool(const.value == (limits.max if sign > 0 else limits.min))
    if acc.op in ("or", "xor"):
        return not any(const.bits)
    return acc.op == "and" and (bool(const.value) if acc.dtype == BOOL else set(const.bits) == {255})


def _has_negative_zero(const: Const) -> bool:
    value = const.value
    parts = (value.real, value.imag) if is_complex(const.dtype) else (value,)
    return any(part == 0 and np.signbit(part) for part in parts if is_floating(np.dtype(part.dtype)))


def renamed(body: Sequence[Any], names: Mapping[str, str], indices: Mapping[str, Index]) -> tuple[Any, ...]:
    """The statements with other names, and with indices in the place of loop variables."""
    changed: list[Any] = []
    for statement in body:
        one = _read_same(statement, names, indices)
        match one:
            case Const(name, dtype, bits):
                one = Const(names.get(name, name), dtype, bits)
            case Op(name, dtype, op, args, params):
                one = Op(names.get(name, name), dtype, op, args, params)
            case Load(name, dtype, buffer, index, mask):
                one = Load(names.get(name, name), dtype, buffer, index, mask)
            case IndexValue(name, dtype, index):
                one = IndexValue(names.get(name, name), dtype, index)
            case Accumulate(acc, value):
                one = Accumulate(names.get(acc, acc), value)
        changed.append(one)
    return tuple(changed)


def _read_same(statement: Any, same: Mapping[str, str], indices: Mapping[str, Index] | None = None) -> Any:
    """A statement that reads other names."""
    at = {**same, **(indices or {})}
    match statement:
        case Op(name, dtype, op, args, params):
            return Op(name, dtype, op, tuple([same.get(arg, arg) for arg in args]), params)
        case Load(name, dtype, buffer, index, mask):
            return Load(
                name, dtype, buffer, replaced(index, at), None if mask is None else same.get(mask, mask)
            )
        case Store(buffer, index, value):
            return Store(buffer, replaced(index, at), same.get(value, value))
        case IndexValue(name, dtype, index):
            return IndexValue(name, dtype, replaced(index, at))
        case Accumulate(acc, value):
            return Accumulate(acc, same.get(value, value))
    return statement


def replaced(index: Index, at: Mapping[Any, Index]) -> Index:
    """An index with others in the place of some of its names."""
    if isinstance(index, IndexOp):
        return IndexOp(index.op, replaced(index.a, at), replaced(index.b, at))
    return at.get(index, index) if isinstance(index, str) else index


def reads(statement: Any) -> list[str]:
    """The names that a statement reads."""
    match statement:
        case Op(_, _, _, args):
            return list(args)
        case Load(_, _, _, index, mask):
            return [*names_in(index), *([] if mask is None else [mask])]
        case Store(_, index, value):
            return [*names_in(index), value]
        case Accumulate(_, value):
            return [value]
        case IndexValue(_, _, index):
            return names_in(index)
    return []
