"""A module of ours is imported when, and only when, another package is: so that it can tell that package of Weft.

Nothing is imported for the sake of packages that a program does not use.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from typing import Any


class _Watch:
    """A finder of modules that waits for one name, and leaves finding it to the others."""

    def __init__(self, name: str, ours: str) -> None:
        self.name, self.ours = name, ours

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The spec of the package that is waited for; running it runs our module, too."""
        if name != self.name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            run(module)
            importlib.import_module(self.ours)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def after_import(name: str, ours: str) -> None:
    """Import the module ``ours`` once the package ``name`` is there, which may be now."""
    if name in sys.modules:
        importlib.import_module(ours)
    else:
        sys.meta_path.insert(0, _Watch(name, ours))
