"""Fits the polynomials of the vector maths: ``python -m weft.kernels.maths.fit`` prints ``coefficients.py``.

With the argument ``roots`` it prints ``roots.py``, the expansions of the gamma functions around their roots.

The one idea: each function is written as a known shape times a smooth factor, and the factor is interpolated at
Chebyshev nodes, with the lowest degree whose error is below the bound for the type. That is within a small factor
of the minimax error. Needs mpmath. Each entry of :func:`fits` says which factor it is; ``z`` stands for a square.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import mpmath as mp

Real = Any
Function = Callable[[Real], Real]


def fit(f: Function, low: Real, high: Real, bound: float, center: Real = 0) -> list[Real]:
    """Coefficients, lowest power first, of a polynomial in ``x - center`` within ``bound`` of ``f`` on ``[low, high]``."""
    low, high = mp.mpf(low), mp.mpf(high)
    middle, half = (low + high) / 2, (high - low) / 2
    for degree in range(2, 45):
        n = degree + 1
        angles = [mp.pi * (2 * k + 1) / (2 * n) for k in range(n)]
        values = [f(middle + half * mp.cos(a)) for a in angles]
        weights = [
            (1 if j == 0 else 2) * mp.fsum(v * mp.cos(j * a) for v, a in zip(values, angles, strict=True)) / n
            for j in range(n)
        ]
        coefficients = _to_monomials(weights, middle - center, half)
        points = [middle + half * mp.cos(mp.pi * k / (2 * n)) for k in range(2 * n + 1)]
        error = max(abs(_evaluate(coefficients, p - center) - f(p)) for p in points)
        if error < bound:
            return coefficients
    raise ValueError(f"no polynomial up to degree 44 reaches {bound} on [{low}, {high}]")


def _evaluate(coefficients: list[Real], x: Real) -> Real:
    total = mp.mpf(0)
    for c in reversed(coefficients):
        total = total * x + c
    return total


def _to_monomials(weights: list[Real], middle: Real, half: Real) -> list[Real]:
    """Chebyshev weights on ``middle +- half`` as coefficients of powers."""

    def times_t(p: list[Real]) -> list[Real]:  # times t = (x - middle) / half
        shifted = [mp.mpf(0), *p]
        return [(a - middle * b) / half for a, b in zip(shifted, [*p, mp.mpf(0)], strict=True)]

    before, current = [mp.mpf(1)], times_t([mp.mpf(1)])
    total = [weights[0]]
    for weight in weights[1:]:
        total = [
            (total[k] if k < len(total) else 0) + weight * (current[k] if k < len(current) else 0)
            for k in range(max(len(total), len(current)))
        ]
        doubled = [2 * c for c in times_t(current)]
        following = [c - (before[k] if k < len(before) else 0) for k, c in enumerate(doubled)]
        before, current = current, following
    return total


def taylor_safe(f: Function, limit: Function) -> Function:
    """``f`` away from 0, where it is a quotient of vanishing terms; near 0 the ``limit``, its leading terms."""
    return lambda z: f(z) if abs(z) > mp.mpf(10) ** -30 else limit(z)


def _of_square(odd: Function, slope: Real) -> Function:
    """``(odd(x) / x - 1) / x**2`` as a function of ``z = x**2``, negative z meaning imaginary x; ``slope`` at 0."""

    def factor(z: Real) -> Real:
        x = mp.sqrt(mp.mpc(z))
        return mp.re((odd(x) / x - 1) / z)

    return taylor_safe(factor, lambda z: slope)


def erfcx(x: Real) -> Real:
    """``exp(x**2) * erfc(x)``."""
    return mp.exp(x * x) * mp.erfc(x)


def dawsn(x: Real) -> Real:
    """Dawson's integral."""
    return mp.re(mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x))


def _i1_over(z: Real) -> Real:
    """``I1(x) / x`` of ``z = x**2``."""
    return mp.besseli(1, mp.sqrt(z)) / mp.sqrt(z) if z > mp.mpf(10) ** -30 else mp.mpf(1) / 2


def inverse_erf(w: Real) -> Real:
    """``erfinv(x) / x`` where ``w = -log(1 - x**2)``."""
    if w < mp.mpf(10) ** -30:
        return mp.sqrt(mp.pi) / 2
    x = mp.sqrt(-mp.expm1(-w))
    q = 1 - x if w < 5 else mp.exp(-w) / (1 + x)
    y = mp.erfinv(x) if w < 2 else mp.sqrt(w)
    for _ in range(60):
        step = (mp.erfc(y) - q) * mp.exp(y * y) * mp.sqrt(mp.pi) / 2
        y += step / (1 - y * step)
        if abs(step) < mp.mpf(10) ** -45:
            break
    return y / x


def _stirling(v: Real) -> Real:
    """``x`` times what lgamma is above Stirling's formula, of ``v = 1 / x``."""
    if v < mp.mpf(10) ** -12:
        return mp.mpf(1) / 12
    x = 1 / v
    return (mp.loggamma(x) - ((x - 0.5) * mp.log(x) - x + mp.log(2 * mp.pi) / 2)) * x


def _digamma_tail(v: Real) -> Real:
    if v < mp.mpf(10) ** -12:
        return mp.mpf(1) / 12
    x = 1 / v
    return (mp.log(x) - v / 2 - mp.digamma(x)) * x * x


def _lgamma_core(x: Real) -> Real:
    if abs(x - 1) < mp.mpf(10) ** -30:
        return mp.euler
    if abs(x - 2) < mp.mpf(10) ** -30:
        return 1 - mp.euler
    return mp.loggamma(x) / ((x - 1) * (x - 2))


def _sin_pi(z: Real) -> Real:
    """What follows ``x - pi**2 / 6 * x**3`` in ``sin(pi x) / pi``, over ``x**5``, of ``z = x**2``."""
    x = mp.sqrt(z)
    return ((mp.sinpi(x) / (mp.pi * x) - 1) / z + mp.pi**2 / 6) / z


def _cos_pi(z: Real) -> Real:
    """What follows ``1 / pi - pi / 2 * x**2`` in ``cos(pi x) / pi``, over ``x**4``, of ``z = x**2``."""
    return ((mp.cospi(mp.sqrt(z)) - 1) / (mp.pi * z) + mp.pi / 2) / z


def _log_cube(f: Real) -> Real:
    """What follows ``f - f**2 / 2`` in ``log(1 + f)``, over ``f**3``."""
    return (mp.log1p(f) - f + f * f / 2) / f**3 if abs(f) > mp.mpf(10) ** -12 else mp.mpf(1) / 3 - f / 4


def fits() -> Iterator[tuple[str, str, list[Real]]]:
    """Yield ``(name, kind, coefficients)`` of every polynomial."""
    third, quarter_pi = mp.mpf(1) / 3, (mp.pi / 4) ** 2 * mp.mpf("1.001")
    log_z = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * mp.mpf("1.001")
    sin_z = _of_square(mp.sin, -mp.mpf(1) / 6)
    atanh_z = _of_square(mp.atanh, third)
    erf_z = taylor_safe(lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1, lambda z: 2 / mp.sqrt(mp.pi) - 1)
    half = mp.log(2) / 2 * mp.mpf("1.001")
    both: list[
        tuple[str, Function, Real, Real, int, Real]
    ] = [  # name, f, low, high, bits below the type's, center
        ("exp", taylor_safe(lambda r: (mp.expm1(r) - r) / r**2, lambda r: mp.mpf(1) / 2), -half, half, 2, 0),
        ("log", _log_cube, mp.mpf("-0.29293"), mp.mpf("0.41426"), 2, 0),
        (
            "log_tail",
            taylor_safe(lambda z: 2 * (atanh_z(z) - third) / z, lambda z: mp.mpf(2) / 5),
            0,
            log_z,
            2,
            0,
        ),
        ("sin", sin_z, 0, quarter_pi, 2, 0),
        (
            "cos",
            taylor_safe(lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2, lambda z: mp.mpf(1) / 24),
            0,
            quarter_pi,
            2,
            0,
        ),
        ("asin", _of_square(mp.asin, mp.mpf(1) / 6), mp.mpf("-0.2501"), mp.mpf("0.2501"), 2, 0),
        ("atan", _of_square(mp.atan, -third), 0, mp.mpf("0.1718"), 2, 0),
        ("sinh", _of_square(mp.sinh, mp.mpf(1) / 6), 0, 1, 2, 0),
        ("tanh", _of_square(mp.tanh, -third), 0, mp.mpf("0.392"), 2, 0),
        ("erf", erf_z, 0, 1, 3, 0),
    ]
    for name, f, low, high, bits, center in both:
        for kind, precision in (("float", 24), ("double", 53)):
            yield name, kind, fit(f, low, high, 2.0 ** -(precision + bits), center)
    for kind, top, bound in (("float", 10.2, 2.0**-26), ("double", 27.5, 2.0**-55)):
        t_of = [(mp.mpf(x) - 4) / (mp.mpf(x) + 4) for x in (0.45, top)]
        factor = lambda t: (1 + 2 * (4 * (1 + t) / (1 - t))) * erfcx(4 * (1 + t) / (1 - t))  # noqa: E731
        yield "erfc", kind, fit(factor, t_of[0], t_of[1], bound)
    log_factor = taylor_safe(lambda f: mp.log1p(f) / f, lambda f: 1 - f / 2)
    for kind, bound in (("float", 2.0**-25), ("double", 2.0**-54)):
        yield "log_factor", kind, fit(log_factor, mp.mpf("-0.29293"), mp.mpf("0.41426"), bound)
    root = lambda s: inverse_erf(s * s)  # noqa: E731
    # Centers at which the value, which is the first coefficient, is all but a number of the type.
    yield "erf_inv_center", "float", fit(inverse_erf, 0, 5, 2.0**-26, mp.mpf("2.4365234375"))
    yield "erf_inv_tail", "float", fit(root, mp.sqrt(5), mp.mpf("4.1"), 2.0**-25, mp.mpf("2.921875"))
    yield (
        "erf_inv_center",
        "double",
        fit(inverse_erf, 0, mp.mpf("6.25"), 2.0**-55, mp.mpf("3.3349609375")),
    )
    yield (
        "erf_inv_tail",
        "double",
        fit(root, mp.mpf("2.5"), mp.mpf("6.1"), 2.0**-54, mp.mpf("4.2685546875")),
    )
    for kind, bound in (("float", 2.0**-25), ("double", 2.0**-54)):
        yield "erfcx_near", kind, fit(erfcx, -1, mp.mpf("0.5"), bound)
    yield "erfc_outer", "float", fit(mp.erfc, 1, 4, 2.0**-28, mp.mpf("2.5"))
    yield "i0_near", "float", fit(lambda z: mp.besseli(0, mp.sqrt(z)), 0, mp.mpf("12.25"), 2.0**-26)
    yield "i1_near", "float", fit(_i1_over, 0, mp.mpf("12.25"), 2.0**-27)
    for n in (0, 1):
        rooted = lambda v, n=n: mp.besseli(n, 1 / v) * mp.exp(-1 / v) / mp.sqrt(v)  # noqa: E731
        far = taylor_safe(rooted, lambda v: 1 / mp.sqrt(2 * mp.pi))
        yield f"i{n}_far", "float", fit(far, 0, mp.mpf("0.286"), 2.0**-27, mp.mpf("0.125"))
    of_z = _of_square(dawsn, -mp.mpf(2) / 3)
    yield "dawsn_near", "float", fit(of_z, 0, 1, 2.0**-26)
    yield "dawsn_middle", "float", fit(dawsn, 1, 3, 2.0**-28, 2)
    outer = taylor_safe(lambda v: dawsn(1 / mp.sqrt(v)) / mp.sqrt(v), lambda v: mp.mpf(1) / 2)
    yield "dawsn_far", "float", fit(outer, 0, mp.mpf(1) / 9, 2.0**-27)
    yield "inverse_cbrt", "double", fit(lambda m: 1 / mp.cbrt(m), 1, 2, 2.0**-13)
    log2_factor = taylor_safe(lambda f: mp.log1p(f) / f / mp.log(2), lambda f: (1 - f / 2) / mp.log(2))
    yield "log2_short", "double", fit(log2_factor, mp.mpf("-0.29293"), mp.mpf("0.41426"), 2.0**-40)
    yield "exp2_short", "double", fit(lambda r: mp.mpf(2) ** r, mp.mpf("-0.5"), mp.mpf("0.5"), 2.0**-34)
    sixteenth = mp.mpf("0.0626")
    sin_pi = taylor_safe(_sin_pi, lambda z: mp.pi**4 / 120)
    cos_pi = taylor_safe(_cos_pi, lambda z: mp.pi**3 / 24)
    yield "sin_pi", "double", fit(sin_pi, 0, sixteenth, 2.0**-52)
    yield "cos_pi", "double", fit(cos_pi, 0, sixteenth, 2.0**-52)
    yield "lgamma_core", "double", fit(_lgamma_core, 1, mp.mpf("2.5"), 2.0**-56, mp.mpf("1.75"))
    yield "lgamma_tail", "double", fit(_stirling, 0, mp.mpf("0.4"), 2.0**-54)
    root = mp.findroot(mp.digamma, 1.46)
    yield "digamma_core", "double", fit(lambda x: mp.digamma(x) / (x - root), 1, 2, 2.0**-56, mp.mpf("1.5"))
    yield "digamma_tail", "double", fit(_digamma_tail, 0, mp.mpf("0.5"), 2.0**-54)


def _digamma_taylor(x: Real, reach: Real, bound: Real, pole: int | None = None) -> list[Real]:
    """Coefficients of ``digamma(x + d)`` in powers of d, up to where they fall below the bound for ``|d| <= reach``.

    With a ``pole`` of digamma given, ``-1 / (x + d - pole)`` is left out.
    """
    steps = int(mp.ceil(-x)) + 1
    coefficients: list[Real] = []
    while len(coefficients) < 3 or abs(coefficients[-1]) * reach ** len(coefficients) > bound:
        order = len(coefficients)
        poles = (x + k for k in range(steps) if pole is None or k != -pole)
        shifted = mp.psi(order, x + steps) / mp.factorial(order)
        coefficients.append(shifted - mp.fsum((-1) ** order / distance ** (order + 1) for distance in poles))
    return coefficients


def _digamma_root(n: int) -> Real:
    return mp.findroot(mp.digamma, (-n - 0.8, -n - 0.3), solver="anderson")


def digamma_roots() -> Iterator[list[Real]]:
    """``[root, 0, root, coefficients of digamma(root + d) / d]`` for the root between -n - 1 and -n, n from 0 to 19."""
    for n in range(20):
        root = _digamma_root(n)
        yield [root, mp.mpf(0), root, *_digamma_taylor(root, mp.mpf("0.02"), mp.mpf(2) ** -58)[1:]]


def lgamma_roots() -> Iterator[list[Real]]:
    """``[root, 1 / (root - pole), root, coefficients of P]`` for both roots between -n - 1 and -n, from -2 on downwards.

    ``pole`` is the integer that the root is next to, and ``lgamma(root + d) = d * P(d) - log(1 + d / (root - pole))``.
    Rows hold where lgamma is below 1/4 in size, below -5 where it is below 1. Between the first two roots it is so all
    over: a row of its own, where ``lgamma(root + d) = d * P(root + d - center)``, with the center in third place.
    """
    size = lambda x: mp.log(abs(mp.gamma(x)))  # noqa: E731
    for n in range(2, 19):
        lowest = _digamma_root(n)
        for pole in (-n, -n - 1):
            ends = (pole + mp.mpf(10) ** -30 * mp.sign(lowest - pole), lowest)
            root = mp.findroot(size, ends, solver="anderson", tol=mp.mpf(10) ** -80)
            distance = root - pole
            reach = mp.mpf("0.12") if n == 2 else abs(distance) * (0.3 if n < 5 else 1.8)
            slopes = _digamma_taylor(root, reach, mp.mpf(2) ** -58 / abs(distance), pole)
            yield [root, 1 / distance, root, *(c / (k + 1) for k, c in enumerate(slopes))]
            if pole == -2:
                factor = lambda x, root=root: size(x) / (x - root)  # noqa: E731
                center = mp.mpf(-2.6)
                yield [
                    root,
                    mp.mpf(0),
                    center,
                    *fit(factor, mp.mpf("-2.7"), mp.mpf("-2.49"), 2.0**-58, center),
                ]


def print_roots() -> None:
    """Print ``roots.py``."""
    print(
        '"""Expansions of the gamma functions around their negative roots: printed by ``fit.py roots``.\n\n'
        "A row is what :mod:`fit`'s generators yield; its first two numbers are sums of two floats.\n"
        '"""\n\n# fmt: off\nROOTS: dict[str, tuple[tuple[float, ...], ...]] = {'
    )
    for name, rows in (("lgamma", lgamma_roots()), ("digamma", digamma_roots())):
        print(f'    "{name}": (')
        for root, factor, center, *coefficients in rows:
            sums = (float(root), float(root - float(root)), float(factor), float(factor - float(factor)))
            numbers = ", ".join(repr(float(c)) for c in (*sums, center, *coefficients))
            print(textwrap.fill(f"({numbers}),", 118, initial_indent=" " * 8, subsequent_indent=" " * 9))
        print("    ),")
    print("}")


def print_coefficients() -> None:
    """Print ``coefficients.py``."""
    tables: dict[str, dict[str, list[Real]]] = {}
    for name, kind, coefficients in fits():
        tables.setdefault(name, {})[kind] = coefficients
    print(
        '"""Polynomials of the vector maths, lowest power first, by name and kind: printed by ``fit.py``."""\n'
    )
    print("# fmt: off\nCOEFFICIENTS: dict[str, dict[str, tuple[float, ...]]] = {")
    for name, kinds in tables.items():
        print(f'    "{name}": {{')
        for kind, coefficients in kinds.items():
            numbers = ", ".join(repr(float(c)) for c in coefficients)
            print(f'        "{kind}": (')
            print(textwrap.fill(f"{numbers},", 118, initial_indent=" " * 12, subsequent_indent=" " * 12))
            print("        ),")
        print("    },")
    print("}")


if __name__ == "__main__":
    mp.mp.dps = 60
    if sys.argv[1:] == ["roots"]:
        print_roots()
    else:
        print_coefficients()
