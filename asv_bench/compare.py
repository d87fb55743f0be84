"""Run the suites and print Weft beside NumPy and JAX.

    python -m asv_bench.compare [pattern] [--backends weft jax]

asv, which runs the same classes, is for following one backend over time; `performance` has the rows with targets.
"""

from __future__ import annotations

import argparse
import itertools
import re

from rich.console import Console
from rich.table import Table

from asv_bench.benchmarks import BACKENDS
from asv_bench.measure import compare, sampler, suites

UNITS = {
    "seconds": (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)),
    "bytes": (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)),
}


def spelled(value: float | None, unit: str) -> str:
    """Three digits and a unit."""
    if value is None:
        return ""
    for name, size in UNITS.get(unit, ((unit, 0.0),)):
        if value >= size:
            return f"{value / (size or 1.0):.3g} {name}"
    return f"{value:.3g} {unit}"


def ratio(times: float | None) -> str:
    """A ratio to a peer; green where Weft needs no more."""
    return "" if times is None else f"[{'green' if times <= 1 else 'red'}]{times:.2g}[/]"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pattern", nargs="?", default="", help="a regular expression that names must match")
    parser.add_argument("--backends", nargs="+", default=list(BACKENDS), choices=(*BACKENDS, "numba"))
    parser.add_argument("--rounds", type=int, default=15, help="rounds of samples at most (15)")
    parser.add_argument("--limit", type=float, default=1.0, help="seconds a row takes, about (1)")
    args = parser.parse_args(argv)

    peers = [name for name in args.backends if name != "weft"] if "weft" in args.backends else []
    table = Table("benchmark", *args.backends, *(f"weft / {name}" for name in peers))
    console = Console()
    with console.status("") as status:
        for benchmark in suites():
            if benchmark.method.startswith("track_"):
                continue
            for rest in itertools.product(*benchmark.cls.params[1:]):
                name = " ".join([benchmark.name, *map(str, rest)])
                if not re.search(args.pattern, name):
                    continue
                status.update(name)
                samplers = {b: sampler(benchmark, (b, *rest)) for b in args.backends}
                ready = {b: take for b, take in samplers.items() if take is not None}
                least = 3 if benchmark.once else 5
                found = compare(ready, min(least, args.rounds), args.rounds, args.limit)
                table.add_row(
                    name,
                    *(spelled(found.medians.get(b), benchmark.unit) for b in args.backends),
                    *(ratio(found.ratio(b)) for b in peers),
                )
    console.width = max(console.width, 110)  # a file or a pipe has no width of its own
    console.print(table)


if __name__ == "__main__":
    main()
