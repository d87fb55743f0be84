"""Functions of `weft.scipy` called with what they do not take: they compute, or say what is wrong, in words of their own."""

from __future__ import annotations

import importlib
import inspect
import random
import warnings
from typing import Any

import numpy as np
import pytest

import weft
from weft.errors import WeftError
from weft.ir.errors import InternalError, VerificationError

BAD: list[Any] = [
    None, "s", -1, 0, 2, np.float64(3), [[1, 2], [3]], {"a": 1}, np.array(["a"]), np.array([None]), np.array(3),
    np.zeros(0), np.zeros((0, 0)), np.zeros((2, 0)), np.ones(3), np.ones((2, 3)), np.ones((2, 2, 2)),
    *[np.ones((3, 3), dtype) for dtype in ("f8", "i8", "?", "f2", "c16")], np.full((3, 3), np.nan),
]  # fmt: skip
MODULES = [
    "linalg", "signal", "signal.windows", "ndimage", "integrate", "interpolate", "cluster.vq", "sparse.linalg", "optimize",
    "fft",
]  # fmt: skip


def traced(fun: Any, args: list[Any]) -> Any:
    """The call with arrays traced."""
    places = [i for i, x in enumerate(args) if isinstance(x, np.ndarray) and x.dtype.kind in "fciub"]

    def call(*arrays: Any) -> Any:
        full = list(args)
        for i, x in zip(places, arrays, strict=True):
            full[i] = x
        return fun(*full)

    return weft.jit(call)(*[args[i] for i in places])


@pytest.mark.parametrize("module", MODULES)
def test_errors_are_explained(module: str) -> None:
    found = importlib.import_module(f"weft.scipy.{module}")
    draw = random.Random(module)
    for name in found.__all__:
        fun = getattr(found, name)
        # NumPy's own functions raise NumPy's errors; sizes are not tried out.
        if not callable(fun) or name in ("LinAlgError", "fftfreq", "rfftfreq", "kron"):
            continue
        required = [
            p for p in inspect.signature(fun).parameters.values() if p.default is p.empty and p.kind in (0, 1)
        ]
        for trial in range(24):
            args = [draw.choice(BAD) for _ in range(max(len(required), 1))]
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                try:
                    traced(fun, args) if trial % 12 == 0 else fun(*args)
                except (InternalError, VerificationError):
                    raise
                except (WeftError, np.linalg.LinAlgError):
                    pass
                except Exception as error:
                    pytest.fail(f"{module}.{name}{tuple(args)!r} raised {type(error).__name__}: {error}")
