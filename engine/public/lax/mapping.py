"""`map` and `associative_scan`: functions applied along an axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from weft.engine import tree
from weft.engine.array import to_value, wrap_value
from weft.engine.transforms.flow import describe, read_leaves, structure
from weft.engine.transforms.vmap import vmap
from weft.ir.errors import ArgumentError
from weft.ir.ops import shape as s
from weft.lax.arguments import one_axis, whole_number
from weft.lax.loops import row_count, scan


def map(f: Callable[[Any], Any], xs: Any, *, batch_size: int | None = None) -> Any:
    """Apply a function to each row of arrays, one after the other, and stack the results.

    Args:
        f: function of a tree of rows.
        xs: a tree of arrays of one length.
        batch_size: apply `vmap` of the function to so many rows at a time; the last batch may be smaller.

    Returns:
        The tree of stacked results.
    """
    if batch_size is None:
        return scan(lambda _, x: ((), f(x)), (), xs)[1]
    size = whole_number("map", "batch_size is the number of rows", batch_size, 1)
    rows = read_leaves(xs, "xs")
    n = row_count("map", rows, None)
    batches = n // size
    many = vmap(f)

    def part(start: int, stop: int) -> list[Any]:
        return [s.slice_axis(v, 0, start, stop) for v in rows.values]

    parts = []
    if batches:
        whole = [s.reshape(v, (batches, size, *v.shape[1:])) for v in part(0, batches * size)]
        result = scan(lambda _, x: ((), many(x)), (), rows.rebuilt(whole))[1]
        parts.append(tree.map(lambda y: s.reshape(to_value(y), (batches * size, *y.shape[2:])), result))
    if n % size or not batches:
        parts.append(tree.map(to_value, many(rows.rebuilt(part(batches * size, n)))))
    if len(parts) == 1:
        return tree.map(wrap_value, parts[0])
    return tree.map(lambda *ys: wrap_value(s.concatenate(ys, 0)), *parts)


def associative_scan(fn: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """All partial results of an associative function along an axis, in a number of steps that is logarithmic in its length.

    Args:
        fn: ``fn(a, b)`` of two trees like ``elems``, associative, applied to slices: it works along the axis elementwise.
        elems: a tree of arrays that have one length along ``axis``.
        reverse: begin with the last.
        axis: where to go along.

    Returns:
        A tree like ``elems``: position i holds ``fn`` of all elements up to i.
    """
    leaves = read_leaves(elems, "elems")
    if not leaves.values:
        return elems
    axes = [one_axis("associative_scan", axis, len(v.shape)) for v in leaves.values]
    lengths = {v.shape[a] for v, a in zip(leaves.values, axes, strict=True)}
    if len(lengths) > 1:
        listed = ", ".join(f"{n} {t}" for n, t in zip(leaves.names, leaves.types, strict=True))
        raise ArgumentError(
            f"associative_scan: all must have the same length along axis {axis}, got {listed}."
        )

    def combine(a: list[Any], b: list[Any]) -> list[Any]:
        out = fn(leaves.rebuilt(a), leaves.rebuilt(b))
        found = tree.structure(out)
        if found != leaves.tree:
            raise ArgumentError(
                f"associative_scan: {describe(fn)} must return the structure {structure(leaves.tree)}, "
                f"but returned {structure(found)}."
            )
        return [to_value(x) for x in tree.leaves(out)]

    def part(xs: list[Any], start: int, stop: int | None = None, step: int = 1) -> list[Any]:
        return [
            s.slice_axis(x, a, start, max(start, x.shape[a] if stop is None else stop), step)
            for x, a in zip(xs, axes, strict=True)
        ]

    def join(xs: list[Any], ys: list[Any]) -> list[Any]:
        return [s.concatenate([x, y], a) for x, y, a in zip(xs, ys, axes, strict=True)]

    def interleave(xs: list[Any], ys: list[Any]) -> list[Any]:
        """x0 y0 x1 y1 ...; there may be one more of xs."""
        n = ys[0].shape[axes[0]]
        pairs = []
        for x, y, a in zip(part(xs, 0, n), ys, axes, strict=True):
            both = s.concatenate([s.expand_dims(x, (a + 1,)), s.expand_dims(y, (a + 1,))], a + 1)
            pairs.append(s.reshape(both, (*x.shape[:a], 2 * n, *x.shape[a + 1 :])))
        return pairs if xs[0].shape[axes[0]] == n else join(pairs, part(xs, n))

    def prefixes(xs: list[Any]) -> list[Any]:
        n = xs[0].shape[axes[0]]
        if n < 2:
            return xs
        odd = prefixes(combine(part(xs, 0, n - 1, 2), part(xs, 1, n, 2)))  # up to 1, 3, 5 ...
        if n == 2:
            return join(part(xs, 0, 1), odd)
        even = combine(part(odd, 0, (n - 1) // 2), part(xs, 2, n, 2))  # up to 2, 4, 6 ...
        return interleave(join(part(xs, 0, 1), even), odd)

    values = leaves.values
    if reverse:
        values = [s.reverse(v, (a,)) for v, a in zip(values, axes, strict=True)]
    found = prefixes(values)
    if reverse:
        found = [s.reverse(v, (a,)) for v, a in zip(found, axes, strict=True)]
    return tree.unflatten(leaves.tree, [wrap_value(v) for v in found])
