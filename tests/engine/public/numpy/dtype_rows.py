"""The table of functions that test_dtype_table.py goes through with every dtype: a label, shapes of arguments, a call.

A call takes the module (``numpy`` or `weft.numpy`) and the arguments: NumPy's result, or its refusal, is what is expected.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Shape = tuple[int, ...]
Call = Callable[..., Any]

ALL = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "bfloat16",
       "float32", "float64", "complex64", "complex128")  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        label: what the test calls it.
        shapes: for each case, the shape of each argument.
        call: ``(module, *arguments) -> result``.
        low: the smallest of the random elements.
        high: the largest.
        rough: how much less exact than others the result may be.
        static: whether the shape of the result follows from those of the arguments, so that it can be traced.
        but: dtypes for which NumPy's answer is not ours, with the reason beside the row.
    """

    label: str
    shapes: tuple[tuple[Shape, ...], ...]
    call: Call
    low: float = -4
    high: float = 4
    rough: float = 1
    static: bool = True
    but: tuple[str, ...] = ()


ROWS: list[Row] = []
ONE = (((),), ((0,),), ((3, 4),))
SOLID = (((5,),), ((3, 4),), ((2, 3, 4),))
VECTOR = (((6,),),)
MATRIX = (((3, 4),),)
SQUARE = (((3, 3),),)
TWO = (((), ()), ((3, 4), (4,)), ((0,), (1,)))


def rows(names: str, shapes: Any, call: Callable[[Call], Call] | None = None, **options: Any) -> None:
    """A row for each of several names, whose function takes the arguments as they are or is used by ``call``."""
    for name in names.split():
        ROWS.append(Row(name, shapes, _of(name, call), **options))


def _of(name: str, call: Callable[[Call], Call] | None) -> Call:
    if call is None:
        return lambda m, *xs: getattr(m, name)(*xs)
    return lambda m, *xs: call(getattr(m, name))(*xs)


def row(label: str, shapes: Any, call: Call, **options: Any) -> None:
    """One row."""
    ROWS.append(Row(label, shapes, call, **options))


# Elementwise functions
rows(
    "absolute angle conjugate cbrt ceil cos cosh deg2rad exp exp2 expm1 fabs fix floor imag invert isfinite isinf isnan "
    "degrees radians isneginf isposinf isreal iscomplex log1p logical_not negative positive rad2deg real rint sign signbit sin "
    "sinh spacing square tanh trunc nan_to_num sinc bitwise_count copy frexp modf round tan",
    ONE,
    rough=4,
)
rows("i0 log log2 log10 sqrt arctan arcsinh", ONE, low=1, rough=4)
rows("arcsin arccos arctanh", ONE, low=0, high=0.9, rough=4)
rows("arccosh reciprocal", ONE, low=1, rough=4)
row("round 1", ONE, lambda m, x: m.round(x, 1))
row("around -1", ONE, lambda m, x: m.around(x, -1))
rows(
    "add subtract multiply equal not_equal less less_equal greater greater_equal maximum minimum fmax fmin logical_and "
    "logical_or logical_xor bitwise_and bitwise_or bitwise_xor hypot arctan2 copysign nextafter gcd lcm heaviside logaddexp "
    "logaddexp2 isclose",
    TWO,
    rough=4,
)
rows(
    "divide floor_divide remainder fmod divmod power float_power left_shift right_shift",
    TWO,
    low=1,
    high=3,
    rough=8,
)
row("ldexp", TWO, lambda m, x, y: m.ldexp(x, m.asarray(y).astype("int32")), low=0)
for _number in (2, True, 2.5, 1j):
    rows(
        "add multiply divide floor_divide power maximum less equal left_shift logical_and arctan2",
        (((3,),),),
        lambda f, number=_number: lambda x: f(x, number),  # type: ignore[misc]
        low=1,
        rough=8,
    )
    row(f"{_number} - x", (((3,),),), lambda m, x, number=_number: number - x, low=0)
row("clip", SOLID, lambda m, x: m.clip(x, 1, 2), low=0)
row("clip below", SOLID, lambda m, x: m.clip(x, None, 2), low=0)
row("clip by arrays", (((3, 4), (4,)),), lambda m, x, y: m.clip(x, y, y), low=0)
row("where", (((3, 4), (4,)),), lambda m, x, y: m.where(x > 0, x, y), low=0)
row("where of a number", MATRIX, lambda m, x: m.where(x, x, 1.5))
row("select", (((3, 4), (3, 4)),), lambda m, x, y: m.select([x > 1, y > 1], [x, y], 0), low=0)
row("nan_to_num of numbers", SOLID, lambda m, x: m.nan_to_num(x, nan=1, posinf=2))
row("unwrap", (((6,),), ((2, 5),)), lambda m, x: m.unwrap(x), rough=4)

# Reductions
rows(
    "sum prod max min mean var std all any ptp argmax argmin count_nonzero median nansum nanprod nanmax nanmin nanmean "
    "nanvar nanstd nanmedian nanargmax nanargmin",
    SOLID,
    low=0,
    high=3,
    rough=4,
)
rows("sum prod mean all any count_nonzero max argmax", (((),), ((0,),), ((0, 3),)), low=0, high=3, rough=4)
rows(
    "sum prod max min mean var std all any ptp argmax count_nonzero median cumsum cumprod nansum nancumsum nancumprod nanmax",
    (((3, 4),), ((2, 3, 4),)),
    lambda f: lambda x: f(x, axis=-1),
    low=0,
    high=3,
    rough=4,
)
rows(
    "sum prod max min mean var std all any ptp median nanmean count_nonzero",
    (((2, 3, 4),),),
    lambda f: lambda x: f(x, axis=(0, -1), keepdims=True),
    low=0,
    high=3,
    rough=4,
)
rows("argmax argmin nanargmax", MATRIX, lambda f: lambda x: f(x, axis=0, keepdims=True), low=0, high=3)
rows("cumsum cumprod nancumsum nancumprod", SOLID, low=0, high=2, rough=4)
rows(
    "cumulative_sum cumulative_prod",
    MATRIX,
    lambda f: lambda x: f(x, axis=1, include_initial=True),
    low=0,
    high=2,
    rough=4,
)
rows(
    "sum prod",
    MATRIX,
    lambda f: lambda x: f(x, axis=1, dtype="float64" if x.dtype.kind != "c" else "complex128", initial=2),
    low=0,
    high=3,
)
rows("sum prod", MATRIX, lambda f: lambda x: f(x, initial=3, where=x > 1), low=0, high=3, rough=4)
rows("max min", MATRIX, lambda f: lambda x: f(x, axis=0, initial=1, where=x > 1), low=0, high=3)
rows("mean var std all any", MATRIX, lambda f: lambda x: f(x, axis=1, where=x >= 0), low=0, high=3, rough=4)
row("var ddof", MATRIX, lambda m, x: m.var(x, axis=0, ddof=1), rough=4)
row("average", (((3, 4), (3, 4)),), lambda m, x, w: m.average(x, weights=w), low=1, rough=4)
row(
    "average of an axis",
    (((3, 4), (4,)),),
    lambda m, x, w: m.average(x, axis=1, weights=w, returned=True),
    low=1,
    rough=4,
)
rows("percentile nanpercentile", SOLID, lambda f: lambda x: f(x, 30), rough=8)
rows("quantile nanquantile", SOLID, lambda f: lambda x: f(x, [0.2, 0.5], axis=-1), rough=8)
row("quantile nearest", SOLID, lambda m, x: m.quantile(x, 0.4, method="nearest"))
rows("trapezoid diff ediff1d gradient", VECTOR, rough=4)
row("diff twice", MATRIX, lambda m, x: m.diff(x, 2, axis=0), rough=4)
row("diff with ends", MATRIX, lambda m, x: m.diff(x, prepend=0, append=x[:, :1]), rough=4)
row("trapezoid of places", (((6,), (6,)),), lambda m, y, x: m.trapezoid(y, x), rough=4)
rows("cov corrcoef", MATRIX, rough=8)

# Shapes
rows(
    "ravel transpose squeeze atleast_1d atleast_2d atleast_3d diagflat flip shape size ndim zeros_like ones_like",
    (((3,),), ((3, 4),), ((0,),)),
)
rows("trace diagonal tril triu matrix_transpose fliplr flipud rot90 diag triu_indices_from", (((3, 4),),))
row("reshape", MATRIX, lambda m, x: m.reshape(x, (2, -1)))
row("broadcast_to", (((3, 1),),), lambda m, x: m.broadcast_to(x, (2, 3, 4)))
row("broadcast_arrays", (((3, 1), (4,)),), lambda m, x, y: m.broadcast_arrays(x, y))
row("expand_dims", MATRIX, lambda m, x: m.expand_dims(x, (0, -1)))
row("moveaxis", (((2, 3, 4),),), lambda m, x: m.moveaxis(x, 0, -1))
row("rollaxis", (((2, 3, 4),),), lambda m, x: m.rollaxis(x, 2))
row("swapaxes", (((2, 3, 4),),), lambda m, x: m.swapaxes(x, 0, -1))
row("roll", SOLID, lambda m, x: m.roll(x, 2))
row("roll of axes", MATRIX, lambda m, x: m.roll(x, (1, -1), (0, 1)))
row("resize", MATRIX, lambda m, x: m.resize(x, (5, 3)))
row("full_like", MATRIX, lambda m, x: m.full_like(x, 1))
row("astype", MATRIX, lambda m, x: [m.astype(x, d) for d in ("bool", "int32", "float32", "complex64")], low=0)

# Joining and taking apart
rows(
    "concatenate stack vstack hstack dstack column_stack block",
    (((3, 4), (3, 4)),),
    lambda f: lambda x, y: f([x, y]),
)
rows("concatenate stack", (((3, 4), (3, 4)),), lambda f: lambda x, y: f([x, y], axis=1, dtype="complex128"))
row("concatenate numbers", VECTOR, lambda m, x: m.concatenate([x, [1, 2]]))
row("append", (((3, 4), (2, 4)),), lambda m, x, y: m.append(x, y, axis=0))
row("tile", MATRIX, lambda m, x: m.tile(x, (2, 1, 2)))
row("repeat", MATRIX, lambda m, x: m.repeat(x, [1, 0, 2], axis=0))
row("split", MATRIX, lambda m, x: m.split(x, [1, 3], axis=1))
row("array_split", MATRIX, lambda m, x: m.array_split(x, 3, axis=1))
row("hsplit vsplit", MATRIX, lambda m, x: (m.hsplit(x, 2), m.vsplit(x, 3)))
row("unstack", MATRIX, lambda m, x: m.unstack(x, axis=1))
row("pad", MATRIX, lambda m, x: m.pad(x, 1))
for _mode in ("edge", "reflect", "wrap", "maximum", "mean", "median", "linear_ramp"):
    row(f"pad {_mode}", MATRIX, lambda m, x, mode=_mode: m.pad(x, ((1, 2), (0, 1)), mode=mode), rough=4)
row("delete", MATRIX, lambda m, x: m.delete(x, [0, 2], axis=1))
row("insert", MATRIX, lambda m, x: m.insert(x, 1, 1, axis=1))
row("trim_zeros", VECTOR, lambda m, x: m.trim_zeros(x), low=1, static=False)

# Products
rows("dot matmul inner outer vdot vecdot kron correlate", (((6,), (6,)),), rough=8)
row("convolve", (((6,), (3,)),), lambda m, x, y: m.convolve(x, y, "same"), rough=8)
rows("dot matmul", (((3, 4), (4, 2)), ((3, 4), (4,))), rough=8)
rows("matvec", (((3, 4), (4,)),), rough=8)
rows("vecmat", (((3,), (3, 4)),), rough=8)
rows("cross", (((2, 3), (3,)),), rough=8)
row("tensordot", (((2, 3, 4), (3, 4)),), lambda m, x, y: m.tensordot(x, y, 2), rough=8)
row("einsum", (((3, 4), (4, 2)),), lambda m, x, y: m.einsum("ij,jk->ki", x, y), rough=8)
row("einsum of one", SQUARE, lambda m, x: m.einsum("ii->", x), rough=8)
row("polyval", (((3,), (4,)),), lambda m, p, x: m.polyval(p, x), low=0, high=2, rough=8)
rows("polyadd polysub", (((3,), (5,)),), low=1, high=3, rough=8)
# Of traced polynomials leading zeros are not dropped.
rows("polymul", (((3,), (5,)),), low=1, high=3, rough=8, but=("bool",))
rows("polyder polyint", VECTOR, low=1, rough=8)
row("vander", (((4,),),), lambda m, x: m.vander(x, 3), low=0, high=3)

# Order
rows("sort", SOLID)
rows("sort flip", MATRIX, lambda f: lambda x: f(x, axis=0))
row("argsort", SOLID, lambda m, x: m.take_along_axis(x, m.argsort(x), -1))  # equal elements come in any order
row("sort flat", MATRIX, lambda m, x: m.sort(x, axis=None))
row("argsort stable", MATRIX, lambda m, x: m.argsort(x, kind="stable"))
row("sort_complex", VECTOR, lambda m, x: m.sort_complex(x))
row("partition", VECTOR, lambda m, x: m.sort(m.partition(x, 2)[:3]))
row("lexsort", (((6,), (6,)),), lambda m, x, y: m.lexsort((x, y)))
row("searchsorted", (((6,), (4,)),), lambda m, x, y: m.searchsorted(m.sort(x), y, side="right"))
row("digitize", (((4,), (3,)),), lambda m, x, b: m.digitize(x, m.sort(b)))
rows("unique flatnonzero nonzero argwhere", VECTOR, static=False)
row(
    "unique with all",
    VECTOR,
    lambda m, x: m.unique(x, return_index=True, return_inverse=True, return_counts=True),
    static=False,
)
rows("intersect1d union1d setdiff1d setxor1d", (((5,), (6,)),), static=False)
row("isin", (((5,), (6,)),), lambda m, x, y: m.isin(x, y))
row("bincount", VECTOR, lambda m, x: m.bincount(x), low=0, static=False)
# NumPy warns, and counts real parts.
row(
    "histogram",
    VECTOR,
    lambda m, x: m.histogram(x, 3, range=(0, 4)),
    low=0,
    but=("bool", "complex64", "complex128"),
)

# By position
row("take", MATRIX, lambda m, x: m.take(x, [0, 2], axis=1))
row("take_along_axis", MATRIX, lambda m, x: m.take_along_axis(x, m.argsort(x, axis=1), axis=1))
row("choose", (((3,), (3,)),), lambda m, x, y: m.choose([0, 1, 0], [x, y]))
row("compress", MATRIX, lambda m, x: m.compress([True, False, True], x, axis=0))
row("extract", MATRIX, lambda m, x: m.extract([True, False] * 6, x))
row("indexing", MATRIX, lambda m, x: (x[1:, ::-1], x[[0, 2]], x[..., None, 1], x[0, 0]))

# Comparison of arrays
rows("array_equal array_equiv allclose", (((3,), (3,)),))
row("interp", (((4,), (3,), (3,)),), lambda m, x, xp, fp: m.interp(x, m.sort(xp), fp), rough=8)
row("linspace", (((3,), (3,)),), lambda m, x, y: m.linspace(x, y, 4), rough=4)
row("geomspace", (((3,), (3,)),), lambda m, x, y: m.geomspace(x, y, 4), low=1, rough=16)
row("logspace", (((3,), (3,)),), lambda m, x, y: m.logspace(x, y, 4), low=0, high=2, rough=16)
row("meshgrid", (((3,), (2,)),), lambda m, x, y: m.meshgrid(x, y))
row("packbits", (((9,),), ((2, 8),)), lambda m, x: m.packbits(x, axis=-1))
row("ptp of columns", MATRIX, lambda m, x: m.ptp(x, axis=0))

# Makers
for _name in ("ones", "zeros", "empty_like"):
    row(
        _name,
        ONE,
        lambda m, x, n=_name: m.ones((2, 3), x.dtype) if n == "ones" else m.zeros(4, dtype=x.dtype),
    )
row("full", (((),),), lambda m, x: (m.full((2, 3), x), m.full(3, 1, x.dtype)))
row("arange", VECTOR, lambda m, x: m.arange(2, dtype=x.dtype))
row("eye", VECTOR, lambda m, x: (m.eye(3, 4, 1, x.dtype), m.tri(3, dtype=x.dtype), m.identity(2, x.dtype)))
# NumPy takes the real part of a complex shape, and warns.
row("kaiser", (((),),), lambda m, x: m.kaiser(5, x), low=0, rough=64, but=("complex64", "complex128"))
# NumPy has no bool 2.
row("indices", VECTOR, lambda m, x: m.indices((2, 3), dtype=x.dtype), but=("bool",))
row("dsplit", (((2, 3, 4),),), lambda m, x: m.dsplit(x, 2))
row("piecewise", VECTOR, lambda m, x: m.piecewise(x, [x > 1], [lambda v: v + v, 1]))
row("argpartition", VECTOR, lambda m, x: m.sort(m.take(x, m.argpartition(x, 2)[:3])))
row(
    "histogram_bin_edges",
    VECTOR,
    lambda m, x: m.histogram_bin_edges(x, 3, range=(0, 4)),
    low=0,
    but=("bool", "complex64", "complex128"),
)
row(
    "ravel_multi_index",
    (((3,), (3,)),),
    lambda m, x, y: m.ravel_multi_index((x, y), (5, 6), mode="clip"),
    low=0,
)
row("unravel_index", (((3,),),), lambda m, x: m.unravel_index(x, (5, 6)), low=0)

# Matrices and transforms
_WELL = lambda m, x: m.asarray(x) * m.asarray(1, x.dtype) + 9 * m.eye(3, dtype=x.dtype)  # noqa: E731
for _name in ("det", "inv", "slogdet", "pinv", "svdvals", "matrix_rank", "norm", "cond"):
    row(
        f"linalg.{_name}",
        SQUARE,
        lambda m, x, n=_name: getattr(m.linalg, n)(_WELL(m, x)),
        low=0,
        high=2,
        rough=64,
    )
row(
    "linalg.solve", (((3, 3), (3,)),), lambda m, x, y: m.linalg.solve(_WELL(m, x), y), low=0, high=2, rough=64
)
row("linalg.eigvalsh", SQUARE, lambda m, x: m.linalg.eigvalsh(_WELL(m, x)), low=0, high=2, rough=64)
row(
    "linalg.cholesky",
    SQUARE,
    lambda m, x: m.linalg.cholesky(_WELL(m, x) + _WELL(m, x).T),
    low=0,
    high=0,
    rough=64,
)
row("linalg.matrix_power", SQUARE, lambda m, x: m.linalg.matrix_power(x, 3), low=0, high=2, rough=64)
row("linalg.vector_norm", MATRIX, lambda m, x: m.linalg.vector_norm(x, axis=1), rough=8)
for _name in (
    "fft",
    "ifft",
    "rfft",
    "irfft",
    "hfft",
    "ihfft",
    "fft2",
    "rfft2",
    "fftn",
    "fftshift",
    "ifftshift",
):
    row(f"fft.{_name}", (((4, 6),),), lambda m, x, n=_name: getattr(m.fft, n)(x), rough=64)
