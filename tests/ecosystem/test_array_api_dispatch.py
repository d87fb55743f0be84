"""SciPy's and scikit-learn's array API dispatch: the tests of under_array_api.py, in a process of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).with_name("under_array_api.py")


def test_scipy_and_sklearn_take_arrays_of_weft() -> None:
    pytest.importorskip("sklearn")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(FILE)]
    run = subprocess.run(
        command,
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        cwd=FILE.parents[2],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-10_000:] + run.stderr[-2_000:]
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed and int(passed[1]) >= 100, run.stdout[-500:]
