"""Scratch memory of running programs: arenas that are lent for a call and taken back."""

from __future__ import annotations

import numpy as np

from weft.engine.runtime.bufferize import ALIGNMENT


class ArenaPool:
    """Arenas by size class (powers of two). List operations are atomic, so threads need no lock."""

    # More idle arenas than this of one class are given to the system.
    KEPT = 4

    def __init__(self) -> None:
        self._idle: dict[int, list[np.ndarray]] = {}

    def take(self, nbytes: int) -> np.ndarray:
        """A buffer of at least ``nbytes``, aligned; its contents are whatever the last user left."""
        size_class = max(nbytes, ALIGNMENT).bit_length()
        idle = self._idle.setdefault(size_class, [])
        try:
            return idle.pop()
        except IndexError:
            raw = np.empty((1 << size_class) + ALIGNMENT, np.uint8)
            offset = -raw.ctypes.data % ALIGNMENT
            return raw[offset : offset + (1 << size_class)]

    def give_back(self, arena: np.ndarray) -> None:
        """Return a buffer that `take` gave."""
        idle = self._idle.setdefault(arena.size.bit_length() - 1, [])
        if len(idle) < self.KEPT:
            idle.append(arena)


arenas = ArenaPool()
