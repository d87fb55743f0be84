"""Where the user wrote what is being done: the line that equations keep and errors name."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Source(NamedTuple):
    """A line of the user's program."""

    file: str
    line: int
    function: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class _Current(threading.local):
    """The line of the equation that a thread is working on; ``None`` while the user's own code runs."""

    def __init__(self) -> None:
        self.source: Source | None = None


current = _Current()

# Frames of these folders are ours; the first frame outside them is the user's line. Installed, all of the package is one
# folder; in a checkout the package is three folders among others. They may be reached through links.
_HOME = Path(__file__).resolve().parent.parent
_OURS = (_HOME,) if (_HOME / "__init__.py").exists() else (_HOME / "ir", _HOME / "kernels", _HOME / "engine")
_INTERNAL = (*(f"{folder}{os.sep}" for folder in _OURS), str(Path(np.__file__).parent))
_files: dict[str, bool] = {}


def _is_internal(file: str) -> bool:
    known = _files.get(file)
    if known is None:
        path = str(Path(file).resolve())
        library = (
            "optree" in path or path.endswith(("functools.py", "contextlib.py")) or file.startswith("<frozen")
        )
        known = _files[file] = path.startswith(_INTERNAL) or library
    return known


def user_source() -> Source | None:
    """The line of the equation at hand, or else the user's line that is being executed; ``None`` outside of any."""
    if current.source is not None:
        return current.source
    frame = sys._getframe(1)
    while frame is not None:
        if not _is_internal(frame.f_code.co_filename):
            return Source(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
        frame = frame.f_back  # type: ignore[assignment]
    return None


@contextmanager
def at_source(source: Source | None) -> Iterator[None]:
    """Do things in the name of ``source``."""
    previous, current.source = current.source, source
    try:
        yield
    finally:
        current.source = previous
