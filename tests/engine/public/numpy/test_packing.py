from __future__ import annotations

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.engine.public.numpy.checks import agree, sample
from weft.ir.errors import ArgumentError, DTypeError


@pytest.mark.parametrize("bitorder", ["big", "little"])
@pytest.mark.parametrize("dtype", ["bool", "int32", "uint8"])
def test_packing(dtype: str, bitorder: str) -> None:
    for shape in [(3, 21), (16,), (), (0, 3), (2, 0)]:
        x = sample(dtype, shape)
        for axis in (None, *range(-len(shape), len(shape))):
            agree("packbits", x, axis=axis, bitorder=bitorder)


@pytest.mark.parametrize("bitorder", ["big", "little"])
def test_unpacking(bitorder: str) -> None:
    for shape in [(3, 4), (5,), (2, 0)]:
        x = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        for axis in (None, *range(-len(shape), len(shape))):
            for count in (None, 0, 5, 40, -3) if x.size else (None, 0):
                agree("unpackbits", x, axis=axis, count=count, bitorder=bitorder)
    nothing = np.zeros((2, 0), np.uint8)
    agree("unpackbits", nothing, axis=1, count=5, expected=np.zeros((2, 5), np.uint8))


def test_errors() -> None:
    with pytest.raises(DTypeError, match="packbits takes bool or integers, got float64"):
        wnp.packbits(wnp.ones(3))
    with pytest.raises(DTypeError, match="unpackbits takes uint8, got int64"):
        weft.jit(wnp.unpackbits)(wnp.arange(3))
    with pytest.raises(ArgumentError, match="bitorder='middle'"):
        wnp.packbits(wnp.arange(3), bitorder="middle")
    with pytest.raises(ArgumentError, match="count=-9 for 8 bits"):
        wnp.unpackbits(wnp.ones(1, "uint8"), count=-9)
