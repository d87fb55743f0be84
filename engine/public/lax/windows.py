"""Functions of `weft.lax` that slide a window over arrays: `reduce_window` and what passes values back through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.engine import tree
from weft.engine.array import wrap_value
from weft.engine.transforms.vmap import vmap
from weft.ir.builder import Value
from weft.ir.errors import ArgumentError, DTypeError, ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import shape as s
from weft.ir.ops import window as w
from weft.ir.ops.index import scatter
from weft.ir.ops.windows import dilated, padding_for, spread_and_padded, window_count
from weft.ir.types import BOOL
from weft.lax import elementwise
from weft.lax.arguments import one_value

Padding = str | Sequence[tuple[int, int]]

_FOLDS: dict[Any, str] = {
    elementwise.add: "add",
    elementwise.mul: "mul",
    elementwise.max: "max",
    elementwise.min: "min",
    elementwise.bitwise_and: "and",
    elementwise.bitwise_or: "or",
}


def _options(
    name: str,
    shape: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int] | None,
    padding: Padding,
    base_dilation: Sequence[int] | None,
    dilation: Sequence[int] | None,
) -> dict[str, Any]:
    """The params of the window primitives from arguments as JAX has them."""
    rank = len(shape)
    given = {
        "window_dimensions": window,
        "window_strides": strides,
        "base_dilation": base_dilation,
        "window_dilation": dilation,
    }
    read = {key: (1,) * rank if v is None else tuple(int(i) for i in v) for key, v in given.items()}
    for key, values in read.items():
        least = 0 if key == "window_dimensions" else 1
        if len(values) != rank or any(v < least for v in values):
            raise ShapeError(
                f"lax.{name} of an array of shape {tuple(shape)} needs {key} with an integer of at least {least} for each of "
                f"its {rank} axes; got {given[key]!r}."
            )
    if isinstance(padding, str):
        spread = [dilated(n, d) for n, d in zip(shape, read["base_dilation"], strict=True)]
        reach = [
            dilated(k, d) for k, d in zip(read["window_dimensions"], read["window_dilation"], strict=True)
        ]
        pairs = padding_for(padding, spread, reach, read["window_strides"])
    else:
        pairs = [(int(pair[0]), int(pair[1])) for pair in padding if len(pair) == 2]
        if len(pairs) != rank:
            raise ShapeError(
                f"lax.{name} of an array of shape {tuple(shape)} needs padding as a string or a pair (low, high) for each of "
                f"its {rank} axes; got {padding!r}."
            )
    params = w.window_params(
        rank,
        read["window_dimensions"],
        read["window_strides"],
        pairs,
        read["base_dilation"],
        read["window_dilation"],
    )
    _count(shape, params)  # which says what is wrong with the padding
    return params


def _count(shape: Sequence[int], params: dict[str, Any]) -> tuple[int, ...]:
    """How many windows there are along each axis."""
    sizes = (params[key] for key in ("window", "strides", "padding", "base_dilation", "dilation"))
    return tuple(window_count(*axis) for axis in zip(shape, *sizes, strict=True))


def reduce_window_shape_tuple(
    operand_shape: Sequence[int],
    window_dimensions: Sequence[int],
    window_strides: Sequence[int],
    padding: Padding,
    base_dilation: Sequence[int] | None = None,
    window_dilation: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """The shape of `reduce_window`'s result."""
    params = _options(
        "reduce_window_shape_tuple",
        operand_shape,
        window_dimensions,
        window_strides,
        padding,
        base_dilation,
        window_dilation,
    )
    return _count(operand_shape, params)


def reduce_window(
    operand: Any,
    init_value: Any,
    computation: Callable[[Any, Any], Any],
    window_dimensions: Sequence[int],
    window_strides: Sequence[int] | None = None,
    padding: Padding = "VALID",
    base_dilation: Sequence[int] | None = None,
    window_dilation: Sequence[int] | None = None,
) -> Any:
    """Fold the elements of each window of an array, or of a tree of arrays of one shape.

    Args:
        operand: an array, or a tree of arrays of one shape.
        init_value: what each fold starts with: a scalar for each array. What is padded is passed over.
        computation: an associative function of two scalars (or two trees of scalars). `add`, `mul`, `max`, `min`,
            `bitwise_and` and `bitwise_or`, started with their identities, have code of their own; any other function is
            applied to arrays, in a number of steps that grows with the logarithm of the window.
        window_dimensions: the sizes of a window, for all axes.
        window_strides: steps from window to window; ones by default.
        padding: "SAME", "SAME_LOWER", "VALID", or a pair (low, high) for each axis.
        base_dilation: distances of the elements of the operand.
        window_dilation: distances of the elements in a window.

    Returns:
        An array of the operand's dtype (or a tree of them), with an element for each window.

    Raises:
        ShapeError, DTypeError, ArgumentError: the arguments do not fit to each other.
    """
    leaves, structure = tree.flatten(operand)
    starts = tree.leaves(init_value)
    values = [one_value(x) for x in leaves]
    if not values or len(starts) != len(values):
        raise ArgumentError(
            f"lax.reduce_window needs an init_value for each array, got {len(starts)} for {len(values)}."
        )
    shapes = {x.shape for x in values}
    if len(shapes) > 1:
        raise ShapeError(f"lax.reduce_window needs arrays of one shape, got {sorted(shapes)}.")
    params = _options(
        "reduce_window",
        values[0].shape,
        window_dimensions,
        window_strides,
        padding,
        base_dilation,
        window_dilation,
    )
    inits = [_init(start, x) for start, x in zip(starts, values, strict=True)]
    op = _FOLDS.get(computation)
    if op is not None and len(values) == 1 and _is_identity(op, inits[0]):
        return tree.unflatten(structure, [wrap_value(w.WINDOW_FOLDS[op].bind(values[0], **params))])
    return tree.unflatten(
        structure, [wrap_value(x) for x in _fold(computation, structure, values, inits, params)]
    )


def _init(start: Any, x: Any) -> Any:
    """The start of a fold as a scalar of the array's dtype."""
    value = one_value(start)
    if value.shape != ():
        raise ShapeError(
            f"lax.reduce_window needs scalars as init_value, got an array of shape {value.shape}."
        )
    return e.cast(value, x.dtype)


def _is_identity(op: str, init: Any) -> bool:
    if isinstance(init, Value):
        return False
    return bool(np.asarray(init) == w.identity(op, init.dtype))


def _fold(
    computation: Callable[[Any, Any], Any],
    structure: Any,
    values: list[Any],
    inits: list[Any],
    params: dict[str, Any],
) -> Sequence[Any]:
    """Fold with any function, which sees scalars."""
    padded = [
        spread_and_padded(x, init, params["padding"], params["base_dilation"])
        for x, init in zip(values, inits, strict=True)
    ]

    def scalars(*both: Any) -> Any:
        n = len(values)
        left, right = (tree.unflatten(structure, list(part)) for part in (both[:n], both[n:]))
        outs = tree.leaves(computation(left, right))
        if len(outs) != n:
            raise ArgumentError(
                f"the computation of lax.reduce_window gives {len(outs)} values for {n} arrays."
            )
        return outs

    def combine(a: Sequence[Any], b: Sequence[Any]) -> tuple[Any, ...]:
        shape = a[0].shape
        flat = [wrap_value(s.reshape(x, (int(np.prod(shape, dtype=np.int64)),))) for x in (*a, *b)]
        outs = [one_value(x) for x in vmap(scalars)(*flat)]
        for out, x in zip(outs, a, strict=True):
            if out.dtype != x.dtype or out.shape != flat[0].shape:
                raise DTypeError(
                    f"the computation of lax.reduce_window gives {out.dtype} for {x.dtype}: a fold keeps its dtype."
                    if out.dtype != x.dtype
                    else "the computation of lax.reduce_window does not give scalars for scalars."
                )
        return tuple(s.reshape(out, shape) for out in outs)

    def combine_known(a: Sequence[Any], b: Sequence[Any]) -> tuple[Any, ...]:
        """The same where what comes first of each tuple says which elements there are; others are passed over."""
        both, (known, *xs), (_, *ys) = e.and_(a[0], b[0]), a, b
        folded = combine(xs, ys)
        kept = [e.select(both, f, e.select(known, x, y)) for f, x, y in zip(folded, xs, ys, strict=True)]
        return e.or_(a[0], b[0]), *kept

    count = _count(values[0].shape, params)
    starts = tuple(s.broadcast(init, count, ()) for init in inits)
    if 0 in params["window"] or 0 in count:
        return starts
    known = spread_and_padded(
        s.full(values[0].shape, True, BOOL), np.asarray(False), params["padding"], params["base_dilation"]
    )
    steps = params["window"], params["strides"], params["dilation"]
    if known.shape == values[0].shape:
        return combine(starts, w.fold_windows(combine, padded, *steps))
    found = w.fold_windows(combine_known, (known, *padded), *steps)
    return combine_known((s.full(count, True, BOOL), *starts), found)[1:]


def select_and_scatter_add(
    source: Any,
    operand: Any,
    select: Callable[[Any, Any], Any],
    window_dimensions: Sequence[int],
    window_strides: Sequence[int],
    padding: Padding,
) -> Any:
    """Add each element of ``source`` where its window of ``operand`` has the extremum: the gradient of a max pooling.

    Args:
        source: an element for each window.
        operand: the array that the windows are of.
        select: `ge` for the first maximum of a window, `le` for the first minimum.
        window_dimensions: the sizes of a window, for all axes.
        window_strides: steps from window to window.
        padding: "SAME", "SAME_LOWER", "VALID", or a pair (low, high) for each axis.

    Returns:
        Array of the type of ``operand``.
    """
    x, y = one_value(operand), one_value(source)
    params = _options(
        "select_and_scatter_add", x.shape, window_dimensions, window_strides, padding, None, None
    )
    if select not in (elementwise.ge, elementwise.le):
        raise ArgumentError("lax.select_and_scatter_add selects with lax.ge or lax.le.")
    places = (w.window_argmax_p if select is elementwise.ge else w.window_argmin_p).bind(x, **params)
    if y.shape != places.shape or y.dtype != x.dtype:
        raise ShapeError(
            f"lax.select_and_scatter_add needs a source of shape {places.shape} and dtype {x.dtype}, got {y.shape} and "
            f"{y.dtype}."
        )
    size = int(np.prod(x.shape, dtype=np.int64))
    total = scatter(s.full((size,), 0, x.dtype), y, [places], (0,), "add", "fill")
    return wrap_value(s.reshape(total, x.shape))
