"""Functions of `weft.lax` that say how a computation is written down, not what it computes.

What JAX has beyond these orders effects between devices (`after_all`, `create_token`), or keeps alive what nothing reads
(`dce_sink`): a program of Weft runs its callbacks in their order, and computes what its results need.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from weft.engine.array import wrap_value
from weft.ir.errors import ArgumentError
from weft.lax.arguments import one_value


def stage(x: Any) -> Any:
    """``x``, a number or an array, as an array of Weft."""
    return wrap_value(one_value(x))


def composite(decomposition: Callable[..., Any], name: str, version: int = 0) -> Callable[..., Any]:
    """A function under a name that other compilers may know; Weft computes what its decomposition says.

    Args:
        decomposition: the function. Keyword arguments are its attributes, which are not traced.
        name: such as ``"my.softmax"``.
        version: of its meaning.
    """

    @functools.wraps(decomposition)
    def named(*args: Any, **attributes: Any) -> Any:
        return decomposition(*args, **attributes)

    named.__name__ = name
    return named


def platform_dependent(
    *args: Any, default: Callable[..., Any] | None = None, **per_platform: Callable[..., Any]
) -> Any:
    """The function for the platform that this runs on, applied to ``args``.

    Args:
        *args: arguments of the functions.
        default: the function for platforms that are not named.
        **per_platform: a function for each platform, such as ``cpu=...`` and ``cuda=...``. Arrays live on the CPU, so it is
            ``cpu`` that is called.

    Raises:
        ArgumentError: there is neither a ``cpu`` nor a ``default``.
    """
    chosen = per_platform.get("cpu", default)
    if chosen is None:
        raise ArgumentError(
            f"lax.platform_dependent got functions for {', '.join(per_platform) or 'no platform'}: give cpu= or default=."
        )
    return chosen(*args)
