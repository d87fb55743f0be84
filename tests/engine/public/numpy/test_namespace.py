"""The namespace as a whole."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import weft.numpy as wnp
from weft.numpy.ufuncs import FUNCTIONS


def test_every_name_is_there() -> None:
    assert all(hasattr(wnp, name) for name in wnp.__all__)


@pytest.mark.parametrize("part", wnp._LATER)
def test_what_is_imported_later_is_listed_whole(part: str) -> None:
    module = importlib.import_module(f"weft.numpy.{part}")
    assert wnp._LATER[part].split() == sorted(module.__all__)
    assert all(getattr(wnp, name) is getattr(module, name) for name in module.__all__)


def test_rare_functions_are_imported_when_they_are_named() -> None:
    code = "import sys, weft.numpy as wnp; print('weft.numpy.sets' in sys.modules, 'unique' in dir(wnp)); wnp.unique"
    code += "; print('weft.numpy.sets' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True"]


def test_type_checkers_are_told_every_elementwise_function() -> None:
    blocks = [node for node in ast.parse(Path(wnp.__file__).read_text()).body if isinstance(node, ast.If)]
    (assignment,) = [node for block in blocks for node in block.body if isinstance(node, ast.Assign)]
    assert [ast.unparse(target) for target in assignment.targets] == sorted(FUNCTIONS)


@pytest.mark.parametrize(
    "module", ["weft", "weft.numpy", "weft.numpy.linalg", "weft.lax", "weft.nn", "weft.random"]
)
def test_a_star_import_works(module: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", f"from {module} import *"], check=True)
