"""einops, opt_einsum, array-api-compat and Hypothesis with arrays of Weft."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import einops
import numpy as np
import opt_einsum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.array_api import make_strategies_namespace

import weft
import weft.numpy as wnp
from tests.ecosystem.transformed import agree, check_derivatives, check_values
from weft.engine.array import Array
from weft.interop import hypothesis as strategies
from weft.ir.errors import ArgumentError
from weft.ir.types import DTYPES

rng = np.random.default_rng(2)
X = rng.uniform(0.5, 1.5, (2, 6, 4))
Y = rng.uniform(0.5, 1.5, (2, 6, 3))


def run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


# einops

EINOPS = {
    "rearrange": (lambda x: einops.rearrange(x, "b (h k) c -> k (b h) c", k=3), (X,)),
    "rearrange of a list": (lambda x: einops.rearrange([x, x + 1], "n b h c -> b h (n c)"), (X,)),
    **{f"reduce by {how}": (lambda x, how=how: einops.reduce(x, "b (h k) c -> b h c", how, k=2), (X,))
       for how in ("mean", "sum", "max", "min", "prod")},
    "reduce by a function": (lambda x: einops.reduce(x, "b h c -> b c", lambda y, axes: y.var(axis=axes)), (X,)),
    "repeat": (lambda x: einops.repeat(x, "b h c -> (b r) h c n", r=2, n=3), (X,)),
    "einsum": (lambda x, y: einops.einsum(x, y, "b h c, b h d -> b c d"), (X, Y)),
    "pack": (lambda x, y: einops.pack([x, y], "b h *")[0], (X, Y)),
    "unpack": (lambda x: einops.unpack(x, [(1,), (3,)], "b h *"), (X,)),
    "patches": (lambda x: einops.reduce(einops.rearrange(x, "b (h s) c -> b h (s c)", s=2), "b h c -> b", "sum"), (X,)),
}  # fmt: skip


@pytest.mark.parametrize("name", EINOPS)
def test_einops(name: str) -> None:
    fun, args = EINOPS[name]
    check_values(fun, args)
    check_derivatives(fun, args)


def test_einops_knows_arrays() -> None:
    x = wnp.asarray(X)
    assert einops.parse_shape(x, "b _ c") == {"b": 2, "c": 4}
    assert type(einops.asnumpy(x)) is np.ndarray
    assert einops.reduce(x > 1, "b h c -> b", "any").dtype == bool
    assert einops.reduce(x.astype("bfloat16"), "b h c -> b", "mean").dtype == wnp.bfloat16
    with pytest.raises(NotImplementedError, match="not available for non-floating"):
        einops.reduce(wnp.arange(4), "a ->", "mean")
    with pytest.raises(einops.EinopsError, match=r"Input tensor shape: \(2, 6, 4\)"):
        einops.rearrange(x, "b (h k) c -> b h k c", k=4)


@pytest.mark.parametrize("first", ["weft", "einops"])
def test_the_back_end_is_there_whichever_comes_first(first: str) -> None:
    second = "einops" if first == "weft" else "weft"
    program = (
        f"import sys, {first}, {second}, weft.numpy as wnp; "
        "print(type(einops.rearrange(wnp.ones((2, 3)), 'a b -> b a')).__name__)"
    )
    assert run(program) == "Array\n"


def test_nothing_is_imported_for_its_sake() -> None:
    names = ("einops", "hypothesis", "array_api_compat")
    program = f"import sys, weft, weft.numpy; print([m for m in {names} if m in sys.modules])"
    assert run(program) == "[]\n"


def test_what_is_not_installed_is_still_not_found() -> None:
    program = "import sys, weft; sys.path[:] = []\ntry: import einops\nexcept ModuleNotFoundError as e: print(e.name)"
    assert run(program) == "einops\n"


# opt_einsum


@pytest.mark.parametrize("backend", ["auto", "weft"])
def test_opt_einsum(backend: str) -> None:
    def chain(x: Any, y: Any) -> Any:
        return opt_einsum.contract("bhc,bhd,bkc->bkd", x, y, x, backend=backend)

    # NumPy's arrays beside ours are for "auto" alone
    agree(chain(wnp.asarray(X), wnp.asarray(Y)), opt_einsum.contract("bhc,bhd,bkc->bkd", X, Y, X))
    agree(weft.jit(chain)(X, Y), opt_einsum.contract("bhc,bhd,bkc->bkd", X, Y, X))
    if backend == "auto":
        check_values(chain, (X, Y))
        check_derivatives(chain, (X, Y))


def test_expressions_of_opt_einsum() -> None:
    a, b, c = rng.normal(size=(3, 4, 4))
    free = opt_einsum.contract_expression("ij,jk,kl->il", (4, 4), (4, 4), (4, 4))
    check_values(free, (a, b, c))
    held = opt_einsum.contract_expression("ij,jk,kl->il", (4, 4), wnp.asarray(b), (4, 4), constants=[1])
    agree(held(wnp.asarray(a), wnp.asarray(c)), a @ b @ c)
    agree(weft.jit(held)(a, c), a @ b @ c)


# array-api-compat


def test_array_api_compat() -> None:
    compat = pytest.importorskip("array_api_compat")
    x = wnp.asarray(X)
    assert compat.is_array_api_obj(x) and not compat.is_numpy_array(x)
    assert compat.array_namespace(x, 1.0, None) is wnp
    assert compat.device(x) == x.device and compat.size(x) == 48
    assert compat.to_device(x, "cpu") is x
    seen = []
    weft.jit(
        lambda v: seen.append((compat.is_array_api_obj(v), compat.array_namespace(v), compat.size(v))) or v
    )(X)
    assert seen == [(True, wnp, 48)]
    with pytest.raises(TypeError, match="Multiple namespaces"):
        compat.array_namespace(x, X)


# Hypothesis


@settings(max_examples=60)
@given(st.data())
def test_strategies(data: st.DataObject) -> None:
    x = data.draw(strategies.arrays())
    assert type(x) is Array and x.dtype in DTYPES.values()
    wide = np.float32 if x.dtype.name == "bfloat16" else x.dtype  # in which NumPy's tests know NaN
    np.testing.assert_array_equal(wnp.concatenate([x, x])[: len(x)].astype(wide), x.astype(wide))
    kind = data.draw(
        st.sampled_from(["bool", "signed integer", "unsigned integer", "real floating", "complex floating"])
    )
    y = data.draw(strategies.arrays(strategies.dtypes(kind), (3, 2)))
    assert y.shape == (3, 2) and wnp.isdtype(y.dtype, kind)


@settings(max_examples=60)
@given(
    x=strategies.arrays(
        strategies.dtypes("real floating"), 4, elements={"min_value": -1, "max_value": 2}, unique=True
    ),
    n=strategies.arrays("int8", strategies.array_shapes(max_dims=1), elements=st.integers(3, 5)),
)
def test_elements(x: Any, n: Any) -> None:
    assert len({float(v) for v in x}) == 4 or x.dtype == wnp.bfloat16
    assert -1 <= float(x.min()) and float(x.max()) <= 2
    assert n.ndim == 1 and set(n.tolist()) <= {3, 4, 5}


def test_examples_of_bfloat16_come_up() -> None:
    from hypothesis import find

    assert find(strategies.arrays(), lambda x: x.dtype == wnp.bfloat16).dtype == wnp.bfloat16
    with pytest.raises(ArgumentError, match="dtypes got the kind 'floating'"):
        strategies.dtypes("floating")


def test_strategies_of_the_array_api() -> None:
    xps = make_strategies_namespace(wnp, api_version="2024.12")
    shapes = []

    @settings(max_examples=40)
    @given(xps.arrays(xps.scalar_dtypes(), xps.array_shapes(max_dims=3)), st.data())
    def check(x: Any, data: Any) -> None:
        assert type(x) is Array
        index = data.draw(xps.indices(x.shape))
        assert x[index].shape == np.asarray(x)[index].shape
        shapes.append(x.shape)

    check()
    assert len(set(shapes)) > 3
