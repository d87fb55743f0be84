"""Fits the Chebyshev series of the special functions: ``python -m weft.kernels.maths.fit_series`` prints ``series.py``.

The one idea: a function is a known shape times a factor that is smooth on an interval; the series of the factor in Chebyshev
polynomials of the interval's own variable, from -1 to 1, is summed as it stands, so that no power of a large number cancels
another. Needs mpmath.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import mpmath as mp

from weft.kernels.maths.fit import dawsn, inverse_erf

Real = Any


def chebyshev(f: Callable[[Real], Real], low: Real, high: Real, bound: float) -> list[Real]:
    """The series of ``f`` on an interval, cut where what follows is below ``bound`` of the largest term."""
    low, high, n = mp.mpf(low), mp.mpf(high), 96
    angles = [mp.pi * (2 * k + 1) / (2 * n) for k in range(n)]
    values = [f((low + high) / 2 + (high - low) / 2 * mp.cos(a)) for a in angles]
    weights = [
        (1 if j == 0 else 2) * mp.fsum(v * mp.cos(j * a) for v, a in zip(values, angles, strict=True)) / n
        for j in range(n)
    ]
    largest = max(map(abs, weights))
    while len(weights) > 1 and mp.fsum(map(abs, weights[-2:])) < bound * largest:
        weights.pop()
    if len(weights) > n // 2:
        raise ValueError(f"the series on [{low}, {high}] needs {len(weights)} terms.")
    return weights


def _over_inverse(f: Callable[[Real], Real], limit: Real) -> Callable[[Real], Real]:
    """``f(1 / v)`` as a function of ``v``, with its limit at 0."""
    return lambda v: limit if v < mp.mpf(10) ** -25 else f(1 / v)


EI_ROOT, CI_ROOT = "0.3725074107813666344619918665", "0.6165054856207162337971104100"


def _beyond_root(f: Callable[[Real], Real], root: Real) -> Callable[[Real], Real]:
    """``(f(x) - log(x / root)) / (x - root)``, for an f that grows as the logarithm at 0."""

    def factor(x: Real) -> Real:
        x = max(x, mp.mpf(10) ** -30)
        if abs(x - root) < mp.mpf(10) ** -20:
            x = root + mp.mpf(10) ** -20
        return (f(x) - mp.log(x / root)) / (x - root)

    return factor


def _of_trig_integrals(x: Real) -> tuple[Real, Real]:
    """The functions f and g with ``si = pi/2 - f cos - g sin`` and ``ci = f sin - g cos``."""
    co_si, ci, sin, cos = mp.pi / 2 - mp.si(x), mp.ci(x), mp.sin(x), mp.cos(x)
    return ci * sin + co_si * cos, co_si * sin - ci * cos


def _of_fresnel(x: Real) -> tuple[Real, Real]:
    """The functions f and g with ``S = 1/2 - f cos - g sin`` and ``C = 1/2 + f sin - g cos`` of ``pi/2 x**2``."""
    s, c = mp.mpf(1) / 2 - mp.fresnels(x), mp.fresnelc(x) - mp.mpf(1) / 2
    sin, cos = mp.sin(mp.pi / 2 * x * x), mp.cos(mp.pi / 2 * x * x)
    return s * cos + c * sin, s * sin - c * cos


def _spence_factor(z: Real) -> Real:
    return mp.mpf(1) if abs(z - 1) < mp.mpf(10) ** -25 else mp.re(mp.polylog(2, 1 - z)) / (1 - z)


def _at_least(f: Callable[[Real], Real], low: Real = "1e-12") -> Callable[[Real], Real]:
    """``f`` where its argument is not so small that its terms cancel."""
    return lambda x: f(max(x, mp.mpf(low)))


def integrals(bound: float) -> Iterator[tuple[str, list[Real]]]:
    """Yield the series of functions that are defined by integrals."""
    root = mp.mpf(EI_ROOT)
    root = mp.findroot(mp.ei, root)
    yield "ei_near", chebyshev(_beyond_root(mp.ei, root), 0, 6, bound)
    scaled = lambda x: x * mp.exp(-x) * mp.ei(x)  # noqa: E731
    for low, high in ((6, 10), (10, 20), (20, 40)):
        yield f"ei_{low}", chebyshev(scaled, low, high, bound)
    yield "ei_40", chebyshev(_over_inverse(scaled, mp.mpf(1)), 0, mp.mpf(1) / 40, bound)
    yield "ein", chebyshev(_at_least(lambda x: (mp.e1(x) + mp.log(x) + mp.euler) / x), 0, 1, bound)
    scaled_e1 = lambda x: x * mp.exp(x) * mp.e1(x)  # noqa: E731
    yield "e1_1", chebyshev(scaled_e1, 1, 3, bound)
    yield "e1_3", chebyshev(scaled_e1, 3, 10, bound)
    yield "e1_10", chebyshev(_over_inverse(scaled_e1, mp.mpf(1)), 0, mp.mpf(1) / 10, bound)
    yield "si_near", chebyshev(_at_least(lambda z: mp.si(mp.sqrt(z)) / mp.sqrt(z)), 0, 16, bound)
    yield "ci_near", chebyshev(_beyond_root(mp.ci, mp.findroot(mp.ci, mp.mpf(CI_ROOT))), 0, 4, bound)
    for name, part, power in (("f", 0, 1), ("g", 1, 2)):
        of = lambda v, part=part, power=power: (  # noqa: E731
            mp.mpf(1)
            if v < mp.mpf(10) ** -16
            else _of_trig_integrals(1 / mp.sqrt(v))[part] / mp.sqrt(v) ** power
        )
        yield f"si_{name}_4", chebyshev(of, mp.mpf(1) / 64, mp.mpf(1) / 16, bound)
        yield f"si_{name}_8", chebyshev(of, 0, mp.mpf(1) / 64, bound)
    yield (
        "fresnel_s",
        chebyshev(_at_least(lambda z: mp.fresnels(z ** mp.mpf(0.25)) / z ** mp.mpf(0.75)), 0, 16, bound),
    )
    yield (
        "fresnel_c",
        chebyshev(_at_least(lambda z: mp.fresnelc(z ** mp.mpf(0.25)) / z ** mp.mpf(0.25)), 0, 16, bound),
    )
    for name, part, power in (("f", 0, 1), ("g", 1, 3)):
        of = lambda v, part=part, power=power: (  # noqa: E731
            mp.mpf(1)
            if v < mp.mpf(10) ** -24
            else _of_fresnel(v ** mp.mpf(-0.25))[part]
            * mp.pi ** ((power + 1) // 2)
            * v ** (-mp.mpf(power) / 4)
        )
        yield f"fresnel_{name}", chebyshev(of, 0, mp.mpf(1) / 16, bound)
    yield "spence", chebyshev(_spence_factor, mp.mpf(1) / 2, mp.mpf(3) / 2, bound)
    yield "dawsn_near", chebyshev(_at_least(lambda z: dawsn(mp.sqrt(z)) / mp.sqrt(z)), 0, 4, bound)
    yield "dawsn_2", chebyshev(dawsn, 2, 4, bound)
    yield (
        "dawsn_4",
        chebyshev(
            lambda v: mp.mpf(1) if v < mp.mpf(10) ** -16 else 2 * dawsn(1 / mp.sqrt(v)) / mp.sqrt(v),
            0,
            mp.mpf(1) / 16,
            bound,
        ),
    )
    yield "ndtri_tail", chebyshev(lambda r: inverse_erf(r * r) / r, 6, mp.mpf("27.5"), bound)


def series() -> Iterator[tuple[str, list[Real]]]:
    """Yield ``(name, weights)`` of every series."""
    bound = 2.0**-56
    decayed = lambda n: lambda x: mp.exp(-x) * mp.besseli(n, x)  # noqa: E731
    rooted = lambda n: lambda x: mp.sqrt(x) * decayed(n)(x)  # noqa: E731
    flat = 1 / mp.sqrt(2 * mp.pi)
    yield "i0e_near", chebyshev(decayed(0), 0, 8, bound)
    yield "i1e_near", chebyshev(lambda x: decayed(1)(x) / x if x else mp.mpf(0.5), 0, 8, bound)
    for n in (0, 1):
        yield f"i{n}e_far", chebyshev(_over_inverse(rooted(n), flat), 0, mp.mpf(1) / 8, bound)
    yield from integrals(bound)


def main() -> None:
    """Print ``series.py``."""
    print(
        '"""Chebyshev series of the special functions, lowest order first: printed by ``fit_series.py``."""\n'
    )
    print("# fmt: off\nSERIES: dict[str, tuple[float, ...]] = {")
    for name, weights in series():
        numbers = ", ".join(repr(float(w)) for w in weights)
        print(f'    "{name}": (')
        print(textwrap.fill(f"{numbers},", 118, initial_indent=" " * 8, subsequent_indent=" " * 8))
        print("    ),")
    print("}")


if __name__ == "__main__":
    mp.mp.dps = 60
    main()
