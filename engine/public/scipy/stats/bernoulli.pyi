"""What type checkers read of `weft.scipy.stats.bernoulli`; written by `make stubs`, from its functions."""

import builtins
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, Literal, Protocol, overload

import numpy as np

from weft.typing import Array, ArrayLike, DTypeLike, Shape

__all__: list[str]

def cdf(k: ArrayLike, p: ArrayLike, loc: ArrayLike = ...) -> Array: ...
def logpmf(k: ArrayLike, p: ArrayLike, loc: ArrayLike = ...) -> Array: ...
def pmf(k: ArrayLike, p: ArrayLike, loc: ArrayLike = ...) -> Array: ...
def ppf(q: ArrayLike, p: ArrayLike) -> Array: ...
