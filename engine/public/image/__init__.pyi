"""What type checkers read of `weft.image`; written by `make stubs`, from its functions."""

import builtins
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, Literal, Protocol, overload

import numpy as np

from weft.typing import Array, ArrayLike, DTypeLike, Shape

__all__: list[str]

from weft.image.resampling import ResizeMethod as ResizeMethod
def resize(image: Any, shape: Sequence[builtins.int], method: builtins.str | ResizeMethod, antialias: builtins.bool = ..., precision: Any = ...) -> Array: ...
def scale_and_translate(image: Any, shape: Sequence[builtins.int], spatial_dims: Sequence[builtins.int], scale: Any, translation: Any, method: builtins.str | ResizeMethod, antialias: builtins.bool = ..., precision: Any = ...) -> Array: ...
