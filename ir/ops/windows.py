"""What all operations with sliding windows share: how many windows there are, and the views of their elements.

The one idea: a window is a small box that steps through a padded array. Along one axis of ``n`` elements, spread by
``base_dilation`` and padded, it covers ``k`` elements that are ``dilation`` apart, and moves by ``stride``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.ir.errors import ShapeError
from weft.ir.ops.shape import pad

Pairs = tuple[tuple[int, int], ...]


def dilated(n: int, dilation: int) -> int:
    """The length that ``n`` elements take when they are ``dilation`` apart."""
    return (n - 1) * dilation + 1 if n else 0


def window_count(
    n: int, k: int, stride: int, padding: tuple[int, int], base_dilation: int, dilation: int
) -> int:
    """How many windows there are along an axis; they lie inside what is padded."""
    length = dilated(n, base_dilation) + sum(padding)
    if length < 0:
        raise ShapeError(
            f"the padding {padding} cuts off more than there is along an axis of length "
            f"{dilated(n, base_dilation)} (dilation included)."
        )
    return max((length - dilated(k, dilation)) // stride + 1, 0)


def spread_and_padded(x: Any, value: Any, padding: Sequence[tuple[int, int]], dilation: Sequence[int]) -> Any:
    """``x`` with its elements ``dilation`` apart and padded, ``value`` being what is new; negative padding cuts off."""
    low, high = [p[0] for p in padding], [p[1] for p in padding]
    return pad(x, value, low, high, [d - 1 for d in dilation])


def windows_of(
    x: np.ndarray, window: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> np.ndarray:
    """A view of a NumPy array: the axes of the windows, then those inside a window."""
    count = [
        window_count(n, k, s, (0, 0), 1, d)
        for n, k, s, d in zip(x.shape, window, strides, dilation, strict=True)
    ]
    between = [step * s for step, s in zip(x.strides, strides, strict=True)]
    inside = [step * d for step, d in zip(x.strides, dilation, strict=True)]
    return np.lib.stride_tricks.as_strided(x, (*count, *window), (*between, *inside), writeable=False)


def padding_for(
    mode: str, sizes: Sequence[int], window: Sequence[int], strides: Sequence[int]
) -> list[tuple[int, int]]:
    """The padding that "VALID" (none), "SAME" or "SAME_LOWER" (one window a stride) stands for; sizes include dilation.

    Raises:
        ShapeError: the mode is not known.
    """
    kind = mode.upper()
    if kind == "VALID":
        return [(0, 0)] * len(sizes)
    if kind not in ("SAME", "SAME_LOWER"):
        raise ShapeError(
            f"padding is one of 'SAME', 'SAME_LOWER' and 'VALID', or a pair (low, high) for each axis; got {mode!r}."
        )
    pairs = []
    for n, k, s in zip(sizes, window, strides, strict=True):
        total = max((-(-n // s) - 1) * s + k - n, 0)
        less, more = total // 2, total - total // 2
        pairs.append((less, more) if kind == "SAME" else (more, less))
    return pairs
