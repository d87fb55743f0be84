"""What only marks a value is gone from a graph that is about to be fused."""

from __future__ import annotations

from tests.ir.passes.texts import changed, unchanged
from weft.ir.passes.strip_barriers import strip_barriers


def test_marks_are_gone_and_what_they_marked_stays() -> None:
    assert (
        changed(
            strip_barriers,
            """
            graph(a: f64[3]) {
              b: f64[3] = optimization_barrier a
              c: f64[3] = sin b
              d: f64[3] = stop_gradient c
              e: f64[3] = mul c d
              return d, e, b
            }
            """,
        )
        == """\
graph(a: f64[3]) {
  b: f64[3] = sin a
  c: f64[3] = mul b b
  return b, c, a
}"""
    )


def test_a_graph_without_marks_is_left_alone() -> None:
    unchanged(strip_barriers, "graph(a: f64[3]) {\n  b: f64[3] = sin a\n  return b\n}")
