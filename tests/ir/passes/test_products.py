"""What contractions become: products that BLAS can run, and loops."""

import itertools

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.ir.passes.texts import body
from weft.ir.builder import build
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops import contract
from weft.ir.passes.products import lower_products
from weft.ir.types import ArrayType, bfloat16
from weft.ir.verify import verify

SIZES = {"a": 2, "b": 3, "m": 4, "n": 5, "k": 6, "l": 1}


def dims_of(left: str, right: str, out: str) -> tuple:
    """The dims of an einsum whose result has batch, left and right axes in order."""
    batch = [c for c in out if c in left and c in right]
    summed = [c for c in left if c in right and c not in out]
    return (
        (tuple(map(left.index, summed)), tuple(map(right.index, summed))),
        (tuple(map(left.index, batch)), tuple(map(right.index, batch))),
    )


def product(left: str, right: str, out: str, dtype: object) -> tuple[Graph, list[np.ndarray]]:
    rng = np.random.default_rng(0)
    arrays = [rng.integers(-3, 4, [SIZES[c] for c in s]).astype(dtype) for s in (left, right)]
    graph = build(
        lambda x, y: [contract.dot_general(x, y, dims_of(left, right, out))],
        [ArrayType(x.shape, x.dtype) for x in arrays],
    )
    return graph, arrays


CASES = [
    ("mk", "kn", "mn"),
    ("km", "nk", "mn"),
    ("k", "k", ""),
    ("akl", "alk", "a"),
    ("mk", "k", "m"),
    ("m", "n", "mn"),
]
CASES += [(f"{''.join(p)}", "bakn", "abmn") for p in itertools.permutations("abmk")]
CASES += [("mkl", f"{''.join(p)}", "mn") for p in itertools.permutations("kln")]


@pytest.mark.parametrize(("left", "right", "out"), CASES)
@pytest.mark.parametrize(
    "dtype", [np.float64, np.complex64, np.int32, np.bool_, np.float16, bfloat16], ids=str
)
def test_products_keep_their_meaning(left: str, right: str, out: str, dtype: object) -> None:
    graph, arrays = product(left, right, out, dtype)
    lowered = lower_products(graph)
    verify(lowered)
    (found,), (expected,) = evaluate(lowered, *arrays), evaluate(graph, *arrays)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    for eqn in lowered.eqns:
        if eqn.prim is contract.dot_general_p:
            plan = contract.dot_plan(*eqn.in_types, eqn.params["dims"])
            assert plan.copy_a is None and plan.copy_b is None
    assert lower_products(lowered) == lowered


def test_rows_that_no_stride_reaches_are_moved_first() -> None:
    head = "x: f64[2,4,3], y: f64[3,2,5]"
    equations = "c: f64[4,5] = dot_general[dims=(((0, 2), (1, 0)), ((), ()))] x y\nreturn c"
    assert body(lower_products, head, equations).count("transpose[") == 1


def test_dot_products_are_loops() -> None:
    head = "x: f64[7], y: f64[7]"
    text = body(lower_products, head, "c: f64[] = dot_general[dims=(((0,), (0,)), ((), ()))] x y\nreturn c")
    assert "mul" in text and "reduce_sum" in text and "dot_general" not in text


def test_outer_products_are_multiplications() -> None:
    for head, equations in [
        ("x: f64[7], y: f64[5]", "c: f64[7,5] = dot_general[dims=(((), ()), ((), ()))] x y\nreturn c"),
        (
            "x: f64[7,1], y: f64[1,5]",
            "c: f64[7,5] = dot_general[dims=(((1,), (0,)), ((), ()))] x y\nreturn c",
        ),
    ]:
        text = body(lower_products, head, equations)
        assert "mul" in text and "reduce_sum" not in text and "dot_general" not in text


@pytest.mark.parametrize(
    ("count", "dtype", "stays"), [(64, "i32", True), (63, "i32", False), (64, "bool", False)]
)
def test_stacks_of_small_matrices_of_integers_stay(count: int, dtype: str, stays: bool) -> None:
    head = f"x: {dtype}[{count},3,3], y: {dtype}[{count},3,3]"
    equation = f"c: {dtype}[{count},3,3] = dot_general[dims=(((2,), (1,)), ((0,), (0,)))] x y\nreturn c"
    assert ("dot_general" in body(lower_products, head, equation)) is stays


@pytest.mark.parametrize(("k", "n", "axis"), [(16, 16, 1), (15, 16, 2), (16, 15, 2)])
def test_rows_that_lie_side_by_side_are_added(k: int, n: int, axis: int) -> None:
    equation = f"c: i32[7,{n}] = dot_general[dims=(((1,), (0,)), ((), ()))] x y\nreturn c"
    text = body(lower_products, f"x: i32[7,{k}], y: i32[{k},{n}]", equation)
    assert f"reduce_sum[axes=({axis},)]" in text


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.bool_])
@pytest.mark.parametrize(
    ("x", "y", "dims"),
    [
        ((3, 20), (20, 17), (((1,), (0,)), ((), ()))),
        ((2, 3, 20), (20, 2, 17), (((2,), (0,)), ((0,), (1,)))),
        ((20, 3), (17, 20, 18), (((0,), (1,)), ((), ()))),
        ((4, 5, 3), (5, 4, 16), (((0, 1), (1, 0)), ((), ()))),
        ((20,), (20, 2, 17), (((0,), (0,)), ((), ()))),
        ((2, 4, 5), (4, 6, 2, 5, 16), (((1, 2), (0, 3)), ((0,), (2,)))),
    ],
)
def test_added_rows_keep_their_meaning(x: tuple, y: tuple, dims: tuple, dtype: type) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 2 if dtype is np.bool_ else 9, shape).astype(dtype) for shape in (x, y)]
    graph = build(
        lambda a, b: [contract.dot_general(a, b, dims)], [ArrayType(a.shape, a.dtype) for a in arrays]
    )
    lowered = lower_products(graph)
    verify(lowered)
    assert not any(eqn.prim is contract.dot_general_p for eqn in lowered.eqns)
    (found,), (expected,) = evaluate(lowered, *arrays), evaluate(graph, *arrays)
    np.testing.assert_array_equal(found, expected)


VECTORS = {
    "short rows": ("ij,j->i", (900, 5), (5,), "f4", True),
    "a vector first": ("j,ij->i", (5,), (900, 5), "f8", True),
    "rows of 31 in f4": ("ij,j->i", (100, 31), (31,), "f4", True),
    "rows that are long": ("ij,j->i", (100, 40), (40,), "f8", False),
    "columns": ("i,ij->j", (900,), (900, 5), "f8", False),
    "complex": ("ij,j->i", (40, 50), (50,), "c8", True),
    "complex columns": ("i,ij->j", (50,), (50, 40), "c16", True),
    "few complex columns": ("ij,i->j", (700, 3), (700,), "c8", True),
    "few complex rows": ("i,ij->j", (3,), (3, 700), "c8", True),
    "a stack of columns": ("bij,bi->bj", (30, 9, 11), (30, 9), "c16", True),
    "a stack": ("bij,bj->bi", (70, 30, 4), (70, 4), "f8", True),
    "a stack of large ones": ("bij,bj->bi", (70, 30, 40), (70, 40), "f8", False),
    "two sums": ("aijb,ji->ab", (7, 6, 5, 9), (5, 6), "c8", True),
    "small": ("ij,j->i", (10, 5), (5,), "c8", False),
    "matrices": ("ij,jk->ik", (900, 5), (5, 2), "c8", False),
}


@pytest.mark.parametrize("name", VECTORS)
def test_products_of_vectors_that_loops_are_faster_at(name: str) -> None:
    subscripts, a, b, dtype, loops = VECTORS[name]
    rng = np.random.default_rng(0)
    x, y = ((rng.normal(size=n) + 1j * rng.normal(size=n)).astype("c16") for n in (a, b))
    x, y = (z.astype(dtype) if dtype[0] == "c" else z.real.astype(dtype) for z in (x, y))
    compiled = weft.jit(lambda x, y: wnp.einsum(subscripts, x, y))
    assert ("dot_general" not in compiled.lower(x, y).as_text("fused")) == loops
    found, expected = np.asarray(compiled(x, y)), np.einsum(subscripts, x, y)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=2e-4 if dtype in ("f4", "c8") else 1e-11, atol=1e-4)
