"""The native half of the threads: a kernel's chunks, run by whoever is free.

The one idea: a *pool* is a block of memory (`weft.engine.runtime.threads.Pool`), in which a job is published; workers come
and help, and who published it works along, so a job never waits for a worker to wake up. Chunks are taken by a
counter, in any order and by any thread: their borders come from the program, so results do not know how many
threads there were.

A job is open from when its words are written until its chunks are handed out. A worker first counts itself in
(`Pool.INSIDE`), then looks whether a job is open; who published waits after closing until nobody is inside. With
sequentially consistent accesses one of the two sees the other, so a worker never reads words of a job that is over.

One job runs at a time. Who finds the pool taken, because another thread of Python runs a program, runs its
kernel alone: that is what it would do on a machine with one core less.
"""

from weft.engine.runtime.native.words import (
    add,
    call_kernel,
    give_way,
    lock,
    native,
    read,
    read_now,
    signal,
    swap,
    unlock,
    wait,
    write,
    write_now,
)
from weft.engine.runtime.threads import Pool

__all__ = ["run_chunks", "work"]

_WORD_BYTES = 8
_THREADS, _TAKEN, _KERNEL, _DIMS, _BUFFERS, _END, _GRAIN = (
    int(word)
    for word in (Pool.THREADS, Pool.TAKEN, Pool.KERNEL, Pool.DIMS, Pool.BUFFERS, Pool.END, Pool.GRAIN)
)
_HELPERS, _OPEN, _JOBS, _NEXT, _INSIDE, _TICKETS, _ASLEEP = (
    int(word)
    for word in (Pool.HELPERS, Pool.OPEN, Pool.JOBS, Pool.NEXT, Pool.INSIDE, Pool.TICKETS, Pool.ASLEEP)
)
_MUTEX, _CONDITION = _WORD_BYTES * Pool.MUTEX, _WORD_BYTES * Pool.CONDITION
# A worker looks for the next job so many times, giving way in between, before it goes to sleep: some 50 us. To
# wake it takes as long, and programs have many kernels.
_PATIENCE = 200


@native
def _take_chunks(pool: int) -> None:
    """Run chunks of the open job until there are none."""
    kernel, dims, buffers = read(pool, _KERNEL), read(pool, _DIMS), read(pool, _BUFFERS)
    end, grain = read(pool, _END), read(pool, _GRAIN)
    while True:
        begin = add(pool, _NEXT, grain)
        if begin >= end:
            return
        call_kernel(kernel, dims, buffers, begin, min(begin + grain, end))


@native
def run_chunks(pool: int, kernel: int, dims: int, buffers: int, end: int, grain: int) -> None:
    """Run a kernel over ``range(end)``, in chunks of ``grain``, with the help of the pool's workers."""
    helpers = min(read_now(pool, _THREADS), (end + grain - 1) // grain) - 1
    if helpers < 1 or swap(pool, _TAKEN, 1) != 0:
        call_kernel(kernel, dims, buffers, 0, end)
        return
    write(pool, _KERNEL, kernel)
    write(pool, _DIMS, dims)
    write(pool, _BUFFERS, buffers)
    write(pool, _END, end)
    write(pool, _GRAIN, grain)
    write(pool, _HELPERS, helpers)
    write_now(pool, _NEXT, 0)
    write_now(pool, _TICKETS, 0)
    write_now(pool, _OPEN, 1)
    add(pool, _JOBS, 1)
    if read_now(pool, _ASLEEP) > 0:
        lock(pool + _MUTEX)
        for _ in range(min(helpers, read_now(pool, _ASLEEP))):
            signal(pool + _CONDITION)
        unlock(pool + _MUTEX)
    _take_chunks(pool)
    write_now(pool, _OPEN, 0)
    while read_now(pool, _INSIDE) != 0:
        give_way()
    write_now(pool, _TAKEN, 0)


@native
def work(pool: int) -> int:
    """Help with one job after the other, for as long as the process lives; sleep when none comes."""
    seen = 0
    while seen >= 0:
        patience = _PATIENCE
        while read_now(pool, _JOBS) == seen and patience > 0:
            give_way()
            patience -= 1
        if patience == 0:
            lock(pool + _MUTEX)
            add(pool, _ASLEEP, 1)
            while read_now(pool, _JOBS) == seen:
                wait(pool + _CONDITION, pool + _MUTEX)
            add(pool, _ASLEEP, -1)
            unlock(pool + _MUTEX)
        seen = read_now(pool, _JOBS)
        add(pool, _INSIDE, 1)
        if read_now(pool, _OPEN) != 0 and add(pool, _TICKETS, 1) < read(pool, _HELPERS):
            _take_chunks(pool)
        add(pool, _INSIDE, -1)
    return seen
