"""What arrays and traced arrays have in common: operators, methods and properties, all of them `weft.numpy` functions.

The methods are made from a table, so that an array method and the function of its name cannot differ.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from weft.engine import left_out
from weft.engine.device import CPU, check_device
from weft.ir.errors import ArgumentError, DTypeError, ImmutableError

if TYPE_CHECKING:
    from weft.engine.array import Array
    from weft.engine.array_face import ArrayFace  # a stub: what the tables below make
    from weft.engine.indexing import At
    from weft.typing import ArrayLike, DTypeLike
else:
    ArrayFace = object

# Operators: Python's name -> weft.numpy's.
BINARY = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "power", "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or",
    "xor": "bitwise_xor", "lshift": "left_shift", "rshift": "right_shift",
}  # fmt: skip
COMPARISONS = {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}
UNARY = {"neg": "negative", "pos": "positive", "abs": "abs", "invert": "invert"}

# Versions of the array API standard that `weft.numpy` follows: each holds the ones before.
API_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")

# Methods that are the function of the same name with the array as its first argument.
METHODS = (
    "all", "any", "argmax", "argmin", "argpartition", "argsort", "choose", "clip", "conj", "conjugate", "copy", "cumprod",
    "cumsum", "diagonal", "dot", "max", "mean", "min", "nonzero", "partition", "prod", "ptp", "ravel", "repeat", "round",
    "searchsorted", "sort", "squeeze", "std", "sum", "swapaxes", "take", "trace", "var",
)  # fmt: skip


@functools.cache
def numpy_face() -> Any:
    """The module `weft.numpy`; it stands above this one, so it is looked up when a method is first used."""
    return importlib.import_module("weft.numpy")


@functools.cache
def _protocols() -> Any:
    """The module of NumPy's protocols, which stands above this one, too."""
    return importlib.import_module("weft.engine.protocols")


def is_operand(x: Any) -> bool:
    """Whether an operator takes ``x`` beside an array: others get their turn by NotImplemented."""
    return isinstance(
        x, ArrayMethods | np.ndarray | np.generic | bool | int | float | complex | list | tuple | range
    )


class ArrayMethods(ArrayFace):
    """Operators, methods and properties of `Array` and of traced arrays. Subclasses have ``shape`` and ``dtype``."""

    __slots__ = ()

    # NumPy's binary operators leave the work to ours.
    __array_priority__ = 1000
    # Elementwise __eq__ means no hash, as in NumPy.
    __hash__ = None  # type: ignore[assignment]

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.dtype.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes from an element to the next along each axis, row by row, as compiled code reads the array."""
        lengths = [math.prod(self.shape[d + 1 :]) for d in range(len(self.shape))]
        return tuple([n * self.dtype.itemsize for n in lengths])

    @property
    def T(self) -> Array:
        """The array with its axes in reverse order."""
        return numpy_face().transpose(self)

    @property
    def mT(self) -> Array:
        """The array with its last two axes exchanged."""
        return numpy_face().matrix_transpose(self)

    @property
    def real(self) -> Array:
        """Real part."""
        return numpy_face().real(self)

    @property
    def imag(self) -> Array:
        """Imaginary part."""
        return numpy_face().imag(self)

    @property
    def flat(self) -> Array:
        """The elements in row-major order, one-dimensional."""
        return numpy_face().ravel(self)

    @property
    def at(self) -> At:
        """Functional updates: ``x.at[index].set(value)`` and kin give a changed copy."""
        from weft.engine.indexing import At

        return At(self)

    def astype(
        self,
        dtype: DTypeLike,
        order: Any = "K",
        casting: str = "unsafe",
        subok: bool = True,
        copy: bool = True,
        *,
        device: Any = None,
    ) -> Array:
        """The array as another dtype.

        Args:
            dtype: the dtype.
            order: accepted for NumPy's sake, as ``subok`` is; a bool is ``copy``, where JAX has it.
            casting: which casts are allowed, as `weft.numpy.can_cast` says.
            subok: see ``order``.
            copy: whether to copy where the dtype is the same.
            device: ``"cpu"`` or None.

        Raises:
            DTypeError: ``casting`` forbids it.
        """
        face = numpy_face()
        if casting != "unsafe" and not face.can_cast(self.dtype, dtype, casting):
            raise DTypeError(f"astype of {self.dtype} as {dtype} is not allowed by casting={casting!r}.")
        return face.astype(self, dtype, copy=order if isinstance(order, bool) else copy, device=device)

    def reshape(self, *shape: Any, order: str = "C") -> Array:
        """The elements in another shape of the same size; one length may be -1."""
        return numpy_face().reshape(self, shape[0] if len(shape) == 1 else shape, order=order)

    def transpose(self, *axes: Any) -> Array:
        """The array with its axes permuted; reversed without arguments."""
        if not axes or axes == (None,):
            return numpy_face().transpose(self)
        return numpy_face().transpose(
            self, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        )

    def flatten(self, order: str = "C") -> Array:
        """The elements in one dimension."""
        return numpy_face().ravel(self, order)

    def compress(self, condition: ArrayLike, axis: int | None = None) -> Array:
        """The elements, or slices along an axis, where ``condition`` is true."""
        return numpy_face().compress(condition, self, axis=axis)

    def view(self, dtype: DTypeLike | None = None) -> Array:
        """The bytes of the array read as another dtype, whose width changes the length of the last axis."""
        from weft.engine.views import view

        return view(self, dtype)

    @property
    def device(self) -> str:
        """Where the array is: ``"cpu"``."""
        return CPU

    def devices(self) -> set[str]:
        """The devices that hold the array."""
        return {CPU}

    def to_device(self, device: Any, /, *, stream: Any = None) -> Array:
        """The array itself; there is one device."""
        check_device(device, "to_device")
        if stream is not None:
            raise ArgumentError(f"to_device got stream={stream!r}: the device {CPU!r} has no streams.")
        return self  # type: ignore[return-value] # a traced array is an Array to its user

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name not in left_out.METHODS]

    def block_until_ready(self) -> Array:
        """The array itself: results are complete when they are returned."""
        return self  # type: ignore[return-value]

    def __getitem__(self, index: Any) -> Array:
        from weft.engine.indexing import get_item

        return get_item(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise ImmutableError(
            f"{type(self).__name__} of {self.shape} is immutable: x[index] = value does not work. "
            f"Write x = x.at[index].set(value) (or .add, .multiply, .min, .max ...)."
        )

    def __len__(self) -> int:
        if not self.shape:
            raise ArgumentError("len() of an array without axes.")
        return self.shape[0]

    def __iter__(self) -> Iterator[Array]:
        if not self.shape:
            raise ArgumentError("iteration over an array without axes.")
        return (self[i] for i in range(self.shape[0]))

    def __divmod__(self, other: Any) -> tuple[Array, Array]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Array, Array]:
        return other // self, other % self

    def __round__(self, ndigits: int | None = None) -> Array:
        return numpy_face().round(self, ndigits or 0)

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        if api_version is not None and api_version not in API_VERSIONS:
            raise ArgumentError(
                f"__array_namespace__ got api_version={api_version!r}: weft.numpy follows {', '.join(API_VERSIONS)}."
            )
        return numpy_face()

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return _protocols().array_function(func, args, kwargs)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return _protocols().array_ufunc(ufunc, method, inputs, kwargs)


class _LeftOut:
    """An attribute that is not there and says why; a ``__getattr__`` would make Python slow to find those that are."""

    def __init__(self, name: str, why: str) -> None:
        self._message = f"arrays of Weft have no attribute {name!r}: {why}."

    def __get__(self, instance: Any, owner: Any) -> Any:
        raise AttributeError(self._message)


def _binary(function: str) -> tuple[Any, Any]:
    def forward(self: Any, other: Any) -> Any:
        return getattr(numpy_face(), function)(self, other) if is_operand(other) else NotImplemented

    def reflected(self: Any, other: Any) -> Any:
        return getattr(numpy_face(), function)(other, self) if is_operand(other) else NotImplemented

    return forward, reflected


def _unary(function: str) -> Any:
    return lambda self: getattr(numpy_face(), function)(self)


def _method(name: str) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(numpy_face(), name)(self, *args, **kwargs)

    method.__name__ = name
    method.__doc__ = f"`weft.numpy.{name}` of this array."
    return method


for _name, _function in BINARY.items():
    _forward, _reflected = _binary(_function)
    setattr(ArrayMethods, f"__{_name}__", _forward)
    setattr(ArrayMethods, f"__r{_name}__", _reflected)
    # x += y gives the name x to a new array.
    setattr(ArrayMethods, f"__i{_name}__", _forward)
for _name, _function in COMPARISONS.items():
    setattr(ArrayMethods, f"__{_name}__", _binary(_function)[0])
for _name, _function in UNARY.items():
    setattr(ArrayMethods, f"__{_name}__", _unary(_function))
for _name in METHODS:
    setattr(ArrayMethods, _name, _method(_name))
for _name, _why in left_out.METHODS.items():
    setattr(ArrayMethods, _name, _LeftOut(_name, _why))
