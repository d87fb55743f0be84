"""Whole derivative matrices, column by column or row by row, and second derivatives: compositions of the two modes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec

import numpy as np

from weft.engine import tree
from weft.engine.array import to_value, unwrap, wrap_value
from weft.engine.trace import function_name
from weft.engine.transforms.differentiate import linearize, vjp
from weft.engine.transforms.grad import check_inputs, selected_arguments, selected_names
from weft.engine.transforms.vmap import vmap
from weft.ir.ops.shape import move_axis, reshape, slice_axis

P = ParamSpec("P")


def _unit_tangents(values: Sequence[Any]) -> list[np.ndarray]:
    """For each value the block of unit tangents: all units of all values along the first axis."""
    total = sum(v.size for v in values)
    blocks, start = [], 0
    for v in values:
        block = np.zeros((total, v.size), v.dtype)
        block[np.arange(start, start + v.size), np.arange(v.size)] = 1
        blocks.append(block.reshape(total, *v.shape))
        start += v.size
    return blocks


def _split(stacked: Any, values: Sequence[Any], shape_of: Callable[[Any, Any], tuple[int, ...]]) -> list[Any]:
    """Cut the first axis of ``stacked`` into the parts that belong to each value."""
    parts, start = [], 0
    for v in values:
        part = slice_axis(stacked, 0, start, start + v.size)
        parts.append(reshape(part, shape_of(v, part)))
        start += v.size
    return parts


def _chosen(
    fun: Callable[..., Any],
    argnums: int | Sequence[int],
    args: Any,
    kwargs: Any,
    kind: str,
    holomorphic: bool,
    allow_int: bool = False,
) -> Any:
    name = function_name(fun)
    positions = selected_arguments(kind, name, argnums, len(args))
    selected = tuple(args[i] for i in positions)

    @functools.wraps(fun)
    def of_selected(*chosen: Any) -> Any:
        full = list(args)
        for i, x in zip(positions, chosen, strict=True):
            full[i] = x
        return fun(*full, **kwargs)

    values = [to_value(x, f"an argument of {name}") for x in tree.leaves(selected)]
    names = selected_names(fun, positions, args, kwargs)
    check_inputs(kind, name, names, values, holomorphic=holomorphic, allow_int=allow_int)
    return of_selected, selected, values


def jacfwd(
    fun: Callable[P, Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[P, Any]:
    """The Jacobian of ``fun`` by forward mode, one column an input element: for few inputs.

    Returns:
        A function of the same arguments; for each array of the result and each array of the argument an array of shape
        ``result.shape + argument.shape``, in a tree of the result's structure with trees of the argument's structure in it.
    """

    @functools.wraps(fun)
    def jacobian(*args: P.args, **kwargs: P.kwargs) -> Any:
        of_selected, selected, values = _chosen(fun, argnums, args, kwargs, "jacfwd", holomorphic)
        result = linearize(of_selected, *selected, has_aux=has_aux)
        out, f_lin = result[0], result[1]
        units = tree.unflatten(tree.structure(selected), [wrap_value(u) for u in _unit_tangents(values)])
        columns = vmap(f_lin, out_axes=-1)(*units)
        in_tree = tree.structure(selected)

        def blocks(y: Any, stacked: Any) -> Any:
            columns_first = move_axis(unwrap(stacked), y.ndim, 0)
            parts = _split(columns_first, values, lambda v, part: (v.size, *y.shape))
            moved = [
                reshape(move_axis(p, 0, y.ndim), (*y.shape, *v.shape))
                for p, v in zip(parts, values, strict=True)
            ]
            by_argument = tree.unflatten(in_tree, map(wrap_value, moved))
            return by_argument[0] if isinstance(argnums, int) else by_argument

        full = tree.map(blocks, out, columns)
        return (full, result[2]) if has_aux else full

    return jacobian


def jacrev(
    fun: Callable[P, Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[P, Any]:
    """The Jacobian of ``fun`` by reverse mode, one row an output element: for few outputs. See `jacfwd` for the result.

    With ``allow_int`` the part of an integer argument is float0 zeros, not an error.
    """

    @functools.wraps(fun)
    def jacobian(*args: P.args, **kwargs: P.kwargs) -> Any:
        of_selected, selected, _ = _chosen(fun, argnums, args, kwargs, "jacrev", holomorphic, allow_int)
        result = vjp(of_selected, *selected, has_aux=has_aux)
        out, f_vjp = result[0], result[1]
        outs, out_tree = tree.flatten(out)
        out_values = [to_value(y) for y in outs]
        units = tree.unflatten(out_tree, [wrap_value(u) for u in _unit_tangents(out_values)])
        rows = vmap(f_vjp)(units)  # a tuple of trees, each leaf (total outputs, *argument.shape)
        row_leaves, in_tree = tree.flatten(rows)
        by_out = []
        blocks = [
            _split(unwrap(leaf), out_values, lambda y, part: (*y.shape, *part.shape[1:]))
            for leaf in row_leaves
        ]
        for k in range(len(outs)):
            by_argument = tree.unflatten(in_tree, [wrap_value(b[k]) for b in blocks])
            by_out.append(by_argument[0] if isinstance(argnums, int) else by_argument)
        full = tree.unflatten(out_tree, by_out)
        return (full, result[2]) if has_aux else full

    return jacobian


jacobian = jacrev


def hessian(
    fun: Callable[P, Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[P, Any]:
    """Second derivatives of ``fun``: forward mode over reverse mode."""
    return jacfwd(jacrev(fun, argnums, has_aux, holomorphic), argnums, has_aux, holomorphic)


def hvp(fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The Hessian of ``fun`` at ``primals`` times ``tangents``, without forming it: `jvp` of `grad`."""
    from weft.engine.transforms.differentiate import jvp
    from weft.engine.transforms.grad import grad

    return jvp(grad(fun), tuple(primals), tuple(tangents))[1]
