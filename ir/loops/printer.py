"""Loop nests as text, in the grammar of `weft.ir.loops.nest`: one statement a line, names as they are bound.

The one idea: `statement_lines` numbers the statements in the order of the text, so that the verifier can
point at the line of the one that is wrong without keeping positions in the data.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.ir.loops.nest import (
    Accumulate,
    Address,
    Call,
    Const,
    Copy,
    If,
    Index,
    IndexOp,
    IndexValue,
    Letter,
    Load,
    Loop,
    Nest,
    Op,
    Param,
    ParamValue,
    Place,
    Store,
    While,
    Words,
)
from weft.ir.types import SHORT_NAMES, is_complex, is_inexact

_SUM, _PRODUCT, _ATOM = 1, 2, 3
_PRECEDENCE = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "//": _PRODUCT, "%": _PRODUCT, "min": _ATOM, "max": _ATOM}


def print_index(index: Index) -> str:
    """Print an index with the fewest brackets that keep its structure: ``i0*p1 + (i1 + 3)//2``."""
    return _index(index)[0]


def _index(index: Index) -> tuple[str, int]:
    """The text of ``index``, and how tightly it binds."""
    match index:
        case str():
            return index, _ATOM
        case int():
            return str(index), _ATOM if index >= 0 else _SUM
        case Param(k):
            return f"p{k}", _ATOM
        case IndexOp(op, a, b):
            (left, left_binds), (right, right_binds) = _index(a), _index(b)
            binds = _PRECEDENCE.get(op, _ATOM)
            if binds == _ATOM:
                return f"{op}({left}, {right})", _ATOM
            left = left if left_binds >= binds else f"({left})"
            right = right if right_binds > binds else f"({right})"
            return (f"{left} {op} {right}" if binds == _SUM else f"{left}{op}{right}"), binds
    return f"?{index!r}", _ATOM


def print_dtype(dtype: np.dtype) -> str:
    """The short name of ``dtype``: ``f32``."""
    return SHORT_NAMES.get(dtype, str(dtype))


def print_constant(const: Const) -> str:
    """The value of a constant, so that it reads back the same: ``0.1``, ``nan``, ``(1-0j)``, ``true``."""
    if len(const.bits) != const.dtype.itemsize:
        return f"?{const.bits.hex()}"
    value = const.value
    if is_complex(const.dtype):
        return repr(complex(value))
    if is_inexact(const.dtype):
        return repr(float(value))
    return str(value.item()).lower()


def statement_lines(nest: Nest) -> list[tuple[int | None, str]]:
    """The lines of ``nest`` as text, each with the number of the statement it shows (None: a brace)."""
    buffers = ", ".join(f"{b.name}: {print_dtype(b.dtype)} {b.kind}" for b in nest.buffers)
    lines: list[tuple[int | None, str]] = [(None, f"nest({nest.n_params}; {buffers}) {{")]
    count = 0

    def write(body: tuple[Any, ...], indent: str, folds: dict[str, str]) -> None:
        nonlocal count
        for statement in body:
            number, count = count, count + 1
            lines.append((number, indent + _statement(statement, folds)))
            if isinstance(statement, Loop):
                carried = {acc.name: acc.op for acc in statement.carries}
                write(statement.body, indent + "  ", folds | carried)
                lines.append((None, indent + "}"))
            elif isinstance(statement, While):
                write(statement.cond, indent + "  ", folds)
                lines.append((None, f"{indent}}} {statement.flag} {{"))
                write(statement.body, indent + "  ", folds)
                lines.append((None, indent + "}"))
            elif isinstance(statement, If):
                write(statement.then, indent + "  ", folds)
                lines.append((None, indent + "} else {"))
                write(statement.other, indent + "  ", folds)
                lines.append((None, indent + "}"))

    write(nest.body, "  ", {})
    lines.append((None, "}"))
    return lines


def _statement(statement: Any, folds: dict[str, str]) -> str:
    match statement:
        case Const(name, dtype, _):
            return f"{name}: {print_dtype(dtype)} = const {print_constant(statement)}"
        case ParamValue(name, dtype, k):
            return f"{name}: {print_dtype(dtype)} = param {k}"
        case IndexValue(name, dtype, index):
            return f"{name}: {print_dtype(dtype)} = index({print_index(index)})"
        case Load(name, dtype, buffer, index, mask):
            condition = f" if {mask}" if mask else ""
            return f"{name}: {print_dtype(dtype)} = load {buffer}[{print_index(index)}]{condition}"
        case Store(buffer, index, value):
            return f"store {buffer}[{print_index(index)}] {value}"
        case Op(name, dtype, op, args, params):
            settings = ", ".join(f"{key}={value!r}" for key, value in sorted(params))
            operation = " ".join((f"{op}[{settings}]" if params else op, *args))
            return f"{name}: {print_dtype(dtype)} = {operation}"
        case Accumulate(acc, value):
            fold = folds.get(acc, "?")
            return f"{acc} <- {value}" if fold == "set" else f"{acc} <- {fold} {acc} {value}"
        case Call(name, routine, k, args):
            result = f"{name}: i32 = " if name else ""
            return f"{result}call {routine}@p{k}({', '.join(map(print_argument, args))})"
        case Loop(var, extent, kind, _, carries):
            words = [f"for {var} in {print_index(extent)}"]
            words += [kind] if kind != "sequential" else []
            accs = ", ".join(f"{a.name}: {print_dtype(a.dtype)} = {a.op} from {a.init}" for a in carries)
            words += [f"carry {accs}"] if carries else []
            words += [f"turn {' '.join(group)} by {print_index(statement.by)}" for group in statement.turns]
            return " ".join(words) + " {"
        case While():
            return "while {"
        case If(flag):
            return f"if {flag} {{"
    return f"?{statement!r}"


def print_argument(arg: Any) -> str:
    """Print an argument of a call: ``'U'``, ``&c0``, ``&b1[i0*p2]``, ``[&b1[0], 3]``, ``@p4``, or an index."""
    match arg:
        case Words(items):
            return f"[{', '.join(map(print_argument, items))}]"
        case Address(k):
            return f"@p{k}"
        case Letter(letter):
            return repr(letter)
        case Copy(name):
            return f"&{name}"
        case Place(buffer, index):
            return f"&{buffer}[{print_index(index)}]"
    return print_index(arg)


def print_nest(nest: Nest) -> str:
    """Print ``nest`` in the grammar of `weft.ir.loops.nest`. Equal nests print equal text."""
    return "\n".join(line for _, line in statement_lines(nest))
