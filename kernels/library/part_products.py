"""Products of a part of a matrix and a part of a vector, by BLAS.

The one idea: a part is an address and two lengths, and those may be computed when the kernel runs.
"""

from __future__ import annotations

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Copy as CopyOf
from weft.ir.loops.nest import Index, Letter, Place
from weft.ir.ops.part import AT, BEFORE, BEHIND
from weft.ir.records import replace
from weft.kernels.library.blas import blas_address
from weft.kernels.library.frame import Frame
from weft.kernels.library.lapack import LETTERS
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix


def _part_product(eqn: Eqn) -> Scheduled | None:
    frame = Frame(eqn)
    build, (x, _, _), params = frame.builder, frame.types, frame.eqn.params
    if x.dtype not in LETTERS:
        return None
    rows, columns = (build.param(name, size) for name, size in zip(("rows", "columns"), x.shape, strict=True))
    out, axis = frame.outs[0], params["axis"]
    k = frame.position(2, 0)
    last = ix.maximum(ix.minimum(k, ix.maximum(rows, columns)), -1)  # so that one more is a number

    def bounds(regions: int, size: Index) -> tuple[Index, Index]:
        """Where regions of an axis begin, and how long they are."""
        first = 0 if regions & BEFORE else last if regions & AT else ix.add(last, 1)
        end = size if regions & BEHIND else ix.add(last, 1) if regions & AT else last
        first, end = (ix.maximum(ix.minimum(at, size), 0) for at in (first, end))
        return first, ix.sub(end, first)

    kept, summed = (rows, columns) if axis == 1 else (columns, rows)
    (first, length), (low, terms) = bounds(params["kept"], kept), bounds(params["summed"], summed)
    with build.loop(kept, "vector") as (i, _):
        build.store(out, i, build.const(x.dtype, 0))
    # BLAS counts columns first, so that rows are its columns. It adds to the result, which an empty sum leaves alone.
    shape = (terms, length) if axis == 1 else (length, terms)
    row, column = (first, low) if axis == 1 else (low, first)
    one = CopyOf(build.const(x.dtype, 1))
    name = f"{LETTERS[x.dtype]}gemv"
    build.call(
        name,
        blas_address(name),
        Letter("T" if axis == 1 else "N"),
        *shape,
        one,
        Place(frame.buffer(0), ix.add(ix.mul(row, columns), column)),
        ix.maximum(columns, 1),
        Place(frame.buffer(1), low),
        1,
        one,
        Place(out, first),
        1,
        info=False,
    )
    work = 100 + 0.1 * x.size
    return replace(frame.finish(1, work=work), calls=True)


ROUTINES = {"part_product": _part_product}
