"""Addresses of C functions: BLAS and LAPACK without importing SciPy, which a user may import afterwards."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from weft.kernels.library import blas
from weft.kernels.library.cython_capi import cython_function

SCRIPT = """
import ctypes, sys
import numpy as np
from weft.kernels.library.blas import blas_address
from weft.kernels.library.cython_capi import cython_function

n = ctypes.byref(ctypes.c_int(3))
x = np.array([1.0, 2.0, 3.0])
ddot = ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_void_p] * 5)
one = ctypes.byref(ctypes.c_int(1))

def norm(address):
    return ddot(address)(n, x.ctypes.data, one, x.ctypes.data, one)

assert norm(cython_function("scipy.linalg.cython_blas", "ddot")[0]) == 14.0
assert norm(blas_address("ddot")) == 14.0
address, signature = cython_function("scipy.linalg.cython_lapack", "dgetrf")
assert "scipy.linalg" not in sys.modules, "the package was imported"

import scipy.linalg
import scipy.linalg.cython_blas
import scipy.linalg.cython_lapack

assert scipy.linalg.solve([[2.0]], [1.0]) == 0.5
assert "dgetrf" in scipy.linalg.cython_lapack.__pyx_capi__
assert cython_function("scipy.linalg.cython_lapack", "dgetrf") == (address, signature)
print(signature)
"""


def test_routines_without_the_package() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("void (int *, int *, ")


def test_functions_that_are_not_there() -> None:
    with pytest.raises(ValueError, match=r"scipy\.linalg\.cython_blas exports no function dnothing\."):
        blas.blas_address("dnothing")
    with pytest.raises(ValueError, match=r"math exports no function sin\."):
        cython_function("math", "sin")


def test_the_capsules_serve_where_there_is_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "_openblas", lambda package: None)
    monkeypatch.setattr(blas, "blas_address", blas.blas_address.__wrapped__)
    assert blas.gemm_address(np.float32) == cython_function("scipy.linalg.cython_blas", "sgemm")[0]
    assert blas.threads_addresses.__wrapped__() == (0, 0)


def test_the_library_has_lapack_too_and_the_package_is_not_imported() -> None:
    if not blas.library_address("dgetrf"):
        pytest.skip("SciPy has no OpenBLAS of its own here")
    script = """
import sys
import numpy as np
from weft.kernels.library import lapack
addresses = [lapack.routine_address(stem, np.dtype(float)) for stem in ("gemm", "trsm", "getrf", "syevd")]
assert len(set(addresses)) == 4 and all(addresses)
print([name for name in sys.modules if name.startswith("scipy")])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
