from __future__ import annotations

import pytest

from tests.ir.passes.texts import body, unchanged
from weft.ir.passes.fold import fold


@pytest.mark.parametrize(
    ("equations", "result"),
    [
        ("b: f64[] = add 2.0:f64 3.0:f64\nreturn b", "return 5.0:f64"),
        ("b: f64[] = add 2.0:f64 3.0:f64\nc: f64[] = sqrt b\nreturn c", "return 2.23606797749979:f64"),
        ("b: bool[] = lt 1:i64 2:i64\nreturn b", "return True:bool"),
        ("b: f32[] = cast[dtype=f32] 0.1:f64\nreturn b", "return 0.1:f32"),
        ("b: f32[] = div 1.0:f32 0.0:f32\nreturn b", "return inf:f32"),
        ("b: i8[] = add 127:i8 1:i8\nreturn b", "return -128:i8"),
        ("b: i64[] = full[dtype=i64, shape=(), value=7]\nreturn b", "return 7:i64"),
        ("b: f64[] = reduce_sum[axes=()] 3.0:f64\nreturn b", "return 3.0:f64"),
        (
            "b: f64[3] = full[dtype=f64, shape=(3,), value=2.0]\nc: f64[3] = mul b b\nreturn c",
            "b: f64[3] = full[dtype=f64, shape=(3,), value=4.0]\nreturn b",
        ),
        (
            "b: f64[2,3] = broadcast[dims=(), shape=(2, 3)] 1.5:f64\n"
            "c: f64[3,2] = transpose[perm=(1, 0)] b\nd: f64[6] = reshape[shape=(6,)] c\n"
            "e: f64[2] = slice[limit=(4,), start=(0,), strides=(2,)] d\nf: f64[2] = reverse[axes=(0,)] e\n"
            "g: bool[2] = ne f f\nreturn g",
            "b: bool[2] = full[dtype=bool, shape=(2,), value=False]\nreturn b",
        ),
        (
            "b: f64[3] = full[dtype=f64, shape=(3,), value=2.0]\nc: f64[3] = mul b a\nreturn c",
            "b: f64[3] = mul 2.0:f64 a\nreturn b",
        ),
        (
            "b: bool[3] = full[dtype=bool, shape=(3,), value=True]\nc: f64[3] = select b a a\nreturn c",
            "b: f64[3] = select True:bool a a\nreturn b",
        ),
    ],
)
def test_constants_fold(equations: str, result: str) -> None:
    assert body(fold, "a: f64[3]", equations) == result


@pytest.mark.parametrize(
    "equations",
    [
        "b: f64[3] = add a 0.0:f64\nreturn b",
        "b: i64[3] = iota[axis=0, dtype=i64, shape=(3,)]\nc: i64[3] = add b b\nreturn c",
        "b: f64[3] = full[dtype=f64, shape=(3,), value=2.0]\nc: f64[] = reduce_sum[axes=(0,)] b\nreturn c",
        "b: f64[] = optimization_barrier 2.0:f64\nreturn b",
        "b: i64[] = integer_pow[y=-1] 0:i64\nreturn b",
        "b: f64[3] = full[dtype=f64, shape=(3,), value=2.0]\nc: f64[6] = concatenate[axis=0] a b\nreturn c",
        "b: f64[2] = full[dtype=f64, shape=(2,), value=0.0]\n"
        "c: f64[5] = pad[high=(2,), interior=(0,), low=(1,)] b 1.0:f64\nreturn c",
    ],
)
def test_what_stays(equations: str) -> None:
    unchanged(fold, f"graph(a: f64[3]) {{\n{equations}\n}}")


def test_carried_graphs() -> None:
    inner = "graph(a: f64[3]) {\n b: f64[3] = full[dtype=f64, shape=(3,), value=2.0]\n"
    inner += "c: f64[3] = mul a b\n return c\n}"
    equations = f'b: f64[3] = call[graph={inner}, name=""] a\nreturn b'
    assert "b: f64[3] = mul a 2.0:f64" in body(fold, "a: f64[3]", equations)
