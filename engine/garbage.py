"""Seldom collection: fewer searches for garbage in cycles while programs are traced and compiled.

The one idea: tracing makes many objects and drops few of them, so Python's collector, which comes with the number of new
ones, looks at the same ones again and again: a third of the time that tracing a thousand operations takes. While `seldom` is
entered it comes after so many more that what it could find would have been worth a search.
"""

from __future__ import annotations

import gc
import threading

_AFTER = 100_000
"""New objects, less dropped ones, between two searches. They are some ten megabytes."""


class _Seldom:
    """A context that threads may enter at once, and again inside."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # what is collected in between may trace, too
        self._inside = 0
        self._usual = 0

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._usual, *others = gc.get_threshold()
                if 0 < self._usual < _AFTER:
                    gc.set_threshold(_AFTER, *others)

    def __exit__(self, *failure: object) -> None:
        with self._lock:
            self._inside -= 1
            now, *others = gc.get_threshold()
            if not self._inside and now == _AFTER:  # else the program has chosen another meanwhile
                gc.set_threshold(self._usual, *others)


seldom = _Seldom()
"""``with seldom:`` is for what makes many objects that stay."""
