"""`print` for values that are traced: the text is made when the program runs."""

from __future__ import annotations

import functools
import string
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.engine.transforms import callbacks
from weft.ir.errors import ArgumentError
from weft.ir.records import dataclass


class _Formatter(string.Formatter):
    """`str.format` that says which values were given and are not used."""

    def check_unused_args(self, used: Any, args: Any, kwargs: Any) -> None:
        unused = [f"argument {i}" for i in range(len(args)) if i not in used]
        unused += [str(name) for name in kwargs if name not in used]
        if unused:
            raise ValueError(f"it does not use {', '.join(unused)}")


class _Anything:
    """Stands for a value of which only the place in the format is of interest."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __getitem__(self, key: Any) -> Any:
        return self

    def __format__(self, spec: str) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class _Print:
    """Writes a line; equal for equal formats."""

    fmt: str

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        sys.stdout.write(self.fmt.format(*args, **kwargs) + "\n")


def _as_numpy(x: np.ndarray) -> Any:
    return x[()]  # scalars as NumPy's scalars, which take format specifications


def print(
    fmt: str | None = None,
    *args: Any,
    ordered: bool = False,
    partitioned: bool = False,
    skip_format_check: bool = False,
    **kwargs: Any,
) -> Callable[..., None] | None:
    """Print values when the program gets here; see `callback` for how transformations treat it.

    Args:
        fmt: a format as of `str.format`: ``"{}"``, ``"{x}"``, ``"{x:.3f}"``. It is no f-string: that would be made while the
            function is traced. Without it, what is returned takes it, and values of any names:
            ``print(ordered=True)("{ordered}", ordered=x)``.
        *args: trees of arrays for the places without a name, printed as NumPy prints them.
        ordered: as of `callback`.
        partitioned: as of `callback`.
        skip_format_check: do not look at the format before there are values for it; ones that it has no place for are left out.
        **kwargs: trees of arrays for the places with a name.

    Raises:
        ArgumentError: the format has places without a value, or not all values have a place.
    """
    if fmt is None and not args and not kwargs:
        return functools.partial(_print, ordered, skip_format_check)
    _print(ordered, skip_format_check, fmt, *args, **kwargs)
    return None


def _print(ordered: bool, unchecked: bool, fmt: Any, /, *args: Any, **kwargs: Any) -> None:
    if not isinstance(fmt, str):
        raise ArgumentError(f"debug.print takes a format string first, got {fmt!r}: write print('{{}}', x).")
    if not unchecked:
        try:
            _Formatter().vformat(fmt, [_Anything()] * len(args), dict.fromkeys(kwargs, _Anything()))
        except (IndexError, KeyError, ValueError) as error:
            raise ArgumentError(
                f"debug.print: the format {fmt!r} does not go with {len(args)} values and the names "
                f"{', '.join(kwargs) or 'none'}: {type(error).__name__} {error}."
            ) from None
    callbacks.debug_callback(ordered, _as_numpy, _Print(fmt), *args, **kwargs)
