"""What type checkers read of `weft.ops`; written by `make stubs`, from its functions."""

import builtins
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, Literal, Protocol, overload

import numpy as np

from weft.typing import Array, ArrayLike, DTypeLike, Shape

__all__: list[str]

def segment_max(data: ArrayLike, segment_ids: ArrayLike, num_segments: builtins.int | None = ..., indices_are_sorted: builtins.bool = ..., unique_indices: builtins.bool = ..., bucket_size: builtins.int | None = ..., mode: Any = ...) -> Array: ...
def segment_min(data: ArrayLike, segment_ids: ArrayLike, num_segments: builtins.int | None = ..., indices_are_sorted: builtins.bool = ..., unique_indices: builtins.bool = ..., bucket_size: builtins.int | None = ..., mode: Any = ...) -> Array: ...
def segment_prod(data: ArrayLike, segment_ids: ArrayLike, num_segments: builtins.int | None = ..., indices_are_sorted: builtins.bool = ..., unique_indices: builtins.bool = ..., bucket_size: builtins.int | None = ..., mode: Any = ...) -> Array: ...
def segment_sum(data: ArrayLike, segment_ids: ArrayLike, num_segments: builtins.int | None = ..., indices_are_sorted: builtins.bool = ..., unique_indices: builtins.bool = ..., bucket_size: builtins.int | None = ..., mode: Any = ...) -> Array: ...
