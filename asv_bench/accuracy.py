"""Measure the maths functions against mpmath in units of the last place, and write docs/accuracy.md.

    python -m asv_bench.accuracy [names ...] [--points 10000] [--write]

The one idea: an error is sought where it can hide. A function is asked at random bit patterns (so all exponents and
subnormals come up), at random points where its result is neither constant nor out of range, and around borders: ends of the
domain, roots, and where an implementation may change formulas. Points come from fixed seeds, and few are the first of many,
so that a quick check asks what the page has asked too.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np

import weft
import weft.lax
import weft.numpy

Array = np.ndarray[Any, np.dtype[Any]]
Interval = tuple[float, float]
Arguments = tuple[Array, ...]

KINDS = ("float32", "float64")
PAGE = Path(__file__).parent.parent / "docs" / "accuracy.md"
BEGIN, END = "<!-- table: written by `make accuracy` -->\n", "<!-- end of table -->\n"
HEADER = "| Function | float32 | at | float64 | at |\n|---|---|---|---|---|\n"
MOST = 20_000  # points of each sort
DIGITS = 60
INFINITY = float("inf")
SMALLEST = 5e-324


@dataclass(frozen=True)
class Function:
    """A function to measure: its name in ``weft.lax`` or ``weft.numpy``, mpmath's function, and where to ask.

    Attributes:
        draw: gives about so many points of each sort: arguments of the kind.
        unit: an error is measured in units of the last place of this number, if that is larger than the result.
        label: what the page calls it.
    """

    name: str
    exact: Callable[..., Any]
    draw: Callable[[str, int], Arguments]
    unit: Callable[..., Any] | None = None
    label: str = ""


def every_exponent(kind: str, seed: int) -> Array:
    """Floats of random bits: all exponents alike, both signs."""
    dtype = np.dtype(kind)
    bits = np.random.default_rng(seed).integers(0, 2**64, MOST, np.uint64)
    x = (bits >> np.uint64(64 - 8 * dtype.itemsize)).astype(f"u{dtype.itemsize}").view(dtype)
    return np.where(np.isfinite(x), x, dtype.type(1))


def around(kind: str, border: float, seed: int) -> Array:
    """The neighbours of a float, then points at random small distances on either side."""
    dtype, rng = np.dtype(kind), np.random.default_rng(seed)
    center = dtype.type(border)
    steps = np.arange(-8, 9) * float(np.spacing(abs(center)))
    digits = 8 if kind == "float32" else 17
    distances = rng.choice([-1, 1], MOST) * 10.0 ** rng.uniform(-digits, -0.5, MOST) * (abs(border) or 1.0)
    return np.concatenate([float(center) + steps, border + distances]).astype(dtype)


def points(
    *intervals: Interval | tuple[Interval, Interval],
    near: Sequence[float] = (),
    domain: Interval = (-INFINITY, INFINITY),
    hard: Callable[[str], Iterable[float]] | None = None,
) -> Callable[[str, int], Arguments]:
    """Points of one argument: of every exponent, evenly in intervals (or pairs of them, by kind), and around borders."""

    def draw(kind: str, n: int) -> Arguments:
        drawn = [every_exponent(kind, 1)[:n]]
        for k, interval in enumerate(intervals):
            low, high = interval[KINDS.index(kind)] if isinstance(interval[0], tuple) else interval
            drawn.append(np.random.default_rng(2 + k).uniform(low, high, MOST)[:n].astype(kind))
        for k, border in enumerate([*near, *(hard(kind) if hard else ())]):
            drawn.append(around(kind, border, 20 + k)[: 17 + n // (8 if k < len(near) else 200)])
        x = np.unique(np.concatenate(drawn))
        return (x[np.isfinite(x) & (x >= domain[0]) & (x <= domain[1])],)

    return draw


@functools.cache
def near_multiples_of_half_pi(kind: str) -> tuple[float, ...]:
    """For some exponents the float that comes closest to a multiple of pi/2: a convergent of 2**e * 2/pi."""
    bits, top = (24, 104) if kind == "float32" else (53, 971)
    with mp.workprec(2400):
        two_over_pi = Fraction(int(mp.floor(mp.mpf(2) ** 2300 * 2 / mp.pi)), 2**2300)
    found = []
    for exponent in range(-bits, top + 1, 2 if kind == "float32" else 13):
        rest = two_over_pi * Fraction(2) ** exponent
        before, denominator = 0, 1
        whole = rest.numerator // rest.denominator
        while denominator < 2**bits:
            if denominator >= 2 ** (bits - 1):
                found.append(float(denominator) * 2.0**exponent)
            rest = 1 / (rest - whole)
            whole = rest.numerator // rest.denominator
            before, denominator = denominator, whole * denominator + before
    return tuple(found)


def log_gamma(x: Any) -> Any:
    return mp.log(abs(mp.gamma(x))) if -1000 < x < 1000 else mp.re(mp.loggamma(x))


@functools.cache
def roots(name: str) -> tuple[float, ...]:
    """The negative roots of lgamma that floats come near, or those of digamma down to -20."""
    with mp.workdps(40):
        lowest = [mp.findroot(mp.digamma, (n + 0.3, n + 0.7), solver="anderson") for n in range(-20, 0)]
        if name == "digamma":
            return tuple(map(float, lowest))
        found = []
        for n, x in zip(range(-20, -2), lowest, strict=False):
            for end in (n + mp.mpf(10) ** -20, n + 1 - mp.mpf(10) ** -20):
                found.append(mp.findroot(log_gamma, (end, x), solver="anderson", tol=1e-50))
        return tuple(map(float, found))


def powers(kind: str, n: int) -> Arguments:
    """Bases of every exponent and around 1, with exponents that give results in range; whole exponents; negative bases."""
    rng = np.random.default_rng(4)
    low, high = (-150.0, 128.5) if kind == "float32" else (-1075.0, 1024.5)
    bases = np.abs(every_exponent(kind, 5)), around(kind, 1.0, 6)[17:]
    with np.errstate(all="ignore"):
        drawn = [(x, rng.uniform(low, high, MOST) / np.log2(x.astype("f8"))) for x in bases]
        drawn.append((rng.choice([-1, 1], MOST) * rng.uniform(0.1, 10.0, MOST), rng.integers(-40, 41, MOST)))
        x, y = (np.concatenate([pair[k][:n] for pair in drawn]).astype(kind) for k in range(2))
    usual = np.isfinite(y) & (x != 0) & (x != 1)
    return x[usual], y[usual]


def pairs(kind: str, n: int) -> Arguments:
    """Points of the plane: of every exponent, and of like size."""
    rng = np.random.default_rng(7)
    like = rng.normal(size=(2, MOST))[:, :n].astype(kind)
    return tuple(np.concatenate([every_exponent(kind, 8 + k)[:n], like[k]]) for k in range(2))


_ANGLES = points(
    (-10, 10), (-1e5, 1e5), (-2e9, 2e9), near=(0.78539816, 1e6, 1e9), hard=near_multiples_of_half_pi
)
_LOGS = points((0, 3), near=(1.0, 0.70710678, 1.41421356, 10.0), domain=(SMALLEST, INFINITY))
_UNIT = points((-1, 1), near=(0.5, -0.5, 1.0, -1.0), domain=(-1, 1))
_GROWTH = points(((-90, 90), (-711, 711)), (-2, 2), near=(1.0, 710.4, 89.4))

FUNCTIONS = (
    Function("exp", mp.exp, points(((-104, 89), (-746, 710)), (-1, 1), near=(0.3465736, -708.39, -87.33))),
    Function("exp2", lambda x: mp.mpf(2) ** x, points(((-150, 128), (-1075, 1024)), (-1, 1), near=(0.5,))),
    Function("expm1", mp.expm1, points(((-20, 89), (-40, 710)), (-1, 1), near=(0.3465736, -0.3465736))),
    Function("log", mp.log, _LOGS),
    Function("log2", lambda x: mp.log(x) / mp.log(2), _LOGS),
    Function("log10", mp.log10, _LOGS),
    Function(
        "log1p", mp.log1p, points((-1, 2), near=(-0.29289322, 0.41421356), domain=(-1 + 2.0**-24, INFINITY))
    ),
    Function("sin", mp.sin, _ANGLES),
    Function("cos", mp.cos, _ANGLES),
    Function("tan", mp.tan, _ANGLES),
    Function("asin", mp.asin, _UNIT),
    Function("acos", mp.acos, _UNIT),
    Function("atan", mp.atan, points((-4, 4), near=(0.41421356, 2.41421356, 1.0))),
    Function("atan2", mp.atan2, pairs),
    Function("sinh", mp.sinh, _GROWTH),
    Function("cosh", mp.cosh, _GROWTH),
    Function("tanh", mp.tanh, points((-20, 20), (-1, 1), near=(0.625, -0.625))),
    Function("asinh", mp.asinh, points((-3, 3), near=(0.5, 32768.0, 2.0**30))),
    Function("acosh", mp.acosh, points((1, 4), near=(1.0, 2.0, 32768.0), domain=(1, INFINITY))),
    Function("atanh", mp.atanh, points((-1, 1), near=(0.5, 1.0, -1.0), domain=(-1 + 2.0**-53, 1 - 2.0**-53))),
    Function("pow", mp.power, powers),
    Function("cbrt", lambda x: mp.sign(x) * mp.cbrt(abs(x)), points((-8, 8), near=(1.0, 8.0))),
    Function("erf", mp.erf, points((-6, 6), (-1, 1), near=(1.0, -1.0))),
    Function(
        "erfc",
        lambda x: mp.erfc(max(min(x, 1000), -1000)),
        points(((-4, 10.2), (-6, 27.3)), (-1, 1), near=(0.47, 26.55)),
    ),
    Function("logistic", lambda x: 1 / (1 + mp.exp(-x)), points(((-104, 20), (-746, 40)), (-2, 2))),
    Function(
        "lgamma",
        log_gamma,
        points(
            (-3, 3), (-20, 0), (0, 30), (-200, 0), near=(1.0, 2.0, 2.5, 0.0), hard=lambda _: roots("lgamma")
        ),
    ),
    Function(
        "digamma",
        mp.digamma,
        points(
            (-3, 3),
            (-20, 0),
            (0, 30),
            near=(1.0, 2.0, 1.4616321449683623),
            hard=lambda _: roots("digamma"),
            domain=(-20, INFINITY),
        ),
    ),
    Function(
        "digamma",
        mp.digamma,
        points((-200, -20), (-1e5, -20), domain=(-INFINITY, -20)),
        unit=lambda x: mp.log(-x),
        label="digamma below -20, in units of log(-x)",
    ),
    Function("sqrt", mp.sqrt, points((0, 4), domain=(0, INFINITY))),
    Function("rsqrt", lambda x: 1 / mp.sqrt(x), points((0, 4), domain=(SMALLEST, INFINITY))),
)


@dataclass(frozen=True)
class Worst:
    """The largest error that was found, and the arguments it is at."""

    error: float
    at: tuple[float, ...]


def ulps(got: Array, want: Sequence[Any], units: Sequence[Any] | None = None) -> Array:
    """Distances from exact values in units of their last place; an infinity counts as the power of two it stands for.

    A number in `units` that is larger than the value has its own last place count.
    """
    limits = np.finfo(got.dtype)
    least, most, width = int(limits.minexp) + 1, int(limits.maxexp), int(limits.nmant)
    infinity = mp.ldexp(1, most)
    result = np.empty(got.size)
    for n, (g, w) in enumerate(zip(got, want, strict=True)):
        size = max(abs(w), abs(units[n])) if units else abs(w)
        exponent = min(max(int(mp.frexp(size)[1]), least), most) if size else least
        value = np.sign(g) * infinity if np.isinf(g) else mp.mpf(float(g))
        bound = max(min(w, infinity), -infinity)
        result[n] = np.inf if np.isnan(g) else abs(value - bound) / mp.ldexp(1, exponent - 1 - width)
    return result


def measure(function: Function, kind: str, n: int) -> Worst:
    """The largest error of a function at about `n` points of each sort."""
    arguments = function.draw(kind, n)
    compiled = weft.jit(getattr(weft.lax, function.name, None) or getattr(weft.numpy, function.name))
    got = np.asarray(compiled(*arguments))
    with mp.workdps(DIGITS):
        exact = [[mp.mpf(float(v)) for v in row] for row in zip(*arguments, strict=True)]
        want = [function.exact(*row) if _defined(function, row) else mp.nan for row in exact]
        inside = np.array([bool(mp.isfinite(w)) for w in want])
        rows = [row for row, keep in zip(exact, inside, strict=True) if keep]
        units = [function.unit(*row) for row in rows] if function.unit else None
        errors = ulps(got[inside], [w for w in want if mp.isfinite(w)], units)
    place = int(np.argmax(errors))
    return Worst(float(errors[place]), tuple(float(v) for v in rows[place]))


def _defined(function: Function, row: Sequence[Any]) -> bool:
    """Poles are no points of measure."""
    return function.name not in ("lgamma", "digamma") or bool(row[0] > 0 or row[0] != mp.floor(row[0]))


def line(function: Function, found: Sequence[Worst]) -> str:
    """A line of the table, with errors rounded up."""
    cells = []
    for kind, worst in zip(KINDS, found, strict=True):
        at = ", ".join(str(np.dtype(kind).type(v)) for v in worst.at)
        cells.append(f"{np.ceil(worst.error * 100) / 100:.2f} | {at}")
    return f"| {function.label or function.name} | {' | '.join(cells)} |"


def stated() -> dict[str, tuple[float, float]]:
    """The errors that the page states, of float32 and float64."""
    text = PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    cells = [row.split(" | ") for row in text.splitlines()[3:] if row.startswith("| ")]
    return {name.removeprefix("| "): (float(single), float(double)) for name, single, _, double, _ in cells}


def write(lines: Sequence[str]) -> None:
    """Replace the table of the page."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    table = "\n".join(lines)
    PAGE.write_text(f"{before}{BEGIN}\n{HEADER}{table}\n\n{END}{after}", encoding="utf-8")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="functions to measure, instead of all")
    parser.add_argument("--points", type=int, default=10_000, help=f"of each sort, at most {MOST} (10000)")
    parser.add_argument("--write", action="store_true", help="write the table into docs/accuracy.md")
    args = parser.parse_args(argv)
    if args.names and args.write:
        parser.error("the table is written whole: leave out the names or --write")
    print(HEADER, end="")
    lines = []
    for function in FUNCTIONS:
        if not args.names or function.name in args.names:
            lines.append(line(function, [measure(function, kind, args.points) for kind in KINDS]))
            print(lines[-1], flush=True)
    if args.write:
        write(lines)


if __name__ == "__main__":
    main()
