"""Which loops wait for their neighbours, and that a CPU that takes wide vectors in halves gets vectors of half the width."""

from __future__ import annotations

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.ir.loops.nest import Accumulator, IndexOp, Load, Loop, Op, Store
from weft.kernels.cpu import host
from weft.kernels.cpu.emit import emit_nest
from weft.kernels.cpu.neighbours import waits_for_neighbours

F64 = np.dtype(np.float64)


def loop(*shifts, work=0, op="neg", kind="vector", buffers="xxx", times=1, carries=()):
    """Reads ``buffer[times * i + shift]`` for each shift, adds them up, and works on that."""
    at = "i" if times == 1 else IndexOp("*", "i", times)
    loads = [
        Load(f"v{k}", F64, buffer, IndexOp("+", at, shift))
        for k, (buffer, shift) in enumerate(zip(buffers, shifts, strict=False))
    ]
    adds = [Op(f"s{k}", F64, "add", (f"s{k - 1}" if k > 1 else "v0", f"v{k}")) for k in range(1, len(shifts))]
    works = [Op(f"w{k}", F64, op, (f"w{k - 1}" if k else "v0",)) for k in range(work)]
    return (Loop("i", 100, kind, (*loads, *adds, *works, Store("y", "i", "v0")), carries),)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (loop(0, 1), True),
        (loop(0, 1, 2, work=3), True),
        (loop(0, 1, 2, work=4), False),  # arithmetic takes longer
        (loop(0, 1, 2, work=1, op="tanh"), False),  # so does one function
        (loop(0, 0, 0), False),  # one place
        (loop(0, 1, buffers="xz"), False),  # each of another buffer
        (loop(0, 1, kind="sequential"), False),
        (loop(0, 1, kind="parallel"), True),
        ((Loop("j", 9, "parallel", loop(0, 1)),), True),
        ((*loop(0, 1), *loop(0, 1, 2, work=9)), False),  # one of the loops computes much
        (loop(0, 1, times=2), False),  # of two elements that lie side by side
        (loop(0, 1, carries=(Accumulator("a", F64, "max", "c"),)), False),
        (loop(0), False),
        ((), False),
    ],
)
def test_which(body, expected):
    assert waits_for_neighbours(body) == expected


def test_the_width_is_asked_for_where_it_helps(monkeypatch):
    def mean(x):
        return 0.5 * (x[1:] + x[:-1])

    x = np.random.default_rng(0).normal(size=10_001)
    (nest,) = weft.jit(mean).lower(x).program.nests
    text = emit_nest(nest, "f")
    monkeypatch.setattr(host, "cpu_name", lambda: "znver4")
    assert '"prefer-vector-width"="256"' in host.with_tuning(text)
    monkeypatch.setattr(host, "cpu_name", lambda: "sapphirerapids")
    assert "prefer-vector-width" not in host.with_tuning(text)
    assert (weft.jit(mean)(x) == mean(wnp.array(x))).all()
