"""Reread: parts of a carry that no step has written yet are read of the carry."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ir.passes.texts import changed, unchanged
from weft.ir.passes.dce import dce
from weft.ir.passes.reread import reread


def scan(place: str, read: str = "y", where: str = "e", length: int = 6, start: str = "0:i64") -> str:
    """A loop that adds to a row, at ``place``, which it reads of the carry's start."""
    return (
        f"""
    graph(y: f64[6,3], z: f64[6,3], s: i64) {{
      k: i64, l: f64[6,3] = scan[body=graph(y: f64[6,3], i: i64, x: f64[6,3]) {{
        {place}
        f: f64[1,3] = dynamic_slice[sizes=(1, 3)] y {where} 0:i64
        g: f64[1,3] = mul f 2.0:f64
        h: f64[6,3] = dynamic_update_slice x g e 0:i64
        j: i64 = add i 1:i64
        return j, h
      }}, length={length}, n_carry=2, n_consts=1, reverse=False] {read} {start} y
      return l
    }}""".replace("i64 ", "i64[] ")
        .replace("i64,", "i64[],")
        .replace(": i64)", ": i64[])")
    )


def test_a_row_is_read_of_the_carry_that_begins_as_the_same_array() -> None:
    text = changed(lambda graph: dce(reread(graph)), scan("e: i64 = sub 5:i64 i"))
    assert "n_consts=0" in text


@pytest.mark.parametrize(
    "options",
    [
        {"place": "e: i64 = mul i 0:i64"},  # one row again and again
        {"place": "e: i64 = floor_div i 2:i64"},
        {"place": "e: i64 = sub 7:i64 i"},  # the first two are clamped to the last row
        {"place": "e: i64 = add i 0:i64", "where": "i"},  # it may be elsewhere
        {"place": "e: i64 = add i 0:i64", "where": "0:i64"},
        {"place": "e: i64 = add i 0:i64", "read": "z"},
        {"place": "e: i64 = add i 0:i64", "start": "s"},
        {"place": "e: i64 = add i 0:i64", "length": 7},
    ],
)
def test_what_may_have_been_written_is_read_of_the_start(options: dict[str, Any]) -> None:
    unchanged(reread, scan(**options))
