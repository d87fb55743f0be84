"""The special cases of the elementwise functions, from the text of the array API standard 2024.12, as tables.

A row reads ``conditions -> result``. A condition is a value (``-0``, ``inf``, ``nan``, ``3π/4``), or one of `CONDITIONS`; a row
holds for all of `SAMPLES` that meet it. A result is a value, exact but for multiples of π; ``±`` says that its sign is left
open, ``x1`` and ``|x1|`` are operands. Complex rows give real and imaginary part, for numbers whose imaginary part is not
negative: the others follow, since all of these functions commute with `conj`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

INF, NAN, PI = math.inf, math.nan, math.pi

SAMPLES = (
    0.0, -0.0, 0.25, -0.25, 0.5, -0.5, 1.0, -1.0, 1.5, -1.5, 2.0, -2.0, 2.5, -2.5, 3.0, -3.0, 3.5, 7.0, -7.0,
    2.0**-100, -(2.0**-100), 2.0**100, -(2.0**100), INF, -INF, NAN, -NAN,
)  # fmt: skip


def is_odd(x: float) -> bool:
    return math.isfinite(x) and x % 2 == 1


CONDITIONS: dict[str, Callable[[float], bool]] = {
    "any": lambda x: True,
    "±0": lambda x: x == 0,
    "±inf": math.isinf,
    "≠nan": lambda x: not math.isnan(x),
    "≠0": lambda x: x != 0,
    "≠1": lambda x: x != 1,
    "finite": math.isfinite,
    "finite>0": lambda x: math.isfinite(x) and x > 0,
    "finite<0": lambda x: math.isfinite(x) and x < 0,
    "finite≠0": lambda x: math.isfinite(x) and x != 0,
    "finite/nan": lambda x: not math.isinf(x),
    ">0": lambda x: x > 0,
    "<0": lambda x: x < 0,
    ">1": lambda x: x > 1,
    "<1": lambda x: x < 1,
    "<-1": lambda x: x < -1,
    "|x|>1": lambda x: abs(x) > 1,
    "|x|=1": lambda x: abs(x) == 1,
    "|x|<1": lambda x: abs(x) < 1,
    "odd>0": lambda x: is_odd(x) and x > 0,
    "odd<0": lambda x: is_odd(x) and x < 0,
    "not odd>0": lambda x: not is_odd(x) and x > 0,
    "not odd<0": lambda x: not is_odd(x) and x < 0,
    "finite<0 fraction": lambda x: math.isfinite(x) and x < 0 and x != int(x),
    "fraction": lambda x: math.isfinite(x) and x != int(x),
    "integer": lambda x: math.isfinite(x) and x == int(x),
}


def number(text: str) -> float:
    """``-3π/4``, ``inf``, ``0.5`` as a number."""
    sign, digits = (-1.0, text[1:]) if text[0] == "-" else (1.0, text)
    if "π" in digits:
        times, _, over = digits.partition("π")
        return sign * PI * float(times or 1) / float(over[1:] or 1)
    return math.copysign(float(digits), sign)


def condition(text: str) -> Callable[[float], bool]:
    """What a number must be for a row to hold."""
    if text in CONDITIONS:
        return CONDITIONS[text]
    wanted = number(text)
    if math.isnan(wanted):
        return math.isnan
    return lambda x: x == wanted and math.copysign(1, x) == math.copysign(1, wanted)


def rows(table: str) -> Iterator[tuple[list[str], list[str]]]:
    """Conditions and results of the rows of a table; lines may hold several rows, apart by semicolons."""
    for line in table.replace("\n", ";").split(";"):
        if line.strip():
            given, _, result = line.partition("->")
            yield [part.strip() for part in given.split(",")], [part.strip() for part in result.split(",")]


def agrees(found: float, text: str, args: Sequence[float]) -> bool:
    """Whether a number is what a row says."""
    if text == "any":
        return True
    if text in ("positive", "negative"):
        return math.copysign(1, found) == (1 if text == "positive" else -1)
    if text.startswith("±"):
        return agrees(abs(found), text[1:], args)
    if "x" in text:
        operand = args[int(text.strip("-|")[1:]) - 1]
        wanted = abs(operand) if "|" in text else operand
        wanted = -wanted if text[0] == "-" else wanted
    else:
        wanted = number(text)
    if math.isnan(wanted):
        return math.isnan(found)
    if "π" in text:
        return math.isclose(found, wanted, rel_tol=1e-6)
    return found == wanted and math.copysign(1, found) == math.copysign(1, wanted)


_DIVIDE = """
nan, any -> nan; any, nan -> nan; ±inf, ±inf -> nan; ±0, ±0 -> nan
0, >0 -> 0; -0, >0 -> -0; 0, <0 -> -0; -0, <0 -> 0
>0, 0 -> inf; >0, -0 -> -inf; <0, 0 -> -inf; <0, -0 -> inf
finite>0, inf -> 0; finite<0, -inf -> 0
finite>0, finite>0 -> positive; finite<0, finite<0 -> positive
finite>0, finite<0 -> negative; finite<0, finite>0 -> negative
"""
_ROUND = "integer -> x1; inf -> inf; -inf -> -inf; 0 -> 0; -0 -> -0; nan -> nan"
_LOG = "nan -> nan; <0 -> nan; ±0 -> -inf; 1 -> 0; inf -> inf"
_ODD = "nan -> nan; 0 -> 0; -0 -> -0"

REAL = {
    "abs": "nan -> nan; -0 -> 0; -inf -> inf; <0 -> |x1|",
    "acos": "nan -> nan; >1 -> nan; <-1 -> nan; 1 -> 0",
    "acosh": "nan -> nan; <1 -> nan; 1 -> 0; inf -> inf",
    "add": """
        nan, any -> nan; any, nan -> nan; inf, -inf -> nan; -inf, inf -> nan; inf, inf -> inf; -inf, -inf -> -inf
        inf, finite -> inf; -inf, finite -> -inf; finite, inf -> inf; finite, -inf -> -inf
        -0, -0 -> -0; -0, 0 -> 0; 0, -0 -> 0; 0, 0 -> 0; ±0, finite≠0 -> x2; finite≠0, ±0 -> x1; 2.5, -2.5 -> 0; -7, 7 -> 0
    """,
    "asin": _ODD + "; >1 -> nan; <-1 -> nan",
    "asinh": _ODD + "; inf -> inf; -inf -> -inf",
    "atan": _ODD + "; inf -> π/2; -inf -> -π/2",
    "atan2": """
        nan, any -> nan; any, nan -> nan; >0, ±0 -> π/2; 0, >0 -> 0; 0, 0 -> 0; 0, -0 -> π; 0, <0 -> π
        -0, >0 -> -0; -0, 0 -> -0; -0, -0 -> -π; -0, <0 -> -π; <0, ±0 -> -π/2
        finite>0, inf -> 0; finite>0, -inf -> π; finite<0, inf -> -0; finite<0, -inf -> -π
        inf, finite -> π/2; -inf, finite -> -π/2; inf, inf -> π/4; inf, -inf -> 3π/4; -inf, inf -> -π/4
        -inf, -inf -> -3π/4
    """,
    "atanh": _ODD + "; <-1 -> nan; >1 -> nan; -1 -> -inf; 1 -> inf",
    "ceil": _ROUND + "; 2.5 -> 3; -2.5 -> -2; -0.5 -> -0; 0.25 -> 1",
    "copysign": """
        any, <0 -> -|x1|; any, -0 -> -|x1|; any, 0 -> |x1|; any, >0 -> |x1|
    """,
    "cos": "nan -> nan; ±0 -> 1; ±inf -> nan",
    "cosh": "nan -> nan; ±0 -> 1; ±inf -> inf",
    "divide": _DIVIDE + """
        inf, finite>0 -> inf; inf, finite<0 -> -inf; -inf, finite>0 -> -inf; -inf, finite<0 -> inf
        finite>0, -inf -> -0; finite<0, inf -> -0
    """,
    "exp": "nan -> nan; ±0 -> 1; inf -> inf; -inf -> 0",
    "expm1": _ODD + "; inf -> inf; -inf -> -1",
    "floor": _ROUND + "; 2.5 -> 2; -2.5 -> -3; 0.5 -> 0; -0.25 -> -1",
    # Of infinities as Python and NumPy have it, which the standard allows.
    "floor_divide": _DIVIDE + "±inf, finite≠0 -> nan; finite>0, -inf -> -1; finite<0, inf -> -1",
    "hypot": """
        ±inf, any -> inf; any, ±inf -> inf; ±0, any -> |x2|; any, ±0 -> |x1|; finite/nan, nan -> nan; nan, finite/nan -> nan
    """,
    "log": _LOG,
    "log1p": _ODD + "; <-1 -> nan; -1 -> -inf; inf -> inf",
    "log2": _LOG,
    "log10": _LOG,
    "logaddexp": "nan, any -> nan; any, nan -> nan; inf, ≠nan -> inf; ≠nan, inf -> inf",
    "maximum": "nan, any -> nan; any, nan -> nan; inf, ≠nan -> inf; -inf, ≠nan -> x2",
    "minimum": "nan, any -> nan; any, nan -> nan; -inf, ≠nan -> -inf; inf, ≠nan -> x2",
    "multiply": """
        nan, any -> nan; any, nan -> nan; ±inf, ±0 -> nan; ±0, ±inf -> nan
        >0, >0 -> positive; <0, <0 -> positive; >0, <0 -> negative; <0, >0 -> negative
        inf, >0 -> inf; -inf, >0 -> -inf; inf, <0 -> -inf; -inf, <0 -> inf; 0, finite<0 -> -0; -0, finite<0 -> 0
    """,
    "negative": "any -> -x1",
    "nextafter": "nan, any -> nan; any, nan -> nan; -0, 0 -> 0; 0, -0 -> -0; inf, inf -> inf; 1, 1 -> 1",
    "positive": "any -> x1",
    "pow": """
        ≠1, nan -> nan; any, ±0 -> 1; nan, ≠0 -> nan; |x|>1, inf -> inf; |x|>1, -inf -> 0; |x|=1, ±inf -> 1; 1, ≠nan -> 1
        |x|<1, inf -> 0; |x|<1, -inf -> inf; inf, >0 -> inf; inf, <0 -> 0
        -inf, odd>0 -> -inf; -inf, not odd>0 -> inf; -inf, odd<0 -> -0; -inf, not odd<0 -> 0
        0, >0 -> 0; 0, <0 -> inf; -0, odd>0 -> -0; -0, not odd>0 -> 0; -0, odd<0 -> -inf; -0, not odd<0 -> inf
        finite<0, fraction -> nan
    """,
    "reciprocal": "nan -> nan; 0 -> inf; -0 -> -inf; inf -> 0; -inf -> -0; 2 -> 0.5; -0.25 -> -4",
    "remainder": """
        nan, any -> nan; any, nan -> nan; ±inf, any -> nan; any, ±0 -> nan
        ±0, >0 -> 0; ±0, <0 -> -0; finite>0, inf -> x1; finite>0, -inf -> -inf; finite<0, inf -> inf; finite<0, -inf -> x1
    """,
    "round": _ROUND + "; 0.5 -> 0; -0.5 -> -0; 1.5 -> 2; 2.5 -> 2; -2.5 -> -2; 3.5 -> 4; -0.25 -> -0",
    "sign": "<0 -> -1; ±0 -> 0; >0 -> 1; nan -> nan",
    "sin": _ODD + "; ±inf -> nan",
    "sinh": _ODD + "; inf -> inf; -inf -> -inf",
    "sqrt": _ODD + "; <0 -> nan; inf -> inf",
    "square": "nan -> nan; ±0 -> 0; ±inf -> inf",
    "subtract": """
        nan, any -> nan; any, nan -> nan; inf, inf -> nan; -inf, -inf -> nan; inf, -inf -> inf; -inf, inf -> -inf
        -0, 0 -> -0; 0, 0 -> 0; -0, -0 -> 0; 0, -0 -> 0; 2.5, 2.5 -> 0; ±0, finite≠0 -> -x2; finite≠0, ±0 -> x1
    """,
    "tan": _ODD + "; ±inf -> nan",
    "tanh": _ODD + "; inf -> 1; -inf -> -1",
    "trunc": _ROUND + "; 2.5 -> 2; -2.5 -> -2; 0.5 -> 0; -0.5 -> -0",
}  # fmt: skip

_LOG_PLANE = """
finite, inf -> inf, π/2; -inf, finite>0 -> inf, π; inf, finite>0 -> inf, 0; -inf, inf -> inf, 3π/4; inf, inf -> inf, π/4
finite, nan -> nan, nan; ±inf, nan -> inf, nan; nan, finite -> nan, nan; nan, inf -> inf, nan; nan, nan -> nan, nan
"""

COMPLEX = {
    "abs": """
        ±inf, any -> inf; any, ±inf -> inf; ±0, any -> |x2|; any, ±0 -> |x1|; nan, finite -> nan; finite, nan -> nan
        nan, nan -> nan
    """,
    "acos": """
        ±0, 0 -> π/2, -0; ±0, nan -> π/2, nan; finite, inf -> π/2, -inf; finite≠0, nan -> nan, nan; -inf, finite>0 -> π, -inf
        inf, finite>0 -> 0, -inf; -inf, inf -> 3π/4, -inf; inf, inf -> π/4, -inf; ±inf, nan -> nan, ±inf
        nan, finite -> nan, nan; nan, inf -> nan, -inf; nan, nan -> nan, nan
    """,
    "acosh": """
        ±0, 0 -> 0, π/2; finite, inf -> inf, π/2; finite≠0, nan -> nan, nan; 0, nan -> nan, ±π/2; -inf, finite>0 -> inf, π
        inf, finite>0 -> inf, 0; -inf, inf -> inf, 3π/4; inf, inf -> inf, π/4; ±inf, nan -> inf, nan
        nan, finite -> nan, nan; nan, inf -> inf, nan; nan, nan -> nan, nan
    """,
    "asinh": """
        0, 0 -> 0, 0; finite>0, inf -> inf, π/2; finite, nan -> nan, nan; inf, finite>0 -> inf, 0; inf, inf -> inf, π/4
        nan, 0 -> nan, 0; nan, finite≠0 -> nan, nan; nan, inf -> ±inf, nan; nan, nan -> nan, nan
    """,
    "atanh": """
        0, 0 -> 0, 0; 0, nan -> 0, nan; 1, 0 -> inf, 0; finite>0, inf -> 0, π/2; finite≠0, nan -> nan, nan
        inf, finite>0 -> 0, π/2; inf, inf -> 0, π/2; inf, nan -> 0, nan; nan, finite -> nan, nan; nan, inf -> ±0, π/2
        nan, nan -> nan, nan
    """,
    "cosh": """
        0, 0 -> 1, 0; 0, inf -> nan, ±0; 0, nan -> nan, ±0; finite≠0, inf -> nan, nan; finite≠0, nan -> nan, nan
        inf, 0 -> inf, 0; inf, inf -> ±inf, nan; inf, nan -> inf, nan; nan, ±0 -> nan, ±0; nan, finite≠0 -> nan, nan
        nan, nan -> nan, nan; inf, 1 -> inf, inf; inf, 2 -> -inf, inf; inf, 7 -> inf, inf
    """,
    "exp": """
        ±0, 0 -> 1, 0; finite, inf -> nan, nan; finite, nan -> nan, nan; inf, 0 -> inf, 0; -inf, inf -> 0, 0
        inf, inf -> inf, nan; -inf, nan -> ±0, ±0; inf, nan -> inf, nan; nan, 0 -> nan, 0; nan, ≠0 -> nan, nan
        nan, nan -> nan, nan; -inf, 1 -> 0, 0; -inf, 2 -> -0, 0; inf, 1 -> inf, inf; inf, 2 -> -inf, inf
    """,
    "expm1": """
        ±0, 0 -> 0, 0; finite, inf -> nan, nan; finite, nan -> nan, nan; inf, 0 -> inf, 0; -inf, inf -> -1, 0
        inf, inf -> inf, nan; -inf, nan -> -1, ±0; inf, nan -> inf, nan; nan, 0 -> nan, 0; nan, ≠0 -> nan, nan
        nan, nan -> nan, nan; -inf, 1 -> -1, 0; -inf, 2 -> -1, 0; inf, 1 -> inf, inf; inf, 2 -> -inf, inf
    """,
    "log": "-0, 0 -> -inf, π; 0, 0 -> -inf, 0;" + _LOG_PLANE,
    "log1p": "-1, 0 -> -inf, 0;" + _LOG_PLANE,
    "sign": "±0, ±0 -> 0, 0; nan, any -> nan, nan; any, nan -> nan, nan; finite>0, 0 -> 1, ±0; finite<0, 0 -> -1, ±0",
    "sinh": """
        0, 0 -> 0, 0; 0, inf -> ±0, nan; 0, nan -> ±0, nan; finite>0, inf -> nan, nan; finite>0, nan -> nan, nan
        inf, 0 -> inf, 0; inf, inf -> ±inf, nan; inf, nan -> ±inf, nan; nan, 0 -> nan, 0; nan, finite≠0 -> nan, nan
        nan, nan -> nan, nan; inf, 1 -> inf, inf; inf, 2 -> -inf, inf; inf, 7 -> inf, inf
    """,
    # The standard's rows of infinite real parts are a slip: C99's, which it says that it follows, stand here.
    "sqrt": """
        ±0, 0 -> 0, 0; any, inf -> inf, inf; finite, nan -> nan, nan; -inf, finite>0 -> 0, inf; inf, finite>0 -> inf, 0
        -inf, nan -> nan, ±inf; inf, nan -> inf, nan; nan, finite -> nan, nan; nan, nan -> nan, nan
    """,
    # With a real part of +0 the standard lets libraries give NaN for it, as older C libraries do.
    "tanh": """
        0, 0 -> 0, 0; finite≠0, inf -> nan, nan; finite≠0, nan -> nan, nan; inf, finite>0 -> 1, 0; inf, inf -> 1, ±0
        inf, nan -> 1, ±0; nan, 0 -> nan, 0; nan, finite≠0 -> nan, nan; nan, nan -> nan, nan; 0, inf -> any, nan
        0, nan -> any, nan
    """,
}  # fmt: skip
