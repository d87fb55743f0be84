"""What NumPy refuses because of an element, a shape or an option, is refused outside of traced functions too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import weft.numpy as wnp

X, I = np.arange(6.0).reshape(2, 3), np.arange(6)  # noqa: E741

CASES: dict[str, Callable[[Any], Any]] = {
    "unravel_index": lambda m: m.unravel_index(m.asarray([100]), (2, 3)),
    "unravel_index below": lambda m: m.unravel_index(m.asarray([-1]), (2, 3)),
    "ravel_multi_index": lambda m: m.ravel_multi_index((m.asarray([5]), m.asarray([0])), (2, 3)),
    "take": lambda m: m.take(m.asarray(X), [10]),
    "take_along_axis": lambda m: m.take_along_axis(m.asarray(X), m.asarray([[5], [0]]), 1),
    "repeat": lambda m: m.repeat(m.asarray(I), m.asarray([1, -1, 0, 0, 0, 0])),
    "bincount": lambda m: m.bincount(m.asarray([-1, 2])),
    "bincount minlength": lambda m: m.bincount(m.asarray([1, 2]), minlength=-2),
    "histogram bins": lambda m: m.histogram(m.asarray(X), m.asarray([3.0, 1.0])),
    "histogram range": lambda m: m.histogram(m.asarray(X), 3, range=(3, 1)),
    "histogram of NaN": lambda m: m.histogram(m.asarray([np.nan, 1.0]), 3),
    "digitize": lambda m: m.digitize(m.asarray(X), m.asarray([1.0, 3.0, 2.0])),
    "delete": lambda m: m.delete(m.asarray(I), [10]),
    "insert": lambda m: m.insert(m.asarray(I), 20, 1),
    "power": lambda m: m.power(m.asarray(I), m.asarray(-I)),
    "choose": lambda m: m.choose(m.asarray([3]), [m.asarray([1]), m.asarray([2])]),
    "geomspace": lambda m: m.geomspace(0.0, 1.0),
    "percentile": lambda m: m.percentile(m.asarray(X), 130),
    "max": lambda m: m.max(m.asarray(X[:0])),
    "partition": lambda m: m.partition(m.asarray(I), 10),
    "interp": lambda m: m.interp(m.asarray(X), m.asarray([1.0, 2]), m.asarray([1.0, 2]), period=0),
    "cov": lambda m: m.cov(m.asarray(X), aweights=m.asarray([1.0, -1, 1])),
    "cov frequencies": lambda m: m.cov(m.asarray(X), fweights=m.asarray([1.5, 1, 1])),
    "average": lambda m: m.average(m.asarray(X), weights=m.zeros((2, 3))),
    "matrix_power": lambda m: m.linalg.matrix_power(m.asarray(np.zeros((2, 2))), -1),
    "searchsorted": lambda m: m.searchsorted(m.asarray(I), 3, sorter=m.asarray([0, 1])),
    "nanargmax": lambda m: m.nanargmax(m.asarray([np.nan])),
    "sort": lambda m: m.sort(m.asarray(X), kind="by hand"),
    "asarray": lambda m: m.asarray(300, "uint8"),
    "full": lambda m: m.full(2, 300, "uint8"),
    "a number that does not fit": lambda m: m.asarray(np.uint8([1])) + 300,
    "packbits": lambda m: m.packbits(m.asarray(X)),
    "linspace": lambda m: m.linspace(0, 1, -3),
    "split": lambda m: m.split(m.asarray(I), 4),
    "tile": lambda m: m.tile(m.asarray(I), -1),
    "pad": lambda m: m.pad(m.asarray(I), -1),
}
REFUSALS = (ValueError, IndexError, TypeError, ArithmeticError, np.linalg.LinAlgError)


@pytest.mark.parametrize("name", CASES)
def test_refused_as_by_numpy(name: str) -> None:
    for module in (np, wnp):
        with pytest.raises(REFUSALS):
            CASES[name](module)
