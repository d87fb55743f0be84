"""`Array`: an immutable array on the CPU, a thin wrapper around a NumPy array that it owns.

Eager operations are NumPy calls on the wrapped array, about as fast as NumPy's own, and never compile. The operators that
scripts use most are written out here for speed; everything else comes from methods.py.
"""

from __future__ import annotations

import gc
import itertools
import operator
import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from weft.engine.exchange import array_interface, exporter, to_dlpack
from weft.engine.methods import ArrayMethods
from weft.engine.promotion import literal, on_change, rules
from weft.engine.runtime.memory import Lease
from weft.ir import quiet
from weft.ir.builder import Value, state
from weft.ir.errors import ArgumentError, DeletedError
from weft.ir.ops import references
from weft.ir.quiet import quietly
from weft.ir.types import SHORT_NAMES, ArrayType, bfloat16, check_dtype

_ndarray = np.ndarray
_new = object.__new__
_FAST_SCALARS = frozenset((bool, int, float, complex))
_FAST_INDICES = frozenset((int, slice, type(None), type(Ellipsis)))


class _ArrayType(type):
    """Makes ``isinstance(x, weft.Array)`` true of traced arrays too, so that a function need not know which it is given."""

    def __instancecheck__(cls, x: Any) -> bool:
        return issubclass(x.__class__, ArrayMethods)


class Array(ArrayMethods, metaclass=_ArrayType):
    """An immutable array. Made by `weft.numpy.array` and by every function of Weft, not by calling the class."""

    __slots__ = ("__weakref__", "_data", "_number")

    _data: np.ndarray
    _number: int  # of its type, 0 until it is asked for: see `type_number`

    def __init__(self) -> None:
        raise ArgumentError("make arrays with weft.numpy.array or weft.numpy.asarray.")

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """Length of each axis."""
        return self._data.shape

    @property
    def dtype(self) -> np.dtype:  # type: ignore[override]
        """Dtype of the elements."""
        return self._data.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._data.size

    @property
    def type(self) -> ArrayType:
        """Shape and dtype as one object, the same for all arrays of the type.

        An array whose type was asked for is C-contiguous and aligned, as compiled code reads it.
        """
        return _types[self._number or number_of(self)]

    @property
    def weak_type(self) -> bool:
        """Whether the array behaves like a Python scalar in promotion: never, NumPy's rule."""
        return False

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if dtype is not None and dtype != self._data.dtype:
            if copy is False:
                raise ValueError(f"an array of {self.dtype} cannot be seen as {dtype} without a copy.")
            return self._data.astype(dtype)
        if copy:
            return self._data.copy()
        return freeze(self).view()

    @property
    def __array_interface__(self) -> dict[str, Any]:
        if not self._number:
            number_of(self)  # which makes the data contiguous
        return array_interface(freeze(self))

    def __buffer__(self, flags: int) -> memoryview:
        return memoryview(exporter(freeze(self), flags))  # type: ignore[arg-type]  # NumPy's stubs say so from 3.12 on

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[Any, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        if max_version is not None and max_version >= (1, 0):
            data = freeze(self)  # the consumer is told that the memory is read-only
        elif self._data.flags.writeable or copy is False:
            data = self._data
        else:
            data = self._data.copy()
        asked = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
        return to_dlpack(data, **{k: v for k, v in asked.items() if v is not None})

    def __dlpack_device__(self) -> tuple[Any, int]:
        return self._data.__dlpack_device__()

    def delete(self) -> None:
        """Free the memory now, if no other array shares it; any use of the array from here on is an error."""
        number = self._number or number_of(self)
        del self._data
        self.__class__ = _DeletedArray
        self._number = number

    def is_deleted(self) -> bool:
        """Whether the array was deleted, or given to a jitted function by ``donate_argnums``."""
        return False

    def item(self, *args: Any) -> Any:
        """One element as a Python scalar."""
        return self._data.item(*args)

    def tolist(self) -> Any:
        """The elements as nested lists of Python scalars."""
        return self._data.tolist()

    @property
    def T(self) -> Array:
        """The array with its axes in reverse order."""
        array = _new(Array)
        array._data = self._data.T
        array._number = 0
        return array

    def tobytes(self, order: Any = "C") -> bytes:
        """The elements as bytes."""
        return self._data.tobytes(order)

    def __bool__(self) -> bool:
        return bool(self._data)

    def __int__(self) -> int:
        return int(self._data)

    def __float__(self) -> float:
        return float(self._data)

    def __complex__(self) -> complex:
        return complex(self._data)

    def __index__(self) -> int:
        return operator.index(self._data)

    def __format__(self, spec: str) -> str:
        return format(self._data[()], spec) if self._data.ndim == 0 else format(self._data, spec)

    def __contains__(self, item: Any) -> bool:
        return bool(np.any(self._data == unwrap(item)))

    def __getitem__(self, index: Any) -> Array:
        kind = type(index)
        if kind in _FAST_INDICES or (kind is tuple and all([type(i) in _FAST_INDICES for i in index])):
            try:
                data = self._data[index]
            except (IndexError, ValueError):
                return ArrayMethods.__getitem__(self, index)  # which explains it
            array = _new(Array)
            array._data = data if type(data) is _ndarray else np.asarray(data)
            array._number = 0
            return array
        return ArrayMethods.__getitem__(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        """Give this array new elements, where ``weft.config.item_assignment`` is on; its memory is others' as it was."""
        from weft.engine.assignment import assign

        assign(self, index, value)

    def __copy__(self) -> Array:
        from weft.engine.config import settings

        return wrap(self._data) if settings.item_assignment else self

    def __deepcopy__(self, memo: Any) -> Array:
        return wrap(self._data.copy())

    def __reduce__(self) -> Any:
        data = freeze(self)  # buffers that are pickled out of band show it
        return (wrap_bits, (data.view(np.uint16),)) if data.dtype == bfloat16 else (wrap, (data,))

    def __repr__(self) -> str:
        data, options = self._data, np.get_printoptions()
        shown = data.size or data.shape == (0,)
        text = np.array2string(data, separator=", ", prefix="Array(", suffix=",") if shown else "[]"
        more = f"dtype={data.dtype})"
        if not shown or data.size > options["threshold"]:
            more = f"shape={data.shape}, {more}"
        last = f"Array({text},".rpartition("\n")[2]
        gap = " " if len(last) + len(more) < options["linewidth"] else "\n      "
        return f"Array({text},{gap}{more}"

    def __str__(self) -> str:
        return str(self._data)


class _DeletedArray(Array):
    """What an Array becomes when it is deleted: its type is still known, its elements are gone."""

    __slots__ = ()

    @property
    def _data(self) -> np.ndarray:  # type: ignore[override]
        raise DeletedError(
            f"this array {self.type} was deleted: its memory was given to a jitted function (donate_argnums, donate_argnames), "
            f"or x.delete() was called. Use what that function returned, or pass it x.copy()."
        )

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.type.shape

    @property
    def dtype(self) -> np.dtype:  # type: ignore[override]
        return self.type.dtype

    @property
    def ndim(self) -> int:
        return self.type.ndim

    @property
    def size(self) -> int:
        return self.type.size

    def delete(self) -> None:
        pass

    def is_deleted(self) -> bool:
        return True

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        return self._data

    __array__ = __array_ufunc__ = __array_function__ = __buffer__ = _refuse  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<deleted array {self.type}>"

    __str__ = __repr__


def is_sole_owner(x: Array, also: int = 0) -> bool:
    """Whether nobody but ``x`` can see its memory, and that memory is ours to write to.

    Args:
        x: the array.
        also: how many references to its data the caller holds.
    """
    if _references(x) != _OF_AN_OWNER + also:
        return False
    data = x._data
    while data.base is not None:
        if _base_references(data) != _OF_A_VIEW:
            return False
        if data.base.__class__ is Lease:
            return True
        if data.base.__class__ is not _ndarray:  # memory of something else, perhaps a file's
            return False
        data = data.base
    return data.flags.owndata


def _references(x: Array) -> int:
    return sys.getrefcount(x._data)


def _base_references(x: np.ndarray) -> int:
    return sys.getrefcount(x.base)


def wrap(data: Any) -> Array:
    """An Array that owns ``data``; it must not be written to any more."""
    if data.__class__ is not _ndarray:
        data = np.asarray(data)
    array = _new(Array)
    array._data = data
    array._number = 0
    return array


# What Python counts where nobody else has a reference.
_OF_AN_OWNER, _OF_A_VIEW = _references(wrap(np.empty(1))), _base_references(np.empty(2)[1:])

_types: dict[int, ArrayType] = {}
_counter = itertools.count(1)

type_numbers: dict[tuple[tuple[int, ...], np.dtype], int] = {}
"""The numbers of the types met so far, by shape and dtype. Numbers are what jitted functions tell types apart by: they
are hashed and compared faster than types."""


def type_number(shape: tuple[int, ...], dtype: np.dtype) -> int:
    """The number of an array type, never 0; equal types have one number."""
    number = type_numbers.get((shape, dtype))
    if number is None:
        number = next(_counter)
        _types[number] = ArrayType(shape, dtype)  # before others can see the number
        number = type_numbers.setdefault((shape, dtype), number)
    return number


def number_of(x: Array) -> int:
    """The number of the type of an Array, whose data are made C-contiguous and aligned, as compiled code reads them."""
    x._data = data = contiguous(x._data)
    x._number = type_number(data.shape, data.dtype)
    return x._number


def contiguous(x: np.ndarray) -> np.ndarray:
    """``x`` as kernels read it: C-contiguous and aligned."""
    if x.flags.c_contiguous and x.flags.aligned:
        return x
    return np.array(x, order="C", copy=True)


def wrap_all(data: Iterable[np.ndarray], numbers: Iterable[int]) -> list[Array]:
    """Arrays of contiguous ``data``, the numbers of whose types are known; calls cost, so it is written out."""
    arrays = []
    for x, number in zip(data, numbers):  # noqa: B905  # as long as each other, and this is the hot path
        array = _new(Array)
        array._data = x
        array._number = number
        arrays.append(array)
    return arrays


def wrap_bits(bits: np.ndarray) -> Array:
    """An Array of bfloat16 from its bits as uint16, which NumPy pickles like any dtype of its own."""
    return wrap(bits.view(bfloat16))


def wrap_value(x: Any) -> Any:
    """What a user gets for a value of the IR: an Array for an array, a traced array as it is."""
    return x if isinstance(x, Value) else wrap(x)


def unwrap(x: Any) -> Any:
    """The value of the IR for what a user gives: the NumPy array of an Array; traced arrays and scalars as they are."""
    return x._data if x.__class__ is Array else x


def native(x: np.ndarray, name: str = "an argument") -> np.ndarray:
    """A user's NumPy array as a plain one of a dtype that Weft has, not copied if it is one."""
    if x.__class__ is not _ndarray:
        if isinstance(x, np.ma.MaskedArray):
            raise ArgumentError(
                f"{name} is a masked array, and Weft has no masks: fill it (x.filled(0)), or pass data and mask apart."
            )
        x = np.asarray(x)
    return x if x.dtype in SHORT_NAMES else x.astype(check_dtype(x.dtype))


def freeze(x: Array) -> np.ndarray:
    """The data of an Array, marked as what nobody changes, which `own` then need not copy."""
    x._data.setflags(write=False)
    return x._data


def own(x: np.ndarray) -> np.ndarray:
    """``x`` if nobody can change its elements any more, or else a copy of them as they are now.

    A function being traced gets one copy of an array, however often it uses it, until the array is found changed.
    """
    if _unchanging(x):
        return x
    known = state.ambient[-1].snapshots if state.ambient else {}
    if id(x) in known and _same_bits(known[id(x)][1], x):
        return known[id(x)][1]
    copy = np.array(x, order="C")
    copy.setflags(write=False)
    known[id(x)] = x, copy  # holding x keeps its id its own
    return copy


def _unchanging(x: np.ndarray) -> bool:
    """Whether nobody can write to the memory of an array."""
    if x.flags.writeable:
        return False
    base = x.base
    if base.__class__ is memoryview:  # numpy.asarray of an Array takes its buffer
        source = base.obj
        if source.__class__.__name__ == "_buffer_wrapper":  # of Python 3.12 and later, around the Array
            return any(x.__class__ is Array for x in gc.get_referents(source))
        return source.__class__ is _ndarray and _unchanging(source)
    if base.__class__ is _ndarray:
        return not base.flags.writeable
    return base is None or base.__class__ is Lease


def _same_bits(x: np.ndarray, y: np.ndarray) -> bool:
    return (x.shape, x.dtype) == (y.shape, y.dtype) and x.tobytes() == y.tobytes()


def to_value(x: Any, name: str = "an argument") -> Any:
    """A value of the IR (NumPy array or traced) for an array-like leaf; raises `ArgumentError` for anything else.

    What NumPy arrays hold is copied: their owner may change it later.
    """
    kind = x.__class__
    if kind is Array:
        return x._data
    if isinstance(x, Value):
        return x
    if isinstance(x, np.ndarray):
        return own(native(x, name))
    if isinstance(x, np.generic):
        check_dtype(x.dtype)
        return np.asarray(x)
    if kind in _FAST_SCALARS:
        data = np.asarray(x)
        if data.dtype.kind == "O":
            raise ArgumentError(f"{name} is the integer {x}, which does not fit into 64 bits.")
        return data if rules.plain else literal(data)
    if hasattr(x, "__array__") or hasattr(x, "__dlpack__"):
        return own(native(np.asarray(x), name))
    raise ArgumentError(
        f"{name} is {x!r} of type {kind.__module__}.{kind.__qualname__}, not an array, a number or a tree of them. "
        f"Make it static (static_argnums, static_argnames) or take it out of the arguments."
    )


_fast_operators: dict[str, Any] = {}


def choose_operators() -> None:
    """Take NumPy's operators, or those of weft.numpy where promotion is another than NumPy's."""
    for name, fast in _fast_operators.items():
        if rules.plain:
            setattr(Array, name, fast)
        elif name in vars(Array):
            delattr(Array, name)


on_change.append(choose_operators)


def _fast_binary(ufunc: Callable[..., Any], name: str) -> None:
    slow = getattr(ArrayMethods, f"__{name}__")
    slow_reflected = getattr(ArrayMethods, f"__r{name}__", None)

    def forward(self: Array, other: Any) -> Any:
        data, kind = self._data, type(other)
        try:
            if kind is Array:
                result = quiet.run(ufunc, data, other._data)
            elif kind in _FAST_SCALARS and data.dtype is not bfloat16:
                result = quiet.run(ufunc, data, other)
            else:
                return slow(self, other)
        except (RuntimeError, TypeError, ValueError):
            # This says what is wrong in our words, or runs where we are inside such a call.
            return slow(self, other)
        if type(result) is not _ndarray:
            result = np.asarray(result)
        array = _new(Array)
        array._data = result
        array._number = 0
        return array

    _fast_operators[f"__{name}__"] = forward
    if slow_reflected is None:
        return
    _fast_operators[f"__i{name}__"] = forward

    def reflected(self: Array, other: Any) -> Any:
        if type(other) in _FAST_SCALARS and self._data.dtype is not bfloat16:
            try:
                return wrap(quietly(ufunc, other, self._data))
            except (TypeError, ValueError):
                pass  # explained below
        return slow_reflected(self, other)

    _fast_operators[f"__r{name}__"] = reflected


_FAST_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide, "pow": references.power,
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "matmul": np.matmul, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
}  # fmt: skip
for _name, _function in _FAST_FUNCTIONS.items():
    _fast_binary(_function, _name)
choose_operators()
