"""The one device that arrays live on, and the arguments of the array API standard that name it."""

from __future__ import annotations

from typing import Any

from weft.ir.errors import ArgumentError

CPU = "cpu"
"""The device, as ``x.device`` and ``device=`` spell it."""


def check_device(device: Any, name: str) -> None:
    """Raise `ArgumentError` unless ``device`` is None or the device that there is."""
    if device is not None and device != CPU:
        raise ArgumentError(f"{name} got device={device!r}: arrays live on the device {CPU!r}.")
