"""Waiting and moving, for programs that are written for devices: results are ready and there is one device."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.engine import tree
from weft.engine.array import Array, to_value, wrap_value
from weft.engine.device import check_device
from weft.ir.builder import Value


def block_until_ready(x: Any) -> Any:
    """``x``, a tree of arrays: results are complete when they are returned."""
    return x


def device_put(x: Any, device: Any = None) -> Any:
    """``x`` with Weft arrays (copies of NumPy's) for its leaves, on the one device that there is, ``"cpu"``."""
    check_device(device, "device_put")

    def put(leaf: Any) -> Any:
        value = to_value(leaf)
        return wrap_value(np.array(value) if isinstance(leaf, np.ndarray) else value)

    return tree.map(put, x)


def device_get(x: Any) -> Any:
    """``x`` with NumPy arrays for its leaves."""

    def get(leaf: Any) -> Any:
        return np.asarray(leaf) if isinstance(leaf, Array) and not isinstance(leaf, Value) else leaf

    return tree.map(get, x)
