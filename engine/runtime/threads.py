"""How many threads run a program, and the workers that wait for one.

The one idea: there is one setting, ``weft.config.threads``, and one pool a process. The workers are threads of Python
that never come back from native code (`weft.engine.runtime.native.pool`): they are started when the first program
large enough is compiled, sleep while there is nothing to do, and never hold the GIL.
"""

from __future__ import annotations

import _thread
import ctypes
import os
import sys
import threading
from collections.abc import Callable
from enum import IntEnum

import numpy as np

from weft.ir.errors import ArgumentError

__all__ = [
    "CORE_WORDS",
    "MOST_SHARES",
    "POOL_WORDS",
    "WORKER_WORDS",
    "Pool",
    "Worker",
    "pool_address",
    "set_threads",
    "start_workers",
    "state",
    "thread_count",
]

MOST_THREADS = 256
MOST_SHARES = 16  # each is a cache line to write before a job begins


class Pool(IntEnum):
    """The words of a pool. What different threads write lies in different cache lines."""

    THREADS = 0  # how many may work on a job, its publisher included
    BLAS_USERS = 1  # tapes that run now with BLAS told to keep to one thread
    BLAS_NORMAL = 2  # how many threads it had before
    TAKEN = 16  # 1 while somebody's job is in the pool
    KERNEL = 17
    DIMS = 18
    BUFFERS = 19
    BEGIN = 20
    END = 21
    GRAIN = 22
    HELPERS = 23  # how many workers may help
    SHARES = 24  # how many threads have chunks of their own to begin with
    OPEN = 32  # 1 while chunks are handed out
    JOBS = 33  # counts jobs, so that a worker knows a new one
    INSIDE = 64  # workers that may be reading the words of a job
    TICKETS = 65  # workers that came to this job
    ASLEEP = 80  # workers that must be woken
    MUTEX = 96  # a pthread_mutex_t
    CONDITION = 112  # a pthread_cond_t
    CORE = 120  # the address of sched_getcpu; 0 on systems where threads cannot be placed
    PLACE = 121  # the address of sched_setaffinity
    CORES = 128  # the cores that workers may use, a bit each
    TAKEN_CORES = 144  # where a sleeping worker should not wake, a bit each
    NEXT = 160  # where the next chunk of each share begins, in cache lines of their own
    WORKERS = NEXT + 8 * MOST_SHARES  # the words of the workers, see `Worker`


class Worker(IntEnum):
    """The words of a worker, in cache lines of its own."""

    THREAD = 0  # the system's number of the thread
    SEATED = 1  # the core where it sleeps and will wake; -1 while it is awake
    SEAT = 8  # that core, as a bit


CORE_WORDS = 16  # a bit for each of 1024 cores, as a cpu_set_t of the C library has
WORKER_WORDS = 8 + CORE_WORDS
POOL_WORDS = Pool.WORKERS + WORKER_WORDS * MOST_THREADS


def _default_threads() -> int:
    """As many as ``WEFT_THREADS`` says, or as this process may use cores."""
    named = os.environ.get("WEFT_THREADS", "").strip()
    if named.isdecimal() and 1 <= int(named) <= MOST_THREADS:
        return int(named)
    if named:
        print(
            f"weft: WEFT_THREADS: expected a number from 1 to {MOST_THREADS}, got {named!r}", file=sys.stderr
        )
    try:
        cores = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # systems that do not know which cores a process may use
        cores = os.cpu_count() or 1
    return min(cores, MOST_THREADS)


class _State:
    """The pool of this process: its words, and how many workers serve it."""

    def __init__(self, threads: int) -> None:
        words = np.zeros(POOL_WORDS + 8, np.int64)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(words))  # workers outlive everything
        start = -(words.ctypes.data // 8) % 8
        self.words = words[start : start + POOL_WORDS]
        self.address: int = self.words.ctypes.data
        self.words[Pool.THREADS] = threads
        if os.name == "posix":
            system = ctypes.CDLL(None)
            system.pthread_mutex_init(ctypes.c_void_p(self.address + 8 * Pool.MUTEX), None)
            system.pthread_cond_init(ctypes.c_void_p(self.address + 8 * Pool.CONDITION), None)
        self.words[Pool.WORKERS + Worker.SEATED :: WORKER_WORDS] = -1
        self.workers = 0
        self.lock = threading.Lock()

    def work(self, work: Callable[[int, int], int], index: int) -> None:
        """Serve the pool, as its worker ``index``."""
        own = Pool.WORKERS + WORKER_WORDS * index
        self.words[own + Worker.THREAD] = threading.get_native_id()
        work(self.address, self.address + 8 * own)

    def learn_cores(self) -> None:
        """Note which cores this process may use, and the functions that say and change where a thread runs."""
        try:
            cores = os.sched_getaffinity(0)
            system = ctypes.CDLL(None)
            functions = [system.sched_getcpu, system.sched_setaffinity]
        except (AttributeError, OSError):
            return
        if max(cores) >= 64 * CORE_WORDS:
            return
        for core in cores:
            self.words[Pool.CORES + core // 64] |= np.uint64(1 << core % 64).astype(np.int64)
        for word, function in zip((Pool.PLACE, Pool.CORE), reversed(functions), strict=True):
            self.words[word] = ctypes.cast(function, ctypes.c_void_p).value or 0


state = _State(_default_threads())
"""The pool of this process; a child process gets another one."""


def pool_address() -> int:
    """Where this process's pool is."""
    return state.address


def thread_count() -> int:
    """How many threads may run one kernel."""
    return int(state.words[Pool.THREADS])


def set_threads(number: int) -> None:
    """Let ``number`` threads run a kernel from now on, and let BLAS and Numba use as many.

    Args:
        number: 1 for none beside the caller.

    Raises:
        ArgumentError: it is not an integer from 1 to 256.
    """
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MOST_THREADS:
        raise ArgumentError(f"threads must be an integer from 1 to {MOST_THREADS}, got {number!r}.")
    from weft.kernels.library.blas import set_thread_counts

    state.words[Pool.THREADS] = number
    if state.workers:
        start_workers()
    set_thread_counts(number)
    numba = sys.modules.get("numba")
    if numba is not None:
        numba.set_num_threads(min(number, numba.config.NUMBA_NUM_THREADS))


def start_workers() -> None:
    """Have a worker for each thread that may help, where the system has what they need."""
    if os.name != "posix" or state.workers >= state.words[Pool.THREADS] - 1:
        return
    from weft.engine.runtime.native.machine import load_machine

    work = load_machine().work
    with state.lock:
        if not state.workers:
            state.learn_cores()
        while state.workers < state.words[Pool.THREADS] - 1:
            _thread.start_new_thread(state.work, (work, state.workers))
            state.workers += 1


def _after_fork() -> None:
    """A child has the memory of its parent and none of its threads."""
    global state
    state = _State(thread_count())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
