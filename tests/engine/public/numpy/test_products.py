from __future__ import annotations

import numpy as np
import pytest

import weft.numpy as wnp
from tests.engine.public.numpy.checks import BFLOAT16, agree, same, sample, staged
from weft.ir.errors import ArgumentError, ShapeError


def f(*shape: int, dtype: str = "float64") -> np.ndarray:
    return sample(dtype, shape)


PAIRS = {
    "matmul": [
        ((3, 4), (4, 2)),
        ((4,), (4, 2)),
        ((3, 4), (4,)),
        ((4,), (4,)),
        ((5, 3, 4), (4, 2)),
        ((5, 1, 3, 4), (2, 4, 2)),
        ((0, 4), (4, 3)),
        ((3, 0), (0, 2)),
    ],
    "dot": [((3, 4), (4, 2)), ((4,), (4,)), ((2, 3, 4), (5, 4, 2)), ((), (3,)), ((2, 3), ())],
    "inner": [((3, 4), (2, 4)), ((4,), (4,)), ((2, 3, 4), (4,)), ((), (3,))],
    "vdot": [((3, 4), (3, 4)), ((4,), (4,)), ((2, 6), (3, 4))],
    "outer": [((3,), (4,)), ((2, 2), (3,)), ((), (2,))],
    "kron": [((2, 3), (3, 2)), ((2,), (2, 2)), ((), (3,)), ((2, 1, 2), (3, 2))],
    "cross": [((3,), (3,)), ((4, 3), (3,)), ((2, 1, 3), (5, 3))],
    "tensordot": [((2, 3, 4), (3, 4, 5)), ((2, 3), (2, 3))],
    "vecdot": [((3, 4), (3, 4)), ((2, 3, 4), (4,))],
    "matvec": [((3, 4), (4,)), ((2, 3, 4), (2, 4))],
    "vecmat": [((3,), (3, 4)), ((2, 3), (2, 3, 4))],
}


@pytest.mark.parametrize("dtype", ["float64", "float32", "int32", "bool", "complex128", "float16"])
@pytest.mark.parametrize("name", sorted(PAIRS))
def test_products(name: str, dtype: str) -> None:
    for left, right in PAIRS[name]:
        if not hasattr(np, name) or (name == "cross" and dtype == "bool"):
            continue
        agree(
            name,
            f(*left, dtype=dtype),
            f(*right, dtype=dtype),
            rtol=2e-2 if dtype == "float16" else 1e-4 if dtype == "float32" else 1e-10,
        )


def test_mixed_dtypes_and_scalars() -> None:
    agree("matmul", f(2, 3, dtype="int8"), f(3, 2, dtype="float32"), rtol=1e-5)
    agree(lambda m: lambda v: m.dot(v, 2.0), f(3, dtype="float32"))
    agree(lambda m: lambda v: m.dot(3, v), f(2, 2, dtype="int8"))
    agree(lambda m: lambda v: v @ v.T, f(2, 3))


@pytest.mark.parametrize("axes", [0, 1, ([0, 1], [1, 0]), ((-1,), (0,)), (1, 0)])
def test_tensordot_axes(axes) -> None:
    agree(lambda m: lambda a, b: m.tensordot(a, b, axes), f(3, 3), f(3, 3))


def test_cross_axes() -> None:
    agree(lambda m: lambda a, b: m.cross(a, b, axis=0), f(3, 4), f(3, 4))
    agree(lambda m: lambda a, b: m.cross(a, b, axisa=0, axisb=1, axisc=0), f(3, 4), f(4, 3))
    same(staged(wnp.cross, np.array([1.0, 2.0]), np.array([3.0, 4.0])), np.array(-2.0), "flat vectors")


EINSUMS = [
    ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("ii->i", (3, 3)), ("ii", (3, 3)),
    ("ij->ji", (2, 3)), ("ij->", (2, 3)), ("ij->j", (2, 3)),
    ("i,i->", (3,), (3,)), ("i,j->ij", (2,), (3,)), ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
    ("...ij,...jk->...ik", (2, 2, 3), (2, 3, 2)),
    ("...i->...", (2, 3)), ("ij,jk,kl->il", (2, 3), (3, 2), (2, 4)),
    ("hid,hjd->hij", (2, 3, 4), (2, 5, 4)), ("iij,j->i", (2, 2, 3), (3,)),
    ("ij,ij->ij", (2, 3), (2, 3)), ("ij,kl->", (2, 3), (2, 2)),
    ("abc,cd,ef,e->abdf", (2, 2, 3), (3, 2), (2, 2), (2,)),
    ("ab,bc,cd,da->", (2, 3), (3, 2), (2, 3), (3, 2)),
    ("...,...->...", (2, 3), (3,)), ("i,ij,j", (2,), (2, 3), (3,)), ("iii->i", (2, 2, 2)),
    ("ijk,ilm->jl", (2, 3, 2), (2, 2, 3)),
]  # fmt: skip


@pytest.mark.parametrize("case", EINSUMS, ids=[c[0] for c in EINSUMS])
def test_einsum(case: tuple) -> None:
    subscripts, *shapes = case
    for dtype in ("float64", "int32", "complex64"):
        agree(
            lambda m: lambda *xs: m.einsum(subscripts, *xs), *[f(*s, dtype=dtype) for s in shapes], rtol=1e-4
        )


def test_einsum_spellings() -> None:
    a, b = f(2, 3), f(3, 4)
    agree(lambda m: lambda x, y: m.einsum(x, [0, 1], y, [1, 2], [0, 2]), a, b)
    agree(lambda m: lambda x, y: m.einsum(x, [0, 1], y, [1, 2]), a, b)
    agree(lambda m: lambda x, y: m.einsum("ij,jk->ik", x, y, optimize=False), a, b)
    path, report = wnp.einsum_path("ij,jk,kl->il", a, b, f(4, 2))
    assert path[0] == "einsum_path" and "contraction" in report.lower()


def test_einsum_broadcasts_length_one() -> None:
    agree(lambda m: lambda x, y: m.einsum("ij,ij->i", x, y), f(2, 1), f(2, 3))
    agree(lambda m: lambda x, y: m.einsum("ij,ij->ij", x, y), f(1, 3), f(2, 3))


def test_bfloat16_products_sum_in_float32() -> None:
    x, y = f(3, 300).astype(BFLOAT16), f(300, 2).astype(BFLOAT16)
    want = (x.astype(np.float32) @ y.astype(np.float32)).astype(BFLOAT16)
    agree("matmul", x, y, expected=want, rtol=2e-2)


def test_keywords_of_jax() -> None:
    x, y = f(2, 3, dtype="float32"), f(3, 2, dtype="float32")
    for name in ("matmul", "dot"):
        agree(
            lambda m, n=name: (
                lambda a, b: getattr(m, n)(a, b) if m is np else getattr(m, n)(a, b, precision="highest")
            ),
            x,
            y,
        )
        got = staged(lambda a, b, n=name: getattr(wnp, n)(a, b, preferred_element_type=np.float64), x, y)
        assert got.dtype == np.float64


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ShapeError, r"matmul got incompatible shapes \(2, 3\) and \(2, 3\)", lambda v: v @ v),
        (
            ShapeError,
            r"matmul got incompatible shapes \(\) and \(2, 3\): both need an axis",
            lambda v: wnp.matmul(2.0, v),
        ),
        (ShapeError, r"dot got incompatible shapes \(2, 3\) and \(2, 3\)", lambda v: wnp.dot(v, v)),
        (ShapeError, r"inner got incompatible shapes", lambda v: wnp.inner(v, v.T)),
        (
            ShapeError,
            r"tensordot got incompatible shapes .* axes \(1,\) and \(0,\)",
            lambda v: wnp.tensordot(v, v, 1),
        ),
        (ShapeError, "einsum got lengths 3 and 2 for the axis 'j'", lambda v: wnp.einsum("ij,jk->ik", v, v)),
        (
            ShapeError,
            r"einsum got an operand of shape \(2, 3\) for the axes 'ijk'",
            lambda v: wnp.einsum("ijk->i", v),
        ),
        (ArgumentError, "einsum cannot read 'ij->k'", lambda v: wnp.einsum("ij->k", v)),
        (ShapeError, "cross got incompatible shapes", lambda v: wnp.cross(v[:, :1], v)),
    ],
)
def test_errors_are_the_same_eagerly_and_staged(error, message, call) -> None:
    x = f(2, 3)
    with pytest.raises(error, match=message):
        staged(call, x)
    with pytest.raises(error, match=message):
        call(wnp.asarray(x))
