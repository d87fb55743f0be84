"""The namespace as a whole."""

import subprocess
import sys

import pytest

import weft.numpy as wnp


def test_every_name_is_there() -> None:
    assert all(hasattr(wnp, name) for name in wnp.__all__)


@pytest.mark.parametrize("module", ["weft", "weft.numpy", "weft.numpy.linalg", "weft.lax", "weft.nn", "weft.random"])
def test_a_star_import_works(module: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", f"from {module} import *"], check=True)
