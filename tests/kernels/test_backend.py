"""The cache of kernels: what is compiled, when, and how often."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from tests.nest_parts import F64, buffers, call_kernel, const
from weft.ir.errors import VerificationError
from weft.ir.loops.nest import Loop, Nest, Op, Param, Store
from weft.kernels import backend
from weft.kernels.backend import Kernel, backend_names, compile_nests, get_backend, register_backend
from weft.kernels.cache import KernelCache, NamedNest, kernel_name
from weft.kernels.cpu.backend import CpuBackend


def fill(value: float) -> Nest:
    """Fill the output with a number."""
    return Nest(
        1,
        buffers(("out", F64, "out")),
        (const("v", F64, value), Loop("i", Param(0), "parallel", (Store("out", "i", "v"),))),
    )


def test_equal_nests_are_one_kernel_and_one_module() -> None:
    cpu = CpuBackend()
    first, second, third = cpu.compile_nests([fill(1), fill(2), fill(1)])
    assert cpu.compilations == 1
    assert first is third
    assert first is not second
    assert cpu.compile_nests([fill(2), fill(1)]) == [second, first]
    assert cpu.compilations == 1
    assert cpu.compile_nests([]) == []
    for kernel, value in ((first, 1), (second, 2)):
        out = np.zeros(5)
        call_kernel(kernel.address, [5], [out])
        assert (out == value).all()


def test_only_what_is_missing_is_compiled() -> None:
    asked: list[list[str]] = []

    class Nothing:
        def address(self, name: str) -> int:
            return 1

    def compile_named(named: Sequence[NamedNest]) -> Nothing:
        asked.append([name for name, _ in named])
        return Nothing()

    cache = KernelCache(compile_named)
    cache.get([fill(1)])
    cache.get([fill(1), fill(2), fill(2), fill(3)])
    assert asked == [[kernel_name(fill(1))], [kernel_name(fill(2)), kernel_name(fill(3))]]
    assert cache.compilations == 2


def test_a_store_is_asked_before_compiling_and_told_after() -> None:
    class Code:
        def address(self, name: str) -> int:
            return 1

    class Memory:
        def __init__(self) -> None:
            self.kept: dict[str, Code] = {}

        def find(self, named: Sequence[NamedNest]) -> dict[str, Code]:
            return {name: self.kept[name] for name, _ in named if name in self.kept}

        def keep(self, named: Sequence[NamedNest], code: Code) -> None:
            self.kept |= {name: code for name, _ in named}

    store = Memory()
    first = KernelCache(lambda named: Code(), store)
    first.get([fill(1)])
    second = KernelCache(lambda named: Code(), store)
    second.get([fill(1), fill(2)])
    assert (first.compilations, second.compilations) == (1, 1)
    assert set(store.kept) == {kernel_name(fill(1)), kernel_name(fill(2))}
    third = KernelCache(lambda named: Code(), store)
    third.get([fill(2), fill(1)])
    assert third.compilations == 0


def test_many_threads_compile_a_nest_once() -> None:
    cpu = CpuBackend()
    barrier = threading.Barrier(8)
    results: list[Kernel] = []

    def work() -> None:
        barrier.wait()
        results.extend(cpu.compile_nests([fill(4)]))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cpu.compilations == 1
    assert len(results) == 8
    assert len(set(results)) == 1


def test_constants_are_told_apart_by_their_bits() -> None:
    zero, negative = compile_nests([fill(0.0), fill(-0.0)])
    assert zero is not negative
    out = np.ones(1)
    call_kernel(negative.address, [1], [out])
    assert np.signbit(out[0])


def test_a_nest_that_is_wrong_is_not_compiled() -> None:
    cpu = CpuBackend()
    bad = Nest(0, buffers(("out", F64, "out")), (Op("a", F64, "exp", ("b",)),))
    with pytest.raises(VerificationError, match="b is not bound"):
        cpu.compile_nests([fill(5), bad])
    assert cpu.compilations == 0
    cpu.compile_nests([fill(5)])
    assert cpu.compilations == 1


def test_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "_factories", dict(backend._factories))
    monkeypatch.setattr(backend, "_backends", {})
    assert "cpu" in backend_names()
    assert get_backend() is get_backend("cpu")
    with pytest.raises(KeyError, match=r"no backend is named tpu. Known: cpu"):
        get_backend("tpu")

    class Recorder:
        name = "recorder"
        compilations = 0

        def compile_nests(self, nests: Sequence[Nest]) -> list[Kernel]:
            self.compilations += 1
            return [Kernel(nest, "nothing", 0, None) for nest in nests]

    register_backend("recorder", Recorder)
    (kernel,) = compile_nests([fill(1)], backend="recorder")
    assert kernel.name == "nothing"
    assert get_backend("recorder").compilations == 1
