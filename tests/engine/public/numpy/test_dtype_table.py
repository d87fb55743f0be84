"""Every function of the table with every dtype, eagerly, traced and under vmap: NumPy's values, dtypes and refusals.

bfloat16, which NumPy has not, is held to float32's values and to float16's dtypes with bfloat16 in its place.
"""

from __future__ import annotations

import inspect
import os
import re
import zlib
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.engine.public.numpy import dtype_rows
from tests.engine.public.numpy.checks import BFLOAT16, eager, reference, same, staged
from tests.engine.public.numpy.dtype_rows import ALL, ROWS, Row
from weft.engine import tree

LOOSE = {"float16": 4e-3, "bfloat16": 2e-2, "float32": 2e-6, "complex64": 2e-6}
EVERY = bool(os.environ.get("WEFT_ALL_DTYPES"))
REFUSALS = (TypeError, ValueError, IndexError, np.linalg.LinAlgError)


def draw(row: Row, shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    """Elements that every dtype holds exactly, or nearly."""
    rng = np.random.default_rng(zlib.crc32(f"{row.label}{shape}{seed}".encode()))
    kind = np.dtype(dtype).kind if dtype != "bfloat16" else "f"
    if kind == "b":
        return np.asarray(rng.random(shape) > 0.4)
    low = max(row.low, 0) if kind == "u" else row.low
    if kind in "iu":
        return np.asarray(rng.integers(int(np.ceil(low)), int(row.high) + 1, shape)).astype(dtype)
    x = np.asarray(rng.integers(int(low * 8), int(row.high * 8) + 1, shape) / 8)
    if kind == "c":
        x = x + 1j * np.asarray(rng.integers(int(row.low * 8), int(row.high * 8) + 1, shape) / 8)
    return x.astype(BFLOAT16 if dtype == "bfloat16" else dtype)


def expected(row: Row, args: list[np.ndarray]) -> Any:
    """NumPy's result; None where it refuses."""
    run = lambda *xs: row.call(np, *xs)  # noqa: E731
    try:
        if args[0].dtype != BFLOAT16:
            return tree.map(np.asarray, _plain(reference(run, *args)))
        values = reference(run, *[x.astype(np.float32) for x in args])
        dtypes = reference(run, *[x.astype(np.float16) for x in args])
    except REFUSALS:
        return None
    return tree.map(_in_bfloat16, _plain(values), _plain(dtypes))


def _plain(x: Any) -> Any:
    """Results in tuples, without NumPy's classes of them."""
    return tuple(map(_plain, x)) if isinstance(x, list | tuple) else x


def _in_bfloat16(value: Any, like: Any) -> np.ndarray:
    dtype = np.asarray(like).dtype
    return np.asarray(value).astype(BFLOAT16 if dtype == np.float16 else dtype)


def agree(row: Row, dtype: str, got: Any, want: Any, how: str) -> None:
    """Assert that results are of the same structure, dtypes and values, as exact as arguments and results are."""
    if isinstance(want, tuple):
        assert isinstance(got, tuple) and len(got) == len(want), f"{how}: not a tuple of {len(want)}"
        for g, w in zip(got, want, strict=True):
            agree(row, dtype, g, w, how)
        return
    loosest = max(LOOSE.get(name, 1e-13) for name in (dtype, want.dtype.name))
    same(got, want, how, loosest * row.rough)


def check(row: Row, dtype: str, args: list[np.ndarray], how: str, run: Any) -> None:
    """One way of calling the function: NumPy's result or a refusal."""
    call = lambda *xs: row.call(wnp, *xs)  # noqa: E731
    want = expected(row, args)
    where = f"{row.label} of {dtype} {[x.shape for x in args]}, {how}"
    if want is None:
        try:
            got = run(call, *args)
        except (*REFUSALS, weft.errors.WeftError):
            return
        pytest.fail(f"{where}: NumPy refuses, and here the result is {got}", pytrace=False)
    agree(row, dtype, _plain(run(call, *args)), want, where)


def cases(dtype: str) -> list[tuple[Row, list[np.ndarray]]]:
    return [
        (row, [draw(row, s, dtype, i) for i, s in enumerate(shapes)])
        for row in ROWS
        if dtype not in row.but
        for shapes in row.shapes
    ]


@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize("how", ["eager", "traced"])
def test_as_numpy(how: str, dtype: str) -> None:
    run = eager if how == "eager" else staged
    for row, args in cases(dtype):
        if row.static or how == "eager":
            check(row, dtype, args, how, run)


@pytest.mark.parametrize("dtype", ALL)
def test_batched(dtype: str) -> None:
    """A batch of two: what each of them gives, side by side."""
    for row, args in cases(dtype):
        if not row.static:
            continue
        others = [x[..., ::-1].copy() if x.ndim else x for x in args]
        wants = [expected(row, some) for some in (args, others)]
        if any(want is None for want in wants):
            continue
        call = lambda *xs: row.call(wnp, *xs)  # noqa: B023, E731
        got = eager(weft.vmap(call), *[np.stack(pair) for pair in zip(args, others, strict=True)])
        agree(
            row,
            dtype,
            _plain(got),
            tree.map(lambda *x: np.stack(x), *wants),
            f"{row.label} of {dtype}, batched",
        )


def compiled(dtype: str, some: list[tuple[Row, list[np.ndarray]]]) -> None:
    """Many functions in one program, since a compilation costs as much for one as for many."""
    wants = [expected(row, args) for row, args in some]
    taken = [(row, args, want) for (row, args), want in zip(some, wants, strict=True) if want is not None]
    program = weft.jit(
        lambda every: [row.call(wnp, *xs) for (row, _, _), xs in zip(taken, every, strict=True)]
    )
    results = program([args for _, args, _ in taken])
    for (row, _, want), got in zip(taken, results, strict=True):
        agree(row, dtype, _plain(got), want, f"{row.label} of {dtype}, compiled")


@pytest.mark.parametrize("dtype", ALL)
def test_compiled(dtype: str) -> None:
    """Each row with one dtype, drawn by its label; with all of them where WEFT_ALL_DTYPES is set, which takes minutes."""
    static = [
        (row, args)
        for row, args in cases(dtype)
        if row.static and (EVERY or ALL[zlib.crc32(row.label.encode()) % len(ALL)] == dtype)
    ]
    for start in range(0, len(static), 40):
        compiled(dtype, static[start : start + 40])


def test_the_table_is_whole() -> None:
    """Every function that computes with the elements of arrays is in the table, or tested with its own dtypes elsewhere."""
    source = inspect.getsource(dtype_rows)
    missing = [name for name in names() if not re.search(rf"\b{name}\b", source)]
    assert missing == sorted(ELSEWHERE)


def names() -> list[str]:
    """The functions of the namespace, once each."""
    found = {}
    for name in wnp.__all__:
        function = getattr(wnp, name)
        if hasattr(function, "staged"):
            found.setdefault(getattr(function, "ufunc", function), []).append(name)
    return sorted(
        aliases[0] for aliases in found.values() if not any(hasattr(wnp, a) and _named(a) for a in aliases)
    )


def _named(name: str) -> bool:
    return re.search(rf"\b{name}\b", inspect.getsource(dtype_rows)) is not None


# Their own tests go through dtypes, or no element enters them.
ELSEWHERE = set(
    "diag_indices diag_indices_from fill_diagonal histogram2d histogramdd ix_ place poly polydiv polyfit put put_along_axis "
    "putmask real_if_close roots tril_indices tril_indices_from triu_indices unpackbits".split()
)


def main() -> None:
    """Print what fails, one line each."""
    for dtype in ALL:
        for row, args in cases(dtype):
            for how, run in (("eager", eager), ("traced", staged)):
                if how == "traced" and not row.static:
                    continue
                try:
                    check(row, dtype, args, how, run)
                except (Exception, pytest.fail.Exception) as error:
                    print(
                        f"{row.label:22} {how:6} {dtype:10} {type(error).__name__} "
                        + " ".join(str(error).split())[:200]
                    )


if __name__ == "__main__":
    main()
