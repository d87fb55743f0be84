"""Functions of two arrays of any two dtypes, and of an array and a number: NumPy's dtype and values, or its refusal."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.engine.public.numpy.checks import eager, reference, same, staged
from weft.numpy.ufuncs import UFUNCS

DTYPES = [np.dtype(d) for d in "? b h i q B H I Q e f d F D".split()]
BINARY = [u.__name__ for u in UFUNCS if u.nin == 2]
OTHERS = [
    "where",
    "concatenate",
    "dot",
    "append",
    "isclose",
    "clip",
    "searchsorted",
    "take",
    "outer",
    "convolve",
    "isin",
]
REFUSALS = (TypeError, ValueError, IndexError, OverflowError)
# Elements that every dtype holds; the second are not zero, and shifts are small.
X, Y = np.array([0, 1, 3]), np.array([1, 2, 1])
NUMBERS: list[Any] = [0, 1, -1, 300, True, 2.5, 1j, 2**40]


def call(name: str, module: Any) -> Any:
    function = getattr(module, name)
    return {
        "where": lambda x, y: function(x > 0, x, y),
        "concatenate": lambda x, y: function([x, y]),
        "clip": lambda x, y: function(x, y, y),
    }.get(name, function)


def check(name: str, *args: Any) -> None:
    """Hold both ways against NumPy."""
    arrays = [a for a in args if isinstance(a, np.ndarray)]
    fill = lambda xs: [next(xs) if isinstance(a, np.ndarray) else a for a in args]  # noqa: E731
    run = lambda module: lambda *xs: call(name, module)(*fill(iter(xs)))  # noqa: E731
    label = f"{name} of {[getattr(a, 'dtype', a) for a in args]}"
    try:
        want = reference(run(np), *arrays)
    except REFUSALS:
        for how in (eager, staged):
            with pytest.raises((*REFUSALS, weft.errors.WeftError)):
                pytest.fail(f"NumPy refuses {label}; the result is {how(run(wnp), *arrays)}")
        return
    rtol = (
        4e-3
        if any(np.asarray(w).dtype == np.float16 for w in (want if isinstance(want, tuple) else [want]))
        else 3e-6
    )
    same(eager(run(wnp), *arrays), want, f"eager {label}", rtol)
    same(staged(run(wnp), *arrays), want, f"traced {label}", rtol)


@pytest.mark.parametrize("name", [*BINARY, *OTHERS])
def test_two_dtypes(name: str) -> None:
    for a, b in itertools.product(DTYPES, DTYPES):
        check(name, X.astype(a), Y.astype(b))


@pytest.mark.parametrize("name", [n for n in BINARY if n != "ldexp"])
def test_an_array_and_a_number(name: str) -> None:
    for dtype, number in itertools.product(DTYPES, NUMBERS):
        if "shift" in name and isinstance(number, int) and not 0 <= number < 8:
            continue  # undefined in C
        check(name, Y.astype(dtype), number)
        if not (dtype.kind in "iu" and name == "power" and number in (0, 300, 2**40)):
            check(name, number, Y.astype(dtype))


@pytest.mark.parametrize("name", [u.__name__ for u in UFUNCS])
def test_the_dtype_that_is_asked_for(name: str) -> None:
    ufunc = getattr(np, name)
    for dtype, asked in itertools.product("? b H q e f d D".split(), "b q e f d D ?".split()):
        first = Y if name == "reciprocal" else X  # of 0 as an integer it is what the processor says
        args = [first.astype(dtype), Y.astype(dtype)][: ufunc.nin]
        run = lambda module, d=asked: lambda *xs: getattr(module, name)(*xs, dtype=d)  # noqa: E731
        try:
            want = reference(run(np), *args)
        except REFUSALS:
            for how in (eager, staged):
                with pytest.raises((*REFUSALS, weft.errors.WeftError)):
                    pytest.fail(f"NumPy refuses {name} of {dtype} in {asked}; got {how(run(wnp), *args)}")
            continue
        rtol = 4e-3 if asked == "e" or dtype == "e" else 3e-6
        same(eager(run(wnp), *args), want, f"eager {name} of {dtype} in {asked}", rtol)
        same(staged(run(wnp), *args), want, f"traced {name} of {dtype} in {asked}", rtol)
