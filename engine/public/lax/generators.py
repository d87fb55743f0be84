"""`rng_bit_generator` of `weft.lax`: random bits from a key and a counter, which is given back advanced.

`weft.random` is for draws; this is for code written against XLA's generators, and gives their bits. JAX's ``rng_uniform`` is
not here: it has a hidden state, so that no program gives the same numbers twice; `weft.random.uniform` does.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.engine.array import wrap_value
from weft.ir.errors import ArgumentError, DTypeError
from weft.ir.ops import bits
from weft.ir.ops import elementwise as e
from weft.ir.ops import shape as s
from weft.ir.ops.random import UINT32, UINT64, threefry2x32
from weft.ir.types import check_dtype
from weft.lax.arguments import one_value


class RandomAlgorithm(enum.IntEnum):
    """The cipher of `rng_bit_generator`; the default is Philox, as JAX's on the CPU."""

    RNG_DEFAULT = 0
    RNG_THREE_FRY = 1
    RNG_PHILOX = 2


def rng_bit_generator(
    key: Any,
    shape: Sequence[int],
    dtype: Any = UINT32,
    algorithm: RandomAlgorithm = RandomAlgorithm.RNG_DEFAULT,
    *,
    out_sharding: Any = None,
) -> tuple[Any, Any]:
    """Random bits, and the key for the next ones.

    Args:
        key: four uint32, or two uint64: a key, and a counter that begins anywhere.
        shape: of the bits.
        dtype: uint8, uint16, uint32 or uint64.
        algorithm: the cipher.
        out_sharding: accepted for JAX's sake.

    Returns:
        ``(key, bits)``: the key with its counter advanced, and an array of ``shape`` and ``dtype``.

    Raises:
        DTypeError: of ``dtype``, or the key's.
        ArgumentError: the algorithm is not known.
    """
    state, dtype, shape = one_value(key), check_dtype(dtype), tuple(map(int, shape))
    if (tuple(state.shape), state.dtype) not in (((4,), UINT32), ((2,), UINT64)):
        raise DTypeError(
            f"lax.rng_bit_generator needs a key of four uint32 or two uint64, got {state.dtype} of shape {tuple(state.shape)}."
        )
    if dtype.kind != "u":
        raise DTypeError(f"lax.rng_bit_generator gives uint8, uint16, uint32 or uint64, not {dtype}.")
    if algorithm not in tuple(RandomAlgorithm):
        raise ArgumentError(
            f"lax.rng_bit_generator knows no algorithm {algorithm!r}: see lax.RandomAlgorithm."
        )
    parts = [s.reshape(s.slice_axis(state, 0, i, i + 1), ()) for i in range(state.shape[0])]
    word, counter = parts if len(parts) == 2 else (_joined(*parts[:2]), _joined(*parts[2:]))
    cipher = _threefry if algorithm == RandomAlgorithm.RNG_THREE_FRY else _philox
    drawn, used = cipher(word, counter, shape, dtype)
    after = e.add(counter, np.uint64(used))
    words = [word, after] if len(parts) == 2 else [*_words(word), *_words(after)]
    advanced = s.concatenate([s.reshape(w, (1,)) for w in words], 0)
    return wrap_value(advanced), wrap_value(drawn)


def _joined(low: Any, high: Any) -> Any:
    """64 bits of two halves."""
    return e.or_(bits.shift_left(e.cast(high, UINT64), 32), e.cast(low, UINT64))


def _words(x: Any) -> tuple[Any, Any]:
    """The lower and the upper half of 64 bits."""
    return e.cast(x, UINT32), e.cast(bits.shift_right_logical(x, 32), UINT32)


def _counters(first: Any, shape: Sequence[int]) -> Any:
    """``first, first + 1, ...`` in row-major order."""
    number = s.reshape(s.iota(UINT64, (math.prod(shape),)), shape)
    return e.add(s.broadcast(first, shape, ()), number)


def _threefry(word: Any, counter: Any, shape: tuple[int, ...], dtype: np.dtype) -> tuple[Any, int]:
    """Two words a counter. Of 32 bits they are neighbours along the first even axis, or else the longest."""
    key = _words(word)
    if dtype == UINT64:
        low, high = threefry2x32(*key, *_words(_counters(counter, shape)))
        return _joined(low, high), math.prod(shape)
    whole = shape or (1,)
    even = [d for d, n in enumerate(whole) if n % 2 == 0]
    axis = even[0] if even else max(range(len(whole)), key=lambda d: whole[d])
    half = [(n + 1) // 2 if d == axis else n for d, n in enumerate(whole)]
    pair = threefry2x32(*key, *_words(_counters(counter, half)))
    joined = s.concatenate([s.expand_dims(x, (axis + 1,)) for x in pair], axis + 1)
    long = [2 * n if d == axis else n for d, n in enumerate(half)]
    drawn = s.slice_axis(s.reshape(joined, long), axis, 0, whole[axis])
    return e.cast(s.reshape(drawn, shape), dtype), math.prod(half)


_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_STEPS = (0x9E3779B9, 0xBB67AE85)


def _philox(word: Any, counter: Any, shape: tuple[int, ...], dtype: np.dtype) -> tuple[Any, int]:
    """Four words a counter of 128 bits, whose upper half begins with the key.

    Source: Salmon, Moraes, Dror & Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3", section 3.3.
    """
    size = math.prod(shape) * (2 if dtype == UINT64 else 1)
    count = -(-size // 4)
    low = _counters(counter, (count,))
    every = s.broadcast(word, (count,), ())
    carried = e.cast(e.lt(low, s.broadcast(counter, (count,), ())), UINT64)
    x = [*_words(low), *_words(e.add(every, carried))]
    key = _words(every)
    for step in range(10):
        k0, k1 = (e.add(k, np.uint32(step * by & 0xFFFFFFFF)) for k, by in zip(key, _STEPS, strict=True))
        (a, b), (c, d) = (
            _words(e.mul(e.cast(v, UINT64), m)) for v, m in zip((x[0], x[2]), _MULTIPLIERS, strict=True)
        )
        x = [e.xor(e.xor(d, x[1]), k0), c, e.xor(e.xor(b, x[3]), k1), a]
    flat = s.reshape(s.concatenate([s.expand_dims(v, (1,)) for v in x], 1), (4 * count,))
    flat = s.slice_axis(flat, 0, 0, size)
    if dtype == UINT64:
        pairs = s.reshape(flat, (size // 2, 2))
        low, high = (s.squeeze(s.slice_axis(pairs, 1, i, i + 1), (1,)) for i in range(2))
        flat = _joined(low, high)
    return e.cast(s.reshape(flat, shape), dtype), count
