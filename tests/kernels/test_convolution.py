"""The forms of convolutions as loops: each, cut into many tiles and chunks, gives what the reference gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import weft
from weft import lax
from weft.engine.runtime.program import compile_graph
from weft.ir.passes import windows
from weft.kernels.library import convolution, patches

rng = np.random.default_rng(11)
NAMES = [
    ("NHWC", "HWIO", "NHWC"),
    ("NCHW", "OIHW", "NCHW"),
    ("HNWC", "IHOW", "WCNH"),
    ("CHWN", "OHWI", "HCNW"),
]


@pytest.fixture(params=["direct", "whole", "tiles", "many tiles"])
def form(request: Any, monkeypatch: Any) -> str:
    """Take one form alone, whatever the sizes."""
    compile_graph.cache_clear()
    for module in (convolution, windows):
        monkeypatch.setattr(module, "has_products", lambda sizes: request.param != "direct")
    if request.param in ("tiles", "many tiles"):
        size = 1200 if request.param == "tiles" else 100
        monkeypatch.setattr(patches, "_TILE", size)
        monkeypatch.setattr(patches, "_SMALL_PRODUCT", size)
        monkeypatch.setattr(patches, "_FEW_ROWS", 2)
        monkeypatch.setattr(patches, "_CHUNK_TIME", 1.0)
    yield request.param
    compile_graph.cache_clear()


def operands(names: tuple[str, ...], groups: int, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    sizes = [{"N": 3, "C": 2 * groups, "H": 7, "W": 5}, {"O": 3 * groups, "I": 2, "H": 3, "W": 2}]
    shapes = [tuple(s[c] for c in spec) for s, spec in zip(sizes, names, strict=False)]
    x, w = (rng.standard_normal((2, *shape)) for shape in shapes)
    return tuple((v[0] + 1j * v[1] if dtype.kind == "c" else v[0]).astype(dtype) for v in (x, w))  # type: ignore[return-value]


@pytest.mark.parametrize("names", NAMES, ids=lambda n: n[0])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("dtype", [np.dtype(np.float64), np.dtype(np.complex64)])
def test_forms_agree(form: str, names: Any, groups: int, dtype: Any) -> None:
    x, w = operands(names, groups, dtype)

    def convolve(x: Any, w: Any) -> Any:
        return lax.conv_general_dilated(
            x, w, (2, 1), "SAME", rhs_dilation=(1, 2), dimension_numbers=names, feature_group_count=groups
        )

    wanted, pull = weft.vjp(convolve, x, w)
    found = weft.jit(convolve)(x, w)
    tolerance = 1e-12 if dtype.itemsize == 8 and dtype.kind == "f" else 1e-4
    np.testing.assert_allclose(found, wanted, atol=tolerance)
    for back, by_hand in zip(weft.jit(lambda ct: pull(ct))(wanted), pull(wanted), strict=True):
        np.testing.assert_allclose(back, by_hand, atol=100 * tolerance)


def test_threads_change_no_bit(form: str) -> None:
    x, w = operands(NAMES[0], 1, np.dtype(np.float32))
    program = weft.jit(weft.grad(lambda x, w: (lax.conv_general_dilated(
        x, w, (1, 1), "SAME", dimension_numbers=NAMES[0]) ** 2).sum(), (0, 1)))  # fmt: skip
    before = weft.config.threads
    try:
        results = []
        for threads in (1, 2, 3):
            weft.config.threads = threads
            results.append([np.asarray(g).tobytes() for g in program(x, w)])
    finally:
        weft.config.threads = before
    assert results[0] == results[1] == results[2]


def test_large_threads_change_no_bit() -> None:
    x, w = rng.standard_normal((8, 20, 20, 16)), rng.standard_normal((3, 3, 16, 32))
    program = weft.jit(weft.grad(lambda x, w: (lax.conv_general_dilated(
        x, w, (1, 1), "SAME", dimension_numbers=NAMES[0]) ** 2).sum(), (0, 1)))  # fmt: skip
    before = weft.config.threads
    try:
        results = []
        for threads in (1, 2, 5):
            weft.config.threads = threads
            results.append([np.asarray(g).tobytes() for g in program(x, w)])
    finally:
        weft.config.threads = before
    assert results[0] == results[1] == results[2]


def test_new_shapes_compile_nothing() -> None:
    convolve = weft.jit(
        lambda x, w: lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=NAMES[0])
    )
    for n in (40, 41, 57, 64):
        x, w = rng.standard_normal((2, n, n + 3, 8)), rng.standard_normal((3, 5, 8, 16))
        convolve(x, w)
    assert convolve.compiles == 1


def test_depthwise_is_one_kernel() -> None:
    x, w = rng.standard_normal((2, 8, 8, 24)), rng.standard_normal((3, 3, 1, 24))
    program = weft.jit(
        lambda x, w: lax.conv_general_dilated(
            x, w, (1, 1), "VALID", dimension_numbers=NAMES[0], feature_group_count=24
        )
    )
    assert "call" not in program.lower(x, w).as_text("loops")
    assert program.lower(x, w).cost_analysis()["kernels"] == 1
