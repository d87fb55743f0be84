"""The special cases of the array API standard, eagerly, compiled and batched, for each floating dtype."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.engine.array_api.special_cases import COMPLEX, REAL, SAMPLES, agrees, condition, rows

WAYS: dict[str, Callable[[Any], Any]] = {
    "eager": lambda f: f,
    "jit": lambda f: weft.jit(f),
    "vmap": weft.vmap,
    "jit of vmap": lambda f: weft.jit(weft.vmap(f)),
}

Case = tuple[
    tuple[float, ...], tuple[str, ...], str
]  # operands, what the parts of the result are to be, the row


def cases(table: str) -> Iterator[Case]:
    """Every combination of samples that a row of a table holds for."""
    for given, result in rows(table):
        meets = [[x for x in SAMPLES if condition(text)(x)] for text in given]
        assert all(meets), f"no sample meets {given}"
        for args in itertools.product(*meets):
            yield args, tuple(result), f"{', '.join(given)} -> {', '.join(result)}"


def minus(text: str) -> str:
    """The negative of a part of a result."""
    if text in ("nan", "any") or text[0] == "±":
        return text
    return text[1:] if text[0] == "-" else "-" + text


def conjugates(found: Iterator[Case]) -> Iterator[Case]:
    """The cases, and what follows from ``f(conj(z)) == conj(f(z))``; the modulus stays as it is."""
    for (a, b), result, row in found:
        yield (a, b), result, row
        if not (math.isnan(b) or "±0 ->" in row):  # a row that says what either sign gives
            yield (a, -b), (result[0], minus(result[1])) if len(result) == 2 else result, f"conj of {row}"


def turned(found: Iterator[Case], even: bool) -> Iterator[Case]:
    """The cases of a circular function from those of its hyperbolic one.

    ``f(b + aj)`` is ``conj(h(a + bj)) * j`` where ``h`` is odd, and ``conj(h(a + bj))`` where it is even.
    """
    for (a, b), (real, imaginary), row in found:
        yield (b, a), (real, minus(imaginary)) if even else (imaginary, real), f"from the hyperbolic {row}"


PLANE: dict[str, Callable[[], Iterator[Case]]] = {
    name: (lambda table=table: conjugates(cases(table))) for name, table in COMPLEX.items()  # type: ignore[misc]
} | {
    name: (lambda source=source: turned(conjugates(cases(COMPLEX[source])), source == "cosh"))  # type: ignore[misc]
    for name, source in {"sin": "sinh", "cos": "cosh", "tan": "tanh", "asin": "asinh", "atan": "atanh"}.items()
} | {
    name: (lambda: conjugates(cases(COMPLEX["log"]))) for name in ("log2", "log10")
}  # fmt: skip


def failures(found: Any, wanted: Sequence[Case], parts: Callable[[Any], tuple[float, ...]]) -> list[str]:
    """The cases that a result does not meet, as text."""
    return [
        f"{args}: {value} is not as in {row}"
        for value, (args, result, row) in zip(found, wanted, strict=True)
        if not all(agrees(part, text, args) for part, text in zip(parts(value), result, strict=True))
    ]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(REAL))
def test_real(name: str, dtype: Any, way: str) -> None:
    wanted = list(cases(REAL[name]))
    arrays = [
        wnp.asarray(np.array(column, dtype)) for column in zip(*[args for args, _, _ in wanted], strict=True)
    ]
    found = WAYS[way](getattr(wnp, name))(*arrays)
    assert found.dtype == dtype
    assert not failures(np.asarray(found), wanted, lambda x: (float(x),))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize("name", sorted(PLANE))
def test_complex(name: str, dtype: Any, way: str) -> None:
    part = np.float32 if dtype is np.complex64 else np.float64
    wanted = list(PLANE[name]())
    unit = {"log2": math.log(2), "log10": math.log(10)}.get(name, 1.0)
    numbers = np.array([args for args, _, _ in wanted], part).reshape(-1).view(dtype)
    found = np.asarray(WAYS[way](getattr(wnp, name))(wnp.asarray(numbers)))
    assert found.dtype == (part if name == "abs" else dtype)
    parts = (
        (lambda x: (float(x),)) if name == "abs" else (lambda x: (float(x.real) * unit, float(x.imag) * unit))
    )
    assert not failures(found, wanted, parts)


@pytest.mark.parametrize("way", ["eager", "jit", "vmap"])
@pytest.mark.parametrize("exponent", [0.5, 0.0, 1.0, 2.0, 3.0, -1.0, -2.0, -3.0, 2.5])
def test_an_exponent_alone_is_as_in_an_array(exponent: float, way: str) -> None:
    base = [x for x in SAMPLES if not math.isnan(x)]
    column = [wnp.asarray(exponent), wnp.full(1, exponent), exponent]
    many = np.asarray(wnp.pow(wnp.asarray(base), wnp.full(len(base), exponent)))
    for alone in column:
        found = np.asarray(WAYS[way](lambda x, y=alone: x**y)(wnp.asarray(base).reshape(-1, 1))).reshape(-1)
        np.testing.assert_allclose(found, many, rtol=1e-15)
        np.testing.assert_array_equal(np.signbit(found[~np.isnan(many)]), np.signbit(many[~np.isnan(many)]))


PREDICATES: dict[str, Callable[..., bool]] = {
    "isfinite": math.isfinite,
    "isinf": math.isinf,
    "isnan": math.isnan,
    "signbit": lambda x: math.copysign(1, x) < 0,
    "equal": lambda x, y: x == y,
    "not_equal": lambda x, y: x != y,
    "less": lambda x, y: x < y,
    "less_equal": lambda x, y: x <= y,
    "greater": lambda x, y: x > y,
    "greater_equal": lambda x, y: x >= y,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", PREDICATES)
def test_predicates(name: str, dtype: Any, way: str) -> None:
    two = name not in ("isfinite", "isinf", "isnan", "signbit")
    operands = list(itertools.product(SAMPLES, repeat=2 if two else 1))
    arrays = [wnp.asarray(np.array(column, dtype)) for column in zip(*operands, strict=True)]
    found = WAYS[way](getattr(wnp, name))(*arrays)
    assert found.dtype == bool
    assert found.tolist() == [PREDICATES[name](*args) for args in operands]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["isfinite", "isinf", "isnan", "equal", "not_equal"])
def test_predicates_of_complex_numbers(name: str, way: str) -> None:
    parts = [0.0, -0.0, 1.5, math.inf, -math.inf, math.nan]
    numbers = [complex(a, b) for a in parts for b in parts]
    pairs = list(itertools.product(numbers, repeat=2)) if "equal" in name else [(z,) for z in numbers]
    arrays = [wnp.asarray(np.array(column)) for column in zip(*pairs, strict=True)]
    says = {"isfinite": all, "isinf": any, "isnan": any, "equal": all, "not_equal": any}[name]
    wanted = [
        says(PREDICATES[name](*(getattr(z, part) for z in args)) for part in ("real", "imag"))
        for args in pairs
    ]
    assert WAYS[way](getattr(wnp, name))(*arrays).tolist() == wanted


@pytest.mark.parametrize("way", WAYS)
def test_the_sign_of_nan_is_copied(way: str) -> None:
    x = wnp.asarray([math.nan, -math.nan, 2.0])
    for y, negative in (
        (-1.0, True),
        (1.0, False),
        (-0.0, True),
        (0.0, False),
        (-math.nan, True),
        (math.nan, False),
    ):
        found = WAYS[way](wnp.copysign)(x, wnp.full(3, y))
        assert np.signbit(np.asarray(found)).tolist() == [negative] * 3
        assert wnp.isnan(found).tolist() == [True, True, False]
