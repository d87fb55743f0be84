"""What decides about machine code is in the digest under which it is kept."""

from __future__ import annotations

import ast
from pathlib import Path

from weft.kernels.cpu.objects import _source_files

ROOT = Path(__file__).parents[3]
# They say how things are written down and what is wrong with them, not what code a nest becomes.
OTHERS = {ROOT / "ir/records.py", ROOT / "ir/errors.py"}


def imported(path: Path) -> set[Path]:
    """The files of ours that a file names in its imports."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("weft."):
            modules |= {node.module, *[f"{node.module}.{alias.name}" for alias in node.names]}
    files = {ROOT / f"{module.removeprefix('weft.').replace('.', '/')}.py" for module in modules}
    return {file for file in files if file.is_file()}


def test_what_emitters_import_is_in_the_digest() -> None:
    sources = {Path(file.path).resolve() for file in _source_files()}
    assert ROOT / "kernels/cpu/emit.py" in sources and ROOT / "ir/loops/nest.py" in sources
    emitters = {
        file for file in sources if file != ROOT / "ir/ops/quadrature.py"
    }  # of which numbers alone are read
    missing = {(file, path) for file in emitters for path in imported(file) - sources - OTHERS}
    assert not missing
