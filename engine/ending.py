"""What happens to threads that work with trees while Python ends.

Python ends daemon threads where they next ask for its lock, by unwinding their stack. optree gives that lock up and asks for it
again in the middle of C++ that must not be unwound: the process would abort. So when Python is about to end, no other thread
enters optree any more, and those that are inside of it are waited for.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from types import FrameType

import optree

_PATIENCE = 1.0
"""Seconds to wait for threads inside of optree: they may be in a function of the user's that never returns."""
_INSIDE = (os.path.dirname(optree.__file__) + os.sep, os.path.join(os.path.dirname(__file__), "tree"))

last: int | None = None
"""The thread that ends Python, once it does."""


def leave() -> None:
    """End the calling thread, unless it is the last one."""
    if threading.get_ident() != last:
        raise SystemExit


def _is_inside(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_INSIDE):
            return True
        frame = frame.f_back
    return False


@atexit.register
def _end() -> None:
    global last
    last = threading.get_ident()
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        others = [frame for thread, frame in sys._current_frames().items() if thread != last]
        if not any(map(_is_inside, others)):
            return
        del others
        time.sleep(1e-3)  # which lets them go on
