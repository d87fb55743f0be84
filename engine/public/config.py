"""`weft.config`: settings of the process.

``weft.config.update(log="graph,fused")`` prints stages of compilation, ``weft.config.update(debug=True)`` verifies the IR after
every pass; ``weft.config.threads = 1`` keeps programs, BLAS and Numba to one thread; ``weft.config.update(pool_bytes=0)`` gives
memory that is not in use back to the system at once; ``weft.config.nan_safe_where = False`` takes JAX's gradients of
`weft.numpy.where`, in which a branch that is not taken may give NaN. The environment variables ``WEFT_LOG``, ``WEFT_DEBUG`` and
``WEFT_THREADS`` set the first three. The two-argument form of JAX, ``weft.config.update("jax_disable_jit", True)``, is taken
too.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from weft.engine import config as _config
from weft.engine.config import STAGES, disable_jit, settings
from weft.engine.nans import watch
from weft.engine.promotion import rules
from weft.engine.runtime.memory import pool
from weft.engine.runtime.threads import thread_count
from weft.ir.errors import ArgumentError
from weft.ir.passes import masks

__all__ = ["STAGES", "disable_jit", "read", "settings", "update"]


_WATCHED = {"debug_nans": "nans", "jax_debug_nans": "nans", "debug_infs": "infs", "jax_debug_infs": "infs"}


def update(name: str | None = None, value: Any = None, /, **changes: Any) -> None:
    """Change settings: by keyword, or one by name and value.

    Args:
        name: name of a setting; ``jax_enable_x64``, ``jax_disable_jit``, ``jax_debug_nans`` and ``jax_debug_infs`` are known
            as well.
        value: its new value.
        changes: settings by keyword: ``log`` (stages, separated by commas), ``debug``, ``debug_nans`` and ``debug_infs`` (see
            `weft.debug`; of the thread at hand), ``threads``, how
            many threads may run one program (1 to 256; at first, as many as this process may use cores), and
            ``pool_bytes``, how much memory of arrays that are gone is kept for new ones (at first 512 MiB), and
            ``nan_safe_where``, whether no gradient comes from the branch of a `where` that is not taken, though its
            derivative be infinite (at first true; after a change jitted functions are traced anew), and
            ``item_assignment``, whether ``x[index] = value`` gives an array with known values new elements, as the array API
            standard has it (at first false: it is an error that says how updates are written), and
            ``promotion``, "numpy" (at first) or "jax": in which dtypes operands meet, JAX's lattice in which Python's numbers
            and results of them alone give way to arrays, and
            ``default_float``, float64 (at first) or float32: what numbers, arrays made without a dtype and functions of
            integers are. After a change of these two jitted functions are traced anew, and with any but the first values
            functions outside of traces take longer, since they are no longer NumPy's own.

    Raises:
        ArgumentError: there is no such setting or stage, or the value is none of its values.
    """
    if name is not None:
        if not isinstance(name, str):
            raise ArgumentError(f"config.update takes the name of a setting and its value, got {name!r}.")
        changes = {name: value, **changes}
    if "jax_disable_jit" in changes:
        _config.local.change(jit_disabled=changes.pop("jax_disable_jit"))
    for setting, what in _WATCHED.items():
        if setting in changes:
            watch(**{what: bool(changes.pop(setting))})
    _config.update(**changes)


def read(name: str) -> Any:
    """The value of a setting."""
    if name == "jax_enable_x64":
        return True
    if name == "jax_disable_jit":
        return _config.local.jit_disabled
    if name in _WATCHED:
        return getattr(_config.local, _WATCHED[name])
    if name == "log":
        return ",".join(stage for stage in STAGES if stage in settings.log)
    if name == "debug":
        return settings.debug
    if name == "item_assignment":
        return settings.item_assignment
    if name == "threads":
        return thread_count()
    if name == "pool_bytes":
        return pool.limit
    if name == "nan_safe_where":
        return masks.enabled
    if name == "promotion":
        return "jax" if rules.jax else "numpy"
    if name == "default_float":
        return rules.float
    raise ArgumentError(f"there is no setting {name}. {_config.SETTINGS}")


class _Settings(ModuleType):
    """This module, with settings as attributes."""

    threads = property(
        lambda self: thread_count(), lambda self, number: _config.update(threads=number), doc="See `update`."
    )
    nan_safe_where = property(
        lambda self: masks.enabled, lambda self, on: _config.update(nan_safe_where=on), doc="See `update`."
    )
    promotion = property(
        lambda self: read("promotion"), lambda self, name: _config.update(promotion=name), doc="See `update`."
    )
    default_float = property(
        lambda self: rules.float, lambda self, dtype: _config.update(default_float=dtype), doc="See `update`."
    )


sys.modules[__name__].__class__ = _Settings
