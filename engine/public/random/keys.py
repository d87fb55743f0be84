"""Keys, raw bits, and `drawn`: how a definition of a distribution becomes a function for users."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft.engine.array import to_value, wrap, wrap_value
from weft.engine.promotion import rules
from weft.engine.transforms.jit import jit
from weft.ir.builder import Recorder, Value, state, type_of_value
from weft.ir.errors import ArgumentError, DTypeError, ShapeError
from weft.ir.ops import random as threefry
from weft.ir.types import INT64, ArrayType, check_dtype, is_complex, is_floating, is_inexact
from weft.numpy.staging import new_shape, static_shape

_KEY = ArrayType((2,), threefry.UINT32)


def staged(*static: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a definition on arrays: it runs compiled; what ``static`` names (shape, dtype) is known when it is traced."""

    def decorate(definition: Callable[..., Any]) -> Callable[..., Any]:
        compiled = jit(definition, static_argnames=static)

        @functools.wraps(definition)
        def draw(*args: Any, **kwargs: Any) -> Any:
            args = tuple(wnp.asarray(x) if isinstance(x, list | tuple) else x for x in args)
            # A key that is a constant of a function being traced: numbers are recorded, not baked in as a large constant.
            if any(not isinstance(b, Recorder) for b in state.ambient) and not any(
                isinstance(x, Value) for x in args
            ):
                return definition(*args, **kwargs)
            return compiled(*args, **kwargs)

        return draw

    return decorate


def drawn(*static: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`staged` for a definition on values of the IR."""

    def decorate(definition: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(definition)
        def on_values(*args: Any, **kwargs: Any) -> Any:
            values = [to_value(x, f"an argument of random.{definition.__name__}") for x in args]
            return wrap_value(definition(*values, **kwargs))

        return staged(*static)(on_values)

    return decorate


# Arguments


def one_key(key: Any, name: str) -> Any:
    """``key`` if it is one key, else the user's error."""
    value = to_value(key, f"key of random.{name}")
    if type_of_value(value) == _KEY:
        return key
    given = type_of_value(value)
    if given.shape[-1:] == (2,) and given.dtype == threefry.UINT32:
        raise ShapeError(
            f"random.{name} takes one key, an array u32[2], got {given.shape[:-1]} keys. Use weft.vmap for many."
        )
    raise ShapeError(
        f"random.{name} takes a key, an array u32[2], got {given}. Make one with weft.random.key(seed)."
    )


def float_kind(dtype: Any, name: str) -> np.dtype:
    """A floating dtype; the default float without one."""
    dtype = rules.float if dtype is None else check_dtype(dtype)
    if not is_floating(dtype):
        raise DTypeError(f"random.{name} draws floating numbers, got dtype={dtype}.")
    return dtype


def inexact_kind(dtype: Any, name: str) -> np.dtype:
    """A floating or complex dtype; the default float without one."""
    dtype = rules.float if dtype is None else check_dtype(dtype)
    if not is_inexact(dtype):
        raise DTypeError(f"random.{name} draws floating or complex numbers, got dtype={dtype}.")
    return dtype


def integer_kind(dtype: Any, name: str) -> np.dtype:
    """An integer dtype; int64 by default."""
    dtype = INT64 if dtype is None else check_dtype(dtype)
    if dtype.kind not in "iu":
        raise DTypeError(f"random.{name} draws integers, got dtype={dtype}.")
    return dtype


def parameter_shape(x: Any, name: str) -> tuple[int, ...]:
    """The shape of a parameter of a distribution, which must be real."""
    if isinstance(x, list | tuple):
        x = wnp.asarray(x)
    x = x if isinstance(x, np.ndarray) else to_value(x, f"a parameter of random.{name}")
    if is_complex(x.dtype):
        raise DTypeError(f"random.{name} takes real parameters, got one of dtype {x.dtype}.")
    return tuple(x.shape)


def shape_for(shape: Any, name: str, *parameters: Any) -> tuple[int, ...]:
    """The shape asked for, by default that of the parameters broadcast; they must fit it."""
    shapes = [parameter_shape(x, name) for x in parameters]
    if shape is not None:
        shape = new_shape(shape, f"random.{name}")
    try:
        common = np.broadcast_shapes(*shapes)
        wanted = common if shape is None else shape
        fits = np.broadcast_shapes(wanted, common) == wanted
    except ValueError:
        fits, wanted = False, shape
    if not fits:
        listed = ", ".join(map(str, shapes))
        raise ShapeError(
            f"random.{name} got parameters of shapes {listed}, which do not broadcast to shape={wanted}."
        )
    return wanted


# Keys


def key(seed: Any, *, impl: Any = None, dtype: Any = None) -> Any:
    """The key of an integer.

    Args:
        seed: a Python integer of up to 64 bits, or an integer array of rank 0 (`weft.vmap` for many).
        impl: "threefry2x32" or ``None``; there is one generator.
        dtype: the same, or `key_dtype`; not both.

    Returns:
        Array ``uint32[2]``, as `jax.random.PRNGKey` gives.
    """
    _check_generator("key", impl, dtype)
    if type(seed) is int:
        return wrap(threefry.seed(seed))
    value = to_value(seed, "seed of random.key")
    given = type_of_value(value)
    if given.shape != () or given.dtype.kind not in "iu":
        raise ArgumentError(f"random.key takes one integer as its seed, got {given}. Use weft.vmap for many.")
    return wrap_value(threefry.seed(value))


PRNGKey = key


def _check_generator(name: str, impl: Any, dtype: Any = None) -> None:
    """There is one generator; it may be named by ``impl`` or by ``dtype``, which may be the dtype of keys as well."""
    if impl is not None and dtype is not None:
        raise ArgumentError(f"random.{name} takes impl or dtype, not both.")
    if isinstance(dtype, np.dtype) and dtype == threefry.UINT32:
        return
    impl = dtype if impl is None else impl
    if impl is not None and impl not in ("threefry2x32", "fry"):
        raise ArgumentError(f"random keys are of the generator 'threefry2x32', got impl={impl!r}.")


@drawn("shape")
def _split(key: Any, *, shape: tuple[int, ...]) -> Any:
    return threefry.threefry_split(key, shape)


def split(key: Any, num: int | Sequence[int] = 2) -> Any:
    """New keys, independent of each other and of ``key``, which must not be used any more.

    Args:
        key: a key.
        num: how many, or a shape.

    Returns:
        Array ``uint32[num, 2]``; unpack it: ``a, b = split(key)``.
    """
    return _split(one_key(key, "split"), shape=static_shape(num, "random.split", "num"))


@drawn()
def _fold_in(key: Any, data: Any) -> Any:
    return threefry.threefry_fold_in(key, data)


def fold_in(key: Any, data: Any) -> Any:
    """A new key from a key and an integer, such as the number of a step."""
    if type(data) is int:
        data = np.asarray(data & 0xFFFFFFFF, threefry.UINT32)
    given = type_of_value(to_value(data, "data of random.fold_in"))
    if given.shape != () or given.dtype.kind not in "iu":
        raise ArgumentError(f"random.fold_in takes one integer, got {given}. Use weft.vmap for many.")
    return _fold_in(one_key(key, "fold_in"), data)


def _keys(keys: Any, name: str) -> Any:
    """Keys of any batch shape, as a value."""
    value = to_value(keys, f"keys of random.{name}")
    given = type_of_value(value)
    if given.shape[-1:] != (2,) or given.dtype != threefry.UINT32:
        raise ShapeError(f"random.{name} takes the words of keys, u32[..., 2], got {given}.")
    return value


def key_data(keys: Any) -> Any:
    """The words ``uint32[..., 2]`` of keys: that is what keys are here, so programs that ask for them run unchanged."""
    return wrap_value(_keys(keys, "key_data"))


def wrap_key_data(key_bits_array: Any, *, impl: Any = None, dtype: Any = None) -> Any:
    """Keys of the words ``uint32[..., 2]``.

    Args:
        key_bits_array: the words.
        impl: "threefry2x32" or ``None``; there is one generator.
        dtype: the same, or `key_dtype`; not both.
    """
    _check_generator("wrap_key_data", impl, dtype)
    return wrap_value(_keys(key_bits_array, "wrap_key_data"))


def key_impl(keys: Any) -> str:
    """The name of the generator of keys."""
    _keys(keys, "key_impl")
    return "threefry2x32"


def key_dtype(impl_spec: Any = None) -> np.dtype:
    """The dtype of keys: that of their words."""
    _check_generator("key_dtype", impl_spec)
    return threefry.UINT32


def clone(key: Any) -> Any:
    """The same key: says to who reads the program that it is used again on purpose."""
    return wrap_value(_keys(key, "clone"))


# Bits


@drawn("shape", "width")
def _bits(key: Any, *, shape: tuple[int, ...], width: int) -> Any:
    return threefry.threefry_bits(key, shape, width)


def bits(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Uniform random bits, as unsigned integers (uint64 by default)."""
    dtype = threefry.UINT64 if dtype is None else check_dtype(dtype)
    if dtype.kind != "u":
        raise DTypeError(f"random.bits draws unsigned integers, got dtype={dtype}.")
    return _bits(one_key(key, "bits"), shape=shape_for(shape, "bits"), width=8 * dtype.itemsize)
