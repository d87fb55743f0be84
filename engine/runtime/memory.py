"""Memory of programs: arenas and large results come from one pool and go back to it.

The one idea: fresh pages cost as much as the arithmetic that fills them, so large blocks are kept for the next call. An
arena is lent for one call. A result belongs to a `Lease`, which is the base of its NumPy array: whatever sees the memory
(views, buffers, DLPack) keeps the lease alive, and the block comes back when nobody is left.

Lists and dicts are changed by single operations only, which are atomic, so threads need no lock, and neither do the
finalizers of leases, which may run in the middle of anything. At worst a block is freed that could have been kept.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from weft.ir.errors import ArgumentError

ALIGNMENT = 64
PAGE = 4096

APART = 11 * ALIGNMENT
"""By how much more than whole pages large buffers begin behind one another. Elements at one index, or a step of a power of two
apart, of buffers that all begin at a page fall into the same few places of a cache, and a load seems to wait for a store."""

APART_FROM = 1 << 16
"""Bytes from which on buffers begin so, and from which on results that a loop goes over again and again come from the pool."""

_PLACES = 8  # of which no two are a multiple of 512 bytes apart

LARGE = 1 << 20
"""Bytes from which on a result comes from the pool. The C library's allocator does as well for smaller ones (measured: up to
8 MiB there is no difference in a loop, from 32 MiB on fresh pages take twice as long as reused ones)."""


class Pool:
    """Idle blocks by size.

    Args:
        limit: bytes that idle blocks may have; what was not used for longest is freed beyond.
    """

    # More idle blocks than this of one small size are freed; large ones count by their bytes.
    KEPT = 4

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._made = 0
        self._idle: dict[int, list[np.ndarray]] = {}  # the size used last stands last

    @property
    def idle_bytes(self) -> int:
        """Bytes that wait for a use."""
        return sum(size * len(blocks) for size, blocks in list(self._idle.items()))

    def take(self, nbytes: int) -> np.ndarray:
        """A block of at least ``nbytes``, aligned; its contents are whatever the last user left."""
        size = _rounded(nbytes)
        idle = self._idle.get(size)
        if idle:
            try:
                return idle.pop()
            except IndexError:  # another thread was faster
                pass
        self._made += 1
        border, place = ALIGNMENT, 0
        if size >= APART_FROM:
            border, place = PAGE, APART * (self._made % _PLACES)
        room = size + border
        try:
            raw = np.empty(room, np.uint8)
        except MemoryError:  # what is idle may make room
            self.trim()
            raw = np.empty(room, np.uint8)
        offset = (place - raw.ctypes.data) % border
        return raw[offset : offset + size]

    def give_back(self, block: np.ndarray) -> None:
        """Return a block that `take` gave; nobody may use it any more."""
        size = block.size
        idle = self._idle.get(size)
        if idle is None:
            idle = self._idle.setdefault(size, [])
        if size >= LARGE:
            idle.append(block)
            self._idle[size] = self._idle.pop(size, idle)  # to the end
            self.trim(self.limit)
        elif len(idle) < self.KEPT:
            idle.append(block)

    def trim(self, limit: int = 0) -> None:
        """Free idle blocks until no more than ``limit`` bytes are left."""
        excess = self.idle_bytes - limit
        for size, blocks in list(self._idle.items()) if excess > 0 else ():
            while blocks and excess > 0:
                try:
                    blocks.pop()
                except IndexError:  # another thread was faster
                    break
                excess -= size

    def empty(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """An uninitialised array in a block that comes back when nobody can see it any more."""
        return Lease(self, self.take(math.prod(shape) * dtype.itemsize)).array(shape, dtype)


class Lease:
    """What keeps a block from being used again: it lives as long as an array in the block does."""

    __slots__ = ("__array_interface__", "_block", "_pool")

    def __init__(self, pool: Pool, block: np.ndarray) -> None:
        self._pool = pool
        self._block = block
        self.__array_interface__: dict[str, Any] = {}

    def array(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """The block as an array, whose base is this lease."""
        code = (
            dtype.str if dtype.isbuiltin == 1 else f"<u{dtype.itemsize}"
        )  # not all dtypes have a code of their own
        self.__array_interface__ = {
            "version": 3, "shape": shape, "typestr": code, "data": (self._block.ctypes.data, False)
        }  # fmt: skip
        array = np.asarray(self)
        return array if array.dtype == dtype else array.view(dtype)

    def __del__(self) -> None:
        self._pool.give_back(self._block)


def _rounded(nbytes: int) -> int:
    """Sizes of blocks: powers of two, and for long ones seven more between two of them."""
    size: int = 1 << max(nbytes - 1, ALIGNMENT - 1).bit_length()
    if size <= APART_FROM:
        return size
    step = size >> 4
    return -(-nbytes // step) * step


pool = Pool(limit=1 << 29)
"""The pool of this process."""


def new_array(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An uninitialised array for a result."""
    large = math.prod(shape) * dtype.itemsize >= LARGE
    return pool.empty(shape, dtype) if large else np.empty(shape, dtype)


def set_pool_bytes(number: int) -> None:
    """Let idle memory be ``number`` bytes at most from now on.

    Raises:
        ArgumentError: it is no integer, or negative.
    """
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise ArgumentError(f"pool_bytes must be a number of bytes, 0 or more, got {number!r}.")
    pool.limit = number
    pool.trim(number)
