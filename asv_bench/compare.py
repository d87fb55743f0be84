"""Run the suites in this process and print Weft beside NumPy and JAX.

    python -m asv_bench.compare [pattern] [--backends weft jax]

The backends take turns within each repeat, so that a slow spell of the machine falls on all of them; the
median of the repeats is shown. asv, which runs the same classes, is for following one backend over time.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import inspect
import itertools
import pkgutil
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from asv_bench import benchmarks
from asv_bench.benchmarks import BACKENDS


def suites() -> Iterator[tuple[str, type, str]]:
    """(name, class, method) of every method that asv would time."""
    for info in pkgutil.iter_modules(benchmarks.__path__):
        module = importlib.import_module(f"{benchmarks.__name__}.{info.name}")
        for cls in vars(module).values():
            if isinstance(cls, type) and cls.__module__ == module.__name__ and not inspect.isabstract(cls):
                for method in dir(cls):
                    if method.startswith(("time_", "timeraw_")):
                        yield f"{info.name}.{cls.__name__}", cls, method


def timed_call(cls: type, method: str, params: tuple[Any, ...]) -> Callable[[], Any] | None:
    """The call to time, set up; None where the suite skips these parameters."""
    suite = cls()
    try:
        if hasattr(suite, "setup"):
            suite.setup(*params)
    except NotImplementedError:
        return None
    timed = functools.partial(getattr(suite, method), *params)
    if not method.startswith("timeraw_"):
        return timed
    return functools.partial(subprocess.run, [sys.executable, "-c", timed()], check=True)


def seconds(call: Callable[[], Any], number: int) -> float:
    start = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - start) / number


def medians(calls: dict[str, Callable[[], Any]], number: int, repeat: int) -> dict[str, float]:
    """Median seconds of each call; without a `number`, as many calls in a repeat as fill 5 ms."""

    def enough(call: Callable[[], Any]) -> int:
        return number or max(1, min(10_000, int(0.005 / seconds(call, 3))))

    numbers = {name: enough(call) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeat):
        for name, call in calls.items():
            times[name].append(seconds(call, numbers[name]))
    return {name: statistics.median(values) for name, values in times.items()}


def spelled(duration: float) -> str:
    """Three digits and a unit."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if duration * factor >= 1:
            return f"{duration * factor:.3g} {unit}"
    return f"{duration * 1e9:.3g} ns"


def ratio(other: float | None, ours: float | None) -> str:
    """How many times as long the other took; green where Weft is at least as fast."""
    if other is None or ours is None:
        return ""
    times = other / ours
    return f"[{'green' if times >= 1 else 'red'}]{times:.2g}x[/]"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pattern", nargs="?", default="", help="a regular expression that names must match")
    parser.add_argument("--backends", nargs="+", default=list(BACKENDS), choices=BACKENDS)
    parser.add_argument("--repeat", type=int, help="repeats, instead of each suite's own number")
    args = parser.parse_args(argv)

    peers = [name for name in args.backends if name != "weft"] if "weft" in args.backends else []
    table = Table("benchmark", *args.backends, *(f"{name} / weft" for name in peers))
    console = Console()
    with console.status("") as status:
        for suite, cls, method in suites():
            for rest in itertools.product(*cls.params[1:]):
                name = " ".join([suite, *map(str, rest)])
                if not re.search(args.pattern, name):
                    continue
                status.update(name)
                calls = {b: timed_call(cls, method, (b, *rest)) for b in args.backends}
                ready = {b: call for b, call in calls.items() if call is not None}
                repeat = args.repeat or getattr(cls, "repeat", 7)
                found = medians(ready, getattr(cls, "number", 0), repeat)
                table.add_row(
                    name,
                    *(spelled(found[b]) if b in found else "" for b in args.backends),
                    *(ratio(found.get(b), found.get("weft")) for b in peers),
                )
    console.width = max(console.width, 110)  # a file or a pipe has no width of its own
    console.print(table)


if __name__ == "__main__":
    main()
