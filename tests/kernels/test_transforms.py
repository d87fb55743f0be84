"""Fourier transforms by NumPy's loops: which are native, that they are NumPy's, and what is done where there are none."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from numpy.fft import _pocketfft_umath as ufuncs

import weft
import weft.numpy as wnp
from weft import lax
from weft.ir.loops.interpret import run_nest
from weft.ir.loops.verify import verify_nest
from weft.kernels.library import transforms, ufunc_loops
from weft.kernels.library.fourier import LONG
from weft.kernels.library.ufunc_loops import ufunc_loop

SHAPES = [
    ((1,), 1),
    ((2,), 1),
    ((7,), 1),
    ((5, 16), 1),
    ((37, 13), 1),
    ((600, 64), 1),
    ((4, 6), 2),
    ((3, 5, 7), 2),
]
SHAPES += [((8, 1), 2), ((1, 8), 2), ((40, 300), 2), ((2, 3, 4, 5), 3), ((2, 3, 4, 5), 4)]
KINDS = ["fftn", "ifftn", "rfftn", "irfftn"]


def operand(shape: tuple[int, ...], kind: str, dtype: str) -> np.ndarray:
    rng = np.random.default_rng(len(shape) + sum(shape))
    x = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)
    return np.ascontiguousarray(x.real) if kind == "rfftn" else x


def program(fun: Any, *args: Any) -> Any:
    return weft.jit(fun).lower(*args).program


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("shape", "rank"), SHAPES, ids=str)
def test_they_are_native_and_numpys_to_the_bit(shape: tuple[int, ...], rank: int, kind: str) -> None:
    x, axes = operand(shape, kind, "complex128"), tuple(range(-rank, 0))
    for last in [2 * shape[-1] - 2, 2 * shape[-1] - 1] if kind == "irfftn" else [shape[-1]]:
        lengths = (*shape[-rank:-1], max(last, 1))

        def fun(x: Any, lengths: Any = lengths) -> Any:
            return getattr(wnp.fft, kind)(x, lengths, axes)

        assert program(fun, x).host_calls == []
        np.testing.assert_array_equal(weft.jit(fun)(x), getattr(np.fft, kind)(x, lengths, axes))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1), (1, 2), (2, 0), (0, 2), (0, 1, 2)], ids=str)
@pytest.mark.parametrize("shape", [(4, 5, 3), (6, 7, 40), (5, 6, 1)], ids=str)
def test_any_axes(shape: tuple[int, ...], axes: tuple[int, ...], kind: str) -> None:
    x = operand(shape, kind, "complex128")
    lengths = [shape[axis] for axis in axes]
    if kind == "irfftn":
        lengths[-1] = max(2 * lengths[-1] - 2, 1)

    def fun(x: Any) -> Any:
        return getattr(wnp.fft, kind)(x, lengths, axes)

    assert program(fun, x).host_calls == []
    np.testing.assert_allclose(
        weft.jit(fun)(x), getattr(np.fft, kind)(x, lengths, axes), rtol=1e-12, atol=1e-12
    )


def test_an_axis_before_others_is_not_moved() -> None:
    assert len(program(lambda x: wnp.fft.irfft(x, axis=0), np.ones((9, 20), complex)).nests) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_single_precision(kind: str) -> None:
    x = operand((6, 30, 45), kind, "complex64")
    found = np.asarray(weft.jit(lambda x: getattr(wnp.fft, kind)(x, axes=(1, 2)))(x))
    wanted = getattr(np.fft, kind)(x, axes=(1, 2))
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=0, atol=3e-7 * np.abs(wanted).max())


@pytest.mark.parametrize("kind", KINDS)
def test_any_number_of_threads_leaves_the_same_bits(kind: str) -> None:
    x = operand((3, 150, 200), kind, "complex128")
    found, before = [], weft.config.threads
    try:
        for threads in (1, 3):
            weft.config.update(threads=threads)
            found.append(np.asarray(weft.jit(lambda x: getattr(wnp.fft, kind)(x, axes=(1, 2)))(x)))
    finally:
        weft.config.update(threads=before)
    np.testing.assert_array_equal(*found)


def test_nests_mean_what_they_are_compiled_to() -> None:
    x = operand((2, 4, 5), "irfftn", "complex128")
    (eqn,) = weft.make_graph(lambda x: wnp.fft.irfftn(x, axes=(1, 2)))(x).eqns
    wanted = np.fft.irfftn(x, axes=(1, 2))
    scheduled = transforms.ROUTINES["fft"](eqn)
    assert scheduled is not None
    buffers = [
        x.ravel(),
        np.zeros(wanted.size),
        *(np.zeros(n, dtype) for dtype, n in scheduled.scratch_buffers),
    ]
    for one in scheduled.chain():
        verify_nest(one.nest)
        run_nest(one.nest, one.params, buffers, 0, one.extent)
    np.testing.assert_array_equal(buffers[1].reshape(wanted.shape), wanted)


def test_one_machine_code_for_all_lengths() -> None:
    fun = weft.jit(lambda x: wnp.fft.rfft2(x))
    for shape in [(6, 8), (5, 9), (32, 32), (2, 3, 4), (100, 20)]:
        fun(np.ones(shape))
    assert fun.compiles == 1


def split_step(psi: Any, potential: Any) -> Any:
    """Twenty steps of a wave in a potential, and how far it is on average."""
    k = wnp.fft.fftfreq(psi.shape[0], 1 / psi.shape[0])
    kinetic = wnp.exp(-0.05j * k**2)

    def step(psi: Any, _: None) -> Any:
        return wnp.exp(-0.1j * potential) * wnp.fft.ifft(kinetic * wnp.fft.fft(psi)), None

    last, _ = lax.scan(step, psi, None, length=20)
    return wnp.sum(wnp.abs(last) ** 2 * wnp.arange(psi.shape[0]))


def test_a_loop_does_not_come_back_to_python() -> None:
    potential = np.linspace(0, 1, 24) ** 2
    psi = np.exp(-(np.linspace(-2, 2, 24) ** 2) + 1j)
    slope = weft.grad(split_step, argnums=1)
    assert program(slope, psi, potential).host_calls == []
    found = weft.jit(slope)(psi, potential)
    np.testing.assert_allclose(found, slope(psi, potential), rtol=1e-9, atol=1e-12)
    step = 1e-6 * np.cos(np.arange(24.0))
    difference = split_step(psi, potential + step) - split_step(psi, potential - step)
    np.testing.assert_allclose(found @ step * 2, difference, rtol=1e-6)
    many = np.stack([potential, 2 * potential])
    both = weft.jit(weft.vmap(slope, in_axes=(None, 0)))(psi, many)
    np.testing.assert_allclose(both[0], found, rtol=1e-9, atol=1e-12)


def test_long_lines_and_crowds_of_small_arrays_are_left_to_python() -> None:
    assert len(program(wnp.fft.fft, np.ones(LONG, complex)).host_calls) == 1
    crowd = np.ones((300, 8, 8), complex)
    assert len(program(wnp.fft.fft2, crowd).host_calls) == 1
    assert program(wnp.fft.fft2, crowd[:200]).host_calls == []
    np.testing.assert_allclose(weft.jit(wnp.fft.fft2)(crowd), np.fft.fft2(crowd))


def test_without_loops_the_reference_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transforms, "ufunc_loop", lambda *args: None)
    transforms._loop_of.cache_clear()
    x = np.arange(11.0) + 2j
    try:
        run = program(lambda x: wnp.fft.ifft(3 * x), x)
    finally:
        transforms._loop_of.cache_clear()
    assert len(run.host_calls) == 1


def test_a_loop_that_does_something_else_is_not_called() -> None:
    forward = ufunc_loop(ufuncs.fft, "Dd->D")
    assert forward is not None
    c128 = np.dtype(np.complex128)
    assert transforms._agrees(forward, "fft", 6, c128, c128)
    assert not transforms._agrees(forward, "ifft", 6, c128, c128)
    backward = ufunc_loop(ufuncs.ifft, "Dd->D")
    assert backward is not None and transforms._agrees(backward, "ifft", 5, c128, c128)


class TestUfuncLoops:
    def test_finds_the_function_of_a_ufunc(self) -> None:
        found = ufunc_loop(np.add, "dd->d")
        assert found is not None
        x, out, n = np.arange(4.0), np.zeros(4), np.array([4])
        steps = np.array([8, 8, 8])
        args = np.array([x.ctypes.data, x.ctypes.data, out.ctypes.data])
        function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)(found[0])
        function(args.ctypes.data, n.ctypes.data, steps.ctypes.data, found[1])
        np.testing.assert_array_equal(out, 2 * x)

    def test_none_for_types_that_it_does_not_have(self) -> None:
        assert ufunc_loop(np.add, "dd->f") is None

    @pytest.mark.parametrize("moved", ["nin", "functions", "ntypes", "name"])
    def test_none_where_a_ufunc_is_arranged_otherwise(
        self, moved: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fields = list(ufunc_loops._Fields._fields_)
        at = [name for name, _ in fields].index(moved)

        class Other(ctypes.Structure):
            _fields_ = (*fields[:at], ("further", ctypes.c_int64), *fields[at:])

        monkeypatch.setattr(ufunc_loops, "_Fields", Other)
        assert ufunc_loop(np.add, "dd->d") is None
