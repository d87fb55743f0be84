"""The vector maths: against mpmath in units of the last place, NumPy's special values, and the loops LLVM makes of it."""

from __future__ import annotations

import re
from collections.abc import Callable

import mpmath as mp
import numpy as np
import pytest
import scipy.special

from tests.kernels.harness import compile_op, run_op
from weft.ir.ops import references

Points = Callable[[np.random.Generator, bool], list[np.ndarray]]


def magnitudes(low: float, high: float, n: int = 100) -> Callable[[np.random.Generator], np.ndarray]:
    """Both signs, exponents of ten spread evenly."""
    return lambda rng: rng.choice([-1, 1], n) * 10.0 ** rng.uniform(low, high, n)


def between(low: float, high: float, n: int = 100) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: rng.uniform(low, high, n)


def wide(is_double: bool) -> tuple[float, float]:
    return (-300, 300) if is_double else (-37, 37)


def positive(is_double: bool) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: np.abs(magnitudes(*wide(is_double))(rng))


def _logs(d: bool) -> list:
    return [positive(d), between(0.5, 2), between(0.99, 1.01)]


def _angles(d: bool) -> list:
    return [magnitudes(*wide(d)), between(-10, 10), between(-1e5, 1e5)]


def _hyperbolic(d: bool) -> list:
    return [between(-2, 2), between(-700, 700) if d else between(-88, 88), magnitudes(-10, 0)]


def _unit(d: bool) -> list:
    return [between(-1, 1, 200), magnitudes(-10, -1)]


# op: where to take points (given whether the kind is double), error allowed in units of the last place, mpmath's function
DOMAINS: dict[str, tuple[Callable[[bool], list], float, Callable]] = {
    "sqrt": (lambda d: [positive(d)], 0.51, mp.sqrt),
    "rsqrt": (lambda d: [positive(d)], 1.6, lambda x: 1 / mp.sqrt(x)),
    "cbrt": (lambda d: [magnitudes(*wide(d))], 0.6, lambda x: mp.sign(x) * mp.cbrt(abs(x))),
    "exp": (lambda d: [between(-745, 709.7) if d else between(-103, 88.7), between(-1, 1)], 1, mp.exp),
    "exp2": (
        lambda d: [between(-1074, 1024) if d else between(-149, 128), between(-1, 1)],
        1,
        lambda x: mp.mpf(2) ** x,
    ),
    "expm1": (
        lambda d: [between(-40, 709) if d else between(-18, 88), between(-1, 1), magnitudes(-10, 1)],
        1.2,
        mp.expm1,
    ),
    "logistic": (
        lambda d: [between(-700, 50) if d else between(-87, 20), between(-5, 5)],
        2,
        lambda x: 1 / (1 + mp.exp(-x)),
    ),
    "log": (_logs, 1, mp.log),
    "log2": (_logs, 1, lambda x: mp.log(x) / mp.log(2)),
    "log10": (_logs, 1, mp.log10),
    "log1p": (lambda d: [positive(d), between(-0.9, 2), magnitudes(-10, -1)], 1, mp.log1p),
    "sin": (_angles, 1, mp.sin),
    "cos": (_angles, 1, mp.cos),
    "tan": (_angles, 1, mp.tan),
    "asin": (_unit, 1, mp.asin),
    "acos": (_unit, 1, mp.acos),
    "atan": (lambda d: [magnitudes(-20, 20), between(-4, 4)], 1, mp.atan),
    "sinh": (_hyperbolic, 1.6, mp.sinh),
    "cosh": (_hyperbolic, 1.6, mp.cosh),
    "tanh": (lambda d: [between(-2, 2), between(-20, 20), magnitudes(-10, 0)], 1.2, mp.tanh),
    "asinh": (lambda d: [magnitudes(*wide(d)), between(-3, 3)], 1, mp.asinh),
    "acosh": (lambda d: [lambda rng: 1 + np.abs(magnitudes(-5, 10)(rng)), between(1, 3)], 1, mp.acosh),
    "atanh": (_unit, 1, mp.atanh),
    "erf": (lambda d: [between(-6, 6), between(-1, 1), magnitudes(-10, 0)], 1.2, mp.erf),
    "erfc": (lambda d: [between(-3, 26.5) if d else between(-3, 9.3), between(-1, 1)], 2, mp.erfc),
    "erf_inv": (
        lambda d: [
            between(-1, 1),
            magnitudes(-10, 0),
            lambda rng: 1 - 10.0 ** rng.uniform(-15 if d else -6.5, 0, 50),
        ],
        2,
        mp.erfinv,
    ),
    "lgamma": (
        lambda d: [between(0.05, 30), lambda rng: np.abs(magnitudes(*((-30, 300) if d else (-30, 35)))(rng))],
        2,
        mp.loggamma,
    ),
    "digamma": (lambda d: [between(2, 30), lambda rng: np.abs(magnitudes(-30, 30)(rng))], 2, mp.digamma),
}
TWO_ARGUMENTS = {"pow": np.power, "atan2": np.arctan2, "hypot": np.hypot}
NUMPY = {
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "logistic": scipy.special.expit,
    "erf": scipy.special.erf,
    "erfc": scipy.special.erfc,
    "lgamma": lambda x: np.where(np.isinf(x), np.inf, scipy.special.gammaln(x)),
    "digamma": scipy.special.digamma,
    "erf_inv": lambda x: np.where(x == 0, x, scipy.special.erfinv(x)),
    **{name: getattr(references, name) for name in ("sign", "expm1", "tanh", "tan")},
    **{f"a{name}": getattr(np, f"arc{name}") for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
}


def errors(got: np.ndarray, want: list, dtype: np.dtype) -> np.ndarray:
    """Distances from the exact values, in units of their last place; infinite where one is finite and the other not."""
    result = np.empty(got.size)
    for n, (g, w) in enumerate(zip(got, want, strict=True)):
        with np.errstate(over="ignore"):
            rounded = dtype.type(float(w))
        if not np.isfinite(rounded) or not np.isfinite(g):
            result[n] = 0 if g == rounded else np.inf
        else:
            result[n] = float(abs(mp.mpf(float(g)) - w) / mp.mpf(float(np.spacing(abs(rounded)))))
    return result


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("op", list(DOMAINS))
def test_error_in_units_of_the_last_place(op: str, kind: str) -> None:
    points, allowed, exact = DOMAINS[op]
    dtype = np.dtype(kind)
    rng = np.random.default_rng(7)
    x = np.concatenate([draw(rng) for draw in points(kind == "float64")]).astype(dtype)
    if op == "atanh":
        x = x[np.abs(x) < 1]
    with mp.workdps(60):
        error = errors(run_op(op, x, out=dtype), [exact(mp.mpf(float(v))) for v in x], dtype)
    worst = int(np.argmax(error))
    assert error[worst] <= allowed, f"{op}({x[worst]!r}) is {error[worst]:.3g} units of the last place off"


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_functions_of_two_arguments(kind: str) -> None:
    dtype, rng = np.dtype(kind), np.random.default_rng(8)
    is_double = kind == "float64"
    base = np.abs(np.concatenate([magnitudes(-3, 3)(rng), between(0.5, 2)(rng)])).astype(dtype)
    exponent = np.concatenate([between(-90, 90)(rng), between(-1000, 1000)(rng)]) / (1 if is_double else 10)
    exponent = exponent.astype(dtype)
    a, b = (
        np.concatenate([magnitudes(-5, 5)(rng), magnitudes(*wide(is_double))(rng)]).astype(dtype)
        for _ in range(2)
    )
    smallest = 40 * np.finfo(dtype).smallest_normal  # the quotient of an angle may be subnormal
    for op, x, y, exact in (
        ("pow", base, exponent, mp.power),
        ("hypot", a, b, mp.hypot),
        ("atan2", a, b, mp.atan2),
    ):
        with mp.workdps(60):
            want = [exact(mp.mpf(float(u)), mp.mpf(float(v))) for u, v in zip(x, y, strict=True)]
            error = errors(run_op(op, x, y, out=dtype), want, dtype)
            error[[abs(w) < smallest for w in want]] = 0
        assert error.max() <= 1, (
            f"{op} is {error.max():.3g} off at {x[error.argmax()]!r}, {y[error.argmax()]!r}"
        )


def assert_special(got: np.ndarray, want: np.ndarray, x: object) -> None:
    """NaN, infinities and zeros with their signs as wanted, and finite values close."""
    tolerance = 8 * np.finfo(got.dtype).eps
    with np.errstate(all="ignore"):
        same = (got == want) & (np.signbit(got) == np.signbit(want))
        close = np.isfinite(want) & (
            np.abs(got - want) <= np.maximum(tolerance * np.abs(want), np.finfo(got.dtype).smallest_subnormal)
        )
    fine = same | (np.isnan(got) & np.isnan(want)) | (close & (want != 0))
    assert fine.all(), (x, got[~fine], want[~fine])


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_special_values(kind: str) -> None:
    limits = np.finfo(kind)
    values = [0.0, -0.0, 1, -1, 0.5, 2, -2, np.inf, -np.inf, np.nan, float(limits.max), -float(limits.max)]
    values += [
        float(limits.smallest_subnormal),
        -float(limits.smallest_subnormal),
        float(limits.smallest_normal) / 3,
    ]
    x = np.array(values, kind)
    a, b = np.repeat(x, x.size), np.tile(x, x.size)
    with np.errstate(all="ignore"):
        for op in DOMAINS:
            f = NUMPY.get(op) or getattr(np, op)
            # SciPy's lgamma is infinite at subnormals, where the true value is finite.
            keep = (
                (np.abs(x) >= limits.smallest_normal) | (x == 0)
                if op in ("lgamma", "digamma")
                else np.ones(x.size, bool)
            )
            assert_special(run_op(op, x[keep], out=kind), f(x[keep].astype("f8")).astype(kind), (op, x[keep]))
        for op, f in TWO_ARGUMENTS.items():
            assert_special(run_op(op, a, b, out=kind), f(a, b), op)


def test_angles_next_to_multiples_of_half_pi() -> None:
    """The hardest arguments of all doubles (Muller's worst case) and of the change of reduction."""
    hard = float(mp.mpf(6381956970095103) * mp.mpf(2) ** 797)
    x = np.array([hard, -hard, np.pi, np.nextafter(1e9, 0), np.nextafter(1e9, 2e9), 2.0**60, 2.0**1023, 1e22])
    with mp.workdps(400):
        for op, f in (("sin", mp.sin), ("cos", mp.cos), ("tan", mp.tan)):
            want = [f(mp.mpf(float(v))) for v in x]
            assert errors(run_op(op, x, out="f8"), want, np.dtype("f8")).max() <= 1


@pytest.mark.parametrize("op", ["float16", "bfloat16"])
def test_small_floats_are_computed_in_float32(op: str) -> None:
    import ml_dtypes

    dtype = np.dtype(ml_dtypes.bfloat16 if op == "bfloat16" else op)
    x = np.linspace(-3, 3, 200).astype(dtype)
    for name, f in (("exp", np.exp), ("sin", np.sin), ("tanh", np.tanh), ("erf", scipy.special.erf)):
        want = f(x.astype("f8")).astype(dtype).astype("f8")
        got = run_op(name, x, out=dtype).astype("f8")
        np.testing.assert_allclose(got, want, rtol=float(ml_dtypes.finfo(dtype).eps), atol=0)


COMPLEX = [
    "exp",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
]
COMPLEX_INVERSES = ["asin", "acos", "atan", "asinh", "acosh", "atanh"]


@pytest.mark.parametrize("kind", ["complex64", "complex128"])
@pytest.mark.parametrize("op", [*COMPLEX, *COMPLEX_INVERSES])
def test_complex_functions(op: str, kind: str) -> None:
    rng = np.random.default_rng(11)
    z = np.concatenate(
        [
            rng.normal(size=60) + 1j * rng.normal(size=60),
            np.exp(1j * rng.uniform(0, 6, 20)),
            rng.normal(size=20) + 1e-9j,
            1e-6 * (rng.normal(size=20) + 1j * rng.normal(size=20)),
            10 * (rng.normal(size=20) + 1j * rng.normal(size=20)),
        ]
    ).astype(kind)
    exact = {"log2": lambda w: mp.log(w) / mp.log(2), "log1p": lambda w: mp.log(1 + w)}.get(op) or getattr(
        mp, op
    )
    with mp.workdps(40):
        want = np.array([complex(exact(mp.mpc(complex(v)))) for v in z])
    got = run_op(op, z, out=kind)
    error = np.abs(got - want) / np.abs(want) / np.finfo(kind).eps
    assert error.max() < 5, (z[error.argmax()], got[error.argmax()], want[error.argmax()])


@pytest.mark.parametrize("op", [*COMPLEX, *COMPLEX_INVERSES, "sign"])
def test_complex_special_values(op: str) -> None:
    parts = [0.0, -0.0, 1.0, -1.0, 2.0, np.inf, -np.inf, np.nan, 1e300, -1e300]
    z = np.array([complex(a, b) for a in parts for b in parts])
    with np.errstate(all="ignore"):
        want = (NUMPY.get(op) or getattr(np, op))(z)
    got = run_op(op, z, out="complex128")
    for part in ("real", "imag"):
        g, w = getattr(got, part), getattr(want, part)
        with np.errstate(all="ignore"):
            same = (g == w) | (np.isnan(g) & np.isnan(w)) | (np.abs(g - w) <= 1e-14 * np.abs(w))
        # C leaves the sign of an infinity beside a NaN open.
        open_sign = np.isinf(g) & np.isinf(w) & (np.isnan(got.real) | np.isnan(got.imag))
        assert (same | open_sign).all(), (
            z[~(same | open_sign)],
            got[~(same | open_sign)],
            want[~(same | open_sign)],
        )


def test_complex_powers() -> None:
    rng = np.random.default_rng(12)
    z, w = (rng.normal(size=100) + 1j * rng.normal(size=100) for _ in range(2))
    with mp.workdps(40):
        want = np.array(
            [complex(mp.power(mp.mpc(complex(a)), mp.mpc(complex(b)))) for a, b in zip(z, w, strict=True)]
        )
    np.testing.assert_allclose(run_op("pow", z, w, out="complex128"), want, rtol=2e-15)
    zeros = run_op("pow", np.zeros(3, complex), np.array([2.0, 0, -1], complex), out="complex128")
    assert zeros[0] == 0 and zeros[1] == 1 and np.isnan(zeros[2])


@pytest.mark.parametrize("op", ["exp", "sin", "log", "tanh", "pow", "erf", "mod", "cbrt", "atan2", "lgamma"])
def test_loops_are_vectorised(op: str) -> None:
    arguments = 2 if op in ("pow", "mod", "atan2") else 1
    code = compile_op(op, ("float64",) * arguments, "float64")
    assert re.search(r"f(mul|div) <[248] x double>|call <[248] x double> @weft\.maths", code.llvm), (
        f"the loop of {op} works on no vectors"
    )
    called = re.findall(r"call [^@]*@([\w.]+)", code.llvm.split("vector.body:")[1].split("br i1")[0])
    assert all(name.startswith("llvm.") or re.search(r"\.v[248]$", name) for name in called)


def test_fitted_polynomials_are_those_of_the_script() -> None:
    """One cheap polynomial fitted anew is the one in the table."""
    from weft.kernels.maths.coefficients import COEFFICIENTS
    from weft.kernels.maths.fit import fit

    with mp.workdps(60):
        found = fit(lambda m: 1 / mp.cbrt(m), 1, 2, 2.0**-13)
    assert tuple(float(c) for c in found) == COEFFICIENTS["inverse_cbrt"]["double"]


def test_expansions_around_roots_are_those_of_the_script() -> None:
    """The first rows of the table, found anew."""
    from weft.kernels.maths.fit import digamma_roots, lgamma_roots
    from weft.kernels.maths.roots import ROOTS

    for name, rows in (("digamma", digamma_roots()), ("lgamma", lgamma_roots())):
        with mp.workdps(60):
            root, factor, center, *coefficients = next(rows)
            sums = [float(root), float(root - float(root)), float(factor), float(factor - float(factor))]
        assert (*sums, float(center), *map(float, coefficients)) == ROOTS[name][0]
