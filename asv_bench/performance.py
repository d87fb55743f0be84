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
HEADER = "| Row | Weft | NumPy | Numba | JAX | Weft / JAX | Target | |\n|---|---|---|---|---|---|---|---|\n"
LINEAR = 5.5
PEERS = ("weft", "numpy", "numba", "jax")


@dataclass(frozen=True)
class Row:
    """A benchmark, its parameters but for the backend, and the most that Weft's time may be of its peers'.

    Attributes:
        target: of JAX's.
        of_numpy: of NumPy's.
        of_numba: of the time of loops written by hand.
        of_forward: where the benchmark is a gradient, of Weft's own time for what is `forward`: another row's suite and
            parameters.
        method: the method of the suite; one with more than one needs it named.
    """

    label: str
    suite: str
    params: tuple[Any, ...]
    target: float
    of_numpy: float | None = None
    of_numba: float | None = None
    of_forward: float | None = None
    forward: tuple[str, tuple[Any, ...]] = ("", ())
    method: str | None = None

    def benchmark(self) -> Benchmark:
        """The method that takes the time or counts."""
        (found,) = (b for b in suites() if b.name == self.suite and self.method in (None, b.method))
        return found

    def limits(self) -> dict[str, tuple[str, float]]:
        """What is demanded beside the ratio to JAX: by the name of the peer, how it is spelled and the limit."""
        demanded = {
            "numpy": ("NumPy", self.of_numpy),
            "numba": ("Numba", self.of_numba),
            "forward": ("forward", self.of_forward),
        }
        return {peer: (word, limit) for peer, (word, limit) in demanded.items() if limit is not None}


def _matmul() -> Iterable[Row]:
    for suite, kind in (("matmul.Product", "f64"), ("matmul.Product32", "f32")):
        for n, target in ((16, 0.2), (64, 0.5), (256, 1.0), (1024, 1.05)):
            yield Row(f"matmul {n} x {n}, {kind}", suite, ("product", n), target)


def _loop(label: str, suite: str, program: str, target: float, n: int, **more: Any) -> Row:
    return Row(label, f"loops.{suite}", (program, n), target, **more)


def _gradient(label: str, suite: str, program: str, n: int, forward: tuple[str, str]) -> Row:
    name, of = forward
    return Row(
        label,
        f"loop_gradients.{suite}",
        (program, n),
        0.2,
        of_forward=6.0,
        forward=(name, (of, n)),
    )


LOOPS = (
    _loop("scan of 1e5 steps on two scalars", "Recurrences", "scan_scalars", 1.0, 100_000, of_numba=1.2),
    _loop("scan of 1e5 steps on a 3 x 3 matrix", "Recurrences", "scan_matrix", 0.25, 100_000),
    Row("its gradient", "loop_gradients.Matrices", ("matrix_gradient", 100_000), 0.25),
    _loop("Jacobi, 300 x 300, 100 steps", "Stencils", "jacobi", 0.5, 300, of_numba=1.2),
    _loop("heat, 64 x 64 x 64, 50 steps", "Fields", "heat", 0.5, 64, of_numba=1.2),
    _loop("waves (FDTD), 300 x 300, 100 steps", "Stencils", "fdtd", 0.5, 300, of_numba=1.2),
    _loop("Gauss-Seidel by rows, 300 x 300, 20 sweeps", "Stencils", "gauss_seidel", 0.5, 300, of_numba=1.2),
    _loop("tridiagonal solve (Thomas), 64 x 64 x 64", "Fields", "thomas", 0.7, 64, of_numba=1.2),
    _loop("LU, 200 x 200", "Factorisations", "lu", 0.3, 200, of_numba=1.5),
    _loop("Cholesky, 200 x 200", "Factorisations", "cholesky", 0.3, 200, of_numba=1.5),
    _loop("Gram-Schmidt, 200 x 200", "Factorisations", "gram_schmidt", 0.3, 200, of_numba=1.5),
    _loop("Durbin, 200", "Factorisations", "durbin", 0.3, 200, of_numba=1.5),
    _loop("triangular solve, 200 x 200", "Factorisations", "triangular_solve", 0.3, 200, of_numba=1.5),
    _loop("Floyd-Warshall, 500 x 500", "Graphs", "floyd_warshall", 0.5, 500),
    _loop("Mandelbrot, 200 x 200, a while_loop a point", "Planes", "mandelbrot", 0.5, 200),
    _loop("64 bodies, 500 steps", "Bodies", "nbody", 0.5, 64),
    Row(
        "LSTM, 200 steps, batch 32: value and gradient",
        "loop_gradients.Recurrent",
        ("lstm_gradient", 32),
        0.8,
    ),
    _gradient("gradient of Jacobi", "Stencil", "jacobi_gradient", 300, ("loops.Stencils", "jacobi")),
    _gradient(
        "gradient of the tridiagonal solve", "Solver", "thomas_gradient", 64, ("loops.Fields", "thomas")
    ),
    _gradient("gradient of LU", "Factorisation", "lu_gradient", 200, ("loops.Factorisations", "lu")),
    *(
        _gradient(
            f"gradient of 1e4 steps of RK4, {what}",
            "Equation",
            f"{program}_gradient",
            10_000,
            ("loop_gradients.Equation", program),
        )
        for what, program in (("Lorenz", "lorenz"), ("an oscillator", "rk4"))
    ),
)
COSTS_OF_LOOPS = (
    Row("cold compile: 1,000 steps of a stencil by Python's for", "compile.Loops", ("python_loop",), 0.1),
    *(Row(f"cold compile: {row.params[0]}", "compile.Loops", row.params[:1], 1.0) for row in LOOPS),
    *(Row(f"peak memory: {row.params[0]}", "memory.PeakOfLoops", row.params[:1], 1.0) for row in LOOPS),
)
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
    Row(
        "eager, 20 functions, 32 elements: multiple of NumPy's time, worst",
        "dispatch.Functions",
        (),
        0.2,
        of_numpy=3.0,
        method="track_worst",
    ),
    Row("the same, median", "dispatch.Functions", (), 0.5, of_numpy=2.5, method="track_median"),
    Row("cold compile: six operations", "compile.Cold", ("six_operations",), 0.8),
    Row("cold compile: the network's gradient", "compile.Cold", ("network_gradient",), 1.0),
    Row("cold compile: 12 transformer blocks' gradient", "compile.Cold", ("transformer_gradient",), 1.0),
    Row("cold compile: 1,000 operations, no two alike", "compile.Unrolled", (1_000,), 1.0),
    Row("cold compile: 5,000 operations, no two alike", "compile.Unrolled", (5_000,), 1.0),
    Row("a new shape: elementwise", "trace.NewShape", ("elementwise",), 0.05),
    Row("a new shape: a network's loss", "trace.NewShape", ("network",), 0.05),
    Row("import", "warm.Import", (), 0.5),
    Row("second process, import to the network's gradient", "warm.FromImport", (), 0.4),
    Row("peak memory: a step of Adam", "memory.PeakOfNetwork", (), 1.0),
    Row("peak memory: six operations, 1e7 elements", "memory.PeakOfElementwise", (), 1.0),
    *LOOPS,
    *COSTS_OF_LOOPS,
)


def measure(row: Row, limit: float) -> Comparison:
    """Take samples of a row with each backend that has it."""
    benchmark = row.benchmark()
    samplers = {b: sampler(benchmark, (b, *row.params)) for b in PEERS}
    if row.of_forward is not None:
        suite, params = row.forward
        samplers["forward"] = sampler(Row("", suite, params, 0.0).benchmark(), ("weft", *params))
    ready = {name: take for name, take in samplers.items() if take is not None}
    least = 3 if benchmark.once and benchmark.method != "time_new_shape" else 7
    if benchmark.name in (
        "compile.Loops",
        "memory.PeakOfLoops",
    ):  # many rows, and each sample starts a process
        least = 1
    return compare(ready, least=least, limit=limit)


def line(row: Row, found: Comparison) -> str:
    """A line of the table."""
    unit = row.benchmark().unit
    times = [spelled(found.medians.get(name), unit) for name in PEERS]
    to_jax = found.ratios["jax"]
    target, met = f"{row.target:g}", to_jax <= row.target
    for peer, (word, limit) in row.limits().items():
        ratio = found.ratio(peer)
        if ratio is not None:
            # What it is of its forward pass stands here, as that has no column.
            target += f", {limit:g} of {word}" + (f" ({ratio:.2g})" if peer == "forward" else "")
            met = met and ratio <= limit
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
    return f"| cold compile: 5,000 over 1,000 operations | {weft:.2f} | | | {jax:.2f} | | {LINEAR} | {met} |"


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
            lines.append(f"| {row.label} | | | | | | {row.target:g} | **failed**: {type(error).__name__} |")
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
