"""Take samples of asv's benchmarks, several backends in turns, until the ratios between them are stable.

The one idea: samples are taken in rounds, one of each backend, so that a slow spell of the machine falls on all of them;
what is compared is the median over rounds of the ratio within a round. Rounds go on until that moves no more. Before a
sample comes a pause: threads that a backend keeps awake for its next call would be in the way of another's.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import pkgutil
import re
import statistics
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asv_bench import benchmarks

Sampler = Callable[[], float]

ROOT = Path(__file__).parent.parent
KINDS = ("time_", "timeraw_", "peakmem_", "track_")
SHORTEST = 0.02  # seconds that a sample takes at least, by as many calls as it needs
PAUSE = 0.1  # seconds after which OpenBLAS's threads, XLA's and Weft's sleep
WINDOW = 4  # rounds in which a stable median does not move by more than MOVE
MOVE = 0.03


@dataclass(frozen=True)
class Benchmark:
    """One method that asv would measure: `name` is ``module.Class``, as used on the command line."""

    name: str
    cls: type
    method: str

    @property
    def unit(self) -> str:
        """Seconds, bytes, or what a tracked number counts."""
        if self.method.startswith("track_"):
            return str(getattr(self.cls, "unit", ""))
        return "bytes" if self.method.startswith("peakmem_") else "seconds"

    @property
    def once(self) -> bool:
        """Whether a sample is one call, which cannot be repeated without a new set-up or costs a process."""
        return (
            self.method.startswith(("timeraw_", "peakmem_", "track_")) or getattr(self.cls, "number", 0) == 1
        )


def suites() -> Iterator[Benchmark]:
    """Every benchmark, in the order of the files."""
    for info in pkgutil.iter_modules(benchmarks.__path__):
        module = importlib.import_module(f"{benchmarks.__name__}.{info.name}")
        for cls in vars(module).values():
            if isinstance(cls, type) and cls.__module__ == module.__name__ and not inspect.isabstract(cls):
                for method in dir(cls):
                    if method.startswith(KINDS):
                        yield Benchmark(f"{info.name}.{cls.__name__}", cls, method)


def sampler(benchmark: Benchmark, params: Sequence[Any]) -> Sampler | None:
    """What takes one sample, set up, and torn down when it is dropped; None where the suite skips these parameters."""
    if params and params[0] not in benchmark.cls.params[0]:
        return None
    suite = benchmark.cls()
    try:
        if hasattr(suite, "setup"):
            suite.setup(*params)
    except NotImplementedError:
        return None
    take = functools.partial(_sample, benchmark, suite, params, _calls(benchmark, suite, params))
    if hasattr(suite, "teardown"):
        weakref.finalize(take, suite.teardown, *params)
    return take


def _sample(benchmark: Benchmark, suite: Any, params: Sequence[Any], number: int) -> float:
    method = functools.partial(getattr(suite, benchmark.method), *params)
    if benchmark.method.startswith("peakmem_"):
        return _peak_memory(benchmark, params)
    if benchmark.method.startswith("timeraw_"):
        return _time_in_process(suite, method())
    if benchmark.method.startswith("track_"):
        return float(method())
    if not benchmark.once:
        time.sleep(PAUSE)
        method()  # wakes the threads, fills the caches
    return seconds(method, number)


def _calls(benchmark: Benchmark, suite: Any, params: Sequence[Any]) -> int:
    """How many calls one sample is the mean of."""
    if benchmark.once:
        return 1
    call = functools.partial(getattr(suite, benchmark.method), *params)
    call()
    return max(1, min(10_000, int(SHORTEST / max(seconds(call, 2), 1e-9))))


def seconds(call: Callable[[], Any], number: int) -> float:
    """The mean of so many calls."""
    start = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - start) / number


def _run(code: str, environment: dict[str, str] | None = None) -> str:
    """What a new process prints on its last line."""
    # An installed package has its bytecode beside it: so do files that were edited, after one process.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, **(environment or {})},
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return run.stdout.splitlines()[-1]


def _time_in_process(suite: Any, code: str | tuple[str, str]) -> float:
    """Seconds that a statement takes in a new process, as asv's timeraw_ has it."""
    statement, setup = (code, "pass") if isinstance(code, str) else code
    script = f"import timeit; print(repr(timeit.timeit({statement!r}, {setup!r}, timer=timeit.default_timer, number=1)))"
    return float(_run(script, getattr(suite, "env", None)))


def _peak_memory(benchmark: Benchmark, params: Sequence[Any]) -> float:
    """The largest resident size that a process of its own has reached."""
    return float(
        _run(
            f"from {benchmark.cls.__module__} import {benchmark.cls.__name__} as suite; "
            f"suite().{benchmark.method}(*{tuple(params)!r}); "
            "from asv_bench.measure import peak_of_this_process; print(peak_of_this_process())"
        )
    )


def peak_of_this_process() -> int:
    """In bytes. Linux's ``ru_maxrss`` starts with the size of the process that started this one, so it is asked last."""
    status = Path("/proc/self/status")
    if status.exists():
        (peak,) = re.findall(r"^VmHWM:\s*(\d+) kB$", status.read_text(), re.MULTILINE)
        return int(peak) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@dataclass(frozen=True)
class Comparison:
    """Medians of samples by backend, and how many rounds they are of."""

    medians: dict[str, float]
    ratios: dict[str, float]
    rounds: int

    def ratio(self, peer: str) -> float | None:
        """The first backend over another one; None where either has no samples."""
        return self.ratios.get(peer)


def compare(samplers: dict[str, Sampler], least: int = 7, most: int = 31, limit: float = 5.0) -> Comparison:
    """Take samples in turns; the first backend is compared with each other one.

    At least so many rounds, then on until no ratio's median has moved in the last ones, at most `most` rounds or `limit`
    seconds. What takes many times that makes do with two rounds.
    """
    first, *peers = samplers
    samples: dict[str, list[float]] = {name: [] for name in samplers}
    history: list[list[float]] = []
    start = time.perf_counter()
    while len(history) < most:
        for name, take in samplers.items():
            samples[name].append(take())
        quotients = {peer: _quotients(samples[first], samples[peer]) for peer in peers}
        history.append([statistics.median(values) for values in quotients.values()])
        spent = time.perf_counter() - start
        if len(history) >= least and (spent > limit or _stable(history)):
            break
        if len(history) >= 2 and spent > 6 * limit:
            break
    ratios = dict(zip(peers, history[-1], strict=True))
    return Comparison({n: statistics.median(v) for n, v in samples.items()}, ratios, len(history))


def _quotients(ours: list[float], theirs: list[float]) -> list[float]:
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def _stable(history: list[list[float]]) -> bool:
    """Whether each median has stayed within MOVE of its last value for WINDOW rounds."""
    recent = history[-WINDOW:]
    return len(recent) == WINDOW and all(
        abs(now / before - 1) <= MOVE for row in recent for now, before in zip(history[-1], row, strict=True)
    )
