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
from enum import IntEnum

import numpy as np

from weft.ir.errors import ArgumentError

__all__ = ["POOL_WORDS", "Pool", "pool_address", "set_threads", "start_workers", "thread_count"]

MOST_THREADS = 256


class Pool(IntEnum):
    """The words of a pool. What different threads write lies in different cache lines."""

    THREADS = 0  # how many may work on a job, its publisher included
    BLAS_USERS = 1  # tapes that run now with BLAS told to keep to one thread
    BLAS_NORMAL = 2  # how many threads it had before
    TAKEN = 16  # 1 while somebody's job is in the pool
    KERNEL = 17
    DIMS = 18
    BUFFERS = 19
    END = 20
    GRAIN = 21
    HELPERS = 22  # how many workers may help
    OPEN = 32  # 1 while chunks are handed out
    JOBS = 33  # counts jobs, so that a worker knows a new one
    NEXT = 48  # where the next chunk begins
    INSIDE = 64  # workers that may be reading the words of a job
    TICKETS = 65  # workers that came to this job
    ASLEEP = 80  # workers that must be woken
    MUTEX = 96  # a pthread_mutex_t
    CONDITION = 112  # a pthread_cond_t


POOL_WORDS = 128


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
        self.workers = 0
        self.lock = threading.Lock()


_state = _State(_default_threads())


def pool_address() -> int:
    """Where this process's pool is."""
    return _state.address


def thread_count() -> int:
    """How many threads may run one kernel."""
    return int(_state.words[Pool.THREADS])


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

    _state.words[Pool.THREADS] = number
    if _state.workers:
        start_workers()
    set_thread_counts(number)
    numba = sys.modules.get("numba")
    if numba is not None:
        numba.set_num_threads(min(number, numba.config.NUMBA_NUM_THREADS))


def start_workers() -> None:
    """Have a worker for each thread that may help, where the system has what they need."""
    state = _state
    if os.name != "posix" or state.workers >= state.words[Pool.THREADS] - 1:
        return
    from weft.engine.runtime.native.machine import load_machine

    work = load_machine().work
    with state.lock:
        while state.workers < state.words[Pool.THREADS] - 1:
            _thread.start_new_thread(work, (state.address,))
            state.workers += 1


def _after_fork() -> None:
    """A child has the memory of its parent and none of its threads."""
    global _state
    _state = _State(thread_count())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
