"""The families of rules that most primitives take: types of elementwise operations, pointwise batching, derivative terms.

The one idea: a rule that many primitives share is written once and named, so that declaring a primitive reads as a table
row. primitive.py gives the signatures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.ir import types
from weft.ir.errors import DTypeError, ShapeError
from weft.ir.primitive import NOT_MAPPED, Linear, Primitive
from weft.ir.types import ArrayType, is_inexact

KINDS: dict[str, Callable[[np.dtype], bool]] = {
    "any": lambda d: True,
    "bool": types.is_bool,
    "integer": types.is_integer,
    "logical": lambda d: types.is_bool(d) or types.is_integer(d),
    "real": lambda d: not types.is_complex(d) and not types.is_bool(d),
    "ordered": lambda d: not types.is_complex(d),
    "number": lambda d: not types.is_bool(d),
    "floating": types.is_floating,
    "inexact": is_inexact,
    "complex": types.is_complex,
}


# Types


def elementwise(
    name: str, kind: str = "any", result: Callable[[np.dtype], np.dtype] | None = None
) -> Callable[..., Any]:
    """Type rule: operands of one dtype and shape (literals may be of rank 0), the result likewise.

    ``kind`` is a key of `KINDS`; ``result`` maps the operands' dtype to the result's.
    """
    accepts = KINDS[kind]

    def type_rule(*ins: ArrayType, **params: Any) -> ArrayType:
        shape = common_shape(name, ins)
        dtype = ins[0].dtype
        if any(t.dtype != dtype for t in ins):
            raise DTypeError(f"{name} got arguments of different dtypes: {', '.join(map(str, ins))}.")
        if not accepts(dtype):
            raise DTypeError(
                f"{name} does not accept dtype {dtype}: its arguments must be {kind}. It got {', '.join(map(str, ins))}."
            )
        return ArrayType(shape, result(dtype) if result else dtype)

    return type_rule


def common_shape(name: str, ins: Sequence[ArrayType]) -> tuple[int, ...]:
    """The shape of operands that agree but for those of rank 0."""
    shapes = {t.shape for t in ins if t.shape}
    if len(shapes) > 1:
        raise ShapeError(f"{name} got arguments of different shapes: {', '.join(map(str, ins))}.")
    return shapes.pop() if shapes else ()


# Batching


def to_front(x: Any, axis: int | None, size: int) -> Any:
    """``x`` with its batch axis first, made by broadcasting where it has none."""
    from weft.ir.ops import shape  # the shape primitives use this file themselves

    if axis is NOT_MAPPED:
        return shape.broadcast(x, (size, *x.shape), tuple(range(1, 1 + len(x.shape))))
    return shape.move_axis(x, axis, 0)


def pointwise(
    prim: Primitive, args: Sequence[Any], axes: Sequence[int | None], size: int, params: dict[str, Any]
) -> Any:
    """Batch an elementwise primitive: bring the arguments to one batch axis and apply it."""
    ranks = {len(a.shape) for a, axis in zip(args, axes, strict=True) if axis is not NOT_MAPPED}
    mapped = {axis for axis in axes if axis is not NOT_MAPPED}
    others = [a for a, axis in zip(args, axes, strict=True) if axis is NOT_MAPPED]
    if len(mapped) == 1 and len(ranks) == 1 and all(a.shape == () for a in others):
        axis = mapped.pop()
    else:
        axis = 0
        args = [
            a if a.shape == () and m is NOT_MAPPED else to_front(a, m, size)
            for a, m in zip(args, axes, strict=True)
        ]
    outs = prim.bind(*args, **params)
    return (outs, (axis,) * len(outs)) if prim.multiple else ((outs,), (axis,))


def batch_all(
    prim: Primitive, args: Sequence[Any], axes: Sequence[int | None], size: int, params: dict[str, Any]
) -> Any:
    """Batch a primitive whose definition takes any leading batch axes on all operands as it is (NumPy's linalg style)."""
    outs = prim.bind(*[to_front(a, axis, size) for a, axis in zip(args, axes, strict=True)], **params)
    outs = outs if prim.multiple else (outs,)
    return outs, (0,) * len(outs)


# Derivatives


def per_input(*terms: Callable[..., Any] | None) -> Callable[..., Any]:
    """JVP rule of a primitive with one result from one term an input: ``term(tangent, answer, *primals, **params)``.

    ``None`` for an input says that the result does not depend on it differentiably.
    """

    def jvp(
        prim: Primitive,
        primals: Sequence[Any],
        tangents: Sequence[Any],
        params: dict[str, Any],
        answer: Callable[[], Any],
    ) -> Any:
        outs = answer()
        found = [
            term(t, outs[0], *primals, **params)
            for term, t in zip(terms, tangents, strict=True)
            if t is not None and term is not None
        ]
        return outs, (add_all(found),)

    return jvp


def add_all(values: Sequence[Any]) -> Any:
    """The sum of values, ``None`` (zero) of none."""
    from weft.ir.ops.elementwise import add

    total = None
    for value in values:
        if value is not None:
            total = value if total is None else add(total, value)
    return total


def linear(
    prim: Primitive,
    primals: Sequence[Any],
    tangents: Sequence[Any],
    params: dict[str, Any],
    answer: Callable[[], Any],
) -> Any:
    """JVP rule of a primitive that is linear in all its inputs together: apply it to the tangents."""
    outs = answer()
    if prim.multiple:
        return outs, prim.bind(*instantiate(tangents, primals), **params)
    return outs, (prim.bind(*instantiate(tangents, primals), **params),)


def linear_in_first(
    prim: Primitive,
    primals: Sequence[Any],
    tangents: Sequence[Any],
    params: dict[str, Any],
    answer: Callable[[], Any],
) -> Any:
    """JVP rule of a primitive that is linear in its first input; the others are indices or shapes."""
    return answer(), (None if tangents[0] is None else prim.bind(tangents[0], *primals[1:], **params),)


def no_tangent(
    prim: Primitive,
    primals: Sequence[Any],
    tangents: Sequence[Any],
    params: dict[str, Any],
    answer: Callable[[], Any],
) -> Any:
    """JVP rule of a primitive whose derivative is zero wherever it exists, or whose results are not floating."""
    outs = answer()
    return outs, (None,) * len(outs)


def zeros_like(x: Any) -> Any:
    """Zeros of the type of ``x`` (a value or `Linear`)."""
    from weft.ir.ops.shape import full

    return full(x.shape, 0, x.dtype)


def instantiate(tangents: Sequence[Any], primals: Sequence[Any]) -> list[Any]:
    """Tangents with zeros written out."""
    return [zeros_like(p) if t is None else t for t, p in zip(tangents, primals, strict=True)]


# Transposition


def transposed(fun: Callable[..., Any]) -> Callable[..., Any]:
    """Transposition rule of a one-input linear primitive from ``fun(ct, input_type, **params) -> ct``."""

    def transpose(
        prim: Primitive, cts: Sequence[Any], ins: Sequence[Any], params: dict[str, Any]
    ) -> list[Any]:
        return [fun(cts[0], ins[0].type, **params)]

    return transpose


def is_linear(x: Any) -> bool:
    """Whether an input of a transposed equation is one to find the cotangent of."""
    return isinstance(x, Linear)
