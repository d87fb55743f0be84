"""Elementwise functions that are no universal functions of NumPy: choice, clipping, rounding, complex parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.engine.array import Array, to_value
from weft.engine.device import check_device
from weft.engine.dispatch import (
    as_dtype,
    broadcast_values,
    common_dtype,
    is_weak,
    promote_values,
)
from weft.engine.promotion import averaging, floating
from weft.ir.builder import Value, concrete
from weft.ir.errors import ArgumentError, DTypeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import special
from weft.ir.ops import transcendental as t
from weft.ir.types import check_dtype, is_bool, is_complex, is_inexact
from weft.numpy import formulas
from weft.numpy.staging import (
    axis_index,
    like_numpy,
    refuse,
    same_dtype,
    static_int,
    to_bool,
    to_inexact,
    value,
)

__all__ = [
    "angle", "around", "astype", "clip", "fix", "i0", "imag", "iscomplex", "iscomplexobj", "isneginf",
    "isposinf", "isreal", "isrealobj", "nan_to_num", "piecewise", "real", "real_if_close", "round", "select", "sinc",
    "unwrap", "where",
]  # fmt: skip


def _cast_data(x: Any, dtype: Any) -> Any:
    x = np.asarray(x)
    dtype = check_dtype(float if dtype is None else dtype)
    if is_complex(x.dtype) and not is_complex(dtype) and dtype.kind != "b":
        x = x.real
    return x.astype(dtype)


@like_numpy(_cast_data)
def _cast(x: Any, dtype: Any) -> Any:
    return as_dtype(value(x, "astype"), check_dtype(float if dtype is None else dtype))


def astype(x: Any, dtype: Any, copy: bool = True, *, device: Any = None) -> Any:
    """``x`` as another dtype; a complex ``x`` loses its imaginary part.

    Args:
        x: array.
        dtype: the dtype.
        copy: False gives an array that has the dtype back as it is.
        device: ``"cpu"`` or None.
    """
    check_device(device, "astype")
    if (
        not copy
        and isinstance(x, Array | Value)
        and x.dtype == check_dtype(float if dtype is None else dtype)
    ):
        return x
    return _cast(x, dtype)


def _where_data(
    condition: Any, x: Any = None, y: Any = None, *, size: Any = None, fill_value: Any = None
) -> Any:
    if x is None and y is None and size is None:
        return np.nonzero(condition)
    if x is None or y is None:
        raise TypeError
    return np.where(condition, x, y)


@like_numpy(_where_data)
def where(
    condition: Any, x: Any = None, y: Any = None, *, size: int | None = None, fill_value: Any = None
) -> Any:
    """``x`` where ``condition`` is not zero, else ``y``; with one argument, `nonzero`.

    Args:
        condition: array, broadcast with ``x`` and ``y``.
        x: values where the condition holds.
        y: values elsewhere.
        size: with one argument, the number of positions in the result; needed for traced arrays.
        fill_value: what fills up the positions.
    """
    if x is None and y is None:
        from weft.numpy.searching import nonzero

        return nonzero.staged(condition, size=size, fill_value=fill_value)
    if x is None or y is None:
        raise ArgumentError("where takes one argument or three: a condition, and what to choose from.")
    x, y = same_dtype("where", x, y, weak=True)
    return e.select(*broadcast_values("where", to_bool(value(condition, "where", "the condition")), x, y))


@like_numpy(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """For each element, the choice whose condition is the first to hold, else ``default``."""
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ArgumentError(
            f"select got {len(condlist)} conditions and {len(choicelist)} choices: it needs as many, and one at least."
        )
    *choices, result = same_dtype("select", *choicelist, default, weak=True)
    conditions = [value(c, "select", "a condition") for c in condlist]
    for c in conditions:
        if not is_bool(c.dtype):
            raise DTypeError(f"select got a condition of dtype {c.dtype}: conditions are bool, as x != 0 is.")
    for c, x in zip(reversed(conditions), reversed(choices), strict=True):
        result = e.select(*broadcast_values("select", to_bool(c), x, result))
    return result


@like_numpy(None)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kwargs: Any) -> Any:
    """Each function's values where its condition holds; a number stands for a constant function.

    One function more than there are conditions is for the rest, which is zero without it. Every function is applied to all of
    ``x``, as in JAX.
    """
    x = value(x, "piecewise")
    conditions = list(condlist) if isinstance(condlist, list | tuple) else [condlist]
    functions = list(funclist)
    if len(functions) == len(conditions):
        functions.append(0)
    if len(functions) != len(conditions) + 1:
        raise ArgumentError(f"piecewise got {len(conditions)} conditions and {len(functions)} functions.")
    from weft.engine.array import unwrap, wrap_value

    results = [unwrap(f(wrap_value(x), *args, **kwargs)) if callable(f) else f for f in functions]
    results = [as_dtype(to_value(r), x.dtype) for r in results]
    out = results.pop()
    for c, r in zip(conditions, results, strict=True):
        out = e.select(*broadcast_values("piecewise", to_bool(value(c, "piecewise")), r, out))
    return broadcast_values("piecewise", out, x)[0]


def _clip_data(
    x: Any = None,
    /,
    min: Any = None,
    max: Any = None,
    *,
    a_min: Any = None,
    a_max: Any = None,
    out: Any = None,
) -> Any:
    low, high = (min if a_min is None else a_min), (max if a_max is None else a_max)
    return np.clip(x, low, high, out=out)


@like_numpy(_clip_data)
def clip(
    x: Any, /, min: Any = None, max: Any = None, *, a_min: Any = None, a_max: Any = None, out: Any = None
) -> Any:
    """``x`` limited to the interval from ``min`` to ``max``; ``None`` is no limit."""
    refuse("clip", out=out)
    low, high = (min if a_min is None else a_min), (max if a_max is None else a_max)
    x = value(x, "clip")
    low, high = (b if b is None or is_weak(b) else value(b, "clip", "a limit") for b in (low, high))
    if x.dtype.kind in "iu":  # a limit that the dtype does not hold limits nothing
        info = np.iinfo(x.dtype)
        low = None if type(low) is int and low < info.min else low
        high = None if type(high) is int and high > info.max else high
    if low is not None:
        x = e.maximum(*promote_values("clip", x, low))
    if high is not None:
        x = e.minimum(*promote_values("clip", x, high))
    return x


@like_numpy(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """``x`` with finite numbers for NaN (0) and infinities (the largest and smallest numbers)."""
    x = value(x, "nan_to_num")
    if is_complex(x.dtype):
        return e.complex_(
            *[nan_to_num.staged(part(x), copy, nan, posinf, neginf) for part in (e.real, e.imag)]
        )
    if not is_inexact(x.dtype):
        return x
    import ml_dtypes

    info = ml_dtypes.finfo(x.dtype)
    high = float(info.max) if posinf is None else posinf
    low = float(info.min) if neginf is None else neginf
    for condition, given in (
        (formulas.is_nan(x), nan),
        (e.eq(x, formulas.constant(x, np.inf)), high),
        (e.eq(x, formulas.constant(x, -np.inf)), low),
    ):
        replacement = as_dtype(value(given, "nan_to_num"), x.dtype)
        x = e.select(*broadcast_values("nan_to_num", condition, replacement, x))
    return x


# Rounding


@like_numpy(np.round)
def round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    """``a`` to the given number of decimals, halves to even."""
    refuse("round", out=out)
    a, decimals = value(a, "round"), static_int(decimals, "round", "decimals")
    if is_complex(a.dtype):
        return e.complex_(round.staged(e.real(a), decimals), round.staged(e.imag(a), decimals))
    if a.dtype.kind == "b" and decimals:
        raise DTypeError(f"round got bool and decimals={decimals}: there is nothing to round.")
    if a.dtype.kind == "b":
        return e.rint(e.cast(a, np.dtype(np.float16)))
    if not is_inexact(a.dtype) and decimals >= 0:
        return a
    if decimals == 0:
        return e.rint(a)
    if not is_inexact(a.dtype):
        wide = e.cast(a, np.dtype(np.float64))
        return e.cast(round.staged(wide, decimals), a.dtype)
    scale = formulas.constant(a, 10.0 ** abs(decimals))
    return e.div(e.rint(e.mul(a, scale)), scale) if decimals > 0 else e.mul(e.rint(e.div(a, scale)), scale)


around = round


@like_numpy(np.trunc)
def fix(x: Any, out: Any = None) -> Any:
    """Nearest integer towards zero."""
    refuse("fix", out=out)
    x = value(x, "fix")
    return e.trunc(x) if is_inexact(x.dtype) else x


# Functions


@like_numpy(np.sinc)
def sinc(x: Any) -> Any:
    """``sin(pi x) / (pi x)``, 1 at 0."""
    x = value(x, "sinc")
    return formulas.sinc(to_inexact(x))


@like_numpy(np.i0)
def i0(x: Any) -> Any:
    """Modified Bessel function of the first kind, of order 0."""
    x = to_inexact(value(x, "i0"))
    if is_complex(x.dtype):
        raise DTypeError(f"i0 takes real numbers, got {x.dtype}.")
    return e.mul(special.bessel_i0e(x), t.exp(e.abs_(x)))


@like_numpy(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, period: Any = 2 * np.pi) -> Any:
    """Phases with jumps of more than half a period taken out by multiples of the period."""
    from weft.ir.ops.cumulative import cumsum
    from weft.ir.ops.shape import pad
    from weft.numpy.numerics import diff

    p = value(p, "unwrap")
    dtype = common_dtype(p, period)
    axis = axis_index(axis, p.ndim, "unwrap")
    n = p.shape[axis]
    if n < 2:
        return as_dtype(p, dtype)
    step = as_dtype(diff.staged(p, axis=axis), dtype)
    p = as_dtype(p, dtype)
    half = period / 2 if is_inexact(dtype) else period // 2
    wrapped = e.sub(
        e.mod(e.sub(step, formulas.constant(step, -half)), formulas.constant(step, period)),
        formulas.constant(step, half),
    )
    if is_inexact(dtype) or period % 2 == 0:  # a jump of half a period keeps its direction
        edge = e.and_(e.eq(wrapped, formulas.constant(step, -half)), e.gt(step, formulas.constant(step, 0)))
        wrapped = e.select(edge, formulas.constant(step, half), wrapped)
    correction = e.sub(wrapped, step)
    small = e.lt(e.abs_(step), formulas.constant(step, half if discont is None else max(discont, half)))
    correction = e.select(small, formulas.constant(step, 0), correction)
    low = [int(d == axis) for d in range(p.ndim)]
    return e.add(p, pad(cumsum(correction, axis), formulas.constant(p, 0), low, [0] * p.ndim))


# Complex numbers


@like_numpy(lambda x: np.array(np.real(x)))
def real(x: Any) -> Any:
    """Real part."""
    return e.real(value(x, "real"))


@like_numpy(np.real_if_close)
def real_if_close(a: Any, tol: float = 100) -> Any:
    """The real part where all imaginary ones are below ``tol`` times the machine's epsilon, which needs their values."""
    x = value(a, "real_if_close")
    if not is_complex(x.dtype):
        return x
    mend = "weft.numpy.real takes the real part whatever the imaginary one is."
    known = concrete(x, "real_if_close needs the elements, which decide about the dtype", mend)
    return e.real(x) if not np.iscomplexobj(np.real_if_close(known, tol)) else x


@like_numpy(lambda x: np.array(np.imag(x)))
def imag(x: Any) -> Any:
    """Imaginary part."""
    return e.imag(value(x, "imag"))


@like_numpy(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """Angle of complex numbers from the positive real axis, in radians or degrees."""
    z = value(z, "angle")
    if not is_complex(z.dtype):
        z = as_dtype(z, averaging(z.dtype) if z.dtype.kind == "b" else floating(z.dtype))
    result = t.atan2(e.imag(z), e.real(z))
    return e.mul(result, 180 / np.pi) if deg else result


@like_numpy(np.isreal)
def isreal(x: Any) -> Any:
    """Where the imaginary part is zero."""
    return formulas.zeros(e.imag(value(x, "isreal")))


@like_numpy(np.iscomplex)
def iscomplex(x: Any) -> Any:
    """Where the imaginary part is not zero."""
    return e.not_(formulas.zeros(e.imag(value(x, "iscomplex"))))


@like_numpy(np.isposinf)
def isposinf(x: Any) -> Any:
    """Where ``x`` is plus infinity."""
    return _is(value(x, "isposinf"), np.inf, "isposinf")


@like_numpy(np.isneginf)
def isneginf(x: Any) -> Any:
    """Where ``x`` is minus infinity."""
    return _is(value(x, "isneginf"), -np.inf, "isneginf")


def _is(x: Any, infinity: float, name: str) -> Any:
    if is_complex(x.dtype):
        raise DTypeError(f"{name} takes real numbers, got {x.dtype}: a complex infinity has no sign.")
    return e.eq(x, formulas.constant(x, infinity)) if is_inexact(x.dtype) else e.ne(x, x)


def iscomplexobj(x: Any) -> bool:
    """Whether the dtype is complex."""
    return bool(is_complex(x.dtype) if isinstance(x, Value) else np.iscomplexobj(getattr(x, "_data", x)))


def isrealobj(x: Any) -> bool:
    """Whether the dtype is not complex."""
    return not iscomplexobj(x)
