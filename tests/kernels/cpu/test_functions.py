"""Shared maths functions: one machine code for all kernels, one result for all lanes."""

from __future__ import annotations

import ctypes
import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.kernels.harness import compile_op, run_op
from weft import lax
from weft.kernels.cpu import functions
from weft.kernels.cpu.assemble import assemble
from weft.kernels.maths import FUNCTIONS

EDGES = [0.0, -0.0, 1.0, -1.0, 0.3, -2.5, 40.0, -300.0, 1e-310, 1e30, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_result_does_not_depend_on_the_lane(name: str, dtype: str) -> None:
    count = len(inspect.signature(FUNCTIONS[name]).parameters)
    rng = np.random.default_rng(0)
    with np.errstate(over="ignore"):
        x = np.concatenate([EDGES, rng.normal(size=24) * 3]).astype(dtype)
    args = [np.roll(x, 5 * k) for k in range(count)]
    whole = run_op(name, *args, out=dtype)
    alone = np.concatenate([run_op(name, *(a[i : i + 1] for a in args), out=dtype) for i in range(len(x))])
    bits = np.dtype(f"u{x.itemsize}")
    same = (whole.view(bits) == alone.view(bits)) | (np.isnan(whole) & np.isnan(alone))
    assert same.all(), [a[~same] for a in args]
    symbol = f"weft.maths.{name}.{'f32' if dtype == 'float32' else 'f64'}.v1"
    number = ctypes.c_float if dtype == "float32" else ctypes.c_double
    address = functions.called_functions(symbol.encode())[symbol]
    of_one = ctypes.CFUNCTYPE(number, *[number] * count)(address)
    waited = np.array([of_one(*map(float, row)) for row in zip(*args, strict=True)], dtype)
    same = (whole.view(bits) == waited.view(bits)) | (np.isnan(whole) & np.isnan(waited))
    assert same.all(), ("in steps", [a[~same] for a in args])


def test_kernels_share_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = []

    def counted(text: str, *args: object, **options: object) -> object:
        texts.append(text)
        return assemble(text, *args, **options)  # type: ignore[arg-type]

    compile_op.cache_clear()
    monkeypatch.setattr("weft.kernels.cpu.assemble.assemble", counted)
    monkeypatch.setattr(functions, "_addresses", {})
    monkeypatch.setattr(functions, "_store", lambda: None)
    x = np.linspace(-1.0, 1.0, 100)
    first = run_op("atanh", x, out="float64")
    assert len(texts) == 1 and "define" in texts[0]
    # The widest form is written out, the others call it.
    assert texts[0].count("define") > 1 and texts[0].count("fdiv <") == texts[0].count("fdiv ") > 0
    compile_op.cache_clear()
    np.testing.assert_array_equal(run_op("atanh", x, out="float64"), first)
    assert len(texts) == 1
    compile_op.cache_clear()


def test_steps_that_wait_call_a_function_of_one_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also beside vectors of the same function, and with the same bits."""
    asked: list[str] = []
    written = functions.function_text
    monkeypatch.setattr(functions, "function_text", lambda names: asked.extend(names) or written(names))
    monkeypatch.setattr(functions, "_addresses", {})
    monkeypatch.setattr(functions, "_store", lambda: None)

    def fun(a: Any, x: Any) -> Any:
        steps = lax.scan(lambda c, _: (0.5 * c + wnp.sinh(c) / 3.0,) * 2, a, None, length=7)[1]
        return steps, 4.0 * wnp.sinh(x)  # a kernel that no other test has compiled

    x = np.linspace(-1.0, 1.0, 40)
    steps, sines = (np.asarray(v) for v in weft.jit(fun)(x[30], x))
    sines = sines / 4.0
    assert {"weft.maths.sinh.f64.v1", "weft.maths.sinh.f64"} <= set(asked) and len(asked) > 2
    assert steps[0] == 0.5 * x[30] + sines[30] / 3.0
    text = written(["weft.maths.sinh.f64.v1", "weft.maths.sinh.f64", "weft.maths.sinh.f64.v8"])
    bodies = {body.split("(")[0]: body for body in text.split("define double @")[1:]}
    assert "call <8 x double>" in bodies["weft.maths.sinh.f64"]
    assert "call <8 x double>" not in bodies["weft.maths.sinh.f64.v1"].split("\n}")[0]


SCRIPT = """
import sys
import numpy
import weft
import weft.numpy as np
from weft.kernels.backend import get_backend
from weft.kernels.cpu import functions
assembled = []
original = functions.function_text
functions.function_text = lambda names: assembled.append(1) or original(names)
x = numpy.linspace(0.0, 1.0, 100)
program = lambda np, x: np.tanh(x) if sys.argv[1] == "1" else np.tanh(x * x) + x
numpy.testing.assert_allclose(weft.jit(lambda x: program(np, x))(x), program(numpy, x), rtol=1e-14)
print(get_backend().compilations, len(assembled))
"""


def in_new_process(folder: Path, program: int) -> tuple[int, int]:
    """How many modules of kernels, and of functions, a process compiles that has a cache in ``folder``."""
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(program)],
        env={**os.environ, "WEFT_CACHE_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    kernels, maths = map(int, run.stdout.split())
    return kernels, maths


def test_functions_are_kept_on_disk(tmp_path: Path) -> None:
    assert in_new_process(tmp_path, 1) == (1, 1)
    assert in_new_process(tmp_path, 1) == (0, 0)
    assert in_new_process(tmp_path, 2) == (1, 0)  # another kernel, the same function
    # A kernel whose function is gone from the disk gets it compiled anew.
    forms = [functions.entry_name(f"weft.maths.tanh.f64{lanes}") for lanes in ("", ".v2", ".v4", ".v8")]
    lost = [path for path in tmp_path.glob("cpu-*/weft_*") if path.name in forms]
    assert lost
    for path in lost:
        path.unlink()
    assert in_new_process(tmp_path, 1) == (0, 1)
