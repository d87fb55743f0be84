"""Fourier transforms inside native code: the loops of NumPy's own (pocketfft), called by address.

The one idea: `numpy.fft` is a ufunc for each kind of transform. Its C function takes any number of lines along any axis of an
array, side by side in vector registers where there are several. So axes are transformed one after the other, in the order and
with the factors of `numpy.fft.fftn`; threads take blocks of lines. These functions want neither the GIL nor Python's memory;
one that finds no memory for a single line takes the GIL to say so, which nobody who calls it holds.

Long lines, which gain by being split, and crowds of small arrays are left to `weft.kernels.library.fourier`.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import math

import numpy as np

from weft.ir.graph import Eqn
from weft.ir.loops.nest import Address, Copy, Place, Words
from weft.ir.types import real_dtype
from weft.kernels.library.fourier import LARGE, LONG
from weft.kernels.library.lapack import NoRoutine
from weft.kernels.library.ufunc_loops import ufunc_loop
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.nest_builder import NestBuilder

_CHUNK_TIME = 20_000.0  # nanoseconds, so that handing out chunks costs little
_BLOCK = 4096  # elements of a block of lines, which a cache holds
_SIDE_BY_SIDE = 16  # but at least so many lines: memory comes in pieces that all lines share


@functools.cache
def _loop_of(kind: str, odd: bool, dtype: np.dtype) -> tuple[int, int]:
    """The function for a kind and a complex dtype, and its data.

    Raises:
        NoRoutine: there is none, or one that does not do what `numpy.fft` does.
    """
    try:
        ufuncs = importlib.import_module("numpy.fft._pocketfft_umath")
        ufunc = getattr(ufuncs, f"rfft_n_{'odd' if odd else 'even'}" if kind == "rfft" else kind)
    except (ImportError, AttributeError) as error:
        raise NoRoutine(kind) from error
    real = real_dtype(dtype)
    ins, out = (real, dtype) if kind == "rfft" else (dtype, real if kind == "irfft" else dtype)
    found = ufunc_loop(ufunc, f"{ins.char}{real.char}->{out.char}")
    if found is None or not _agrees(found, kind, 5 if odd else 6, ins, out):
        raise NoRoutine(kind)
    return found


def _agrees(found: tuple[int, int], kind: str, n: int, ins: np.dtype, out: np.dtype) -> bool:
    """Whether a function transforms three rows as `numpy.fft` does."""
    half = n // 2 + 1
    taken, given = (half if kind == "irfft" else n), (half if kind == "rfft" else n)
    x = (np.cos(np.arange(3.0 * taken)) + (1j if ins.kind == "c" else 1) * np.arange(3 * taken)).astype(ins)
    result, factor = np.zeros(3 * given, out), np.full(1, 0.5, real_dtype(ins))
    args = np.array([array.ctypes.data for array in (x, factor, result)])
    dims = np.array([3, taken, given])
    steps = np.array([taken * ins.itemsize, 0, given * out.itemsize, ins.itemsize, out.itemsize])
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)(found[0])
    function(args.ctypes.data, dims.ctypes.data, steps.ctypes.data, found[1])
    scale = 0.5 * (n if kind in ("ifft", "irfft") else 1)
    wanted = getattr(np.fft, kind)(x.reshape(3, taken), n) * scale
    return bool(np.allclose(result.reshape(3, given), wanted, rtol=1e-5, atol=1e-4))


class _Transforms:
    """The nests of an equation: one for each axis, over blocks of lines along that axis."""

    def __init__(self, eqn: Eqn) -> None:
        self.kind, self.lengths = eqn.params["kind"], eqn.params["lengths"]
        x, out = eqn.ins[0].type, eqn.outs[0].type
        self.rank, end = len(self.lengths), x.ndim - eqn.params.get("behind", 0)
        self.taken, self.given = x.shape[end - self.rank : end], out.shape[end - self.rank : end]
        self.count, self.behind = math.prod(x.shape[: end - self.rank]), math.prod(x.shape[end:])
        self.dtype = x.dtype if x.dtype.kind == "c" else out.dtype
        self.real = real_dtype(self.dtype)
        self.build = NestBuilder()
        self.ins, self.outs = self.build.buffer(x.dtype, "in"), self.build.buffer(out.dtype, "out")
        self.blocks: list[tuple[int, float]] = []  # of each nest: how many, and how long one takes

    def schedule(self) -> Scheduled:
        """The nests, one after the other.

        Raises:
            NoRoutine: a transform has no function.
        """
        last = self.rank - 1
        scratch: tuple[int, ...] = ()
        if self.kind == "irfft":
            source, size = self.ins, self.count * math.prod(self.taken) * self.behind
            if last:  # the operand stays as it is
                between = self.build.buffer(self.dtype, "scratch")
                scratch = (size,)
            for axis in range(last):
                self._along("ifft", axis, source, between, self.taken)
                source = between
            self._along("irfft", last, source, self.outs, self.taken)
        else:
            self._along(self.kind, last, self.ins, self.outs, self.taken)
            for axis in reversed(range(last)):
                plain = "fft" if self.kind == "rfft" else self.kind
                self._along(plain, axis, self.outs, self.outs, self.given)
        found: Scheduled | None = None
        for (nest, params), (extent, time) in reversed(
            list(zip(self.build.nests(), self.blocks, strict=True))
        ):
            grain, work = max(int(_CHUNK_TIME / time), 1), extent * time
            found = Scheduled(nest, params, extent, scratch, grain=grain, work=work, then=found)
        assert found is not None
        return found

    def _along(self, kind: str, axis: int, source: str, target: str, lengths: tuple[int, ...]) -> None:
        """A nest that transforms an axis of arrays, which are as long as ``lengths`` before."""
        if self.blocks:
            self.build.end_nest()
        build, n = self.build, self.lengths[axis]
        function, data = _loop_of(kind, kind == "rfft" and n % 2 == 1, self.dtype)
        ins = self.real if kind == "rfft" else self.dtype
        outs = self.real if kind == "irfft" else self.dtype
        scale = self.real.type(1 / n if kind in ("ifft", "irfft") else 1)
        factor = Copy(build.literal("factor", scale, known=kind in ("fft", "rfft")))
        taken = made = build.param("taken", lengths[axis])
        if kind in ("rfft", "irfft"):
            made = build.param("made", self.given[axis])
        before, behind = self.count * math.prod(lengths[:axis]), math.prod(lengths[axis + 1 :]) * self.behind
        is_last = axis == self.rank - 1 and self.behind == 1
        lines = before if is_last else behind
        most = min(max(_BLOCK // n, _SIDE_BY_SIDE), lines)
        blocks = -(-lines // most)
        step, to = ins.itemsize, outs.itemsize
        with build.loop(build.param("blocks", blocks * (1 if is_last else before)), "parallel") as (block, _):
            of_axis = build.param("blocks of an array", blocks)
            block, array = (block, 0) if is_last else (ix.mod(block, of_axis), ix.div(block, of_axis))
            first = ix.mul(block, build.param("most", most))
            many = ix.minimum(ix.sub(build.param("lines", lines), first), build.param("most", most))
            if is_last:  # one line behind the other
                places = ix.mul(first, taken), ix.mul(first, made)
                steps = ix.mul(taken, step), 0, ix.mul(made, to), step, to
            else:
                across = build.param("lines", lines)
                places = tuple(ix.add(ix.mul(array, ix.mul(n, across)), first) for n in (taken, made))
                steps = step, 0, to, ix.mul(across, step), ix.mul(across, to)
            args = Words((Place(source, places[0]), factor, Place(target, places[1])))
            dims, own = Words((many, taken, made)), Address(build.param("data", data).k)
            build.call(f"{kind}_{self.dtype.char}", function, args, dims, Words(steps), own, info=False)
        self.blocks.append((blocks * (1 if is_last else before), 200 + 0.35 * most * n * math.log2(2 + n)))


def _transform(eqn: Eqn) -> Scheduled | None:
    lengths, size, x = eqn.params["lengths"], eqn.outs[0].type.size, eqn.ins[0].type
    # Of small arrays it takes a call each, for every axis but the last; SciPy takes them all at once.
    behind = math.prod(x.shape[x.ndim - eqn.params.get("behind", 0) :])
    side_by_side = lengths[-1] if behind == 1 and len(lengths) > 1 else behind
    is_crowd = size >= LARGE and 1 < side_by_side < _SIDE_BY_SIDE
    if max(lengths) >= LONG or is_crowd or not size:
        return None
    try:
        return _Transforms(eqn).schedule()
    except NoRoutine:
        return None


ROUTINES = {"fft": _transform}
