"""The pool: blocks come back when nobody can see them, never before, and no more are kept than was said."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.engine.runtime.memory import ALIGNMENT, APART_FROM, LARGE, Lease, Pool, pool

N = LARGE // 8 + 3  # elements of a result that is large
FLOAT64 = np.dtype(np.float64)


@pytest.fixture(autouse=True)
def _emptied() -> Iterator[None]:
    gc.collect()
    pool.trim()
    yield
    weft.config.update(pool_bytes=1 << 29)


@pytest.mark.parametrize(
    "nbytes",
    [
        0,
        1,
        63,
        64,
        65,
        1000,
        APART_FROM,
        APART_FROM + 1,
        LARGE - 1,
        LARGE,
        LARGE + 1,
        3 * LARGE + 5,
        10 * LARGE,
    ],
)
def test_blocks_are_aligned_and_hardly_larger_than_asked(nbytes: int) -> None:
    own = Pool(1 << 30)
    block = own.take(nbytes)
    assert block.ctypes.data % ALIGNMENT == 0
    assert nbytes <= block.nbytes <= (max(2 * nbytes, ALIGNMENT) if nbytes <= APART_FROM else nbytes * 9 / 8)
    own.give_back(block)
    assert own.take(nbytes) is block


@pytest.mark.parametrize("dtype", ["?", "i1", "u8", "f2", "f4", "c8", "c16", ml_dtypes.bfloat16])
def test_arrays_in_blocks(dtype: Any) -> None:
    x = Pool(0).empty((3, 5), np.dtype(dtype))
    assert (x.shape, x.dtype) == ((3, 5), np.dtype(dtype))
    assert x.flags.c_contiguous
    assert x.flags.writeable
    x[...] = 1
    assert x.sum() == 15


VIEWS: dict[str, Callable[[np.ndarray], Any]] = {
    "itself": lambda x: x,
    "a slice": lambda x: x[5:9],
    "a view of a view": lambda x: x.reshape(-1, 1).view(np.int64)[2:].T,
    "a memoryview": lambda x: memoryview(x)[1:],
    "a buffer read by NumPy": lambda x: np.frombuffer(memoryview(x), np.uint8),
    "by DLPack": lambda x: np.from_dlpack(x),
    "the base": lambda x: np.asarray(x[1:].base),
    "a row by iteration": lambda x: next(iter(x.reshape(1, -1))),
}


@pytest.mark.parametrize("name", VIEWS)
def test_what_sees_a_block_keeps_it(name: str) -> None:
    own = Pool(1 << 30)
    x = own.empty((64,), FLOAT64)
    seen = VIEWS[name](x)
    del x
    gc.collect()
    assert own.idle_bytes == 0
    del seen
    gc.collect()
    assert own.idle_bytes == 512


def test_a_dead_result_is_the_next_one() -> None:
    f = weft.jit(lambda x: x * 2.0)
    x = wnp.arange(float(N))
    result = f(x)
    assert type(result._data.base) is Lease
    first = np.asarray(result)
    address = first.ctypes.data
    del result
    held = f(x)  # while the first is alive
    assert np.asarray(held).ctypes.data != address
    del first
    assert np.asarray(f(x)).ctypes.data == address


def test_results_that_are_held_are_not_overwritten() -> None:
    f = weft.jit(lambda x, k: (x + k, (x * k)[::2]))
    x = wnp.arange(float(N))
    plain = np.arange(float(N))
    views = []
    for k in range(6):
        a, b = f(x, float(k))
        views.append((k, np.asarray(a)[7:], wnp.asarray(b)[1:], memoryview(np.asarray(b))))
        del a, b
    for k, a, b, buffer in views:
        np.testing.assert_array_equal(a, plain[7:] + k)
        np.testing.assert_array_equal(b, (plain * k)[::2][1:])
        np.testing.assert_array_equal(np.asarray(buffer), (plain * k)[::2])


def test_a_frozen_result_is_captured_without_a_copy() -> None:
    x = weft.jit(lambda x: x + 1)(wnp.arange(float(N)))
    plain = np.asarray(x)  # read-only from here on
    traced = weft.make_graph(lambda y: y * plain, return_shape=False)(wnp.ones(N))
    assert len(traced.ins) == 2
    from weft.engine.array import own

    assert own(x._data) is x._data


def test_fields_of_a_loop_begin_apart() -> None:
    """Stores to one would seem to be what loads of another wait for, were they at one place of their pages."""
    n = APART_FROM // 8

    def steps(fields: list) -> list:
        return weft.lax.fori_loop(0, 3, lambda _, fields: [x.at[1:].add(x[:-1]) for x in fields], fields)

    results = weft.jit(steps)([wnp.ones(n) * k for k in range(4)])
    places = [x._data.ctypes.data % 4096 for x in results]
    assert all(place % ALIGNMENT == 0 for place in places)
    assert all((a - b) % 512 for i, a in enumerate(places) for b in places[:i])


def test_idle_memory_is_bounded() -> None:
    own = Pool(5 * LARGE)
    arrays = [own.empty((2 * LARGE,), np.dtype(np.uint8)) for _ in range(4)]
    del arrays
    assert own.idle_bytes == 4 * LARGE
    big = own.take(5 * LARGE)
    own.give_back(big)  # what was used longest ago goes
    assert own.idle_bytes == 5 * LARGE
    assert own.take(5 * LARGE) is big
    own.give_back(own.take(6 * LARGE))
    assert own.idle_bytes == 0
    small = [own.take(100) for _ in range(10)]
    for block in small:
        own.give_back(block)
    assert own.idle_bytes == own.KEPT * small[0].nbytes


def test_idle_memory_makes_room() -> None:
    own = Pool(1 << 30)
    own.give_back(own.take(2 * LARGE))
    with pytest.raises(MemoryError):
        own.take(1 << 60)
    assert own.idle_bytes == 0


def test_the_setting() -> None:
    f = weft.jit(lambda x: x - 1)
    del_me = f(wnp.arange(float(N)))
    del del_me
    assert pool.idle_bytes >= 8 * N
    weft.config.update(pool_bytes=0)
    assert weft.config.read("pool_bytes") == 0
    assert pool.idle_bytes == 0
    del_me = f(wnp.arange(float(N)))
    del del_me
    assert pool.idle_bytes == 0


def test_threads_never_share_a_block() -> None:
    f = weft.jit(lambda x, k: x * 0.0 + k)
    x = wnp.zeros(N)
    wrong: list[float] = []

    def work(k: float) -> None:
        kept = []
        for i in range(30):
            kept.append((k + i, f(x, k + i)))
            if len(kept) > 3:
                value, y = kept.pop(0)
                data = np.asarray(y)
                if not (data == value).all():
                    wrong.append(value)

    threads = [threading.Thread(target=work, args=(1000.0 * t,)) for t in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
