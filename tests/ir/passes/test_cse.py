from __future__ import annotations

import pytest

from tests.ir.passes.texts import body, changed, unchanged
from weft.ir.passes.cse import cse


def test_chains_of_equal_equations_become_one() -> None:
    assert changed(
        cse,
        """
        graph(a: f32[3], b: f32[3]) {
          c: f32[3] = add a b
          d: f32[3] = sin c
          e: f32[3] = add a b
          f: f32[3] = sin e
          g: f32[3] = mul d f
          return g, e
        }
        """,
    ) == (
        "graph(a: f32[3], b: f32[3]) {\n"
        "  c: f32[3] = add a b\n"
        "  d: f32[3] = sin c\n"
        "  e: f32[3] = mul d d\n"
        "  return e, c\n"
        "}"
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("neg a", "abs a"),
        ("sub a b", "sub b a"),
        ("mul a 0.0:f64", "mul a -0.0:f64"),
        ("full[dtype=f64, shape=(2,), value=0.0]", "full[dtype=f64, shape=(2,), value=-0.0]"),
        ("reverse[axes=()] a", "reverse[axes=(0,)] a"),
        ("optimization_barrier a", "optimization_barrier a"),
    ],
)
def test_what_differs_stays(first: str, second: str) -> None:
    head = "graph(a: f64[2], b: f64[2])"
    unchanged(cse, f"{head} {{\n c: f64[2] = {first}\n d: f64[2] = {second}\n return c, d\n}}")


def test_does_not_look_through_a_barrier() -> None:
    equations = (
        "b: f64[2] = sin a\nc: f64[2] = optimization_barrier a\nd: f64[2] = sin c\ne: f64[2] = sin c\n"
        "return b, d, e"
    )
    assert body(cse, "a: f64[2]", equations) == (
        "b: f64[2] = sin a\nc: f64[2] = optimization_barrier a\nd: f64[2] = sin c\nreturn b, d, d"
    )


def test_equal_nan_params_are_equal() -> None:
    made = "full[dtype=f64, shape=(2,), value=nan]"
    found = body(cse, "", f"a: f64[2] = {made}\nb: f64[2] = {made}\nreturn a, b")
    assert found == f"a: f64[2] = {made}\nreturn a, a"


def test_equal_calls_become_one_and_their_graphs_are_cleared() -> None:
    inner = "graph(a: f64[2]) {\n b: f64[2] = sin a\n c: f64[2] = sin a\n d: f64[2] = add b c\n return d\n}"
    call = f'call[graph={inner}, name=""] a'
    found = body(cse, "a: f64[2]", f"b: f64[2] = {call}\nc: f64[2] = {call}\nreturn b, c")
    assert found.count("call") == 1
    assert found.count("sin") == 1
    assert found.endswith("return b, b")


def test_results_of_one_equation_are_matched_in_order() -> None:
    call = 'call[graph=graph(a: f64[2]) {\n b: f64[2] = sin a\n return a, b\n}, name=""] a'
    equations = f"b: f64[2], c: f64[2] = {call}\nd: f64[2], e: f64[2] = {call}\nreturn e, d, c, b"
    assert body(cse, "a: f64[2]", equations).endswith("return c, b, c, b")
