"""Collectives of `weft.lax`: what the examples of a `vmap` with an ``axis_name`` tell each other.

The one idea: inside of the mapped function each example has its own value, and the named axis is there only for these
functions. They take trees of arrays, but for `axis_index` and `axis_size`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from weft.engine import tree
from weft.engine.array import to_value, wrap_value
from weft.engine.transforms.vmap import axis_size
from weft.ir.builder import Value
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.ops import collective
from weft.ir.ops import elementwise as e
from weft.ir.ops import reduce as r
from weft.ir.ops import shape as s
from weft.ir.types import INT64
from weft.lax.arguments import one_axis


def _names(axis_name: Any) -> tuple[Hashable, ...]:
    return tuple(axis_name) if isinstance(axis_name, tuple | list) else (axis_name,)


def _one_name(function: str, axis_name: Any) -> Hashable:
    """The name of a collective that goes along one axis."""
    names = _names(axis_name)
    if len(names) != 1:
        raise ArgumentError(f"lax.{function} goes along one axis, got {len(names)} names: {names!r}.")
    return names[0]


def _no_groups(function: str, groups: Any) -> None:
    if groups is not None:
        raise ArgumentError(
            f"lax.{function} got axis_index_groups: the axis of a vmap has no groups. Reshape it and map over two axes."
        )


# Reductions


def _over(axis_name: Any, x: Any, one: Callable[[Any, Hashable], Any]) -> Any:
    def leaf(value: Any) -> Any:
        value = to_value(value)
        for name in _names(axis_name):
            axis_size(name)
            value = one(value, name)
        return wrap_value(value)

    return tree.map(leaf, x)


def psum(x: Any, axis_name: Any, *, axis_index_groups: Any = None) -> Any:
    """Sum of ``x`` over the named axis (or axes) of enclosing `vmap`s."""
    _no_groups("psum", axis_index_groups)

    def one(value: Any, name: Hashable) -> Any:
        return collective.psum(value, name) if isinstance(value, Value) else e.mul(value, axis_size(name))

    return _over(axis_name, x, one)


def _same_for_constants(collect: Callable[[Any, Hashable], Any]) -> Callable[[Any, Hashable], Any]:
    return lambda value, name: collect(value, name) if isinstance(value, Value) else value


def pmax(x: Any, axis_name: Any, *, axis_index_groups: Any = None) -> Any:
    """Maximum of ``x`` over the named axis (or axes)."""
    _no_groups("pmax", axis_index_groups)
    return _over(axis_name, x, _same_for_constants(collective.pmax))


def pmin(x: Any, axis_name: Any, *, axis_index_groups: Any = None) -> Any:
    """Minimum of ``x`` over the named axis (or axes)."""
    _no_groups("pmin", axis_index_groups)
    return _over(axis_name, x, _same_for_constants(collective.pmin))


def pmean(x: Any, axis_name: Any, *, axis_index_groups: Any = None) -> Any:
    """Mean of ``x`` over the named axis (or axes)."""
    _no_groups("pmean", axis_index_groups)
    count = axis_size(axis_name)
    return tree.map(lambda v: v / count, psum(x, axis_name))


# Positions


def axis_index(axis_name: Any) -> Any:
    """The position of the example at hand along the named axis, an int32; along several, counted in row-major order."""
    total: Any = None
    for name in _names(axis_name):
        size = axis_size(name)
        here = collective.axis_index(name, size)
        total = here if total is None else e.add(e.mul(total, size), here)
    return wrap_value(e.cast(total, "int32"))


# Gathering and exchanging


def _own(x: Any, axis_name: Hashable) -> Any:
    """A value of the example at hand: an array that is no example's is given to each."""
    value = to_value(x)
    if isinstance(value, Value):
        return value
    always = e.ge(collective.axis_index(axis_name, axis_size(axis_name)), 0)
    return e.select(s.broadcast(always, value.shape, ()), value, value)


def all_gather(
    x: Any,
    axis_name: Any,
    *,
    axis_index_groups: Any = None,
    axis: int = 0,
    tiled: bool = False,
    to: str = "varying",
) -> Any:
    """The values of all examples along a new axis, or one after the other along an axis that there is.

    Args:
        x: a tree of arrays.
        axis_name: the axis to gather over; several are one, in row-major order.
        axis_index_groups: None.
        axis: the place of the new axis, or with ``tiled`` the axis that gets longer.
        tiled: concatenate instead of stacking.
        to: accepted for JAX's sake.
    """
    _no_groups("all_gather", axis_index_groups)
    names = _names(axis_name)
    size = axis_size(axis_name)

    def leaf(value: Any) -> Any:
        value = _own(value, names[-1])
        old = tuple(value.shape)
        for name in reversed(names):
            value = collective.all_gather(value, name, axis_size(name))
        value = s.reshape(value, (size, *old))
        place = one_axis("all_gather", axis, len(old) + (not tiled))
        value = s.move_axis(value, 0, place)
        if tiled:
            value = s.reshape(value, (*old[:place], size * old[place], *old[place + 1 :]))
        return wrap_value(value)

    return tree.map(leaf, x)


def _exchanged(function: str, value: Any, axis_name: Any, axis: int, tiled: bool) -> tuple[Any, int]:
    """Parts of a value along an axis sent to the examples in turn: those that came, along a new axis at ``axis``."""
    name = _one_name(function, axis_name)
    value = _own(value, name)
    size, length = axis_size(name), value.shape[axis]
    if length % size if tiled else length != size:
        wanted = f"a multiple of {size}" if tiled else f"{size}"
        raise ShapeError(
            f"lax.{function} over {name!r} needs {wanted} elements along axis {axis} of an array of shape {value.shape}."
        )
    apart = s.reshape(value, (*value.shape[:axis], size, length // size, *value.shape[axis + 1 :]))
    return collective.exchange(apart, name, axis), size


def all_to_all(
    x: Any,
    axis_name: Any,
    split_axis: int,
    concat_axis: int,
    *,
    axis_index_groups: Any = None,
    tiled: bool = False,
) -> Any:
    """Each array taken apart along an axis, part ``j`` sent to example ``j``, and what came put together along another axis.

    Args:
        x: a tree of arrays.
        axis_name: the axis of the examples.
        split_axis: the axis taken apart: as long as the named axis, or with ``tiled`` a multiple of that.
        concat_axis: where the parts that came are stacked, in an array without ``split_axis``; with ``tiled``, the axis along
            which they follow each other.
        axis_index_groups: None.
        tiled: parts keep the axis, and are concatenated.

    Raises:
        ShapeError: the length of the axis does not fit.
    """
    _no_groups("all_to_all", axis_index_groups)

    def leaf(value: Any) -> Any:
        value = to_value(value)
        split, joined = (one_axis("all_to_all", a, len(value.shape)) for a in (split_axis, concat_axis))
        came, size = _exchanged("all_to_all", value, axis_name, split, tiled)
        if not tiled:
            return wrap_value(s.move_axis(s.squeeze(came, (split + 1,)), split, joined))
        came = s.move_axis(came, split, joined)
        old = came.shape
        return wrap_value(s.reshape(came, (*old[:joined], size * old[joined + 1], *old[joined + 2 :])))

    return tree.map(leaf, x)


def psum_scatter(
    x: Any, axis_name: Any, *, scatter_dimension: int = 0, axis_index_groups: Any = None, tiled: bool = False
) -> Any:
    """Sum over the named axis, of which example ``i`` gets element ``i`` along an axis, or with ``tiled`` an equal share."""
    _no_groups("psum_scatter", axis_index_groups)

    def leaf(value: Any) -> Any:
        value = to_value(value)
        axis = one_axis("psum_scatter", scatter_dimension, len(value.shape))
        came, _ = _exchanged("psum_scatter", value, axis_name, axis, tiled)
        total = r.reduce_sum(came, (axis,))
        return wrap_value(total if tiled else s.squeeze(total, (axis,)))

    return tree.map(leaf, x)


def ppermute(x: Any, axis_name: Any, perm: Sequence[tuple[int, int]]) -> Any:
    """The value of example ``source`` for example ``destination``, for each pair of ``perm``; zeros for the others.

    Raises:
        ArgumentError: an example is out of range, or twice a source or a destination.
    """
    name = _one_name("ppermute", axis_name)
    size = axis_size(name)
    pairs = [(int(source), int(destination)) for source, destination in perm]
    for ends in zip(*pairs, strict=True):
        if len(set(ends)) != len(ends) or not all(0 <= end < size for end in ends):
            raise ArgumentError(
                f"lax.ppermute got perm={pairs} for {size} examples: sources and destinations are distinct, and less than that."
            )
    return tree.map(lambda v: wrap_value(collective.ppermute(_own(v, name), name, pairs)), x)


def pshuffle(x: Any, axis_name: Any, perm: Sequence[int]) -> Any:
    """The value of example ``perm[i]`` for example ``i``; ``perm`` has all of them."""
    size = axis_size(axis_name)
    if sorted(perm) != list(range(size)):
        raise ArgumentError(
            f"lax.pshuffle got perm={tuple(perm)}, which is no permutation of {size} examples."
        )
    return ppermute(x, axis_name, list(zip(perm, range(size), strict=True)))


def pswapaxes(x: Any, axis_name: Any, axis: int, *, axis_index_groups: Any = None) -> Any:
    """The named axis exchanged with an axis of the same length."""
    return all_to_all(x, axis_name, axis, axis, axis_index_groups=axis_index_groups)


def pbroadcast(x: Any, axis_name: Any, source: int) -> Any:
    """The value of one example, for all."""
    name = _one_name("pbroadcast", axis_name)
    if not 0 <= source < axis_size(name):
        raise ArgumentError(f"lax.pbroadcast got source {source} for {axis_size(name)} examples.")

    def leaf(value: Any) -> Any:
        value = to_value(value)
        here = e.eq(collective.axis_index(name, axis_size(name)), s.full((), source, INT64))
        alone = e.select(s.broadcast(here, value.shape, ()), value, s.full(value.shape, 0, value.dtype))
        return wrap_value(collective.psum(alone, name))

    return tree.map(leaf, x)
