"""Measure the rows that have a target, and write their table into docs/performance.md.

    python -m asv_bench.performance [pattern] [--write]

The rows are benchmarks of the suites with the ratio to JAX that they must reach. Only the table, between two markers, is
written anew: what is said about it below stays.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import re
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from asv_bench.compare import spelled
from asv_bench.measure import Benchmark, Comparison, compare, sampler, suites

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- table: written by `make performance` -->\n", "<!-- end of table -->\n"
HEADER = "| Row | Weft | NumPy | JAX | Weft / JAX | Target | |\n|---|---|---|---|---|---|---|\n"
LINEAR = 5.5


@dataclass(frozen=True)
class Row:
    """A benchmark, its parameters but for the backend, and the most that Weft's time may be of JAX's and of NumPy's."""

    label: str
    suite: str
    params: tuple[Any, ...]
    target: float
    of_numpy: float | None = None
    method: str | None = None

    def benchmark(self) -> Benchmark:
        """The method of the suite; a suite with more than one needs it named."""
        (found,) = (b for b in suites() if b.name == self.suite and self.method in (None, b.method))
        return found


def _matmul() -> Iterable[Row]:
    for suite, kind in (("matmul.Product", "f64"), ("matmul.Product32", "f32")):
        for n, target in ((16, 0.2), (64, 0.5), (256, 1.0), (1024, 1.05)):
            yield Row(f"matmul {n} x {n}, {kind}", suite, ("product", n), target)


ROWS = (
    Row("six operations, 10 elements", "dispatch.Jitted", ("six_operations", 10), 1.0),
    Row("six operations, 1,000 elements", "dispatch.Jitted", ("six_operations", 1_000), 0.2),
    Row("a dictionary of 50 arrays", "dispatch.Leaves", ("leaves", 50), 0.6),
    Row("six operations, 1e5 elements", "elementwise.SixOperations", ("six_operations", 100_000), 0.5),
    Row("six operations, 1e6 elements", "elementwise.SixOperations", ("six_operations", 1_000_000), 0.7),
    Row("six operations, 1e7 elements", "elementwise.SixOperations", ("six_operations", 10_000_000), 0.6),
    Row("sum(exp(x) * sin(x)), 1e6, f64", "elementwise.Transcendental", ("sum_of_exp_sin", 1_000_000), 0.4),
    Row("sum(exp(x) * sin(x)), 1e6, f32", "elementwise.Transcendental32", ("sum_of_exp_sin", 1_000_000), 0.4),
    Row("sum of 1000 x 1000", "reduce.Square", ("total", 1_000), 0.8),
    Row("sum over axis 0", "reduce.Square", ("columns", 1_000), 0.8),
    Row("sum over axis 1", "reduce.Square", ("rows", 1_000), 0.8),
    Row("softmax, 1000 x 1000", "reduce.Square", ("softmax", 1_000), 0.5),
    Row("layer norm, 1000 x 1000", "reduce.Square", ("layer_norm", 1_000), 0.5),
    *_matmul(),
    Row("network of 4 x 128, batch 64: value and gradient", "network.Network", ("gradient", 64), 0.7),
    Row("the same, a step of Adam", "network.Network", ("adam_step", 64), 0.7),
    Row("conv2d 32 x 28 x 28 x 16, 3 x 3 x 16 x 32, f32", "convolution.Convolution", ("forward", 32), 1.0),
    Row("its gradients", "convolution.Convolution", ("gradients", 32), 1.0),
    Row("sort, 1e6", "routines.Lines", ("sort", 1_000_000), 0.1, of_numpy=1.0),
    Row("argsort, 1e6", "routines.Lines", ("argsort", 1_000_000), 0.15, of_numpy=1.0),
    Row("cumsum, 1e6", "routines.Lines", ("cumsum", 1_000_000), 0.5, of_numpy=1.0),
    Row("scatter-add of 1e6 into 1e3", "routines.Scatter", ("scatter_add", 1_000_000), 0.7),
    Row("segment_sum of 1e6 into 1e3", "routines.Scatter", ("segment_sum", 1_000_000), 0.7),
    Row("random normal, 1e6", "routines.Random", ("random_normal", 1_000_000), 0.5),
    Row("random uniform, 1e6", "routines.Random", ("random_uniform", 1_000_000), 0.5),
    Row("fft of 1e6 complex numbers", "fourier.Fourier", ("fft", 1_000_000), 0.8),
    Row("eager a * a + a, 32 elements", "dispatch.Eager", ("square_plus", 32), 0.1, of_numpy=4.0),
    Row("cold compile: six operations", "compile.Cold", ("six_operations",), 0.8),
    Row("cold compile: the network's gradient", "compile.Cold", ("network_gradient",), 1.0),
    Row("cold compile: 12 transformer blocks' gradient", "compile.Cold", ("transformer_gradient",), 1.0),
    Row("cold compile: 1,000 operations, no two alike", "compile.Unrolled", (1_000,), 1.0),
    Row("cold compile: 5,000 operations, no two alike", "compile.Unrolled", (5_000,), 1.0),
    Row("a new shape: elementwise", "trace.NewShape", ("elementwise",), 0.05),
    Row("a new shape: a network's loss", "trace.NewShape", ("network",), 0.05),
    Row("second process, import to the network's gradient", "warm.FromImport", (), 0.4),
    Row("peak memory: a step of Adam", "memory.PeakOfNetwork", (), 1.0),
    Row("peak memory: six operations, 1e7 elements", "memory.PeakOfElementwise", (), 1.0),
)


def measure(row: Row, limit: float) -> Comparison:
    """Take samples of a row with each backend that has it."""
    benchmark = row.benchmark()
    samplers = {b: sampler(benchmark, (b, *row.params)) for b in ("weft", "numpy", "jax")}
    ready = {name: take for name, take in samplers.items() if take is not None}
    least = 3 if benchmark.once and benchmark.method != "time_new_shape" else 7
    return compare(ready, least=least, limit=limit)


def line(row: Row, found: Comparison) -> str:
    """A line of the table."""
    unit = row.benchmark().unit
    times = [spelled(found.medians.get(name), unit) for name in ("weft", "numpy", "jax")]
    to_jax, to_numpy = found.ratios["jax"], found.ratio("numpy")
    target, met = f"{row.target:g}", to_jax <= row.target
    if row.of_numpy is not None and to_numpy is not None:
        target += f", {row.of_numpy:g} of NumPy"
        met = met and to_numpy <= row.of_numpy
    return (
        f"| {row.label} | {' | '.join(times)} | {to_jax:.2f} | {target} | {'met' if met else '**missed**'} |"
    )


def linear(found: dict[str, Comparison]) -> str | None:
    """The line that compares five thousand operations with one thousand, if both were measured."""
    both = [found.get(row.label) for row in ROWS if row.suite == "compile.Unrolled"]
    if len(both) != 2 or None in both:
        return None
    small, large = (comparison.medians for comparison in both)
    weft, jax = (large[name] / small[name] for name in ("weft", "jax"))
    met = "met" if weft <= LINEAR else "**missed**"
    return f"| cold compile: 5,000 over 1,000 operations | {weft:.2f} | | {jax:.2f} | | {LINEAR} | {met} |"


def machine() -> str:
    """The machine and the versions, in words."""
    flags = ""
    if sys.platform == "linux":
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    vectors = next((name for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags), "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("weft", "numpy", "jax", "numba", "llvmlite", "scipy")
    )
    return (
        f"{cores} cores{f' with {vectors}' if vectors else ''}, {platform.system()}, "
        f"Python {platform.python_version()}, {packages}."
    )


def write(table: str) -> None:
    """Replace what stands between the markers of the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pattern", nargs="?", default="", help="a regular expression that rows must match")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    parser.add_argument("--limit", type=float, default=4.0, help="seconds a row takes, about (4)")
    args = parser.parse_args(argv)
    if args.pattern and args.write:
        parser.error("the table is written whole: leave out the pattern or --write")

    rows = [row for row in ROWS if re.search(args.pattern, row.label)]
    found: dict[str, Comparison] = {}
    lines = []
    print(HEADER, end="", flush=True)
    for row in rows:
        try:
            found[row.label] = measure(row, args.limit)
            lines.append(line(row, found[row.label]))
        except Exception as error:  # the other rows are measured all the same
            lines.append(f"| {row.label} | | | | | {row.target:g} | **failed**: {type(error).__name__} |")
            traceback.print_exc()
        print(lines[-1], flush=True)
    if (growth := linear(found)) is not None:
        lines.append(growth)
        print(growth)
    met = sum(text.endswith("| met |") for text in lines)
    summary = f"{met} of {len(lines)} rows met. {machine()}"
    print(summary)
    if args.write:
        write(f"{summary}\n\n{HEADER}" + "\n".join(itertools.chain(lines, [""])))


if __name__ == "__main__":
    main()
