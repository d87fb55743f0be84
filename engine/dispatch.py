"""The two ways of every public array function: NumPy at once, or a graph.

`numpy_function` wraps the staged definition of a function. Called without traced arrays it runs the NumPy function of the
same meaning on the data (eager Weft is NumPy, so values, dtypes and shapes are NumPy's own); with a traced array among the
arguments it runs the definition, which composes primitives of `weft.ir.ops` on values.

Inside definitions: arguments arrive as values (NumPy arrays, traced arrays, Python scalars), and other public functions are
called by their ``.staged`` attribute, which gives values too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ParamSpec, Protocol, TypeVar

import numpy as np

from weft.engine import promotion
from weft.engine.array import Array, freeze, native, own, to_value, wrap
from weft.engine.device import check_device
from weft.engine.promotion import common, rules
from weft.engine.trace import Tracer
from weft.ir import quiet
from weft.ir.builder import Value, state, traces
from weft.ir.errors import ArgumentError, NestingError, ShapeError
from weft.ir.ops.elementwise import cast
from weft.ir.ops.shape import broadcast, reshape
from weft.ir.quiet import names, quietly
from weft.ir.types import SHORT_NAMES, bfloat16, check_dtype

P = ParamSpec("P")
R = TypeVar("R")
# What goes to NumPy as it is.
_PLAIN = frozenset((bool, int, float, complex, str, type(None), type(Ellipsis), type))
_PYTHON_SCALARS = frozenset((bool, int, float, complex))
_REAL_SCALARS = frozenset((bool, int, float))
_BFLOAT16 = bfloat16.char
_OF_MAKERS = frozenset((int, float, type))
_MISSING = object()
_ndarray = np.ndarray
_new = object.__new__


def is_traced(x: Any) -> bool:
    """Whether ``x``, or an item of a list or tuple, is a traced array."""
    if isinstance(x, list | tuple):
        try:
            return any(map(is_traced, x))
        except RecursionError:
            raise too_deep() from None
    return isinstance(x, Value)


def too_deep() -> NestingError:
    """What is raised for lists that Python cannot go to the bottom of."""
    return NestingError(
        "lists in lists make an array of as many axes, at most 64: these are deeper, or one contains itself."
    )


def to_data(x: Any) -> Any:
    """``x`` with NumPy arrays for Arrays, in lists, tuples and dicts too; NumPy may not write to those (``out=``)."""
    kind = x.__class__
    if kind is Array:
        return freeze(x)
    if kind is list or kind is tuple:
        return kind(map(to_data, x))
    if kind is dict:
        return {k: to_data(v) for k, v in x.items()}
    return native(x) if isinstance(x, np.ndarray) else x


def to_own_data(x: Any) -> Any:
    """`to_data` with copies of a user's NumPy arrays, which may change before a graph runs."""
    kind = x.__class__
    if kind is Array:
        return freeze(x)
    if kind is list or kind is tuple:
        return kind(map(to_own_data, x))
    if kind is dict:
        return {k: to_own_data(v) for k, v in x.items()}
    return own(native(x)) if isinstance(x, np.ndarray) else x


def _foreign(x: Any) -> list[np.ndarray]:
    """The NumPy arrays in an argument, which belong to the user."""
    if isinstance(x, np.ndarray):
        return [x]
    if x.__class__ is list or x.__class__ is tuple:
        return [a for v in x for a in _foreign(v)]
    return []


def from_data(x: Any, foreign: Sequence[np.ndarray] = ()) -> Any:
    """``x`` with Arrays for NumPy arrays and scalars, in lists, tuples and named tuples too.

    What may be memory of one of the arrays ``foreign`` is copied.
    """
    if isinstance(x, np.ndarray | np.generic):
        if x.dtype not in SHORT_NAMES:
            check_dtype(x.dtype)
        return wrap(np.array(x) if foreign and any(np.may_share_memory(x, a) for a in foreign) else x)
    if isinstance(x, list):
        return [from_data(v, foreign) for v in x]
    if isinstance(x, tuple):
        items = [from_data(v, foreign) for v in x]
        return type(x)(*items) if hasattr(x, "_fields") else tuple(items)
    return x


def _plain_items(x: tuple[Any, ...] | list[Any]) -> list[Any] | tuple[Any, ...] | None:
    """A sequence of Arrays and plain values as NumPy takes it; ``None`` where it is not one."""
    items = []
    for v in x:
        kind = v.__class__
        if kind is int:
            items.append(v)
        elif kind is Array and v._data.dtype is not bfloat16:
            items.append(freeze(v))
        else:
            return None
    return items if x.__class__ is list else tuple(items)


# What NumPy's functions take about an array's memory, of which there is one kind here, with what may be said.
_LAYOUT: dict[str, tuple[Any, ...]] = {
    "order": ("C", "F", "A", "K", None),
    "subok": (True, False),
    "out": (None,),
}


def _of_values(definition: Callable[..., Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments without those on memory that the function does not take itself: they change no value."""
    code = definition.__code__
    own = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    kept = {}
    for name, given in kwargs.items():
        if name in own or name not in _LAYOUT:
            kept[name] = given
        elif not isinstance(given, str | bool | None) or given not in _LAYOUT[name]:
            mend = (
                "arrays are immutable: use the result" if name == "out" else f"it is one of {_LAYOUT[name]}"
            )
            shown = "" if name == "out" else repr(given)
            raise ArgumentError(f"{definition.__name__} got {name}={shown}; {mend}.")
    return kept


class ArrayFunction(Protocol[P, R]):
    """A public function, called with arrays or traced arrays; its two ways are there too."""

    __name__: str
    staged: Callable[P, R]
    """The definition: values of the IR in and out."""
    eager: Callable[..., Any]
    """What runs on NumPy arrays."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute with NumPy, or record."""


def numpy_function(
    reference: Callable[..., Any] | None,
    *,
    maker: bool = False,
    fast: Callable[..., Any] | None = None,
    fast_if_real: bool = False,
    arity: int = 0,
    sequence: bool = False,
) -> Callable[[Callable[P, R]], ArrayFunction[P, R]]:
    """Decorate the staged definition of a public function.

    Args:
        reference: what runs on NumPy arrays; ``None`` runs the definition itself there.
        maker: the function makes an array from shapes alone, so inside a traced function it is staged.
        fast: what to try first on Arrays and plain Python values, of a maker on numbers and a dtype; whatever it raises,
            ``reference`` decides then.
        fast_if_real: ``fast`` is not the meaning for complex arrays.
        arity: how many arrays ``fast`` takes, if it is a universal function or otherwise gives a new array.
        sequence: ``fast`` makes a new array of a sequence of arrays, and of integers behind it.
    """

    def decorate(definition: Callable[P, R]) -> ArrayFunction[P, R]:
        eager: Callable[..., Any] = definition if reference is None else reference
        names.setdefault(eager, definition.__name__)
        names.setdefault(fast, definition.__name__)

        def general(*args: Any, **kwargs: Any) -> Any:
            if "device" in kwargs:
                check_device(kwargs["device"], definition.__name__)
            if kwargs.keys() & _LAYOUT.keys():
                kwargs = _of_values(definition, kwargs)
            staged = maker and bool(state.ambient)
            foreign: list[np.ndarray] = []
            for x in (*args, *kwargs.values()) if kwargs else args:
                kind = x.__class__
                if kind is Array or kind in _PYTHON_SCALARS:
                    continue
                if is_traced(x):
                    staged = True
                    break
                if isinstance(x, np.ndarray | np.generic):
                    check_dtype(x.dtype)  # before NumPy, which takes dates and objects
                foreign += _foreign(x)
            convert = to_own_data if staged or eager is definition else to_data
            args = tuple([convert(x) for x in args])
            if kwargs:
                kwargs = {k: convert(v) for k, v in kwargs.items()}
            if staged:
                return from_data(definition(*args, **kwargs))
            if not rules.plain:
                return from_data(quietly(definition, *args, **kwargs), foreign)
            return from_data(quietly(eager, *args, **kwargs), foreign)

        if fast is None:
            function: Any = general
        elif maker:
            function = _quick_maker(fast, general)
        else:

            def quick(*args: Any, **kwargs: Any) -> Any:
                # Arrays and plain Python values: what NumPy takes it computes, all else goes the general way.
                if not rules.plain:
                    return general(*args, **kwargs)
                data = []
                found = False
                for x in args:
                    kind = type(x)
                    if kind is Array:
                        x = x._data
                        if x.dtype is bfloat16 or (fast_if_real and x.dtype.kind == "c"):
                            return general(*args, **kwargs)
                        x.setflags(False)  # no out= writes to it
                        data.append(x)
                        found = True
                    elif kind in _PLAIN:
                        data.append(x)
                    elif (kind is tuple or kind is list) and (items := _plain_items(x)) is not None:
                        data.append(items)
                        found = found or type(x) is list
                    else:
                        return general(*args, **kwargs)
                if not found:
                    return general(*args, **kwargs)
                for x in kwargs.values():
                    if type(x) not in _PLAIN and (type(x) is not tuple or _plain_items(x) is None):
                        return general(*args, **kwargs)
                try:
                    result = quiet.run(fast, *data, **kwargs)
                except Exception:
                    return general(*args, **kwargs)
                return wrap(result) if type(result) is np.ndarray else from_data(result)

            function = quick
            if arity in (1, 2) or sequence:
                slow = _BFLOAT16 + "FD" if fast_if_real else _BFLOAT16
                write = _quick_sequence if sequence else _quick_unary if arity == 1 else _quick_binary
                function = write(fast, slow, quick)
        functools.update_wrapper(function, definition)
        function.staged = definition
        function.eager = eager
        return function

    return decorate


# What is called most is written out: each call and each loop of Python costs as much as NumPy on a few numbers.


def _quick_unary(fast: Callable[..., Any], slow: str, general: Callable[..., Any]) -> Callable[..., Any]:
    """A universal function of one array; dtypes whose characters are in ``slow`` go the general way."""

    def quick(x: Any, /, *args: Any, **kwargs: Any) -> Any:
        if type(x) is not Array or args or kwargs or not rules.plain:
            return general(x, *args, **kwargs)
        data = x._data
        if data.dtype.char in slow:
            return general(x)
        try:
            result = quiet.run(fast, data)
        except Exception:
            return general(x)
        array = _new(Array)
        array._data = result if type(result) is _ndarray else np.asarray(result)
        array._number = 0
        return array

    return quick


def _quick_binary(fast: Callable[..., Any], slow: str, general: Callable[..., Any]) -> Callable[..., Any]:
    """A universal function of two arrays, or of an array and a number."""

    def quick(x: Any, y: Any, /, *args: Any, **kwargs: Any) -> Any:
        if type(x) is not Array or args or kwargs or not rules.plain:
            return general(x, y, *args, **kwargs)
        data, other = x._data, y
        if type(y) is Array:
            other = y._data
            if other.dtype.char in slow:
                return general(x, y)
        elif type(y) not in _REAL_SCALARS:
            return general(x, y)
        if data.dtype.char in slow:
            return general(x, y)
        try:
            result = quiet.run(fast, data, other)
        except Exception:
            return general(x, y)
        array = _new(Array)
        array._data = result if type(result) is _ndarray else np.asarray(result)
        array._number = 0
        return array

    return quick


def _quick_sequence(fast: Callable[..., Any], slow: str, general: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a list or tuple of arrays and of integers, which gives a new array."""

    def quick(arrays: Any, /, *args: Any, **kwargs: Any) -> Any:
        kind = type(arrays)
        if (kind is not list and kind is not tuple) or kwargs or not rules.plain:
            return general(arrays, *args, **kwargs)
        for x in args:
            if type(x) is not int:
                return general(arrays, *args)
        items = []
        for x in arrays:
            if type(x) is not Array or x._data.dtype.char in slow:
                return general(arrays, *args)
            items.append(x._data)
        try:
            result = quiet.run(fast, items, *args)
        except Exception:
            return general(arrays, *args)
        array = _new(Array)
        array._data = result
        array._number = 0
        return array

    return quick


def _quick_maker(fast: Callable[..., Any], general: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a shape, or of bounds, and a dtype."""

    def quick(shape: Any = _MISSING, /, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs or type(shape) is not int or (traces and state.ambient) or not rules.plain:
            return several(*args, **kwargs) if shape is _MISSING else several(shape, *args, **kwargs)
        try:
            result = fast(shape)
        except Exception:
            return general(shape)
        array = _new(Array)
        array._data = result
        array._number = 0
        return array

    def several(*args: Any, **kwargs: Any) -> Any:
        if state.ambient or not rules.plain or (kwargs and (len(kwargs) > 1 or "dtype" not in kwargs)):
            return general(*args, **kwargs)
        for x in args:
            kind = type(x)
            if kind not in _OF_MAKERS and not (kind is tuple and all([type(n) is int for n in x])):
                return general(*args, **kwargs)
        try:
            result = fast(*args, **kwargs)
        except Exception:
            return general(*args, **kwargs)
        return wrap(result) if result.dtype in SHORT_NAMES else general(*args, **kwargs)

    return quick


# Promotion


def is_weak(x: Any) -> bool:
    """Whether ``x`` gives way to arrays in promotion: a Python scalar, or a traced one."""
    return x.__class__ in _PYTHON_SCALARS or (x.__class__ is Tracer and x.weak)


def common_dtype(*args: Any) -> np.dtype:
    """The dtype for an operation on ``args``: arrays decide, Python scalars only their kind."""
    return common_type(args)[0]


def common_type(args: Iterable[Any]) -> tuple[np.dtype, bool]:
    """The dtype for an operation on ``args``, and whether its result gives way to arrays in turn."""
    strong, weak = [], ""
    for x in args:
        if is_weak(x):
            weak += x.dtype.kind if isinstance(x, Value) else np.asarray(x).dtype.kind
        else:
            strong.append(x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype)
    return common(tuple(strong), weak)


def as_dtype(x: Any, dtype: np.dtype) -> Any:
    """``x`` as a value of ``dtype``: casts arrays, converts Python scalars."""
    if isinstance(x, Value):
        return cast(x, dtype)
    return quietly(np.ndarray.astype, np.asarray(x), dtype, copy=False)


def broadcast_shapes(name: str, *shapes: Sequence[int]) -> tuple[int, ...]:
    """NumPy's common shape; raises `ShapeError` naming the function and the shapes."""
    first, *others = [shape for shape in shapes if len(shape)] or [()]
    if all([shape == first for shape in others]):  # nearly always: NumPy would make arrays to find out
        return tuple(first)
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        listed = ", ".join(str(tuple(s)) for s in shapes)
        raise ShapeError(
            f"{name} got incompatible shapes for broadcasting: {listed}. Lengths of an axis, counted from the last, must be "
            f"equal or 1."
        ) from None


def broadcast_to(x: Any, shape: Sequence[int]) -> Any:
    """A value repeated along axes of length 1 and new leading axes, NumPy's rule."""
    shape = tuple(shape)
    if x.shape == shape:
        return x
    offset = len(shape) - len(x.shape)
    keep = [i for i, n in enumerate(x.shape) if n != 1 or shape[offset + i] == 1]
    squeezed = reshape(x, [x.shape[i] for i in keep])
    return broadcast(squeezed, shape, [offset + i for i in keep])


def promote_values(name: str, *args: Any, floating: bool = False) -> list[Any]:
    """Arguments of an elementwise operation as values of one dtype and shape (scalar constants stay of rank 0).

    Args:
        name: what errors call the operation.
        args: values and Python scalars.
        floating: integers and bools become floating as in NumPy's floating functions.
    """
    dtype = common_dtype(*args)
    if floating:
        dtype = promotion.floating(dtype)
    values = [as_dtype(to_value(x, f"an argument of {name}"), dtype) for x in args]
    return broadcast_values(name, *values)


def broadcast_values(name: str, *values: Any) -> list[Any]:
    """Values brought to a common shape; scalar constants stay of rank 0, which elementwise primitives take."""
    shape = broadcast_shapes(name, *[v.shape for v in values])
    return [v if v.shape == () and not isinstance(v, Value) else broadcast_to(v, shape) for v in values]
