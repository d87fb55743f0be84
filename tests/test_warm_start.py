"""A second process: it compiles nothing, and imports nothing that is for compiling or for something else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from weft.kernels.cpu import elf
from weft.kernels.cpu.host import model

SCRIPT = """
import json, sys
import numpy
import weft
import weft.numpy as np
from weft.kernels.backend import get_backend

def loss(params, x, y):
    for w, b in params[:-1]:
        x = np.tanh(x @ w + b)
    w, b = params[-1]
    return np.mean((x @ w + b - y) ** 2)

rng = numpy.random.default_rng(0)
params = [(rng.normal(size=(8, 8)), rng.normal(size=8)) for _ in range(4)]
value, grads = weft.jit(weft.value_and_grad(loss))(params, rng.normal(size=(5, 8)), rng.normal(size=(5, 8)))
print(json.dumps([float(value), get_backend().compilations, sorted(sys.modules)]))
"""

# Each takes as long to import as a good part of Weft, and none has to do with running what is compiled.
HEAVY = frozenset(
    "numba scipy opt_einsum jax matplotlib pandas IPython pytest hypothesis asyncio multiprocessing unittest "
    "importlib.metadata email numpy.testing numpy.f2py weft.nn weft.random weft.lax weft.kernels.maths weft.kernels.cpu.emit "
    "weft.numpy.sets weft.numpy.histograms weft.ir.ops.linalg weft.ir.ops.random weft.ir.ops.integrals weft.ir.parser "
    "weft.kernels.library.tables".split()
)


def run(cache: Path) -> tuple[float, int, set[str]]:
    environment = {**os.environ, "WEFT_CACHE_DIR": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    value, compilations, modules = json.loads(done.stdout)
    return value, compilations, set(modules)


def test_a_second_process_compiles_nothing_and_imports_little(tmp_path: Path) -> None:
    cold, compilations, modules = run(tmp_path)
    assert compilations == 1
    assert "weft.kernels.cpu.emit" in modules
    warm, compilations, modules = run(tmp_path)
    assert compilations == 0
    assert warm == cold
    assert modules & HEAVY == set()
    if elf.runs_here() and model():
        assert not any(name.startswith("llvmlite.binding") for name in modules)


def test_importing_weft_imports_no_compiler() -> None:
    script = "import sys, weft; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert "weft.engine.transforms.jit" in modules
    assert not modules & (HEAVY | {"llvmlite", "llvmlite.binding"})
    # What is not imported is there when it is named.
    script = "import sys, weft; weft.nn.relu(weft.random.normal(weft.random.key(0))); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {"weft.nn", "weft.random"} <= set(done.stdout.split())


def test_a_name_of_lax_imports_its_file_and_what_that_needs() -> None:
    script = "import sys, weft; weft.lax.scan; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() if name.startswith("weft.lax.")}
    assert loaded == {"weft.lax.arguments", "weft.lax.loops", "weft.lax.unrolling"}
