from __future__ import annotations

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.engine.public.numpy.checks import BFLOAT16, DTYPES, agree, eager, reference, same, sample, staged
from weft.engine.array import Array
from weft.ir.errors import ArgumentError, DTypeError, ShapeError
from weft.numpy.ufuncs import ALIASES, UFUNCS

NAMES = sorted(u.__name__ for u in UFUNCS)
# What NumPy computes with less than half a unit of care, or by another formula.
LOOSE = {"float16": 5e-3, "float32": 5e-5, "complex64": 2e-4, "float64": 1e-10, "complex128": 1e-9}
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -3.5, np.inf, -np.inf, np.nan, 1e-300, 1e300]


def operands(name: str, dtype: str, shape: tuple[int, ...]) -> list[np.ndarray]:
    ufunc = getattr(np, name)
    args = [sample(dtype, shape) for _ in range(ufunc.nin)]
    if name in ("power", "left_shift", "right_shift") and args[1].dtype.kind in "iu":
        args[1] = abs(args[1]) % 4
    if name in ("floor_divide", "remainder", "fmod", "divmod", "reciprocal") and args[-1].dtype.kind in "iub":
        args[-1] = np.where(args[-1] == 0, 1, args[-1]).astype(dtype)
    if name == "ldexp":
        args[1] = sample("int32", shape)
    if name in ("power", "float_power") and args[0].dtype.kind == "f":
        args[0] = abs(args[0])
    return args


def works(name: str, *args: object) -> bool:
    try:
        reference(getattr(np, name), *args)
    except TypeError:
        return False
    return True


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_every_ufunc_on_every_dtype(name: str, dtype: str) -> None:
    for shape in [(3, 4), (), (0,)]:
        args = operands(name, dtype, shape)
        if not works(name, *args):
            with pytest.raises(DTypeError, match=name):
                staged(getattr(wnp, name), *args)
            with pytest.raises(TypeError):
                eager(getattr(wnp, name), *args)
            continue
        agree(name, *args, rtol=LOOSE.get(dtype))


@pytest.mark.parametrize("name", sorted(u.__name__ for u in UFUNCS if u.nin == 1))
def test_special_values(name: str) -> None:
    if not works(name, np.array(SPECIAL)):
        pytest.skip("no floating loop")
    agree(name, np.array(SPECIAL), rtol=1e-12)


@pytest.mark.parametrize("name",
["maximum", "minimum", "fmax", "fmin", "copysign", "heaviside", "arctan2", "hypot", "logaddexp",
                                  "nextafter", "remainder", "fmod", "equal", "less", "add"])  # fmt: skip
def test_special_pairs(name: str) -> None:
    x = np.array(SPECIAL)
    agree(name, x[:, None], x[None, :], rtol=1e-10)


@pytest.mark.parametrize(
    "left", ["int8", "uint8", "int64", "uint64", "float16", "float32", "bool", "complex64"]
)
@pytest.mark.parametrize("right", ["int8", "uint64", "float16", "float64", "bool"])
@pytest.mark.parametrize("name", ["add", "multiply", "true_divide", "less", "arctan2", "maximum"])
def test_mixed_dtypes(name: str, left: str, right: str) -> None:
    x, y = sample(left, (3,), 1, 4), sample(right, (2, 1), 1, 4)
    if works(name, x, y):
        agree(name, x, y, rtol=1e-2 if "float16" in (left, right) else 1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scalar", [2, 2.5, True, 1j, -1])
@pytest.mark.parametrize("name", ["add", "multiply", "power", "less", "true_divide"])
def test_python_scalars_are_weak(name: str, scalar: complex, dtype: str) -> None:
    x = sample(dtype, (3,), 1, 4)
    try:
        reference(getattr(np, name), x, scalar)
    except (TypeError, OverflowError, ValueError) as error:
        with pytest.raises((type(error), ArgumentError)):
            staged(lambda v: getattr(wnp, name)(v, scalar), x)
        return
    agree(lambda m: lambda v: getattr(m, name)(v, scalar), x, rtol=LOOSE.get(dtype))
    if name != "power":
        agree(lambda m: lambda v: getattr(m, name)(scalar, v), x, rtol=LOOSE.get(dtype))


@pytest.mark.parametrize("scalar", [300, -1, 2**40])
def test_comparison_with_integers_out_of_range(scalar: int) -> None:
    for name in ("less", "greater_equal", "equal", "not_equal"):
        agree(lambda m, name=name: lambda v: getattr(m, name)(v, scalar), np.array([0, 7, 255], np.uint8))
        agree(lambda m, name=name: lambda v: getattr(m, name)(scalar, v), np.array([0, 7, 255], np.uint8))


def test_comparison_of_signed_and_unsigned() -> None:
    x, y = np.array([-1, 0, 2**62, 5]), np.array([2**64 - 1, 0, 2**63, 4], np.uint64)
    for name in ("less", "less_equal", "equal", "greater", "greater_equal", "not_equal"):
        agree(name, x, y)
        agree(name, y, x)


@pytest.mark.parametrize("name", ["add", "sin", "exp", "power", "maximum", "less", "isnan", "tanh", "floor"])
def test_bfloat16_keeps_its_dtype(name: str) -> None:
    args = [sample("float32", (4,), 0.5, 2).astype(BFLOAT16) for _ in range(getattr(np, name).nin)]
    want = np.asarray(getattr(np, name)(*[a.astype(np.float32) for a in args]))
    want = want.astype(BFLOAT16) if want.dtype == np.float32 else want
    agree(name, *args, expected=want)
    if len(args) == 2 and name != "less":
        got = staged(lambda v: getattr(wnp, name)(v, 2.0), args[0])
        assert got.dtype == BFLOAT16
        assert getattr(wnp, name)(wnp.asarray(args[0]), 2.0).dtype == BFLOAT16


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, -2, 0.5, 2.0, -3.0, 7.5, 33])
def test_powers_of_static_exponents(exponent: float) -> None:
    x = np.array([0.5, 1.5, 3.0])
    agree(lambda m: lambda v: m.power(v, exponent), x)
    same(staged(lambda v: v**exponent, x), x**exponent, "operator")


def test_powers_of_integers() -> None:
    agree(lambda m: lambda v: m.power(v, 3), np.array([-2, 3], np.int8))
    with pytest.raises(ArgumentError, match="power got integers of int64 and the exponent -1"):
        staged(lambda v: v**-1, np.array([2]))


def test_weak_results_of_scalars_alone() -> None:
    from weft.engine import tree
    from weft.engine.trace import trace
    from weft.ir.types import ArrayType

    _, in_tree = tree.flatten(((0, 0), {}))
    types = [ArrayType((), np.dtype(np.int64)), ArrayType((3,), np.dtype(np.float32))]
    out = trace(lambda t, x: x / (1 - 0.9**t), types, in_tree, kind="jit", weak=[True, False])
    assert out.graph.outs[0].type.dtype == np.float32


def test_ufunc_keywords() -> None:
    agree(lambda m: lambda v: m.add(v, 1, dtype=np.float64), np.array([1, 2]))
    with pytest.raises(ArgumentError, match=r"add got out=.*immutable"):
        staged(lambda v: wnp.add(v, 1, out=v), np.ones(2))
    with pytest.raises(TypeError):
        wnp.add(wnp.ones(2), 1, 2, 3, 4)


def test_errors_name_the_function_and_the_shapes() -> None:
    message = r"add got incompatible shapes for broadcasting: \(2, 3\), \(4, 3\)"
    with pytest.raises(ShapeError, match=message):
        staged(wnp.add, np.ones((2, 3)), np.ones((4, 3)))
    with pytest.raises(ShapeError, match=message):
        wnp.add(wnp.ones((2, 3)), wnp.ones((4, 3)))
    with pytest.raises(ArgumentError, match="an argument of sin is 'x' of type"):
        staged(lambda v: wnp.add(v, wnp.sin("x")), np.ones(2))
    with pytest.raises(OverflowError):
        staged(lambda v: v + 300, np.ones(2, np.uint8))


def test_aliases() -> None:
    for alias, name in ALIASES.items():
        assert getattr(wnp, alias) is getattr(wnp, name), alias


def test_lists_are_arrays() -> None:
    assert isinstance(wnp.add([1, 2], [3, 4]), Array)
    same(staged(lambda v: wnp.add([v, v], [1.0, 2.0]), np.array(2.0)), np.array([3.0, 4.0]), "list")


@pytest.mark.parametrize("name", ["less", "equal", "not_equal", "greater_equal", "maximum", "add"])
def test_python_integers_under_jit(name: str) -> None:
    jitted = weft.jit(getattr(wnp, name))
    assert jitted(1, 3) == getattr(np, name)(1, 3)
    assert weft.jit(lambda i: getattr(wnp, name)(i, 3))(4) == getattr(np, name)(4, 3)
