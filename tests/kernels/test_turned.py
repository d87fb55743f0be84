"""Short rows, of which blocks are turned: the values they would have, where it is done and where it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tests.ir.passes.test_fuse import log_softmax, softmax
from tests.kernels.compiled import compile_function, shuffled
from tests.kernels.fused import kernels, run_fused
from weft.ir.builder import build
from weft.ir.interpret import evaluate
from weft.ir.loops.nest import Loop, bodies
from weft.ir.ops import elementwise as e
from weft.ir.ops import reduce as r
from weft.ir.ops import shape as s
from weft.ir.ops import transcendental as t
from weft.ir.passes.fuse import fuse
from weft.ir.types import ArrayType
from weft.kernels.cpu.squares import transposed_copy
from weft.kernels.schedule import Scheduled, schedule
from weft.kernels.schedule.turned import BLOCK


def _repeated(x: Any, like: Any) -> Any:
    """One value a row, in all of the row."""
    return s.broadcast(x, like.shape, range(len(like.shape) - 1))


def _total(x: Any) -> Any:
    return r.reduce_sum(x, (len(x.shape) - 1,))


def _log_sum(x: Any) -> list[Any]:
    return [t.log(_total(t.exp(x)))]


def _shares(x: Any) -> list[Any]:
    """Exponentials that a later pass wants again, and no result has: they are kept in scratch."""
    powers = t.exp(x)
    share = e.div(powers, _repeated(_total(powers), x))
    return [_total(e.mul(share, share))]


def _several(x: Any) -> list[Any]:
    powers = t.exp(x)
    sums = _total(powers)
    return [e.div(powers, _repeated(sums, x)), t.log(sums), e.sub(x, _repeated(r.reduce_max(x, (1,)), x))]


def _reversed(x: Any) -> list[Any]:
    """Reads of an operand what lies elsewhere too."""
    return [_total(t.exp(e.add(x, s.reverse(x, (0, 1)))))]


ONE: dict[str, Callable[[Any], list[Any]]] = {
    "softmax": lambda x: [softmax(x)],
    "log_softmax": lambda x: [log_softmax(x)],
    "log of sums": _log_sum,
    "shares": _shares,
    "several": _several,
    "reversed": _reversed,
}


def _loops(body: tuple[Any, ...]) -> Iterator[Loop]:
    for statement in body:
        if isinstance(statement, Loop):
            yield statement
        for inner in bodies(statement):
            yield from _loops(inner)


def _scheduled(fun: Callable[..., list[Any]], *args: np.ndarray) -> Scheduled:
    graph = fuse(build(fun, [ArrayType(x.shape, x.dtype) for x in args]))
    (eqn,) = kernels(graph)
    return schedule(eqn)


def _turns(scheduled: Scheduled) -> int:
    """How many blocks are turned, one way or the other, by the function for that."""
    return sum(transposed_copy(loop) is not None for loop in _loops(scheduled.nest.body))


def _numbers(*shape: int, dtype: Any = "f8") -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape, scale=2).astype(dtype)


@pytest.mark.parametrize("rows", [BLOCK, BLOCK + 1, 2 * BLOCK - 1, 70 * BLOCK + 5])
@pytest.mark.parametrize(("width", "dtype"), [(9, "f8"), (10, "f8"), (11, "f4"), (20, "f4")])
@pytest.mark.parametrize("name", ONE)
def test_values(name: str, width: int, dtype: str, rows: int) -> None:
    fun, x = ONE[name], _numbers(rows, width, dtype=dtype)
    assert _turns(_scheduled(fun, x)) > 0
    expected = evaluate(build(fun, [ArrayType(x.shape, x.dtype)]), x)
    run = compile_function(fun, x)
    at_once, in_pieces = run(x), run(x, chunks=shuffled(3, most=1))
    for found, again, wanted in zip(at_once, in_pieces, expected, strict=True):
        assert found.tobytes() == again.tobytes()
        np.testing.assert_allclose(found, wanted, rtol=1e-4 if dtype == "f4" else 1e-11, atol=1e-5)


@pytest.mark.parametrize("name", ONE)
def test_nests_mean_the_same(name: str) -> None:
    fun, x = ONE[name], _numbers(BLOCK + 3, 9)
    graph = build(fun, [ArrayType(x.shape, x.dtype)])
    for found, wanted in zip(run_fused(fuse(graph), x, chunks=2), evaluate(graph, x), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10)


def test_operands_of_all_forms() -> None:
    def fun(x: Any, y: Any, of_row: Any, of_column: Any, scale: Any) -> list[Any]:
        rows = s.broadcast(of_row, x.shape, (1,))
        z = e.add(e.mul(x, e.cast(y, x.dtype)), e.add(rows, s.broadcast(of_column, x.shape, (2,))))
        powers = t.exp(e.mul(z, s.broadcast(scale, x.shape, (0,))))
        return [e.div(powers, _repeated(_total(powers), x)), t.log(_total(powers))]

    args = [_numbers(3, 77, 10), np.random.default_rng(0).integers(-1, 2, (3, 77, 10))]
    args += [_numbers(77), _numbers(10), _numbers(3)]
    assert _turns(_scheduled(fun, *args)) == 3  # two operands and a result
    expected = evaluate(build(fun, [ArrayType(x.shape, x.dtype) for x in args]), *args)
    for found, wanted in zip(compile_function(fun, *args)(*args), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-11)


def test_nan_and_infinity_stay_in_their_rows() -> None:
    x = _numbers(3 * BLOCK, 10)
    x[5, 3], x[BLOCK, 0], x[BLOCK + 1, 9] = np.nan, np.inf, -np.inf
    with np.errstate(all="ignore"):
        wanted = np.log(np.exp(x).sum(1))
    np.testing.assert_allclose(compile_function(_log_sum, x)(x)[0], wanted, rtol=1e-12)


def test_one_nest_for_all_sizes() -> None:
    first, second = (_scheduled(ONE["softmax"], _numbers(*shape)) for shape in ((100, 9), (3000, 10)))
    assert first.nest == second.nest and first.params != second.params


def test_scratch_is_of_blocks_not_of_all_rows() -> None:
    scheduled = _scheduled(ONE["log of sums"], _numbers(100_000, 10))
    assert sum(scheduled.scratch) < 100_000


@pytest.mark.parametrize(
    ("fun", "x"),
    [
        (_log_sum, _numbers(500, 8)),  # stands side by side
        (_log_sum, _numbers(500, 17)),
        (ONE["softmax"], _numbers(500, 11)),  # long, for a result
        (_log_sum, _numbers(BLOCK - 1, 10)),
        (_log_sum, _numbers(500, 10, dtype="f2")),
        (_log_sum, _numbers(500, 10).astype("c16")),
        (lambda x: [_total(e.mul(x, x))], _numbers(500, 10)),  # too little to do
        (lambda x: [r.reduce_sum(t.exp(x), (0,))], _numbers(10, 500)),  # columns anyhow
    ],
)
def test_others_are_left_as_they_are(fun: Callable[[Any], list[Any]], x: np.ndarray) -> None:
    assert _turns(_scheduled(fun, x)) == 0
