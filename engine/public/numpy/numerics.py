"""Differences, integrals, polynomials, interpolation, convolution, covariance, and comparison within tolerances."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.engine.dispatch import as_dtype, broadcast_to, broadcast_values
from weft.engine.promotion import covering, promote, rules
from weft.ir.errors import ArgumentError, DTypeError, ShapeError
from weft.ir.ops import contract
from weft.ir.ops import elementwise as e
from weft.ir.ops import index as ix
from weft.ir.ops import shape as s
from weft.ir.ops.convolution import conv
from weft.ir.ops.reduce import reduce_and, reduce_sum
from weft.ir.ops.sort import searchsorted
from weft.ir.ops.transcendental import sqrt
from weft.ir.types import INT64, check_dtype, is_bool, is_complex, is_inexact, real_dtype
from weft.numpy import formulas
from weft.numpy.reductions import average as _average
from weft.numpy.staging import axis_index, like_numpy, same_dtype, silent, static_int, to_inexact, value
from weft.numpy.ufuncs import FUNCTIONS

__all__ = [
    "allclose", "array_equal", "array_equiv", "convolve", "corrcoef", "correlate", "cov", "diff", "ediff1d",
    "gradient", "interp", "isclose", "polyval", "trapezoid",
]  # fmt: skip


# Differences and integrals


def _minus(x: Any, y: Any) -> Any:
    return e.xor(x, y) if is_bool(x.dtype) else e.sub(x, y)


def _numbers(x: Any, name: str) -> Any:
    if is_bool(x.dtype):
        raise DTypeError(f"{name} takes numbers, got bool: diff tells where neighbours differ.")
    return x


def _steps(x: Any, d: int) -> Any:
    """Each element less the one before it along an axis."""
    n = x.shape[d]
    return _minus(s.slice_axis(x, d, min(1, n), n), s.slice_axis(x, d, 0, max(n - 1, 0)))


def _diff_data(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    given = {k: v for k, v in (("prepend", prepend), ("append", append)) if v is not None}
    return np.diff(a, n, axis, **given)


@like_numpy(_diff_data)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours along an axis, ``n`` times; ``prepend`` and ``append`` are joined first."""
    x, n = value(a, "diff"), static_int(n, "diff", "n")
    if n < 0 or x.ndim == 0:
        raise ArgumentError(
            f"diff got n={n} and an array of shape {x.shape}: n is not negative, and an axis is needed."
        )
    d = axis_index(axis, x.ndim, "diff")
    if n == 0:  # as NumPy: nothing is joined
        return x
    parts = []
    for part in (prepend, x, append):
        if part is None:
            continue
        part = value(part, "diff")
        parts.append(
            part if part.ndim else broadcast_to(part, [1 if i == d else m for i, m in enumerate(x.shape)])
        )
    x = s.concatenate(same_dtype("diff", *parts), d)
    for _ in range(n):
        x = _steps(x, d)
    return x


@like_numpy(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Differences of neighbours of the flattened array, with numbers before and after."""
    x = _numbers(value(ary, "ediff1d"), "ediff1d")
    parts = [_steps(s.reshape(x, (x.size,)), 0)]
    for extra, place in ((to_begin, 0), (to_end, 2)):
        if extra is not None:
            extra = as_dtype(value(extra, "ediff1d"), x.dtype)
            parts.insert(place, s.reshape(extra, (extra.size,)))
    return s.concatenate(parts, 0)


@like_numpy(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Central differences along axes, one-sided at the edges.

    Args:
        f: array.
        varargs: the distance of elements, for all axes or for each; or the coordinates along each.
        axis: an axis or several; all by default.
        edge_order: 1 or 2, the order of the differences at the edges.
    """
    x = _numbers(value(f, "gradient"), "gradient")
    x = to_inexact(x)
    if axis is None:
        axes = list(range(x.ndim))
    else:
        axes = [
            axis_index(d, x.ndim, "gradient") for d in (axis if isinstance(axis, tuple | list) else (axis,))
        ]
    if edge_order not in (1, 2):
        raise ArgumentError(f"gradient got edge_order={edge_order}: it is 1 or 2.")
    spacings = list(varargs) or [1.0]
    if len(spacings) == 1 and np.ndim(spacings[0]) == 0:
        spacings *= len(axes)
    if len(spacings) != len(axes):
        raise ArgumentError(f"gradient got {len(spacings)} spacings for {len(axes)} axes.")
    results = [_slope(x, d, spacing, edge_order) for d, spacing in zip(axes, spacings, strict=True)]
    return results[0] if len(results) == 1 else tuple(results)


def _slope(x: Any, d: int, spacing: Any, edge_order: int) -> Any:
    n = x.shape[d]
    if n < edge_order + 1:
        raise ShapeError(
            f"gradient of axis {d} of length {n} with edge_order={edge_order}: {edge_order + 1} elements are needed."
        )
    at = lambda low, high: s.slice_axis(x, d, low, high)  # noqa: E731
    if np.ndim(spacing) == 0:
        h = as_dtype(value(spacing, "gradient"), x.dtype)
        inner = e.div(e.sub(at(2, n), at(0, n - 2)), e.mul(h, np.asarray(2, x.dtype)))
        first, last = e.div(e.sub(at(1, 2), at(0, 1)), h), e.div(e.sub(at(n - 1, n), at(n - 2, n - 1)), h)
        if edge_order == 2:
            first = e.div(_weighted([-1.5, 2.0, -0.5], [at(i, i + 1) for i in range(3)]), h)
            last = e.div(_weighted([0.5, -2.0, 1.5], [at(n - 3 + i, n - 2 + i) for i in range(3)]), h)
        return s.concatenate([first, inner, last], d)
    steps = _steps(as_dtype(value(spacing, "gradient"), x.dtype), 0)
    if steps.shape != (n - 1,):
        raise ShapeError(f"gradient got {np.shape(spacing)[0]} coordinates for axis {d} of length {n}.")
    column = lambda v: s.reshape(v, [v.shape[0] if i == d else 1 for i in range(x.ndim)])  # noqa: E731
    fit = lambda v, part: broadcast_to(column(v), part.shape)  # noqa: E731
    h1, h2 = s.slice_axis(steps, 0, 0, max(n - 2, 0)), s.slice_axis(steps, 0, min(1, n - 1), n - 1)
    weights = [
        e.neg(e.div(h2, e.mul(h1, e.add(h1, h2)))),
        e.div(e.sub(h2, h1), e.mul(h1, h2)),
        e.div(h1, e.mul(h2, e.add(h1, h2))),
    ]
    parts = [at(0, n - 2), at(1, n - 1), at(2, n)]
    terms = [e.mul(fit(w, part), part) for w, part in zip(weights, parts, strict=True)]
    inner = e.add(e.add(terms[0], terms[1]), terms[2])
    step = lambda i: s.slice_axis(steps, 0, i, i + 1)  # noqa: E731
    if edge_order == 1:
        first = e.div(e.sub(at(1, 2), at(0, 1)), fit(step(0), at(0, 1)))
        last = e.div(e.sub(at(n - 1, n), at(n - 2, n - 1)), fit(step(n - 2), at(0, 1)))
    else:
        first = _edge(step(0), step(1), [at(i, i + 1) for i in range(3)], fit)
        last = e.neg(_edge(step(n - 2), step(n - 3), [at(n - 1 - i, n - i) for i in range(3)], fit))
    return s.concatenate([first, inner, last], d)


def _weighted(weights: list[float], parts: list[Any]) -> Any:
    terms = [e.mul(part, np.asarray(w, part.dtype)) for w, part in zip(weights, parts, strict=True)]
    return e.add(e.add(terms[0], terms[1]), terms[2])


def _edge(h1: Any, h2: Any, parts: list[Any], fit: Any) -> Any:
    """The slope at the first of three points that are h1 and h2 apart, of the parabola through them."""
    both, two = e.add(h1, h2), np.asarray(2, h1.dtype)
    weights = [
        e.neg(e.div(e.add(e.mul(two, h1), h2), e.mul(h1, both))),
        e.div(both, e.mul(h1, h2)),
        e.neg(e.div(h1, e.mul(h2, both))),
    ]
    terms = [e.mul(fit(w, part), part) for w, part in zip(weights, parts, strict=True)]
    return e.add(e.add(terms[0], terms[1]), terms[2])


@like_numpy(getattr(np, "trapezoid", None))
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Integral along an axis by the trapezoidal rule, over coordinates ``x`` or equal distances ``dx``."""
    y = value(y, "trapezoid")
    y = to_inexact(y) if rules.jax else y
    d = axis_index(axis, y.ndim, "trapezoid")
    n = y.shape[d]
    if x is None:
        step: Any = dx
    else:
        x = value(x, "trapezoid")
        step = _steps(
            s.reshape(x, [n if i == d else 1 for i in range(y.ndim)]) if x.ndim == 1 else x,
            d if x.ndim == 1 else axis_index(axis, x.ndim, "trapezoid"),
        )
    pairs = e.add(s.slice_axis(y, d, min(1, n), n), s.slice_axis(y, d, 0, max(n - 1, 0)))
    return reduce_sum(FUNCTIONS["divide"].staged(FUNCTIONS["multiply"].staged(step, pairs), 2.0), (d,))


# Polynomials and interpolation


@like_numpy(lambda p, x, *, unroll=16: np.polyval(p, x))
def polyval(p: Any, x: Any, *, unroll: int = 16) -> Any:
    """The polynomial with coefficients ``p``, the highest power first, at ``x``, by Horner's rule."""
    p, x = same_dtype("polyval", p, x)
    if p.ndim < 1:
        raise ShapeError("polyval needs a vector of coefficients.")
    result = s.full(x.shape, 0, x.dtype)
    for i in range(p.shape[0]):
        c = s.reshape(s.slice_axis(p, 0, i, i + 1), p.shape[1:])
        result = e.add(*broadcast_values("polyval", e.mul(result, x), c))
    return result


def _interp_data(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    if isinstance(left, str) or isinstance(right, str):
        raise TypeError
    return np.interp(x, xp, fp, left, right, period)


@like_numpy(_interp_data)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Values at ``x`` of the lines between the points ``(xp, fp)``, ``xp`` rising.

    Args:
        x: where.
        xp: abscissas.
        fp: ordinates.
        left: the value below all ``xp``, by default that of the first point; "extrapolate" continues the line.
        right: the value above all ``xp``.
        period: the abscissas are taken modulo this number.
    """
    ys, places = value(fp, "interp", "fp"), [value(v, "interp") for v in (xp, x)]
    if any(is_complex(v.dtype) for v in places):
        raise DTypeError("interp takes real numbers as x and xp; only the ordinates may be complex.")
    ys = ys if is_complex(ys.dtype) else as_dtype(ys, covering(ys.dtype))
    wide = promote(real_dtype(ys.dtype), *[covering(v.dtype) for v in places])
    xs, at = (as_dtype(v, wide) for v in places)
    if xs.ndim != 1 or ys.shape != xs.shape or xs.shape[0] == 0:
        raise ShapeError(
            f"interp got abscissas of shape {xs.shape} and ordinates of shape {ys.shape}: vectors of one length."
        )
    if period is not None:
        from weft.ir.ops.sort import sort_many

        period = as_dtype(value(period, "interp"), at.dtype)
        at, xs = e.mod(at, e.abs_(period)), e.mod(xs, e.abs_(period))
        xs, order = sort_many([xs, s.iota(INT64, xs.shape)], 0)
        ys = ix.gather(ys, [order], [0], "promise")
        one = lambda v, i: s.slice_axis(v, 0, i % v.shape[0], i % v.shape[0] + 1)  # noqa: E731
        xs, ys = (
            s.concatenate([e.sub(one(xs, -1), period), xs, e.add(one(xs, 0), period)], 0),
            s.concatenate([one(ys, -1), ys, one(ys, 0)], 0),
        )
    n = xs.shape[0]
    take = lambda v, i: ix.gather(v, [i], [0], "clip")  # noqa: E731
    place = e.sub(searchsorted(xs, at, "right"), np.asarray(1, INT64))
    low = e.minimum(e.maximum(place, np.asarray(0, INT64)), np.asarray(max(n - 2, 0), INT64))
    high = e.minimum(e.add(low, np.asarray(1, INT64)), np.asarray(n - 1, INT64))
    x0, x1, y0, y1 = take(xs, low), take(xs, high), take(ys, low), take(ys, high)
    width = e.sub(x1, x0)
    flat = formulas.zeros(width)
    slope = e.div(e.sub(y1, y0), e.cast(e.select(flat, formulas.constant(width, 1), width), ys.dtype))
    result = e.add(e.mul(slope, e.cast(e.sub(at, x0), ys.dtype)), y0)
    result = e.select(e.eq(at, x1), y1, e.select(flat, y0, result))
    end = lambda v, i: broadcast_to(s.reshape(s.slice_axis(v, 0, i, i + 1), ()), at.shape)  # noqa: E731
    for side, outside, i in ((left, e.lt(at, end(xs, 0)), 0), (right, e.gt(at, end(xs, n - 1)), n - 1)):
        if isinstance(side, str):
            if side != "extrapolate":
                raise ArgumentError(f"interp got left or right={side!r}: it is a number or 'extrapolate'.")
            continue
        beyond = (
            end(ys, i)
            if side is None or period is not None
            else broadcast_to(as_dtype(value(side, "interp"), ys.dtype), at.shape)
        )
        result = e.select(outside, beyond, result)
    return e.select(formulas.is_nan(at), e.cast(at, ys.dtype), result)


# Convolution


def _slide(a: Any, v: Any, mode: str, name: str) -> Any:
    """Sums of products of ``v`` with windows of ``a`` (the longer), without turning ``v`` round."""
    m = v.shape[0]
    if mode not in ("full", "same", "valid"):
        raise ArgumentError(f"{name} got mode={mode!r}: it is 'full', 'same' or 'valid'.")
    side = {"full": (m - 1, m - 1), "same": (m // 2, m - 1 - m // 2), "valid": (0, 0)}[mode]
    if is_bool(a.dtype):  # "and" and "or": whether any product is true
        counts = _slide(e.cast(a, INT64), e.cast(v, INT64), mode, name)
        return e.gt(counts, 0)
    images, windows = (s.reshape(x, (1, 1, x.shape[0])) for x in (a, v))
    sums = conv(images, windows, (1,), (side,), ((0, 1, 2),) * 3)
    return s.reshape(sums, (sums.shape[2],))


def _vectors(name: str, a: Any, v: Any) -> tuple[Any, Any]:
    a, v = [s.reshape(x, (1,)) if x.ndim == 0 else x for x in same_dtype(name, a, v)]
    if a.ndim != 1 or v.ndim != 1 or not a.size or not v.size:
        raise ShapeError(f"{name} needs two vectors that are not empty, got shapes {a.shape} and {v.shape}.")
    return a, v


@like_numpy(lambda a, v, mode="full", *, precision=None, preferred_element_type=None: np.convolve(a, v, mode))
def convolve(
    a: Any, v: Any, mode: str = "full", *, precision: Any = None, preferred_element_type: Any = None
) -> Any:
    """The convolution of two vectors: "full", "same" length as the longer, or "valid" where they overlap wholly."""
    a, v = _vectors("convolve", a, v)
    if a.size < v.size:
        a, v = v, a
    if mode == "same":  # NumPy's window of the full one
        full, first = _slide(a, s.reverse(v, (0,)), "full", "convolve"), (v.size - 1) // 2
        return s.slice_axis(full, 0, first, first + a.size)
    return _slide(a, s.reverse(v, (0,)), mode, "convolve")


@like_numpy(
    lambda a, v, mode="valid", *, precision=None, preferred_element_type=None: np.correlate(a, v, mode)
)
def correlate(
    a: Any, v: Any, mode: str = "valid", *, precision: Any = None, preferred_element_type: Any = None
) -> Any:
    """The cross-correlation of two vectors, the second conjugated; the modes are those of `convolve`."""
    a, v = _vectors("correlate", a, v)
    v = e.conj(v)
    if a.size >= v.size:
        return _slide(a, v, mode, "correlate")
    if mode == "same":
        full, first = _slide(v, a, "full", "correlate"), a.size - 1 - (a.size - 1) // 2 - (a.size % 2 == 0)
        return s.reverse(s.slice_axis(full, 0, max(first, 0), max(first, 0) + v.size), (0,))
    return s.reverse(_slide(v, a, mode, "correlate"), (0,))


# Covariance


@like_numpy(silent(np.cov))
def cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None,
    fweights: Any = None, aweights: Any = None,
    *, dtype: Any = None,
) -> Any:  # fmt: skip
    """Covariances of variables, which are rows (columns if not ``rowvar``).

    Args:
        m: observations, a vector or a matrix.
        y: further variables.
        rowvar: whether a row is a variable.
        bias: divide by n, not n - 1.
        ddof: what to subtract from n in the divisor, in place of ``bias``.
        fweights: how often each observation counts, integers.
        aweights: the weight of each observation.
        dtype: dtype of the result.
    """
    parts = [to_inexact(value(v, "cov")) for v in (m, y) if v is not None]
    if any(v.ndim > 2 for v in parts):
        raise ShapeError(
            f"cov needs vectors or matrices, got shapes {', '.join(str(v.shape) for v in parts)}."
        )
    parts = same_dtype("cov", *parts)
    rows = [
        s.reshape(v, (1, v.size)) if v.ndim < 2 else v if rowvar else s.transpose(v, (1, 0)) for v in parts
    ]
    if any(v.shape[1] != rows[0].shape[1] for v in rows):
        raise ShapeError(
            f"cov got variables with different numbers of observations: shapes {', '.join(str(v.shape) for v in parts)}."
        )
    x = s.concatenate(rows, 0)
    x = as_dtype(x, covering(x.dtype) if dtype is None else check_dtype(dtype))
    degrees = (0 if bias else 1) if ddof is None else ddof
    weights = None
    for given in (fweights, aweights):
        if given is not None:
            w = value(given, "cov", "weights")
            if given is fweights and w.dtype.kind not in "iu":
                raise DTypeError(
                    f"cov got fweights of {w.dtype}: how often something was seen is an integer."
                )
            w = as_dtype(w, np.dtype(np.float64))
            weights = w if weights is None else e.mul(weights, w)
    if weights is None:
        n = x.shape[1]
        mean, divisor = (
            e.div(reduce_sum(x, (1,)), np.asarray(n, x.dtype)),
            np.asarray(max(n - degrees, 0), np.float64),
        )
    else:
        mean, total = _average.staged(x, 1, broadcast_to(weights, x.shape), True)
        total = s.reshape(s.slice_axis(total, 0, 0, 1), ())
        if degrees == 0 or aweights is None:
            divisor = e.sub(e.cast(e.real(total), np.dtype(float)), np.asarray(float(degrees)))
        else:
            squares = reduce_sum(e.mul(weights, as_dtype(value(aweights, "cov"), np.dtype(float))), (0,))
            total = e.cast(e.real(total), np.dtype(float))
            divisor = e.sub(total, e.div(e.mul(np.asarray(float(degrees)), squares), total))
    centered = e.sub(x, broadcast_to(s.reshape(as_dtype(mean, x.dtype), (x.shape[0], 1)), x.shape))
    weighted = (
        centered if weights is None else e.mul(centered, broadcast_to(e.cast(weights, x.dtype), x.shape))
    )
    product = contract.matmul(weighted, s.transpose(e.conj(centered), (1, 0)))
    result = e.div(product, broadcast_to(as_dtype(divisor, product.dtype), product.shape))
    return s.squeeze(result, [d for d in (0, 1) if result.shape[d] == 1])


@like_numpy(silent(np.corrcoef))
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """Correlation coefficients of variables; the arguments are those of `cov`."""
    c = cov.staged(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return e.div(c, c)
    deviation = sqrt(e.real(ix.gather(c, [s.iota(INT64, (c.shape[0],))] * 2, (0, 1), "promise")))
    deviation = e.cast(deviation, c.dtype)
    result = e.div(e.div(c, s.broadcast(deviation, c.shape, (0,))), s.broadcast(deviation, c.shape, (1,)))
    limit = lambda part: e.minimum(e.maximum(part, formulas.constant(part, -1)), formulas.constant(part, 1))  # noqa: E731
    return (
        e.complex_(limit(e.real(result)), limit(e.imag(result)))
        if is_complex(result.dtype)
        else limit(result)
    )


# Comparison


@like_numpy(np.isclose)
def isclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """Where ``|a - b| <= atol + rtol |b|``; infinities are close to themselves."""
    a, b = (to_inexact(x) for x in same_dtype("isclose", a, b))
    a, b = broadcast_values("isclose", a, b)
    size = e.abs_(b)
    near = e.le(e.abs_(e.sub(a, b)), e.add(_like(atol, size), e.mul(_like(rtol, size), size)))
    close = e.or_(e.and_(near, formulas.is_finite(b)), e.eq(a, b))
    return e.or_(close, e.and_(formulas.is_nan(a), formulas.is_nan(b))) if equal_nan else close


def _like(x: Any, other: Any) -> Any:
    x = as_dtype(value(x, "isclose"), other.dtype)
    return x if x.shape == () else broadcast_to(x, other.shape)


def _all(x: Any) -> Any:
    return reduce_and(x, range(x.ndim))


@like_numpy(
    lambda a, b, rtol=1e-05, atol=1e-08, equal_nan=False: np.asarray(np.allclose(a, b, rtol, atol, equal_nan))
)
def allclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """Whether all elements are close; see `isclose`."""
    return _all(isclose.staged(a, b, rtol, atol, equal_nan))


def _equal(a: Any, b: Any, equal_nan: bool) -> Any:
    a, b = broadcast_values("array_equal", *same_dtype("array_equal", a, b))
    equal = e.eq(a, b)
    if equal_nan and is_inexact(a.dtype):
        equal = e.or_(equal, e.and_(formulas.is_nan(a), formulas.is_nan(b)))
    return _all(equal)


@like_numpy(lambda a1, a2, equal_nan=False: np.asarray(np.array_equal(a1, a2, equal_nan)))
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """Whether two arrays have one shape and equal elements."""
    if np.shape(a1) != np.shape(a2):
        return np.asarray(False)
    return _equal(a1, a2, equal_nan)


@like_numpy(lambda a1, a2: np.asarray(np.array_equiv(a1, a2)))
def array_equiv(a1: Any, a2: Any) -> Any:
    """Whether two arrays are equal after broadcasting."""
    try:
        np.broadcast_shapes(np.shape(a1), np.shape(a2))
    except ValueError:
        return np.asarray(False)
    return _equal(a1, a2, False)
