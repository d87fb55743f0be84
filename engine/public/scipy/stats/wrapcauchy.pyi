"""What type checkers read of `weft.scipy.stats.wrapcauchy`; written by `make stubs`, from its functions."""

import builtins
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, Literal, Protocol, overload

import numpy as np

from weft.typing import Array, ArrayLike, DTypeLike, Shape

__all__: list[str]

def logpdf(x: ArrayLike, c: ArrayLike) -> Array: ...
def pdf(x: ArrayLike, c: ArrayLike) -> Array: ...
