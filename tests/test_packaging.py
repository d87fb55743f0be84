"""The package as installed: its list of packages is complete; imports between storeys go down only."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = {"ir": "weft.ir", "kernels": "weft.kernels", "engine": "weft.engine"}
# Each storey may import itself and those after it; the face (engine/public) sits on top of all.
# Packages of files that are no modules.
DATA = {"weft.error_pages"}
STOREYS = ["weft.engine", "weft.kernels", "weft.ir"]


def package_of(folder: Path) -> str:
    """The import name of a folder: weft.ir.ops for ir/ops, weft.numpy for engine/public/numpy."""
    parts = folder.relative_to(ROOT).parts
    if parts[:2] == ("engine", "public"):
        return ".".join(("weft", *parts[2:]))
    return ".".join((FOLDERS[parts[0]], *parts[1:]))


def sources() -> list[Path]:
    return sorted(path for top in FOLDERS for path in (ROOT / top).rglob("*.py"))


def imported_modules(path: Path) -> set[str]:
    """Every module that a file imports, wherever in the file the import stands."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package_of(path.parents[node.level - 1]).split(".") if node.level else []
            base = ".".join([*parents, node.module] if node.module else parents)
            modules |= {f"{base}.{alias.name}" for alias in node.names}
    return modules


def test_package_list_is_the_folders_with_sources() -> None:
    listed = PYPROJECT["tool"]["setuptools"]["packages"]
    assert len(listed) == len(set(listed))
    assert sorted({*listed} - DATA) == sorted({package_of(path.parent) for path in sources()})


def test_every_package_has_an_init_file() -> None:
    missing = {path.parent for path in sources() if not (path.parent / "__init__.py").exists()}
    assert not missing


def test_the_package_is_marked_as_typed() -> None:
    assert (ROOT / "engine/public/py.typed").exists()
    assert PYPROJECT["tool"]["setuptools"]["package-data"]["weft"] == ["py.typed"]


@pytest.mark.parametrize("storey", STOREYS[1:])
def test_imports_go_down_only(storey: str) -> None:
    folder = ROOT / storey.removeprefix("weft.")
    below = tuple(STOREYS[STOREYS.index(storey) :])
    for path in folder.rglob("*.py"):
        ours = {name for name in imported_modules(path) if name == "weft" or name.startswith("weft.")}
        upward = {name for name in ours if not name.startswith(below)}
        assert not upward, f"{path.relative_to(ROOT)} imports {upward}"


def test_ir_knows_nothing_of_the_compiler() -> None:
    for path in (ROOT / "ir").rglob("*.py"):
        tops = {name.split(".")[0] for name in imported_modules(path)}
        assert not tops & {"numba", "llvmlite", "jax"}, path.relative_to(ROOT)


def install(target: Path) -> None:
    """Lay the package out as an installer does, from the list in pyproject.toml."""
    places = PYPROJECT["tool"]["setuptools"]["package-dir"]
    for package in PYPROJECT["tool"]["setuptools"]["packages"]:
        prefix = max((p for p in places if package == p or package.startswith(f"{p}.")), key=len)
        source = ROOT.joinpath(places[prefix], *package.removeprefix(prefix).strip(".").split("."))
        folder = target.joinpath(*package.split("."))
        folder.mkdir(parents=True, exist_ok=True)
        for pattern in ("*.py", *PYPROJECT["tool"]["setuptools"]["package-data"].get(package, ())):
            for file in source.glob(pattern):
                shutil.copy(file, folder)


PROGRAM = """
import weft, weft.numpy as np
from weft.__main__ import main
assert weft.__file__.startswith({target!r}), weft.__file__
f = weft.jit(weft.grad(lambda x: np.sum(np.tanh(x) ** 2)))
assert f(np.ones(3)).shape == (3,)
assert f.lower(np.ones(3)).graph.eqns[0].source.file == __file__
try:
    weft.jit(lambda x, y: x + y)(np.ones(3), np.ones(4))
except ValueError as error:
    assert f"At {{__file__}}:" in str(error), error
    name = str(error).split()[-1]
    assert main(["explain", name]) == 0
else:
    raise AssertionError
"""


def test_an_installed_copy_runs_and_names_the_users_line(tmp_path: Path) -> None:
    target, script = tmp_path / "site", tmp_path / "user.py"
    install(target)
    script.write_text(PROGRAM.format(target=str(target)))
    # Isolated from the checkout: an editable install of it is on the path of this Python, behind PYTHONPATH.
    environment = {**os.environ, "PYTHONPATH": str(target)}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == (ROOT / "docs/errors/ShapeError.md").read_text(encoding="utf-8")
