"""The namespace as a whole."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import weft.numpy as wnp
from weft.numpy.ufuncs import FUNCTIONS


def test_every_name_is_there() -> None:
    assert all(hasattr(wnp, name) for name in wnp.__all__)


def test_type_checkers_are_told_every_elementwise_function() -> None:
    blocks = [node for node in ast.parse(Path(wnp.__file__).read_text()).body if isinstance(node, ast.If)]
    (assignment,) = [node for block in blocks for node in block.body if isinstance(node, ast.Assign)]
    assert [ast.unparse(target) for target in assignment.targets] == sorted(FUNCTIONS)


@pytest.mark.parametrize(
    "module", ["weft", "weft.numpy", "weft.numpy.linalg", "weft.lax", "weft.nn", "weft.random"]
)
def test_a_star_import_works(module: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", f"from {module} import *"], check=True)
