"""Settings, and the log of compilation stages.

``WEFT_LOG=graph,fuse,loops`` (or ``weft.config.update(log="graph,fused")``) prints the stages as programs are compiled;
``WEFT_DEBUG=1`` verifies the IR after every pass; ``WEFT_ITEM_ASSIGNMENT=1`` lets ``x[index] = value`` work on arrays.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from weft.engine.promotion import choose, on_change
from weft.engine.runtime.memory import set_pool_bytes
from weft.engine.runtime.threads import set_threads
from weft.ir.errors import ArgumentError
from weft.ir.graph import Graph
from weft.ir.passes.transpose import set_nan_safe
from weft.ir.records import dataclass, field

STAGES = ("graph", "passes", "fused", "loops", "llvm", "asm")
SETTINGS = (
    "Settings: log, debug, threads, pool_bytes, nan_safe_where, item_assignment, promotion, default_float, debug_nans, "
    "debug_infs."
)
_ALIASES = {"fuse": "fused", "loop": "loops", "all": "graph,passes,fused,loops,llvm,asm"}


def _stages(text: str) -> frozenset[str]:
    names: set[str] = set()
    for part in filter(None, (p.strip() for p in text.split(","))):
        names.update(_ALIASES.get(part, part).split(","))
    unknown = names - set(STAGES)
    if unknown:
        raise ArgumentError(
            f"unknown stages to log: {', '.join(sorted(unknown))}. Known: {', '.join(STAGES)}."
        )
    return frozenset(names)


def _from_environment() -> frozenset[str]:
    try:
        return _stages(os.environ.get("WEFT_LOG", ""))
    except ArgumentError as error:
        print(f"weft: WEFT_LOG: {error}", file=sys.stderr)
        return frozenset()


def _is_on(variable: str) -> bool:
    return os.environ.get(variable, "") not in ("", "0")


@dataclass
class Settings:
    """What a user may set for the process."""

    log: frozenset[str] = field(default_factory=_from_environment)
    debug: bool = field(default_factory=lambda: _is_on("WEFT_DEBUG"))
    item_assignment: bool = field(default_factory=lambda: _is_on("WEFT_ITEM_ASSIGNMENT"))


settings = Settings()

on_new_derivatives: list[Callable[[], None]] = []
"""Called when derivatives or dtypes are found in another way than before: what was traced is to be forgotten."""


class _Local(threading.local):
    """What a thread may set for itself."""

    def __init__(self) -> None:
        self.jit_disabled = False
        self.nans = False
        self.infs = False
        self.plain = True  # none of these: jitted functions just run what is compiled

    def change(self, **values: bool) -> None:
        """Set some of these."""
        for name, value in values.items():
            setattr(self, name, bool(value))
        self.plain = not (self.jit_disabled or self.nans or self.infs)


local = _Local()


def _forget() -> None:
    for forget in on_new_derivatives:
        forget()


on_change.append(_forget)


def update(**changes: Any) -> None:
    """Change settings.

    Those are ``log`` (stages, separated by commas), ``debug`` (verify after each pass), ``threads`` (1 to 256),
    ``pool_bytes`` (idle memory that is kept), ``nan_safe_where`` (gradients of branches that are not taken are zero),
    ``promotion`` ("numpy" or "jax") and ``default_float`` (float64 or float32).
    """
    for name, value in changes.items():
        if name == "log":
            settings.log = _stages(value)
        elif name == "debug":
            settings.debug = bool(value)
        elif name == "item_assignment":
            settings.item_assignment = bool(value)
        elif name == "threads":
            set_threads(value)
        elif name == "pool_bytes":
            set_pool_bytes(value)
        elif name == "nan_safe_where":
            set_nan_safe(bool(value))
            _forget()
        elif name in ("promotion", "default_float"):
            choose(**{name: value})
        elif name in ("jax_enable_x64", "jax_default_matmul_precision"):
            continue  # 64-bit types are always there, and products are of the precision of their dtype
        elif name in ("jax_platforms", "jax_platform_name"):
            if "cpu" not in str(value).split(","):
                raise ArgumentError(f"{name} is {value!r}, but there is one platform: 'cpu'.")
        else:
            raise ArgumentError(f"there is no setting {name}. {SETTINGS}")


@contextmanager
def disable_jit(disable: bool = True) -> Iterator[None]:
    """Run jitted functions as plain Python, operation by operation, inside the context."""
    previous = local.jit_disabled
    local.change(jit_disabled=disable)
    try:
        yield
    finally:
        local.change(jit_disabled=previous)


def log(stage: str, what: Any) -> None:
    """Print a stage to stderr where it is asked for; a callable is called only then."""
    if stage in settings.log:
        text = what() if callable(what) else what
        print(f"--- weft: {stage}\n{text}", file=sys.stderr)


def log_pass(name: str, graph: Graph) -> None:
    """Print the graph after a pass."""
    if "passes" in settings.log:
        print(f"--- weft: after {name}\n{graph}", file=sys.stderr)
