"""Products of vectors, matrices and tensors.

The one idea: every product is one `dot_general`, which says what axes are summed and which run along; `einsum` finds the order
of pairwise products with opt_einsum and does each as one.
"""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any

import numpy as np

from weft.engine.array import to_value
from weft.engine.dispatch import (
    as_dtype,
    broadcast_shapes,
    broadcast_to,
    broadcast_values,
    common_dtype,
)
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.ops import contract
from weft.ir.ops import elementwise as e
from weft.ir.ops import shape as s
from weft.ir.ops.reduce import reduce_or, reduce_sum
from weft.ir.types import check_dtype, is_bool
from weft.numpy.staging import axis_index, like_numpy, refuse, same_dtype, static_int, value

__all__ = [
    "cross", "dot", "einsum", "einsum_path", "inner", "kron", "matmul", "matvec", "outer", "tensordot",
    "vdot", "vecdot", "vecmat",
]  # fmt: skip


def _without_keywords(reference: Any) -> Any:
    """NumPy's function, taking and ignoring what JAX's products take besides (``precision``)."""

    @functools.wraps(reference)
    def run(*args: Any, precision: Any = None, preferred_element_type: Any = None, **kwargs: Any) -> Any:
        result = reference(*args, **kwargs)
        return (
            result if preferred_element_type is None else result.astype(check_dtype(preferred_element_type))
        )

    return run


def _operands(name: str, a: Any, b: Any, preferred: Any = None) -> list[Any]:
    a, b = same_dtype(name, a, b)
    if preferred is None:
        return [a, b]
    return [as_dtype(x, check_dtype(preferred)) for x in (a, b)]


def _mismatch(name: str, a: Any, b: Any, why: str) -> ShapeError:
    return ShapeError(f"{name} got incompatible shapes {a.shape} and {b.shape}: {why}.")


def _matmul(name: str, a: Any, b: Any) -> Any:
    if a.ndim == 0 or b.ndim == 0:
        raise _mismatch(name, a, b, "both need an axis at least; multiply scalars with *")
    left, right = a.shape[-1], b.shape[-2 if b.ndim > 1 else 0]
    if left != right:
        raise _mismatch(
            name, a, b, f"the last axis of the first has length {left}, the axis that it meets has {right}"
        )
    broadcast_shapes(name, a.shape[:-2], b.shape[:-2])
    return contract.matmul(a, b)


@like_numpy(_without_keywords(np.matmul), real=np.matmul, arity=2)
def matmul(
    a: Any,
    b: Any,
    *,
    out: Any = None,
    precision: Any = None,
    preferred_element_type: Any = None,
    dtype: Any = None,
) -> Any:
    """Matrix product of the last two axes, leading axes broadcast; vectors are rows on the left, columns on the right."""
    refuse("matmul", out=out)
    return _matmul("matmul", *_operands("matmul", a, b, preferred_element_type if dtype is None else dtype))


@like_numpy(_without_keywords(np.dot), real=np.dot, arity=2)
def dot(a: Any, b: Any, *, out: Any = None, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """Sum of products over the last axis of ``a`` and the last but one of ``b`` (the only one of a vector)."""
    refuse("dot", out=out)
    a, b = _operands("dot", a, b, preferred_element_type)
    if a.ndim == 0 or b.ndim == 0:
        return e.mul(*broadcast_values("dot", a, b))
    contracted = b.ndim - 2 if b.ndim > 1 else 0
    if a.shape[-1] != b.shape[contracted]:
        raise _mismatch(
            "dot",
            a,
            b,
            f"axis {a.ndim - 1} of the first and axis {contracted} of the second are summed together",
        )
    return contract.dot_general(a, b, (((a.ndim - 1,), (contracted,)), ((), ())))


@like_numpy(_without_keywords(np.inner))
def inner(a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """Sum of products over the last axes of both."""
    a, b = _operands("inner", a, b, preferred_element_type)
    if a.ndim == 0 or b.ndim == 0:
        return e.mul(*broadcast_values("inner", a, b))
    if a.shape[-1] != b.shape[-1]:
        raise _mismatch("inner", a, b, "the last axes are summed together")
    return contract.dot_general(a, b, (((a.ndim - 1,), (b.ndim - 1,)), ((), ())))


@like_numpy(_without_keywords(np.vdot))
def vdot(a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """Sum of products of the flattened arrays, the first conjugated."""
    a, b = (s.reshape(x, (x.size,)) for x in _operands("vdot", a, b, preferred_element_type))
    if a.shape != b.shape:
        raise _mismatch("vdot", a, b, "the flattened arrays are summed together")
    return contract.dot_general(e.conj(a), b, (((0,), (0,)), ((), ())))


def _vecdot_data(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    vecdot: Any = getattr(np, "vecdot", None)
    return np.sum(np.conj(x1) * x2, axis) if vecdot is None else vecdot(x1, x2, axis=axis)


@like_numpy(_without_keywords(_vecdot_data))
def vecdot(
    x1: Any, x2: Any, /, *, axis: int = -1, precision: Any = None, preferred_element_type: Any = None
) -> Any:
    """Sum of products along one axis, the first conjugated; the others are broadcast."""
    a, b = _operands("vecdot", x1, x2, preferred_element_type)
    if a.ndim == 0 or b.ndim == 0:
        raise _mismatch("vecdot", a, b, "both need an axis at least")
    a, b = (s.move_axis(x, axis_index(axis, x.ndim, "vecdot"), x.ndim - 1) for x in (a, b))
    if a.shape[-1] != b.shape[-1]:
        raise _mismatch("vecdot", a, b, f"axis {axis} is summed")
    product = _matmul("vecdot", s.expand_dims(e.conj(a), (a.ndim - 1,)), s.expand_dims(b, (b.ndim,)))
    return s.squeeze(product, (product.ndim - 2, product.ndim - 1))


@like_numpy(getattr(np, "matvec", lambda a, b: np.matmul(a, b[..., None])[..., 0]))
def matvec(x1: Any, x2: Any, /) -> Any:
    """Products of matrices in the last two axes with vectors in the last one."""
    a, b = _operands("matvec", x1, x2)
    if a.ndim < 2 or b.ndim < 1:
        raise _mismatch("matvec", a, b, "matrices and vectors are needed")
    product = _matmul("matvec", a, s.expand_dims(b, (b.ndim,)))
    return s.squeeze(product, (product.ndim - 1,))


@like_numpy(getattr(np, "vecmat", lambda a, b: np.matmul(np.conj(a)[..., None, :], b)[..., 0, :]))
def vecmat(x1: Any, x2: Any, /) -> Any:
    """Products of vectors in the last axis, conjugated, with matrices in the last two."""
    a, b = _operands("vecmat", x1, x2)
    if a.ndim < 1 or b.ndim < 2:
        raise _mismatch("vecmat", a, b, "vectors and matrices are needed")
    product = _matmul("vecmat", s.expand_dims(e.conj(a), (a.ndim - 1,)), b)
    return s.squeeze(product, (product.ndim - 2,))


@like_numpy(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> Any:
    """All products of an element of ``a`` with one of ``b``."""
    refuse("outer", out=out)
    a, b = same_dtype("outer", a, b)
    shape = (a.size, b.size)
    return e.mul(
        s.broadcast(s.reshape(a, (a.size,)), shape, (0,)), s.broadcast(s.reshape(b, (b.size,)), shape, (1,))
    )


@like_numpy(_without_keywords(np.tensordot))
def tensordot(
    a: Any, b: Any, axes: Any = 2, *, precision: Any = None, preferred_element_type: Any = None
) -> Any:
    """Sum of products over ``axes``: a number of last axes of ``a`` and first of ``b``, or a pair of axes of each."""
    a, b = _operands("tensordot", a, b, preferred_element_type)
    if isinstance(axes, tuple | list):
        left, right = (
            [axis_index(d, x.ndim, "tensordot") for d in (p if isinstance(p, tuple | list) else (p,))]
            for p, x in zip(axes, (a, b), strict=True)
        )
    else:
        n = static_int(axes, "tensordot", "axes")
        if not 0 <= n <= min(a.ndim, b.ndim):
            raise _mismatch("tensordot", a, b, f"axes={n} of each cannot be summed")
        left, right = list(range(a.ndim - n, a.ndim)), list(range(n))
    if len(left) != len(right) or any(a.shape[i] != b.shape[j] for i, j in zip(left, right, strict=True)):
        raise _mismatch("tensordot", a, b, f"axes {tuple(left)} and {tuple(right)} are summed together")
    return contract.dot_general(a, b, ((tuple(left), tuple(right)), ((), ())))


@like_numpy(np.kron)
def kron(a: Any, b: Any) -> Any:
    """Kronecker's product: ``b`` times each element of ``a``, as blocks."""
    a, b = same_dtype("kron", a, b)
    n = max(a.ndim, b.ndim)
    a, b = (s.reshape(x, (1,) * (n - x.ndim) + tuple(x.shape)) for x in (a, b))
    pairs = tuple(m for pair in zip(a.shape, b.shape, strict=True) for m in pair)
    product = e.mul(s.broadcast(a, pairs, range(0, 2 * n, 2)), s.broadcast(b, pairs, range(1, 2 * n, 2)))
    return s.reshape(product, [i * j for i, j in zip(a.shape, b.shape, strict=True)])


@like_numpy(np.cross)
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Any:
    """Vector product of vectors of length 3 (or 2, whose third component is 0) along an axis."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = same_dtype("cross", a, b)
    a, b = (s.move_axis(x, axis_index(d, x.ndim, "cross"), x.ndim - 1) for x, d in ((a, axisa), (b, axisb)))
    if a.shape[-1] not in (2, 3) or b.shape[-1] not in (2, 3):
        raise _mismatch("cross", a, b, "vectors have length 2 or 3")
    lead = broadcast_shapes("cross", a.shape[:-1], b.shape[:-1])
    flat = a.shape[-1] == b.shape[-1] == 2

    def part(x: Any, i: int) -> Any:
        if i >= x.shape[-1]:
            return s.full(lead, 0, x.dtype)
        return broadcast_to(s.squeeze(s.slice_axis(x, x.ndim - 1, i, i + 1), (x.ndim - 1,)), lead)

    def minor(i: int, j: int) -> Any:
        return e.sub(e.mul(part(a, i), part(b, j)), e.mul(part(a, j), part(b, i)))

    if flat:
        return minor(0, 1)
    rows = [s.expand_dims(minor(i, j), (len(lead),)) for i, j in ((1, 2), (2, 0), (0, 1))]
    whole = s.concatenate(rows, len(lead))
    return s.move_axis(whole, len(lead), axis_index(axisc, len(lead) + 1, "cross"))


# Einstein's sums


def _parsed(operands: tuple[Any, ...], name: str) -> tuple[list[str], str, list[Any]]:
    """Letters of each operand and of the result, and the operands."""
    import opt_einsum  # where it is used: most programs write no einsum

    # It reads all of NumPy's notations; it is shown shapes, not arrays.
    if isinstance(operands[0], str):
        arrays = [value(x, name) for x in operands[1:]]
        shown: tuple[Any, ...] = (operands[0], *arrays)
    else:
        n = len(operands) // 2
        arrays = [value(x, name) for x in operands[: 2 * n : 2]]
        shown = (
            *[y for pair in zip(arrays, operands[1 : 2 * n : 2], strict=True) for y in pair],
            *operands[2 * n :],
        )
    blank = tuple(
        [
            np.broadcast_to(np.zeros(()), x.shape) if x is not None and hasattr(x, "shape") else x
            for x in shown
        ]
    )
    try:
        inputs, output, _ = opt_einsum.parser.parse_einsum_input(blank)
    except (ValueError, TypeError, KeyError) as error:
        raise ArgumentError(f"{name} cannot read {operands[0]!r}: {error}") from None
    terms = inputs.split(",")
    sizes: dict[str, int] = {}
    for letters, x in zip(terms, arrays, strict=True):
        if len(letters) != len(x.shape):
            raise ShapeError(f"{name} got an operand of shape {x.shape} for the axes {letters!r}.")
        for letter, n in zip(letters, x.shape, strict=True):
            if sizes.setdefault(letter, n) != n and 1 not in (n, sizes[letter]):
                raise ShapeError(
                    f"{name} got lengths {sizes[letter]} and {n} for the axis {letter!r} of {operands[0]!r}."
                )
            sizes[letter] = max(sizes[letter], n) if n != 0 else 0
    return terms, output, arrays


def _unary_sum(x: Any, letters: str, keep: set[str]) -> tuple[Any, str]:
    """An operand with repeated letters made diagonals, and letters that nobody else has summed."""
    from weft.numpy.shapes import diagonal

    for letter in [c for c, n in Counter(letters).items() if n > 1]:
        while letters.count(letter) > 1:
            i = letters.index(letter)
            j = letters.index(letter, i + 1)
            x = diagonal.staged(x, 0, i, j)
            letters = letters[:i] + letters[i + 1 : j] + letters[j + 1 :] + letter
    gone = tuple(i for i, c in enumerate(letters) if c not in keep)
    if gone:
        x = reduce_or(x, gone) if is_bool(x.dtype) else reduce_sum(x, gone)
    return x, "".join(c for c in letters if c in keep)


def _pairwise(x: Any, y: Any, left: str, right: str, keep: set[str]) -> tuple[Any, str]:
    """The product of two operands, summed over letters that no one else has."""
    left_x, right_y = left, right
    # A length of 1 against a longer one is broadcast: such an axis takes no part.
    for letter in set(left) & set(right):
        i, j = left_x.index(letter), right_y.index(letter)
        if x.shape[i] != y.shape[j]:
            if x.shape[i] == 1:
                x, left_x = s.squeeze(x, (i,)), left_x.replace(letter, "")
            else:
                y, right_y = s.squeeze(y, (j,)), right_y.replace(letter, "")
    x, left_x = _unary_sum(x, left_x, keep | set(right_y))
    y, right_y = _unary_sum(y, right_y, keep | set(left_x))
    shared = [c for c in left_x if c in right_y]
    batch = [c for c in shared if c in keep]
    summed = [c for c in shared if c not in keep]
    dims = tuple(
        tuple(tuple(letters.index(c) for c in group) for letters in (left_x, right_y))
        for group in (summed, batch)
    )
    out = contract.dot_general(x, y, dims)
    rest = [c for c in left_x if c not in shared] + [c for c in right_y if c not in shared]
    return out, "".join(batch + rest)


@functools.lru_cache(maxsize=1024)
def _path(subscripts: str, shapes: tuple[tuple[int, ...], ...], optimize: Any) -> tuple[tuple[int, ...], ...]:
    if len(shapes) < 3:
        return (tuple(range(len(shapes))),)
    import opt_einsum

    return tuple(opt_einsum.contract_path(subscripts, *shapes, shapes=True, optimize=optimize)[0])


def _einsum_data(
    *operands: Any,
    out: Any = None,
    optimize: Any = "auto",
    precision: Any = None,
    preferred_element_type: Any = None,
    dtype: Any = None,
) -> Any:
    if out is not None or preferred_element_type is not None or dtype is not None:
        raise TypeError
    return np.einsum(*operands, optimize=len(operands) > 3 and optimize not in (False, None))


@like_numpy(_einsum_data)
def einsum(
    *operands: Any,
    out: Any = None,
    optimize: Any = "auto",
    precision: Any = None,
    preferred_element_type: Any = None,
    dtype: Any = None,
) -> Any:
    """Einstein's sum: ``einsum("ij,jk->ik", a, b)``, in any of NumPy's notations.

    Args:
        operands: subscripts and arrays, or arrays and lists of axis numbers in turn.
        out: not supported, arrays are immutable.
        optimize: how opt_einsum looks for the order of products.
        precision: accepted for JAX's sake.
        preferred_element_type: dtype to compute in, as JAX calls it.
        dtype: the same, as NumPy calls it.
    """
    refuse("einsum", out=out)
    terms, output, arrays = _parsed(operands, "einsum")
    wanted = preferred_element_type if dtype is None else dtype
    dtype = common_dtype(*arrays) if wanted is None else check_dtype(wanted)
    arrays = [as_dtype(x, dtype) for x in arrays]
    optimize = "auto" if optimize is True else "greedy" if optimize in (False, None) else optimize
    path = _path(",".join(terms) + "->" + output, tuple(tuple(x.shape) for x in arrays), optimize)
    for step in path:
        taken = [(arrays[i], terms[i]) for i in step]
        arrays = [x for i, x in enumerate(arrays) if i not in step]
        terms = [x for i, x in enumerate(terms) if i not in step]
        while len(taken) > 1:
            (x, left), (y, right) = taken.pop(0), taken.pop(0)
            keep = set(output).union(*terms, *[letters for _, letters in taken])
            taken.insert(0, _pairwise(x, y, left, right, keep))
        arrays.append(taken[0][0])
        terms.append(taken[0][1])
    x, letters = _unary_sum(arrays[0], terms[0], set(output))
    return s.transpose(x, [letters.index(c) for c in output])


def einsum_path(*operands: Any, optimize: Any = "auto") -> Any:
    """The order of pairwise products that `einsum` would take, and a report of its cost. See `numpy.einsum_path`."""
    import opt_einsum

    terms, output, arrays = _parsed(
        tuple(to_value(x) if hasattr(x, "shape") else x for x in operands), "einsum_path"
    )
    shapes = [tuple(x.shape) for x in arrays]
    path, report = opt_einsum.contract_path(
        ",".join(terms) + "->" + output, *shapes, shapes=True, optimize=optimize
    )
    return ["einsum_path", *path], str(report)
