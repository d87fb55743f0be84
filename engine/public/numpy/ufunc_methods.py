"""What a universal function does besides being called: ``reduce``, ``accumulate``, ``reduceat``, ``outer`` and ``at``.

The one idea: for all functions alike these are loops that apply the function to a row and what came before. The functions whose
reduction is one of `weft.numpy` (sum, max ...) take that instead. The methods hang on the functions themselves
(``weft.numpy.add.reduce``), so that a call of the function costs nothing more; each is made when it is first called.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import MethodType
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft.engine.array import wrap_value
from weft.engine.dispatch import as_dtype, broadcast_to
from weft.engine.trace import function_name
from weft.ir.builder import Value
from weft.ir.errors import ArgumentError, DTypeError, ShapeError
from weft.ir.ops import cumulative
from weft.ir.ops import shape as s
from weft.ir.types import INT64, check_dtype
from weft.numpy import reductions
from weft.numpy.staging import axis_index, axis_indices, like_numpy, refuse, to_bool, value

__all__ = ["frompyfunc", "ufunc"]

# Reductions and running folds that are functions of their own.
_REDUCTIONS: dict[str, Any] = {
    "add": reductions.sum, "multiply": reductions.prod, "maximum": reductions.max, "minimum": reductions.min,
    "logical_and": reductions.all, "logical_or": reductions.any,
}  # fmt: skip
_RUNNING: dict[str, Callable[..., Any]] = {
    "add": cumulative.cumsum, "multiply": cumulative.cumprod, "maximum": cumulative.cummax, "minimum": cumulative.cummin,
}  # fmt: skip
_TO_BOOL = (np.logical_and, np.logical_or, np.logical_xor)
_ANY_ORDER = frozenset(
    ("maximum", "minimum", "fmax", "fmin")
)  # without an identity, but of any number of axes


class _Kind(type):
    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(getattr(x, "methods", None), Methods) or type.__instancecheck__(cls, x)


class Methods:
    """The methods of one universal function.

    Attributes:
        name: what messages call it.
        call: the function on values.
        nin: number of arguments.
        nout: number of results.
        identity: what a reduction of nothing gives, or ``None``.
        numpy: NumPy's function of the same meaning, which runs eagerly; ``None`` for functions of a user's own.
    """

    def __init__(
        self,
        name: str,
        call: Callable[..., Any],
        nin: int,
        nout: int,
        identity: Any,
        numpy: np.ufunc | None = None,
    ) -> None:
        self.name, self.call, self.nin, self.nout = name, call, nin, nout
        self.identity, self.numpy = identity, numpy

    def attach(self, function: Any) -> None:
        """Make the methods and numbers attributes of a function."""
        function.methods = self
        function.nin, function.nout, function.nargs = self.nin, self.nout, self.nin + self.nout
        function.identity = self.identity
        for method in (reduce, accumulate, reduceat, outer, at):
            setattr(function, method.__name__, MethodType(method, self))

    @functools.cached_property
    def made(self) -> dict[str, Callable[..., Any]]:
        """The methods on arrays, by name: NumPy's eagerly where there is one, or else the loops below."""
        found: dict[str, Callable[..., Any]] = {}
        for name, staged in _STAGED.items():
            eager = None if self.numpy is None else functools.partial(_EAGER[name], self.numpy)
            definition = functools.partial(staged, self)
            functools.update_wrapper(definition, staged)
            definition.__name__ = f"{self.name}.{name}"  # type: ignore[attr-defined]
            found[name] = like_numpy(eager)(definition)
        return found

    def binary(self, method: str) -> None:
        """Refuse what has not two arguments and one result."""
        if (self.nin, self.nout) != (2, 1):
            raise ArgumentError(
                f"{self.name}.{method} is for functions of two arguments with one result; {self.name} has {self.nin} and "
                f"{self.nout}."
            )

    def accumulator(self, x: Any, dtype: Any, method: str) -> np.dtype:
        """The dtype that a reduction of ``x`` is computed in."""
        if dtype is not None:
            return check_dtype(dtype)
        if self.numpy is None:
            zero = np.zeros((), x.dtype)
            return value(self.call(zero, zero), self.name).dtype
        try:
            total, row, _ = self.numpy.resolve_dtypes((None, x.dtype, None), reduction=True)
        except TypeError as error:
            if x.dtype.kind == "V":  # bfloat16
                return x.dtype
            raise DTypeError(f"{self.name}.{method} does not accept {x.dtype}: {error}") from None
        if (
            total != row and method != "reduce" and self.numpy not in _TO_BOOL
        ):  # ldexp, of floats and integers
            raise DTypeError(
                f"{self.name}.{method} of {x.dtype}: its results are {total}, its arguments {row}."
            )
        return total

    def step(self, total: Any, row: Any) -> Any:
        """The function of what came before and a row, in the dtype of the former."""
        return wnp.asarray(as_dtype(value(self.call(total, row), self.name), total.dtype))


# The methods, as they hang on functions: the arguments are NumPy's.


def reduce(
    self: Methods, a: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False,
    initial: Any = None, where: Any = True,
) -> Any:  # fmt: skip
    """The function applied between the elements along ``axis`` (an axis, several, or ``None`` for all)."""
    given = {"dtype": dtype, "out": out, "initial": initial}
    kwargs = {k: v for k, v in given.items() if v is not None}
    if where is not True:
        kwargs["where"] = where
    return self.made["reduce"](a, axis=axis, keepdims=keepdims, **kwargs)


def accumulate(self: Methods, array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    """The results of reducing the first 1, 2, 3 ... elements along ``axis``."""
    refuse(f"{self.name}.accumulate", out=out)
    return self.made["accumulate"](array, axis=axis, dtype=dtype)


def reduceat(
    self: Methods, array: Any, indices: Any, axis: int = 0, dtype: Any = None, out: Any = None
) -> Any:
    """Reductions of pieces along ``axis``: from each index to before the next; the element alone where that is not larger."""
    refuse(f"{self.name}.reduceat", out=out)
    return self.made["reduceat"](array, indices, axis=axis, dtype=dtype)


def outer(self: Methods, A: Any, B: Any, /, **kwargs: Any) -> Any:
    """The function of all pairs of elements."""
    return self.made["outer"](A, B, **kwargs)


def at(self: Methods, a: Any, indices: Any, b: Any = None, /, *, inplace: bool = True) -> Any:
    """A copy of ``a`` with the function applied at ``indices``, as often as each comes up; arrays do not change in place."""
    if inplace:
        raise ArgumentError(
            f"{self.name}.at works in place, and arrays are immutable: write x = {self.name}.at(x, indices, values, "
            f"inplace=False), or x = x.at[indices].add(values) or the like."
        )
    return self.made["at"](a, indices, *(() if b is None else (b,)))


# On values


def _rows(x: Any, axes: tuple[int, ...]) -> Any:
    """The axes to reduce as one in front."""
    rest = [d for d in range(x.ndim) if d not in axes]
    moved = s.transpose(x, (*axes, *rest))
    n = int(np.prod([x.shape[d] for d in axes], dtype=int))
    return wnp.asarray(s.reshape(moved, (n, *[x.shape[d] for d in rest])))


def _reduce(
    self: Methods, a: Any, *, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False,
    initial: Any = None, where: Any = None,
) -> Any:  # fmt: skip
    self.binary("reduce")
    refuse(f"{self.name}.reduce", out=out)
    x = value(a, self.name)
    axes = () if x.ndim == 0 and axis in (0, -1) else axis_indices(axis, x.ndim, f"{self.name}.reduce")
    dtype = self.accumulator(x, dtype, "reduce")
    if self.name in _REDUCTIONS and not (initial is not None and self.name.startswith("logical")):
        x = x if self.name.startswith("logical") else as_dtype(x, dtype)
        given = {} if initial is None else {"initial": initial}
        given |= {"dtype": dtype} if self.name in ("add", "multiply") else {}
        return _REDUCTIONS[self.name].staged(x, axes, keepdims=keepdims, where=where, **given)
    if len(axes) > 1 and self.identity is None and self.name not in _ANY_ORDER:
        raise ArgumentError(f"{self.name}.reduce takes one axis: the order of elements matters. Got {axis}.")
    from weft.lax import scan

    rows, start = _rows(x, axes), initial
    mask = None
    if where is not None and where is not True:
        mask = _rows(broadcast_to(to_bool(value(where, self.name, "where")), x.shape), axes)
    if start is None and (mask is not None or not rows.shape[0]):
        start = self.identity
        if start is None:
            raise ArgumentError(
                f"{self.name}.reduce of no elements, or of some (where=), needs initial=: it has no identity."
            )
    if start is None:
        start, rows = rows[0].astype(dtype), rows[1:]
    else:
        start = wnp.full(rows.shape[1:], start, dtype)

    def step(total: Any, row: Any) -> Any:
        if mask is None:
            return self.step(total, row), None
        return wnp.where(row[1], self.step(total, row[0]), total), None

    total, _ = scan(step, start, rows if mask is None else (rows, mask))
    if not keepdims:
        return total
    return wnp.reshape(total, [1 if d in axes else n for d, n in enumerate(x.shape)])


def _accumulate(self: Methods, array: Any, *, axis: int = 0, dtype: Any = None) -> Any:
    self.binary("accumulate")
    x = value(array, self.name)
    d = axis_index(axis, x.ndim, f"{self.name}.accumulate")
    dtype = self.accumulator(x, dtype, "accumulate")
    if self.name in _RUNNING and dtype.kind not in ("b" if self.name in ("add", "multiply") else "bc"):
        return _RUNNING[self.name](as_dtype(x, dtype), d)
    rows = _rows(x, (d,))
    if not rows.shape[0]:
        return as_dtype(x, dtype)

    from weft.lax import scan

    def step(total: Any, row: Any) -> Any:
        total = self.step(total, row)
        return total, total

    first = rows[0].astype(dtype)
    _, rest = scan(step, first, rows[1:])
    return wnp.moveaxis(wnp.concatenate([first[None], rest]), 0, d)


def _reduceat(self: Methods, array: Any, indices: Any, *, axis: int = 0, dtype: Any = None) -> Any:
    """All pieces at once, row by row: a row goes to those that it is in."""
    from weft.lax import fori_loop

    name = f"{self.name}.reduceat"
    self.binary("reduceat")
    x, starts = value(array, name), value(indices, name, "indices")
    d = axis_index(axis, x.ndim, name)
    rows, n = _rows(x, (d,)).astype(self.accumulator(x, dtype, "reduceat")), x.shape[d]
    if starts.ndim != 1 or starts.dtype.kind not in "iu":
        raise ShapeError(f"{name} takes a vector of integers as indices, got {starts.dtype}{starts.shape}.")
    if not isinstance(starts, Value) and starts.size and not 0 <= starts.min() <= starts.max() < n:
        raise ArgumentError(f"{name} got indices outside of an axis of length {n}.")
    starts = wnp.asarray(as_dtype(starts, INT64))
    ends = wnp.concatenate([starts[1:], wnp.full(1, n)])
    column = lambda v: v.reshape((-1,) + (1,) * (rows.ndim - 1))  # noqa: E731

    def step(i: Any, totals: Any) -> Any:
        inside = (starts < i) & (i < ends)
        return wnp.where(column(inside), self.step(totals, rows[i]), totals)

    return wnp.moveaxis(fori_loop(0, n, step, rows[starts]), 0, d)


def _outer(self: Methods, A: Any, B: Any, **kwargs: Any) -> Any:
    if self.nin != 2:
        raise ArgumentError(f"{self.name}.outer is for functions of two arguments.")
    A, B = value(A, self.name), value(B, self.name)
    return self.call(s.reshape(A, A.shape + (1,) * B.ndim), B, **kwargs)


def _at(self: Methods, a: Any, indices: Any, *b: Any) -> Any:
    """Element after element, at the positions that indexing an array of positions gives."""
    from weft.lax import fori_loop

    if self.nout != 1 or len(b) != self.nin - 1:
        raise ArgumentError(f"{self.name}.at takes an array, indices and {self.nin - 1} more arguments.")
    x = value(a, self.name)
    shape, size = x.shape, x.size
    places = wnp.asarray(wnp.arange(size).reshape(shape)[indices]).astype(int)
    others = [wnp.broadcast_to(wnp.asarray(value(v, self.name)), places.shape).ravel() for v in b]
    flat = wnp.asarray(s.reshape(x, (size,)))
    sample = value(self.call(flat[:0], *[v[:0] for v in others]), self.name)
    if not np.can_cast(sample.dtype, x.dtype, "same_kind"):
        raise DTypeError(
            f"{self.name}.at gives {sample.dtype}, which does not go into an array of {x.dtype}."
        )
    flat_places = places.ravel()

    def step(i: Any, y: Any) -> Any:
        p = flat_places[i]
        changed = self.call(y[p], *[v[i] for v in others])
        return y.at[p].set(wnp.asarray(changed).astype(x.dtype))

    return wnp.reshape(fori_loop(0, places.size, step, flat), shape)


_STAGED: dict[str, Callable[..., Any]] = {
    "reduce": _reduce, "accumulate": _accumulate, "reduceat": _reduceat, "outer": _outer, "at": _at,
}  # fmt: skip


def _at_data(function: np.ufunc, a: Any, indices: Any, *b: Any) -> Any:
    out = np.array(a)
    function.at(out, indices, *b)
    return out


_EAGER: dict[str, Callable[..., Any]] = {
    "reduce": lambda f, a, **kwargs: f.reduce(a, **kwargs),
    "accumulate": lambda f, a, **kwargs: f.accumulate(a, **kwargs),
    "reduceat": lambda f, a, indices, **kwargs: f.reduceat(a, indices, **kwargs),
    "outer": lambda f, a, b, **kwargs: f.outer(a, b, **kwargs),
    "at": _at_data,
}


# Functions of a user's own


class ufunc(metaclass=_Kind):
    """A universal function; `add`, `sin` and kin are instances too. `frompyfunc` makes one of a Python function."""

    methods: Methods
    nin: int
    nout: int
    nargs: int
    identity: Any

    def __init__(self, func: Callable[..., Any], nin: int, nout: int, identity: Any = None) -> None:
        from weft.numpy.functional import vectorize

        self.__name__ = function_name(func)
        self.__doc__ = func.__doc__
        self._vectorized = vectorize(func)
        Methods(self.__name__, self._vectorized, nin, nout, identity).attach(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function of each element of broadcast arguments."""
        if len(args) != self.nin:
            raise ArgumentError(f"{self.__name__} takes {self.nin} arrays, got {len(args)}.")
        result = self._vectorized(*args, **kwargs)
        if self.nout > 1 and not (isinstance(result, tuple) and len(result) == self.nout):
            raise ArgumentError(f"{self.__name__} is to give {self.nout} results, and gave {result!r}.")
        return result if self.nout > 1 else wrap_value(value(result, self.__name__))

    def __repr__(self) -> str:
        return f"<ufunc {self.__name__!r}>"


def frompyfunc(func: Callable[..., Any], /, nin: int, nout: int, *, identity: Any = None) -> ufunc:
    """A universal function from a function of scalars.

    NumPy's gives arrays of objects; here the function runs once on stand-ins for one element (`vectorize`), and results have
    dtypes of numbers.

    Args:
        func: a function of ``nin`` scalars with ``nout`` results.
        nin: number of arguments.
        nout: number of results.
        identity: what its reduction of nothing gives.
    """
    return ufunc(func, nin, nout, identity)
