"""`weft.config`: settings of the process.

``weft.config.update(log="graph,fused")`` prints stages of compilation, ``weft.config.update(debug=True)`` verifies the IR after
every pass; the environment variables ``WEFT_LOG`` and ``WEFT_DEBUG`` set the same. The two-argument form of JAX,
``weft.config.update("jax_disable_jit", True)``, is taken too.
"""

from __future__ import annotations

from typing import Any

from weft.engine import config as _config
from weft.engine.config import STAGES, disable_jit, settings
from weft.ir.errors import ArgumentError

__all__ = ["STAGES", "disable_jit", "read", "settings", "update"]


def update(name: str | None = None, value: Any = None, /, **changes: Any) -> None:
    """Change settings: by keyword, or one by name and value.

    Args:
        name: name of a setting; ``jax_enable_x64`` and ``jax_disable_jit`` are known as well.
        value: its new value.
        changes: settings by keyword: ``log`` (stages, separated by commas), ``debug``.

    Raises:
        ArgumentError: there is no such setting or stage.
    """
    if name is not None:
        if not isinstance(name, str):
            raise ArgumentError(f"config.update takes the name of a setting and its value, got {name!r}.")
        changes = {name: value, **changes}
    if "jax_disable_jit" in changes:
        _config.local.jit_disabled = bool(changes.pop("jax_disable_jit"))
    _config.update(**changes)


def read(name: str) -> Any:
    """The value of a setting."""
    if name == "jax_enable_x64":
        return True
    if name == "jax_disable_jit":
        return _config.local.jit_disabled
    if name == "log":
        return ",".join(stage for stage in STAGES if stage in settings.log)
    if name == "debug":
        return settings.debug
    raise ArgumentError(f"there is no setting {name}. Settings: log, debug.")
