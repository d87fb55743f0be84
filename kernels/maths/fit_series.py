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
    mp.mp.dps = 40
    main()
