"""The native half of the threads: a kernel's chunks, run by whoever is free.

The one idea: a *pool* is a block of memory (`weft.engine.runtime.threads.Pool`), in which a job is published; workers come
and help, and who published it works along, so a job never waits for a worker to wake up. Chunks are taken by
counters, in any order and by any thread: their borders come from the program, so results do not know how many
threads there were.

Each thread has a *share* of the chunks, which lie side by side, and takes those of others only when none are left in it. So
where kernels go over the same arrays one after the other, a thread finds in its core's cache what it left there.

A job is open from when its words are written until its chunks are handed out. A worker first counts itself in
(`Pool.INSIDE`), then looks whether a job is open; who published waits after closing until nobody is inside. With
sequentially consistent accesses one of the two sees the other, so a worker never reads words of a job that is over.

A worker wakes on the core where it fell asleep, or where who publishes a job sends it because that core is taken; then
the system may move it. Left to itself, Linux on a virtual machine, whose idle cores look busy to it, often woke a worker
on the core of who published the job, where the two took turns for 4 to 8 ms: a product of 11 ms took 19.

One job runs at a time. Who finds the pool taken, because another thread of Python runs a program, runs its
kernel alone: that is what it would do on a machine with one core less.
"""

from weft.engine.runtime.native.words import (
    add,
    call_kernel,
    get_int,
    give_way,
    lock,
    native,
    pause,
    place,
    read,
    read_now,
    signal,
    swap,
    unlock,
    wait,
    write,
    write_now,
)
from weft.engine.runtime.threads import CORE_WORDS, MOST_SHARES, WORKER_WORDS, Pool, Worker

__all__ = ["run_chunks", "work"]

_WORD_BYTES = 8
_THREADS, _TAKEN, _KERNEL, _DIMS, _BUFFERS, _END, _GRAIN = (
    int(word)
    for word in (Pool.THREADS, Pool.TAKEN, Pool.KERNEL, Pool.DIMS, Pool.BUFFERS, Pool.END, Pool.GRAIN)
)
_HELPERS, _OPEN, _JOBS, _INSIDE, _TICKETS, _ASLEEP = (
    int(word) for word in (Pool.HELPERS, Pool.OPEN, Pool.JOBS, Pool.INSIDE, Pool.TICKETS, Pool.ASLEEP)
)
_BEGIN, _SHARES, _NEXT = (int(word) for word in (Pool.BEGIN, Pool.SHARES, Pool.NEXT))
_LINE = 8  # words of a cache line
_MUTEX, _CONDITION = _WORD_BYTES * Pool.MUTEX, _WORD_BYTES * Pool.CONDITION
_CORE, _PLACE, _CORES, _TAKEN_CORES, _WORKERS = (
    int(word) for word in (Pool.CORE, Pool.PLACE, Pool.CORES, Pool.TAKEN_CORES, Pool.WORKERS)
)
_THREAD, _SEATED, _SEAT = (int(word) for word in (Worker.THREAD, Worker.SEATED, Worker.SEAT))
_WORDS_OF_WORKER, _WORDS_OF_CORES, _MOST_SHARES = int(WORKER_WORDS), int(CORE_WORDS), int(MOST_SHARES)
_MASK_BYTES = _WORD_BYTES * _WORDS_OF_CORES
# Who waits looks so many times before it begins to give way, which is for some 20 us: on a machine where others want the core
# as well, who gives way comes back after milliseconds.
_SPINS = 1000
# A worker looks for the next job so many times more, giving way in between, before it goes to sleep: some 50 us. To
# wake it takes as long, and programs have many kernels.
_PATIENCE = 200


@native
def _end_of(pool: int, share: int) -> int:
    """Where the chunks of a share end."""
    begin, end, grain = read(pool, _BEGIN), read(pool, _END), read(pool, _GRAIN)
    chunks = (end - begin + grain - 1) // grain
    return min(begin + (share + 1) * chunks // read(pool, _SHARES) * grain, end)


@native
def _take_chunks(pool: int, number: int) -> None:
    """Run chunks of the open job until there are none: those of one's own share, then what others have left of theirs."""
    kernel, dims, buffers = read(pool, _KERNEL), read(pool, _DIMS), read(pool, _BUFFERS)
    grain, shares, threads = read(pool, _GRAIN), read(pool, _SHARES), read(pool, _HELPERS) + 1
    own = number * shares // threads
    for k in range(shares):
        share = (own + k) % shares
        word, end = _NEXT + _LINE * share, _end_of(pool, share)
        while read_now(pool, word) < end:
            begin = add(pool, word, grain)
            if begin < end:
                call_kernel(kernel, dims, buffers, begin, min(begin + grain, end))


@native
def _has(bits: int, core: int) -> bool:
    """Whether a core is in a set of cores."""
    return (read(bits, core >> 6) >> (core & 63)) & 1 != 0


@native
def _put(bits: int, core: int) -> None:
    """Put a core into a set of cores."""
    write(bits, core >> 6, read(bits, core >> 6) | (1 << (core & 63)))


@native
def _stay(pool: int, worker: int, core: int) -> None:
    """Have a worker run on one core only."""
    seat = worker + _WORD_BYTES * _SEAT
    write(seat, core >> 6, 1 << (core & 63))
    place(read(pool, _PLACE), read(worker, _THREAD), _MASK_BYTES, seat)
    write(seat, core >> 6, 0)


@native
def _seat_workers(pool: int) -> None:
    """Have the workers that sleep wake on cores where neither who publishes a job nor another of them is."""
    cores, taken = pool + _WORD_BYTES * _CORES, pool + _WORD_BYTES * _TAKEN_CORES
    for word in range(_WORDS_OF_CORES):
        write(taken, word, ~read(cores, word))
    _put(taken, get_int(read(pool, _CORE)))
    free = 0
    for index in range(read_now(pool, _THREADS) - 1):
        worker = pool + _WORD_BYTES * (_WORKERS + _WORDS_OF_WORKER * index)
        core = read_now(worker, _SEATED)
        if core < 0:
            continue
        if _has(taken, core):
            while free < 64 * _WORDS_OF_CORES and _has(taken, free):
                free += 1
            if free == 64 * _WORDS_OF_CORES:
                return
            core = free
            _stay(pool, worker, core)
            write_now(worker, _SEATED, core)
        _put(taken, core)


@native
def run_chunks(pool: int, kernel: int, dims: int, buffers: int, begin: int, end: int, grain: int) -> None:
    """Run a kernel over ``range(begin, end)``, in chunks of ``grain``, with the help of the pool's workers."""
    helpers = min(read_now(pool, _THREADS), (end - begin + grain - 1) // grain) - 1
    if helpers < 1 or swap(pool, _TAKEN, 1) != 0:
        call_kernel(kernel, dims, buffers, begin, end)
        return
    write(pool, _KERNEL, kernel)
    write(pool, _DIMS, dims)
    write(pool, _BUFFERS, buffers)
    write(pool, _BEGIN, begin)
    write(pool, _END, end)
    write(pool, _GRAIN, grain)
    write(pool, _HELPERS, helpers)
    shares = min(helpers + 1, _MOST_SHARES)
    write(pool, _SHARES, shares)
    for share in range(shares):
        write_now(pool, _NEXT + _LINE * share, _end_of(pool, share - 1))
    write_now(pool, _TICKETS, 0)
    write_now(pool, _OPEN, 1)
    add(pool, _JOBS, 1)
    if read_now(pool, _ASLEEP) > 0:
        if read(pool, _CORE) != 0:
            _seat_workers(pool)
        lock(pool + _MUTEX)
        for _ in range(min(helpers, read_now(pool, _ASLEEP))):
            signal(pool + _CONDITION)
        unlock(pool + _MUTEX)
    _take_chunks(pool, 0)
    write_now(pool, _OPEN, 0)
    spins = _SPINS
    while read_now(pool, _INSIDE) != 0:
        if spins > 0:
            pause()
            spins -= 1
        else:
            give_way()
    write_now(pool, _TAKEN, 0)


@native
def work(pool: int, worker: int) -> int:
    """Help with one job after the other, for as long as the process lives; sleep when none comes.

    ``worker`` is the address of this one's words.
    """
    seen = 0
    number = 1 + (worker - pool - _WORD_BYTES * _WORKERS) // (_WORD_BYTES * _WORDS_OF_WORKER)
    while seen >= 0:
        patience = _SPINS + _PATIENCE
        while read_now(pool, _JOBS) == seen and patience > 0:
            if patience > _PATIENCE:
                pause()
            else:
                give_way()
            patience -= 1
        if patience == 0:
            placed = read(pool, _CORE) != 0
            if placed:
                core = get_int(read(pool, _CORE))
                _stay(pool, worker, core)
                write_now(worker, _SEATED, core)
            lock(pool + _MUTEX)
            add(pool, _ASLEEP, 1)
            while read_now(pool, _JOBS) == seen:
                wait(pool + _CONDITION, pool + _MUTEX)
            add(pool, _ASLEEP, -1)
            unlock(pool + _MUTEX)
            if placed:
                write_now(worker, _SEATED, -1)
                place(read(pool, _PLACE), read(worker, _THREAD), _MASK_BYTES, pool + _WORD_BYTES * _CORES)
        seen = read_now(pool, _JOBS)
        add(pool, _INSIDE, 1)
        if read_now(pool, _OPEN) != 0:
            ticket, helpers = add(pool, _TICKETS, 1), read(pool, _HELPERS)
            if ticket < helpers:
                _take_chunks(pool, number if number <= helpers else ticket + 1)
        add(pool, _INSIDE, -1)
    return seen
