from __future__ import annotations

import re

import pytest

from tests.ir.passes.texts import body, changed, unchanged
from weft.ir.parser import parse_graph
from weft.ir.passes.dce import dce
from weft.ir.passes.simplify import simplify

HEAD = "a: f64[2,3], i: i64[2,3], m: bool[2,3], z: c128[2,3], h: f32[2,3], n: bf16[3]"
INPUTS = dict(zip("abcdef", "aimzhn", strict=True))  # canonical names to those of HEAD


@pytest.mark.parametrize(
    ("equations", "result"),
    [
        ("b: f64[2,3] = mul a 1.0:f64\nreturn b", "return a"),
        ("b: f64[2,3] = mul 1.0:f64 a\nreturn b", "return a"),
        ("b: i64[2,3] = mul i 1:i64\nreturn b", "return i"),
        ("b: bool[2,3] = mul m True:bool\nreturn b", "return m"),
        ("b: f64[2,3] = mul a -1.0:f64\nreturn b", "g: f64[2,3] = neg a\nreturn g"),
        ("b: f64[2,3] = div a 1.0:f64\nreturn b", "return a"),
        ("b: f64[2,3] = sub a 0.0:f64\nreturn b", "return a"),
        ("b: c128[2,3] = sub z (0.0,0.0):c128\nreturn b", "return z"),
        ("b: f64[2,3] = add a -0.0:f64\nreturn b", "return a"),
        ("b: c128[2,3] = add z (-0.0,-0.0):c128\nreturn b", "return z"),
        ("b: i64[2,3] = add i 0:i64\nreturn b", "return i"),
        (
            "b: i64[2,3] = mul i 0:i64\nreturn b",
            "g: i64[2,3] = full[dtype=i64, shape=(2, 3), value=0]\nreturn g",
        ),
        ("b: f64[2,3] = neg a\nc: f64[2,3] = neg b\nreturn c", "return a"),
        (
            "b: f64[2,3] = neg a\nc: f64[2,3] = add h2 b\nreturn c".replace("h2", "a"),
            "g: f64[2,3] = sub a a\nreturn g",
        ),
        ("b: i64[2,3] = neg i\nc: i64[2,3] = sub i b\nreturn c", "g: i64[2,3] = add i i\nreturn g"),
        ("b: f64[2,3] = integer_pow[y=1] a\nreturn b", "return a"),
        ("b: f64[2,3] = max a a\nreturn b", "return a"),
        ("b: bool[2,3] = not_ m\nc: bool[2,3] = not_ b\nreturn c", "return m"),
        ("b: bool[2,3] = and_ m True:bool\nreturn b", "return m"),
        ("b: bool[2,3] = or_ m False:bool\nreturn b", "return m"),
        ("b: i64[2,3] = and_ i i\nc: i64[2,3] = xor b 0:i64\nreturn c", "return i"),
        ("b: f64[2,3] = select True:bool a 0.0:f64\nreturn b", "return a"),
        (
            "b: f64[2,3] = select False:bool a 0.0:f64\nreturn b",
            "g: f64[2,3] = full[dtype=f64, shape=(2, 3), value=0.0]\nreturn g",
        ),
        (  # a remainder has the divisor's sign
            "b: i64[2,3] = mod i 7:i64\nc: bool[2,3] = lt b 0:i64\nd: i64[2,3] = select c i b\nreturn d",
            "g: i64[2,3] = mod i 7:i64\nreturn g",
        ),
        ("b: f64[2,3] = select m a a\nreturn b", "return a"),
        ("b: bool[2,3] = select m True:bool False:bool\nreturn b", "return m"),
        ("b: bool[2,3] = select m False:bool True:bool\nreturn b", "g: bool[2,3] = not_ m\nreturn g"),
        (
            "b: bool[2,3] = not_ m\nc: f64[2,3] = select b a 0.0:f64\nreturn c",
            "g: f64[2,3] = select m 0.0:f64 a\nreturn g",
        ),
        ("b: f64[2,3] = cast[dtype=f64] a\nreturn b", "return a"),
        ("b: f64[2,3] = cast[dtype=f64] h\nc: f32[2,3] = cast[dtype=f32] b\nreturn c", "return h"),
        ("b: i64[2,3] = cast[dtype=i64] m\nc: bool[2,3] = cast[dtype=bool] b\nreturn c", "return m"),
        ("b: f64[2,3] = transpose[perm=(0, 1)] a\nreturn b", "return a"),
        (
            "b: f64[3,2] = transpose[perm=(1, 0)] a\nc: f64[2,3] = transpose[perm=(1, 0)] b\nreturn c",
            "return a",
        ),
        ("b: f64[6] = reshape[shape=(6,)] a\nc: f64[2,3] = reshape[shape=(2, 3)] b\nreturn c", "return a"),
        (
            "b: f64[6] = reshape[shape=(6,)] a\nc: f64[3,2] = reshape[shape=(3, 2)] b\nreturn c",
            "g: f64[3,2] = reshape[shape=(3, 2)] a\nreturn g",
        ),
        ("b: f64[2,3] = broadcast[dims=(0, 1), shape=(2, 3)] a\nreturn b", "return a"),
        (
            "b: f64[2,4,3] = broadcast[dims=(0, 2), shape=(2, 4, 3)] a\n"
            "c: f64[5,2,4,3] = broadcast[dims=(1, 2, 3), shape=(5, 2, 4, 3)] b\nreturn c",
            "g: f64[5,2,4,3] = broadcast[dims=(1, 3), shape=(5, 2, 4, 3)] a\nreturn g",
        ),
        ("b: f64[2,3] = slice[limit=(2, 3), start=(0, 0), strides=(1, 1)] a\nreturn b", "return a"),
        (
            "b: f64[2,2] = slice[limit=(2, 3), start=(0, 0), strides=(1, 2)] a\n"
            "c: f64[1,1] = slice[limit=(2, 2), start=(1, 1), strides=(1, 1)] b\nreturn c",
            "g: f64[1,1] = slice[limit=(2, 3), start=(1, 2), strides=(1, 2)] a\nreturn g",
        ),
        ("b: f64[2,3] = pad[high=(0, 0), interior=(0, 0), low=(0, 0)] a 1.0:f64\nreturn b", "return a"),
        ("b: f64[2,3] = reverse[axes=(0, 1)] a\nc: f64[2,3] = reverse[axes=(0, 1)] b\nreturn c", "return a"),
        (
            "b: f64[2,3] = reverse[axes=(0, 1)] a\nc: f64[2,3] = reverse[axes=(1,)] b\nreturn c",
            "g: f64[2,3] = reverse[axes=(0,)] a\nreturn g",
        ),
        ("b: f64[2,3] = concatenate[axis=0] a\nreturn b", "return a"),
        ("b: f64[2,3] = reduce_max[axes=()] a\nreturn b", "return a"),
        ("b: i64[2,3] = reduce_sum[axes=()] i\nreturn b", "return i"),
    ],
)
def test_rules(equations: str, result: str) -> None:
    found = re.sub(r"\b[a-f]\b", lambda name: INPUTS[name.group()], body(simplify, HEAD, equations))
    assert found == result


@pytest.mark.parametrize(
    "equation",
    [
        "f64[2,3] = add a 0.0:f64",  # -0.0 + 0.0 is 0.0
        "f64[2,3] = mul a 0.0:f64",  # inf * 0 is NaN, -1 * 0.0 is -0.0
        "f64[2,3] = sub a -0.0:f64",
        "f64[2,3] = sub a a",  # inf - inf is NaN
        "f64[2,3] = sub 0.0:f64 a",  # 0.0 - 0.0 is 0.0, not -0.0
        "f64[2,3] = div a a",
        "f64[2,3] = div a 3.0:f64",  # 1/3 is rounded
        "f64[2,3] = div a 8.0:f64",  # exact, but the graph would depend on the lengths of axes
        "c128[2,3] = mul z (1.0,0.0):c128",  # inf * 0 in the imaginary part
        "c128[2,3] = add z (0.0,0.0):c128",
        "c128[2,3] = div z (2.0,0.0):c128",
        "bool[2,3] = eq a a",  # NaN
        "i64[2,3] = cast[dtype=i64] a",
        "f64[2,3] = optimization_barrier a",
        "f64[2,3] = reduce_sum[axes=()] a",
    ],
)
def test_what_is_not_exact_stays(equation: str) -> None:
    unchanged(simplify, f"graph({HEAD}) {{\n  b: {equation}\n  return b\n}}")


def test_a_remainder_by_a_negative_number_may_be_negative() -> None:
    lines = "  b: i64[2,3] = mod i -7:i64\n  c: bool[2,3] = lt b 0:i64\n  return c"
    unchanged(simplify, f"graph({HEAD}) {{\n{lines}\n}}")


@pytest.mark.parametrize(("through", "back"), [("f32", "f64"), ("i64", "f64"), ("f64", "i64")])
def test_casts_that_lose_stay(through: str, back: str) -> None:
    x = "i" if back == "i64" else "a"
    there, and_back = f"cast[dtype={through}] {x}", f"cast[dtype={back}] s"
    lines = f"s: {through}[2,3] = {there}\nt: {back}[2,3] = {and_back}\nreturn t"
    unchanged(simplify, f"graph({HEAD}) {{\n{lines}\n}}")


def test_a_long_chain_vanishes() -> None:
    lines = ["b0: f64[2,3] = neg a"] + [f"b{k}: f64[2,3] = neg b{k - 1}" for k in range(1, 400)]
    assert body(simplify, HEAD, "\n".join(lines) + "\nreturn b399") == "return a"


def test_what_is_read_where_it_was_written() -> None:
    assert changed(
        lambda g: dce(simplify(g)),
        """
        graph(a: f64[9], b: f64[2], c: f64[2], d: i64[], e: i64[]) {
          f: f64[9] = dynamic_update_slice a b d
          g: f64[2] = dynamic_slice[sizes=(2,)] f d
          h: f64[9] = dynamic_update_slice f c d
          i: f64[2] = dynamic_slice[sizes=(2,)] f e
          j: f64[1] = dynamic_slice[sizes=(1,)] f d
          return g, h, i, j
        }
        """,
    ) == (
        "graph(a: f64[9], b: f64[2], c: f64[2], d: i64[], e: i64[]) {\n"
        "  f: f64[9] = dynamic_update_slice a b d\n"
        "  g: f64[9] = dynamic_update_slice a c d\n"
        "  h: f64[2] = dynamic_slice[sizes=(2,)] f e\n"
        "  i: f64[1] = dynamic_slice[sizes=(1,)] f d\n"
        "  return b, g, h, i\n"
        "}"
    )


def test_the_inside_of_a_frame() -> None:
    """What is written to the inside of an array and read there is read from what was written."""
    assert changed(
        lambda g: dce(simplify(g)),
        """
        graph(a: f64[3], b: f64[5], c: bool[3], d: f64[5]) {
          e: f64[5] = pad[high=(1,), interior=(0,), low=(1,)] a 0.0:f64
          f: f64[3] = slice[limit=(4,), start=(1,), strides=(1,)] e
          g: bool[5] = pad[high=(1,), interior=(0,), low=(1,)] c False:bool
          h: f64[5] = select g b d
          i: f64[3] = slice[limit=(4,), start=(1,), strides=(1,)] h
          j: f64[3] = slice[limit=(3,), start=(0,), strides=(1,)] e
          return f, i, j
        }
        """,
    ) == (
        "graph(a: f64[3], b: f64[5], c: bool[3], d: f64[5]) {\n"
        "  e: f64[5] = pad[high=(1,), interior=(0,), low=(1,)] a 0.0:f64\n"
        "  f: f64[3] = slice[limit=(4,), start=(1,), strides=(1,)] b\n"
        "  g: f64[3] = slice[limit=(4,), start=(1,), strides=(1,)] d\n"
        "  h: f64[3] = select c f g\n"
        "  i: f64[3] = slice[limit=(3,), start=(0,), strides=(1,)] e\n"
        "  return a, h, i\n"
        "}"
    )


def test_the_inside_of_many_frames() -> None:
    """Of what was written everywhere inside, that is read alone; else few frames are read through."""

    def writes(condition: str, n: int) -> str:
        lines = ["graph(a: f64[3], b: f64[5], c: bool[3]) {", condition]
        lines.append("  g: bool[5] = pad[high=(1,), interior=(0,), low=(1,)] d False:bool")
        lines.append("  x0: f64[5] = mul b b")
        for i in range(n):
            lines.append(f"  x{i + 1}: f64[5] = select g b x{i}")
            lines.append(f"  y{i}: f64[3] = slice[limit=(4,), start=(1,), strides=(1,)] x{i + 1}")
        return "\n".join([*lines, f"  return {', '.join(f'y{i}' for i in range(n))}, x{n}", "}"])

    for condition in ("  d: bool[3] = full[dtype=bool, shape=(3,), value=True]", "  d: bool[3] = and_ c c"):
        lengths = [len(simplify(parse_graph(writes(condition, n))).eqns) for n in (20, 40, 80)]
        assert lengths[2] - lengths[1] == 2 * (lengths[1] - lengths[0])
