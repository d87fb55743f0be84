"""The one device that arrays live on, and the arguments of the array API standard that name it."""

from __future__ import annotations

from typing import Any

from weft.ir.errors import ArgumentError


class Device(str):
    """The name of a device, with what JAX's devices say of themselves."""

    __slots__ = ()
    id = 0
    process_index = 0

    @property
    def platform(self) -> str:
        """What kind of device it is: ``"cpu"``."""
        return str.__str__(self)

    @property
    def device_kind(self) -> str:
        """The same."""
        return str.__str__(self)


CPU = Device("cpu")
"""The device, as ``x.device`` and ``device=`` spell it."""


def check_device(device: Any, name: str) -> None:
    """Raise `ArgumentError` unless ``device`` is None or the device that there is."""
    if device is not None and device != CPU:
        raise ArgumentError(f"{name} got device={device!r}: arrays live on the device {CPU!r}.")
