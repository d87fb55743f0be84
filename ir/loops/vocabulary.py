"""The scalar operations of loop nests: what each means, as a NumPy function, and which dtypes go together.

The one idea: this table is the meaning; the emitters' tables are held against it by tests. A reference takes
and gives NumPy scalars *of the register form* of a dtype: float16 and bfloat16 are stored small and computed
in float32, so an operation on them is one on float32, rounded to the small type.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.ir.records import dataclass
from weft.ir.types import bfloat16, is_bool, is_complex, is_inexact, is_integer, real_dtype

HALF = np.dtype(np.float16)
SMALL_FLOATS = (HALF, bfloat16)

LEAST_DIVISOR, MOST_DIVISOR = 17, 2**30 - 1
"""Between which an integer's divisor may be a parameter of a nest: operations ``*_by`` cut it to this range."""


def register_dtype(dtype: np.dtype) -> np.dtype:
    """The dtype in which values of ``dtype`` are computed: float32 for the 16-bit floats."""
    return np.dtype(np.float32) if dtype in SMALL_FLOATS else dtype


@dataclass(frozen=True, slots=True)
class ScalarOp:
    """One operation: its number of operands, the rule its dtypes obey (a key of `RULES`), its meaning.

    ``reference(*values, **params)``; if ``typed``, ``reference(dtype, arg_dtypes, *values, **params)``.
    """

    arity: int
    rule: str
    reference: Callable[..., Any]
    typed: bool = False


def evaluate(
    op: ScalarOp, dtype: np.dtype, arg_dtypes: list[np.dtype], args: list[Any], params: dict[str, Any]
) -> Any:
    """The result of ``op`` as a NumPy scalar of the register form of ``dtype``, a value that ``dtype`` can hold."""
    with np.errstate(all="ignore"):
        result = (
            op.reference(dtype, arg_dtypes, *args, **params) if op.typed else op.reference(*args, **params)
        )
        return register_dtype(dtype).type(dtype.type(register_dtype(dtype).type(result)))


def _same(dtype: np.dtype, args: list[np.dtype]) -> bool:
    return all(a == dtype for a in args)


RULES: dict[str, tuple[str, Callable[[np.dtype, list[np.dtype]], bool]]] = {
    "same": ("operands and result of one dtype", _same),
    "compare": ("operands of one dtype, and a bool result", lambda d, a: _same(a[0], a) and is_bool(d)),
    "test": ("a bool result", lambda d, a: is_bool(d)),
    "select": (
        "a bool, and two operands of the result's dtype",
        lambda d, a: is_bool(a[0]) and _same(d, a[1:]),
    ),
    "any": ("any dtypes", lambda d, a: True),
    "bits": (
        "real dtypes of equal size",
        lambda d, a: d.itemsize == a[0].itemsize and not (is_complex(d) or is_complex(a[0])),
    ),
    "real": ("the dtype of the operand's real part as result", lambda d, a: d == real_dtype(a[0])),
    "complex": (
        "the two parts of a complex result",
        lambda d, a: is_complex(d) and all(real_dtype(d) == register_dtype(x) for x in a),
    ),
}


def cast(value: Any, source: np.dtype, dtype: np.dtype) -> Any:
    """Convert a value in register form: float to integer saturates and makes NaN 0; to bool is ``!= 0``."""
    if is_bool(dtype):
        return value != 0
    if is_complex(source) and not is_complex(dtype):
        value = value.real
    if is_integer(dtype) and is_inexact(source):
        limits, number = np.iinfo(dtype), float(value)
        if math.isnan(number):
            return dtype.type(0)
        if math.isinf(number):
            return dtype.type(limits.max if number > 0 else limits.min)
        return dtype.type(min(max(int(number), limits.min), limits.max))
    with np.errstate(all="ignore"):
        return np.asarray(value).astype(dtype).astype(register_dtype(dtype))[()]


def _bitcast(dtype: np.dtype, arg_dtypes: list[np.dtype], x: Any) -> Any:
    stored = np.asarray(x).astype(arg_dtypes[0])
    return stored.view(dtype).astype(register_dtype(dtype))[()]


def _nextafter(dtype: np.dtype, arg_dtypes: list[np.dtype], x: Any, y: Any) -> Any:
    return np.nextafter(np.asarray(x).astype(dtype), np.asarray(y).astype(dtype))


def _wrap(dtype: np.dtype, number: int) -> Any:
    """A Python int as an integer of ``dtype``, wrapped around."""
    unsigned = np.array(number % (1 << 8 * dtype.itemsize), f"u{dtype.itemsize}")
    return unsigned.view(dtype)[()]


def _int_div(x: Any, y: Any) -> Any:
    if not isinstance(x, np.integer):
        return np.divide(x, y)
    a, b = int(x), int(y)
    return _wrap(x.dtype, 0 if b == 0 else abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1))


def _by(rule: Callable[..., Any]) -> Callable[..., Any]:
    """A division by an integer that is cut to the range of divisors that may be parameters."""

    def divided(x: Any, y: Any) -> Any:
        if isinstance(x, np.integer):
            y = x.dtype.type(min(max(int(y), LEAST_DIVISOR), MOST_DIVISOR, int(np.iinfo(x.dtype).max)))
        return rule(x, y)

    return divided


def _pow(x: Any, y: Any) -> Any:
    if not isinstance(x, np.integer):
        return np.power(x, y)
    a, b = int(x), int(y)
    if b >= 0:
        return _wrap(x.dtype, pow(a, b, 1 << 8 * x.dtype.itemsize))
    return x.dtype.type({1: 1, -1: -1 if b % 2 else 1}.get(a, 0))


def _shift(x: Any, by: int) -> Any:
    """``x`` shifted left, or right by ``-by``: zeros come in at the bottom, the sign at the top."""
    return _wrap(x.dtype, int(x) << by if by >= 0 else int(x) >> -by)


def _shift_count(x: Any, count: Any) -> int:
    """The count, or the width where it is out of range: everything is shifted out."""
    width = 8 * x.dtype.itemsize
    return int(count) if 0 <= int(count) < width else width


def _bits(x: Any) -> int:
    width: int = 8 * x.dtype.itemsize
    return int(x) % (1 << width)


def _shift_right_logical(x: Any, count: Any) -> Any:
    return _wrap(x.dtype, _bits(x) >> _shift_count(x, count))


def _sign_bit(x: Any) -> Any:
    return np.signbit(x) if isinstance(x, np.floating) else x < 0


def _unless_integer(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: x if isinstance(x, np.integer | np.bool_) else function(x)


def _special(name: str) -> Callable[..., Any]:
    """A function of scipy.special, imported when it is first used: SciPy takes long to load."""

    def call(*args: Any) -> Any:
        from scipy import special

        return getattr(special, name)(*args)

    return call


def _special_in_double(name: str | tuple[str, int]) -> Callable[..., Any]:
    """As `_special`, of arguments in double precision: kernels compute these so for every dtype.

    ``name`` may be a pair with the number of one of several results.
    """
    if isinstance(name, tuple):
        whole, number = _special_in_double(name[0]), name[1]
        return lambda *args: whole(*args)[number]
    function = _special(name)
    return lambda *args: function(*map(np.float64, args))


# By the number of operands: our name, and SciPy's, with the number of the result where there are several.
_IN_DOUBLE: dict[int, dict[str, str | tuple[str, int]]] = {
    1: {
        "gamma": "gamma",
        "bessel_i0e": "i0e",
        "bessel_i1e": "i1e",
        "ndtri": "ndtri",
        "erfcx": "erfcx",
        "dawsn": "dawsn",
        "logit": "logit",
        "expi": "expi",
        "spence": "spence",
        "si": ("sici", 0),
        "ci": ("sici", 1),
        "fresnel_sin": ("fresnel", 0),
        "fresnel_cos": ("fresnel", 1),
    },
    2: {"expn": "expn", "igamma": "gammainc", "igammac": "gammaincc", "betaln": "betaln", "zeta": "zeta"},
    3: {"betainc": "betainc"},
}


def _table() -> dict[str, ScalarOp]:
    table: dict[str, ScalarOp] = {}

    def add(arity: int, rule: str, functions: dict[str, Callable[..., Any]], typed: bool = False) -> None:
        for name, function in functions.items():
            table[name] = ScalarOp(arity, rule, function, typed)

    unary = ("exp exp2 expm1 log log2 log10 log1p sqrt cbrt sin cos tan sinh cosh tanh conj sign").split()
    add(1, "same", {name: getattr(np, name) for name in unary})
    add(
        1,
        "same",
        {"neg": np.negative, "not": np.invert, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan},
    )
    add(1, "same", {"asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh})
    add(1, "same", {name: _unless_integer(getattr(np, name)) for name in ("floor", "ceil", "rint", "trunc")})
    add(
        1,
        "same",
        {"rsqrt": lambda x: 1 / np.sqrt(x), "logistic": _special("expit"), "digamma": _special("digamma")},
    )
    add(1, "same", {"erf": _special("erf"), "erfc": _special("erfc"), "erf_inv": _special("erfinv")})
    add(1, "same", {"lgamma": _special("gammaln")})
    for arity, names in _IN_DOUBLE.items():
        add(arity, "same", {ours: _special_in_double(theirs) for ours, theirs in names.items()})
    add(1, "same", {"population_count": lambda x: _bits(x).bit_count()})
    add(1, "same", {"clz": lambda x: 8 * x.dtype.itemsize - _bits(x).bit_length()})
    add(1, "same", {"integer_pow": lambda x, exponent: _pow(x, x.dtype.type(exponent))})
    add(1, "real", {"abs": np.abs, "real": np.real, "imag": np.imag, "angle": np.angle})
    add(1, "test", {"is_finite": np.isfinite, "is_nan": np.isnan, "is_inf": np.isinf, "sign_bit": _sign_bit})
    add(1, "any", {"cast": lambda dtype, sources, x: cast(x, sources[0], dtype)}, typed=True)
    add(1, "bits", {"bitcast": _bitcast}, typed=True)
    add(
        2,
        "same",
        {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": _int_div, "pow": _pow},
    )
    add(2, "same", {**DIVISIONS, **{f"{name}_by": _by(rule) for name, rule in DIVISIONS.items()}})
    add(2, "same", {"max": np.maximum, "min": np.minimum, "atan2": np.arctan2, "hypot": np.hypot})
    add(
        2,
        "same",
        {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor, "copysign": np.copysign},
    )
    add(2, "same", {"nextafter": _nextafter}, typed=True)
    add(2, "same", {"shift_left": lambda x, n: _shift(x, _shift_count(x, n))})
    add(2, "same", {"shift_right": lambda x, n: _shift(x, -_shift_count(x, n))})
    add(2, "same", {"shift_right_logical": _shift_right_logical})
    add(2, "compare", {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal})
    add(2, "compare", {"gt": np.greater, "ge": np.greater_equal})
    add(2, "complex", {"complex": lambda re, im: complex(re, im)})
    add(3, "same", {"fma": lambda x, y, z: x * y + z})
    add(3, "select", {"select": lambda which, x, y: x if which else y})
    return table


DIVISIONS: dict[str, Callable[..., Any]] = {
    "floor_div": np.floor_divide, "int_div": _int_div, "mod": np.remainder, "rem": np.fmod,
}  # fmt: skip
"""Divisions of which there is a form ``*_by`` too, for integers and a divisor that is a parameter."""

SCALAR_OPS: dict[str, ScalarOp] = _table()
# What an accumulator may fold with; "set" replaces it.
FOLDS = ("add", "mul", "max", "min", "and", "or", "xor", "set")

MIRRORED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}
"""By the name of a comparison: the one that says the same of the operands in the other order."""
