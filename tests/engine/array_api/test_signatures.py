"""Every name of the array API standard 2024.12 is there, and takes its arguments as the standard says.

What the standard makes positional-only may have any name; what it makes positional or keyword stands at the same place under
the same name; what it makes keyword-only is there as a keyword, with the same default.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp

ONE = """abs acos acosh asin asinh atan atanh bitwise_invert ceil conj cos cosh exp expm1 floor imag isfinite isinf isnan log
log1p log2 log10 logical_not negative positive real reciprocal round sign signbit sin sinh square sqrt tan tanh trunc
matrix_transpose nonzero unique_all unique_counts unique_inverse unique_values"""
TWO = """add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor copysign divide equal floor_divide
greater greater_equal hypot less less_equal logaddexp logical_and logical_or logical_xor maximum minimum multiply nextafter
not_equal pow remainder subtract matmul"""
LIKE = "x, /, *, dtype=None, device=None"
OVER = "x, /, *, axis=None, keepdims=False"
SUM = "x, /, *, axis=None, dtype=None, keepdims=False"
RUNNING = "x, /, *, axis=None, dtype=None, include_initial=False"

FUNCTIONS = {
    **dict.fromkeys(ONE.split(), "x, /"),
    **dict.fromkeys(TWO.split(), "x1, x2, /"),
    **dict.fromkeys(["all", "any", "count_nonzero", "max", "mean", "min"], OVER),
    **dict.fromkeys(["argmax", "argmin"], OVER),
    **dict.fromkeys(["sum", "prod"], SUM),
    **dict.fromkeys(["std", "var"], "x, /, *, axis=None, correction=0, keepdims=False"),
    **dict.fromkeys(["cumulative_sum", "cumulative_prod"], RUNNING),
    **dict.fromkeys(["zeros_like", "ones_like", "empty_like"], LIKE),
    **dict.fromkeys(["zeros", "ones", "empty"], "shape, *, dtype=None, device=None"),
    **dict.fromkeys(["tril", "triu"], "x, /, *, k=0"),
    "arange": "start, /, stop=None, step=1, *, dtype=None, device=None",
    "argsort": "x, /, *, axis=-1, descending=False, stable=True",
    "asarray": "obj, /, *, dtype=None, device=None, copy=None",
    "astype": "x, dtype, /, *, copy=True, device=None",
    "broadcast_arrays": "*arrays",
    "broadcast_to": "x, /, shape",
    "can_cast": "from_, to, /",
    "clip": "x, /, min=None, max=None",
    "concat": "arrays, /, *, axis=0",
    "diff": "x, /, *, axis=-1, n=1, prepend=None, append=None",
    "expand_dims": "x, /, *, axis",
    "eye": "n_rows, n_cols=None, /, *, k=0, dtype=None, device=None",
    "finfo": "type, /",
    "flip": "x, /, *, axis=None",
    "from_dlpack": "x, /, *, device=None, copy=None",
    "full": "shape, fill_value, *, dtype=None, device=None",
    "full_like": "x, /, fill_value, *, dtype=None, device=None",
    "iinfo": "type, /",
    "isdtype": "dtype, kind",
    "linspace": "start, stop, /, num, *, dtype=None, device=None, endpoint=True",
    "meshgrid": "*arrays, indexing='xy'",
    "moveaxis": "x, source, destination, /",
    "permute_dims": "x, /, axes",
    "repeat": "x, repeats, /, *, axis=None",
    "reshape": "x, /, shape, *, copy=None",
    "result_type": "*arrays_and_dtypes",
    "roll": "x, /, shift, *, axis=None",
    "searchsorted": "x1, x2, /, *, side='left', sorter=None",
    "sort": "x, /, *, axis=-1, descending=False, stable=True",
    "squeeze": "x, /, axis",
    "stack": "arrays, /, *, axis=0",
    "take": "x, indices, /, *, axis=None",
    "take_along_axis": "x, indices, /, *, axis=-1",
    "tensordot": "x1, x2, /, *, axes=2",
    "tile": "x, repetitions, /",
    "unstack": "x, /, *, axis=0",
    "vecdot": "x1, x2, /, *, axis=-1",
    "where": "condition, x1, x2, /",
    "__array_namespace_info__": "",
}
LINALG = {
    "cholesky": "x, /, *, upper=False",
    "cross": "x1, x2, /, *, axis=-1",
    "det": "x, /",
    "diagonal": "x, /, *, offset=0",
    "eigh": "x, /",
    "eigvalsh": "x, /",
    "inv": "x, /",
    "matmul": "x1, x2, /",
    "matrix_norm": "x, /, *, keepdims=False, ord='fro'",
    "matrix_power": "x, n, /",
    "matrix_rank": "x, /, *, rtol=None",
    "matrix_transpose": "x, /",
    "outer": "x1, x2, /",
    "pinv": "x, /, *, rtol=None",
    "qr": "x, /, *, mode='reduced'",
    "slogdet": "x, /",
    "solve": "x1, x2, /",
    "svd": "x, /, *, full_matrices=True",
    "svdvals": "x, /",
    "tensordot": "x1, x2, /, *, axes=2",
    "trace": "x, /, *, offset=0, dtype=None",
    "vecdot": "x1, x2, /, *, axis=-1",
    "vector_norm": "x, /, *, axis=None, keepdims=False, ord=2",
}
TRANSFORM = "x, /, *, n=None, axis=-1, norm='backward'"
TRANSFORMS = "x, /, *, s=None, axes=None, norm='backward'"
FREQUENCIES = "n, /, *, d=1.0, dtype=None, device=None"
FFT = {
    **dict.fromkeys(["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"], TRANSFORM),
    **dict.fromkeys(["fftn", "ifftn", "rfftn", "irfftn"], TRANSFORMS),
    **dict.fromkeys(["fftfreq", "rfftfreq"], FREQUENCIES),
    **dict.fromkeys(["fftshift", "ifftshift"], "x, /, *, axes=None"),
}
OPERATORS = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split()
METHODS = {
    **dict.fromkeys(["__abs__", "__neg__", "__pos__", "__invert__"], "self, /"),
    **dict.fromkeys(["__bool__", "__complex__", "__float__", "__index__", "__int__"], "self, /"),
    **{f"__{kind}{name}__": "self, other, /" for name in OPERATORS for kind in ("", "r", "i")},
    **dict.fromkeys(["__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"], "self, other, /"),
    "__array_namespace__": "self, /, *, api_version=None",
    "__dlpack__": "self, /, *, stream=None, max_version=None, dl_device=None, copy=None",
    "__dlpack_device__": "self, /",
    "__getitem__": "self, key, /",
    "__setitem__": "self, key, value, /",
    "to_device": "self, device, /, *, stream=None",
}
CONSTANTS = {"e": np.e, "inf": np.inf, "nan": np.nan, "newaxis": None, "pi": np.pi}
DTYPES = (
    """bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128""".split()
)

# Where NumPy's own default says the same in another way, and NumPy's stands.
SAME_DEFAULTS: dict[tuple[str, str], Any] = {
    ("pinv", "rtol"): np._NoValue,
    ("arange", "step"): None,
    ("std", "correction"): None,
    ("var", "correction"): None,
} | {(name, "norm"): None for name in FFT}

PARTS = {
    **{f"{name}": (lambda: wnp, name, text) for name, text in FUNCTIONS.items()},
    **{f"linalg.{name}": (lambda: wnp.linalg, name, text) for name, text in LINALG.items()},
    **{f"fft.{name}": (lambda: wnp.fft, name, text) for name, text in FFT.items()},
    **{f"array.{name}": (lambda: weft.Array, name, text) for name, text in METHODS.items()},
}


def parameters(text: str) -> list[inspect.Parameter]:
    """A signature's text as parameters."""
    scope: dict[str, Any] = {}
    exec(f"def function({text}): ...", scope)
    return list(inspect.signature(scope["function"]).parameters.values())


@pytest.mark.parametrize("what", PARTS)
def test_signature(what: str) -> None:
    where, name, text = PARTS[what]
    function = getattr(where(), name)
    ours = inspect.signature(function).parameters
    in_order = list(ours.values())
    for place, wanted in enumerate(parameters(text)):
        if wanted.kind is wanted.KEYWORD_ONLY:
            found = ours[wanted.name]
            assert found.kind in (found.KEYWORD_ONLY, found.POSITIONAL_OR_KEYWORD)
            assert found.default == SAME_DEFAULTS.get((name, wanted.name), wanted.default)
            continue
        found = in_order[place]
        if wanted.kind is wanted.POSITIONAL_ONLY:
            assert found.kind in (found.POSITIONAL_ONLY, found.POSITIONAL_OR_KEYWORD)
        else:
            assert found.kind is wanted.kind
            assert wanted.kind is wanted.VAR_POSITIONAL or found.name == wanted.name
    required = [
        p for p in in_order if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    assert len(required) <= len(
        [p for p in parameters(text) if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]
    )


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants(name: str) -> None:
    assert (
        getattr(wnp, name) is CONSTANTS[name]
        or np.testing.assert_equal(getattr(wnp, name), CONSTANTS[name]) is None
    )


@pytest.mark.parametrize("name", DTYPES)
def test_dtypes(name: str) -> None:
    dtype = getattr(wnp, name)
    assert wnp.zeros(2, dtype=dtype).dtype == dtype == np.dtype(name)


def test_attributes_of_arrays() -> None:
    x = wnp.ones((2, 3), dtype=wnp.float32)
    assert (x.dtype, x.device, x.ndim, x.shape, x.size) == (wnp.float32, "cpu", 2, (2, 3), 6)
    assert x.mT.shape == x.T.shape == (3, 2)
    seen = weft.jit(lambda v: wnp.asarray([v.ndim, v.size, len(v.device), *v.mT.shape]))(x)
    assert seen.tolist() == [2, 6, 3, 3, 2]
