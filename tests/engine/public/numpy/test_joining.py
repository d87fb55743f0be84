from __future__ import annotations

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.engine.public.numpy.checks import agree, same, sample, staged
from weft.ir.errors import ArgumentError, ConcretizationError, IndexingError, ShapeError

A, B = sample("float32", (2, 3)), sample("int8", (2, 3))
V, W = sample("float64", (3,)), sample("int32", (4,))
X = sample("float64", (4, 6))

JOINS = {
    "concatenate": [([A, B], 0), ([A, B], 1), ([A, B], None), ([V, W],), ([A[:0], B],)],
    "stack": [([A, B],), ([A, B], -1), ([A, B, A], 1), ([np.array(1.0), np.array(2)],)],
    "vstack": [([A, B],), ([V, V],), ([A, V],)],
    "hstack": [([A, B],), ([V, W],)],
    "dstack": [([A, B],), ([V, V],)],
    "column_stack": [([V, V],), ([A.T, V],)],
    "block": [
        ([[A, B], [B, A]],),
        ([V, W],),
        ([[np.ones((1, 1)), np.zeros((1, 3))], [np.zeros((3, 1)), np.eye(3)]],),
    ],
    "append": [(V, W), (A, B, 0), (A, B, 1)],
}
SPLITS = {
    "split": [(X, 2), (X, 3, 1), (X, [1, 3]), (X, [2, 9], 1), (X, [3, 1])],
    "array_split": [(X, 3), (X, 4, 1), (X, 7)],
    "hsplit": [(X, 2), (W, 2)],
    "vsplit": [(X, [1])],
    "dsplit": [(sample("float32", (2, 2, 4)), 2)],
    "unstack": [(X,)],
}
REPEATS = {
    "tile": [(A, 2), (A, (2, 1)), (V, (2, 2, 3)), (A, (3,)), (np.array(1.0), 3), (A, 0)],
    "repeat": [(A, 2), (A, 3, 1), (A, [1, 2], 0), (V, [0, 2, 1]), (A, 0, 1), (np.array(5), 2)],
    "delete": [(V, 1), (V, [0, -1]), (X, 1, 1), (X, slice(0, 4, 2), 0), (V, [True, False, True])],
    "insert": [
        (V, 1, 9.0),
        (V, [0, 2], [7.0, 8.0]),
        (X, 1, 5.0, 1),
        (X, 2, np.arange(6.0), 0),
        (V, -1, [1, 2]),
        (V, [3], 4),
        (X, 6, np.arange(4.0), 1),
    ],
    "trim_zeros": [],
}


@pytest.mark.parametrize("name", sorted(JOINS))
def test_joins(name: str) -> None:
    for arrays, *rest in JOINS[name]:
        agree(lambda m, r=rest: lambda *a: getattr(m, name)(*a, *r), arrays)


@pytest.mark.parametrize("name", sorted(SPLITS) + sorted(REPEATS))
def test_splits_and_repeats(name: str) -> None:
    for x, *rest in {**SPLITS, **REPEATS}[name]:
        if name == "unstack":
            agree(lambda m: lambda v: tuple(v[i] for i in range(4)) if m is np else m.unstack(v), x)
            continue
        agree(lambda m, r=rest: lambda v: getattr(m, name)(v, *r), x)


def test_concatenate_keywords() -> None:
    agree(lambda m: lambda a, b: m.concatenate([a, b], dtype=np.float16), V, W)
    same(staged(lambda a: wnp.concatenate(a), A), np.concatenate(A), "rows")


def test_insert_of_traced_values() -> None:
    agree(lambda m: lambda v, w: m.insert(v, 1, w), V, W)


def test_repeat_by_traced_counts() -> None:
    counts = np.array([1, 0, 2])
    with pytest.raises(ConcretizationError, match="total_repeat_length"):
        staged(lambda v, n: wnp.repeat(v, n), V, counts)
    got = staged(lambda v, n: wnp.repeat(v, n, total_repeat_length=5), V, counts)
    same(got, V[[0, 2, 2, 2, 2]], "repeat")
    same(wnp.repeat(wnp.asarray(V), wnp.asarray(counts), total_repeat_length=2), V[[0, 2]], "repeat")


def test_trim_zeros_needs_values() -> None:
    same(wnp.trim_zeros(wnp.array([0, 1, 0, 2, 0])), np.array([1, 0, 2]), "trim")
    with pytest.raises(ConcretizationError, match="trim_zeros needs the values"):
        staged(wnp.trim_zeros, np.array([0, 1]))


@pytest.mark.parametrize("width", [1, (1, 2), ((1, 0), (2, 3)), 0, ((7, 9), (8, 1))])
@pytest.mark.parametrize(
    ("mode", "keywords"),
    [
        ("constant", {}), ("constant", {"constant_values": 5}), ("constant", {"constant_values": (1, 2)}),
        ("constant", {"constant_values": ((1, 2), (3, 4))}), ("edge", {}), ("reflect", {}), ("symmetric", {}), ("wrap", {}),
        ("reflect", {"reflect_type": "odd"}), ("symmetric", {"reflect_type": "odd"}), ("maximum", {}),
        ("minimum", {"stat_length": 2}),
        ("mean", {}), ("mean", {"stat_length": ((1, 2), (2, 1))}), ("linear_ramp", {}),
        ("linear_ramp", {"end_values": (3, -2)}),
    ],
)  # fmt: skip
def test_pad(mode: str, keywords: dict, width) -> None:
    for dtype in ("float64", "int16"):
        agree(lambda m: lambda v: m.pad(v, width, mode, **keywords), sample(dtype, (3, 4)), rtol=1e-10)


def test_padding_by_near_elements_is_read_where_they_are() -> None:
    for mode in ("edge", "reflect", "symmetric", "wrap"):
        program = weft.jit(lambda v, mode=mode: wnp.pad(v, 2, mode)).lower(sample("float64", (5, 6))).program
        assert "gather" not in str(program.fused) and len(program.nests) == 1
    # So often to and fro that it would be many slices.
    agree(lambda m: lambda v: m.pad(v, 9, "reflect"), np.array([4.0, 5.0]))
    agree(lambda m: lambda v: m.pad(v, (0, 9), "symmetric"), V)


def test_pad_spellings() -> None:
    agree(lambda m: lambda v: m.pad(v, (1, 1), "reflect"), np.array([4.0]))
    agree(lambda m: lambda v, c: m.pad(v, 1, constant_values=c), V, np.array(2.5))
    agree(lambda m: lambda v: m.pad(v, {-1: (1, 2)}), A, expected=np.pad(A, ((0, 0), (1, 2))))


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (
            ShapeError,
            r"concatenate got shapes \(3,\), \(2, 3\): they must agree on all axes but 0",
            lambda v: wnp.concatenate([v, A]),
        ),
        (ArgumentError, "concatenate got no arrays", lambda v: (wnp.concatenate([]), v)),
        (
            ShapeError,
            r"stack got shapes \(3,\), \(2, 3\): they must be the same",
            lambda v: wnp.stack([v, A]),
        ),
        (ArgumentError, "split cannot cut axis 0 of length 3 into 2 equal parts", lambda v: wnp.split(v, 2)),
        (ArgumentError, "pad got mode='odd'", lambda v: wnp.pad(v, 1, "odd")),
        (ShapeError, "pad got pad_width", lambda v: wnp.pad(v, (1, 2, 3))),
        (ArgumentError, "pad got pad_width=-1", lambda v: wnp.pad(v, -1)),
        (
            IndexingError,
            "delete got position 7, out of bounds for an axis of length 3",
            lambda v: wnp.delete(v, 7),
        ),
    ],
)
def test_errors_are_the_same_eagerly_and_staged(error, message, call) -> None:
    with pytest.raises(error, match=message):
        staged(call, V)
    with pytest.raises(error, match=message):
        call(wnp.asarray(V))
