"""Many at once, and on damaged ground: threads that race, processes that meet an empty cache, files that are no good."""

from __future__ import annotations

import functools
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import weft
import weft.numpy as wnp
from asv_bench.benchmarks import Backend, Programs, layers, network_loss, normal
from asv_bench.measure import suites
from weft.kernels.entry import Entry
from weft.kernels.store import NOTE

ROOT = Path(__file__).parent.parent
THREADS = 8
PROCESSES = 16


def run_at_once(work: Callable[[int], None], count: int) -> None:
    """Call `work` with 0, 1 ... in threads that start together; raise what any of them raises."""
    barrier, errors = threading.Barrier(count), []

    def thread(number: int) -> None:
        barrier.wait()
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=thread, args=(n,)) for n in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]


def test_threads_race_to_the_first_call_and_go_on_with_many_shapes() -> None:
    def fun(x: Any, y: Any) -> Any:
        return wnp.sum(wnp.tanh(x) * y, axis=-1), {"sorted": wnp.sort(x.ravel()), "product": x @ y.T}

    def expected(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
        return np.sum(np.tanh(x) * y, axis=-1), np.sort(x.ravel()), x @ y.T

    jitted = weft.jit(fun)

    def work(number: int) -> None:
        for k in range(40):
            rows = 5 + (number * k) % 11  # the first call has the same shape everywhere
            x, y = normal(rows, 7) + number, normal(rows, 7) - k
            sums, others = jitted(x, y)
            for got, want in zip((sums, others["sorted"], others["product"]), expected(x, y), strict=True):
                np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)

    run_at_once(work, THREADS)


def test_threads_share_a_gradient_of_many_parts() -> None:
    params, x, y = layers(6, 16, 16, 3), normal(20, 6), normal(20, 3)
    gradient = weft.jit(weft.value_and_grad(functools.partial(network_loss, Backend.of("weft"))))
    judge = jax.jit(jax.value_and_grad(functools.partial(network_loss, Backend.of("jax"))))

    def work(number: int) -> None:
        scaled = [{name: array * (1 + number / 10) for name, array in layer.items()} for layer in params]
        want = jax.tree.leaves(judge(scaled, x, y))
        for _ in range(25):
            for ours, theirs in zip(weft.tree.leaves(gradient(scaled, x, y)), want, strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)

    run_at_once(work, THREADS)


def test_threads_that_use_all_cores_give_right_answers() -> None:
    """Large arrays, so that each call is itself spread over threads."""
    jitted = weft.jit(lambda x: (wnp.sum(wnp.exp(x) * wnp.sin(x)), wnp.cumsum(x)[-1], wnp.max(x * 2.0)))

    def work(number: int) -> None:
        x = normal(300_000 + number) / (number + 1)
        for _ in range(5):
            total, last, largest = jitted(x)
            np.testing.assert_allclose(total, np.sum(np.exp(x) * np.sin(x)), rtol=1e-9)
            np.testing.assert_allclose(last, np.sum(x), rtol=1e-9, atol=1e-9)
            assert float(largest) == np.max(x * 2.0)

    run_at_once(work, THREADS)


CORPUS = [
    pytest.param(cls(), program, id=f"{name}-{program.__name__}")
    for name, cls in {b.name: b.cls for b in suites() if issubclass(b.cls, Programs)}.items()
    for program in cls.programs
    if cls.jit
]


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = weft.config.threads
    yield lambda number: weft.config.update(threads=number)
    weft.config.update(threads=before)


@pytest.mark.parametrize(("suite", "program"), CORPUS)
def test_same_bits_on_one_and_two_threads(
    suite: Programs, program: Any, threads: Callable[[int], None]
) -> None:
    backend = Backend.of("weft")
    largest = [n for n in suite.sizes if n <= 1_000_000][-1]
    args = backend.arrays(suite.arguments(program.__name__, largest))
    jitted = weft.jit(functools.partial(program, backend))
    results = []
    for number in (1, 2, 3):
        threads(number)
        results.append([np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(jitted(*args))])
    assert results[0] == results[1] == results[2]


PROGRAM = """
import sys
import numpy
import weft, weft.numpy as np
if "wait" in sys.argv:
    print("ready", flush=True)
    sys.stdin.readline()
gradient = weft.jit(weft.value_and_grad(lambda w, x: np.mean(np.tanh(x @ w) ** 2) + np.sum(np.sort(w))))
value, slope = gradient(numpy.linspace(-1, 1, 6), numpy.linspace(0, 1, 24).reshape(4, 6))
from weft.kernels.backend import get_backend
print(float(value).hex(), [float(s).hex() for s in slope], get_backend().compilations)
"""


def environment(root: Path) -> dict[str, str]:
    return {**os.environ, "WEFT_CACHE_DIR": str(root)}


def output(root: Path) -> tuple[str, int]:
    """What the program computes in a process of its own, and how many modules it compiled."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    run = subprocess.run(command, env=environment(root), capture_output=True, text=True, cwd=ROOT)
    assert (run.returncode, run.stderr) == (0, "")
    value, compiled = run.stdout.rsplit(maxsplit=1)
    return value, int(compiled)


def test_many_processes_start_on_an_empty_cache(tmp_path: Path) -> None:
    run = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM, "wait"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(tmp_path / "cache"),
            cwd=ROOT,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    for process in run:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in run:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    printed = [process.communicate(timeout=120) for process in run]
    assert [(p.returncode, errors) for p, (_, errors) in zip(run, printed, strict=True)] == [
        (0, "")
    ] * PROCESSES
    values = {text.rsplit(maxsplit=1)[0] for text, _ in printed}
    assert len(values) == 1
    assert output(tmp_path / "cache") == (*values, 0)


def noise(data: bytes) -> bytes:
    return random.Random(len(data)).randbytes(len(data))


def of_another_version(path: Path) -> bytes:
    """A whole entry whose machine code was made for something else; a note is of another version as it is."""
    if path.name.startswith(NOTE):
        return b"0" * 64 + path.read_bytes()[64:]
    entry = Entry.unpack(path.read_bytes())
    return Entry(target="0" * 64, symbols=entry.symbols, code=entry.code).pack()


FILE_DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut in half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "random bytes": lambda path: path.write_bytes(noise(path.read_bytes())),
    "another version": lambda path: path.write_bytes(of_another_version(path)),
    "others may write": lambda path: path.chmod(0o666),
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, int]:
    """A cache with the program in it, what the program computes, and how many modules it has."""
    root = tmp_path_factory.mktemp("filled") / "cache"
    value, compiled = output(root)
    assert compiled > 0 and output(root) == (value, 0)
    return root, value, compiled


@pytest.mark.skipif(os.name != "posix", reason="permissions of files are POSIX's")
@pytest.mark.parametrize("damage", FILE_DAMAGE)
def test_a_damaged_cache_is_compiled_anew(damage: str, filled: tuple[Path, str, int]) -> None:
    root, value, compiled = filled
    files = [path for path in root.rglob("*") if path.is_file()]
    assert files
    for path in files:
        FILE_DAMAGE[damage](path)
    assert output(root) == (value, compiled)
    assert output(root) == (value, 0)
