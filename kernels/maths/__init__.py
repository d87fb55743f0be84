"""Elementary and special functions as scalar expressions that LLVM vectorises, one definition for every target."""

from __future__ import annotations

from collections.abc import Callable

from weft.kernels.register import Register

FUNCTIONS: dict[str, Callable[..., Register]] = {
    "sqrt": lambda x: x.sqrt(),
}
