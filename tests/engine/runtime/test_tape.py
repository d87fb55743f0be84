"""The tape against NumPy, and what must hold of its interpreter whoever calls it, with whatever cache."""

import ctypes
import subprocess
import sys
import threading

import numpy as np
import pytest
from numba import carray, cfunc, types

from weft.engine.runtime.tape import Field, Op, TapeBuilder, read_array
from weft.ir.errors import DTypeError, InternalError
from weft.kernels.library.blas import GEMM_DTYPES, blas_address, gemm_address, gemm_name

KERNEL = types.void(types.CPointer(types.int64), types.CPointer(types.voidptr), types.int64, types.int64)


@cfunc(KERNEL)
def add_scaled(dims, buffers, begin, end):
    """out[i] = a[i] + dims[1] * b[i], for vectors of dims[0] elements."""
    n = dims[0]
    a = carray(buffers[0], n, np.float64)
    b = carray(buffers[1], n, np.float64)
    out = carray(buffers[2], n, np.float64)
    for i in range(begin, end):
        out[i] = a[i] + dims[1] * b[i]


@cfunc(KERNEL)
def count_buffers(dims, buffers, begin, end):
    """Write the first number of each of dims[0] buffers into the last one."""
    n = dims[0]
    out = carray(buffers[n], n, np.int64)
    for i in range(n):
        out[i] = carray(buffers[i], 1, np.int64)[0]


def run(builder, arrays, n_slots=None, python_calls=()):
    """Run a program whose first slots are ``arrays`` and return its slots."""
    finished = builder.finish(n_slots or len(arrays))
    slots = finished.new_slots()
    slots[: len(arrays)] = [id(array) for array in arrays]
    finished.run(slots, python_calls)
    return slots


def binding(n):
    builder = TapeBuilder()
    builder.bind(range(n))
    return builder


def test_kernel_sees_its_dims_its_buffers_and_its_range():
    a, b, out = np.arange(6.0), np.ones(6), np.full(6, -1.0)
    builder = binding(3)
    builder.kernel(add_scaled.address, (6, 10), (0, 1, 2), 5)
    run(builder, [a, b, out])
    np.testing.assert_array_equal(out, [10, 11, 12, 13, 14, -1])


def test_kernels_of_one_tape_feed_each_other():
    a, b = np.arange(4.0), np.arange(4.0, 8.0)
    builder = binding(2)
    for _ in range(3):
        builder.kernel(add_scaled.address, (4, 2), (0, 1, 0), 4)  # in place
    run(builder, [a, b])
    np.testing.assert_array_equal(a, np.arange(4.0) + 3 * 2 * b)


def test_kernel_with_many_buffers():
    n = 300
    arrays = [np.array([i * i]) for i in range(n)]
    out = np.empty(n, np.int64)
    builder = binding(n + 1)
    builder.kernel(count_buffers.address, (n,), range(n + 1), 1)
    slots = run(builder, [*arrays, out])
    np.testing.assert_array_equal(out, np.arange(n) ** 2)
    assert len(slots) == 2 * (n + 1)  # the values, and scratch for the widest kernel


def test_bind_reads_the_data_pointer_of_views_and_empty_arrays():
    base = np.arange(10.0)
    arrays = [base, base[3:], np.empty(0), np.zeros((2, 3), np.int8), np.array(1j)]
    slots = run(binding(5), arrays)
    assert slots[:5].tolist() == [array.ctypes.data for array in arrays]


def test_arena_places_slots_inside_one_buffer():
    arena = np.zeros(64, np.uint8)
    b, out = np.arange(4.0), np.empty(4)
    builder = binding(3)
    builder.arena(0, [(3, 0), (4, 32)])
    builder.copy(3, 1, 32)
    builder.zero(4, 32)
    builder.kernel(add_scaled.address, (4, 3), (4, 3, 2), 4)
    slots = run(builder, [arena, b, out], n_slots=5)
    assert slots[3:5].tolist() == [arena.ctypes.data, arena.ctypes.data + 32]
    np.testing.assert_array_equal(out, 3 * b)
    np.testing.assert_array_equal(read_array(int(slots[3]), (4,), float), b)


def test_copy_and_zero_touch_their_bytes_only():
    source, target, cleared = (np.arange(1, 9, dtype=np.uint8) for _ in range(3))
    target[:] = 99
    builder = binding(3)
    builder.copy(1, 0, 5)
    builder.zero(2, 3)
    builder.copy(1, 0, 0)
    run(builder, [source, target, cleared])
    assert target.tolist() == [1, 2, 3, 4, 5, 99, 99, 99]
    assert cleared.tolist() == [0, 0, 0, 4, 5, 6, 7, 8]


def test_copy_may_overlap():
    base = np.arange(8, dtype=np.uint8)
    builder = binding(2)
    builder.copy(1, 0, 6)
    run(builder, [base, base[2:]])
    assert base.tolist() == [0, 1, 0, 1, 2, 3, 4, 5]


def random_array(rng, shape, dtype):
    values = rng.standard_normal(shape)
    if dtype.kind == "c":
        values = values + 1j * rng.standard_normal(shape)
    return values.astype(dtype)


def apply(matrices, trans):
    matrices = matrices if trans == 0 else np.swapaxes(matrices, -1, -2)
    return matrices.conj() if trans == 2 else matrices


@pytest.mark.parametrize("trans_b", [0, 1, 2])
@pytest.mark.parametrize("trans_a", [0, 1, 2])
@pytest.mark.parametrize("dtype", GEMM_DTYPES, ids=str)
def test_gemm_equals_numpy(dtype, trans_a, trans_b):
    rng = np.random.default_rng(0)
    small, empty = (
        [(3, 4, 5), (1, 1, 1), (7, 1, 2), (33, 17, 40)],
        [(0, 4, 5), (3, 0, 5), (3, 4, 0), (0, 0, 0)],
    )
    for m, n, k in small + empty:
        for batch in (0, 1, 3):
            a = random_array(rng, (batch, k, m) if trans_a else (batch, m, k), dtype)
            b = random_array(rng, (batch, n, k) if trans_b else (batch, k, n), dtype)
            c = np.full((batch, m, n), np.nan, dtype)  # must not be read
            builder = binding(3)
            builder.gemm(dtype, 0, 1, 2, m, n, k, trans_a, trans_b, batch)
            run(builder, [a, b, c])
            tolerance = 10 * max(k, 1) * np.finfo(dtype).eps
            np.testing.assert_allclose(c, apply(a, trans_a) @ apply(b, trans_b), tolerance, tolerance)


@pytest.mark.parametrize("k", [0, 5])
def test_gemm_strides_share_and_skip(k):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((3, k)), rng.standard_normal((4, 2, k, 6))
    c = np.full((4, 2, 3, 6), 7.0)
    builder = binding(3)
    builder.gemm(np.float64, 0, 1, 2, 3, 6, k, batch=4, strides=(0, 2 * k * 6, 2 * 3 * 6))
    run(builder, [a, b, c])
    np.testing.assert_allclose(c[:, 0], a @ b[:, 0], rtol=1e-13, atol=1e-13)
    assert (c[:, 1] == 7).all()


def test_gemm_rejects_what_blas_cannot_do():
    builder = TapeBuilder()
    with pytest.raises(DTypeError, match=r"gemm does not accept dtype int32\. Accepted dtypes are float32"):
        builder.gemm(np.int32, 0, 1, 2, 1, 1, 1)
    with pytest.raises(InternalError, match=r"extents from 0 to 2\*\*31 - 1, got m=2147483648 n=1 k=1"):
        builder.gemm(np.float64, 0, 1, 2, 2**31, 1, 1)
    with pytest.raises(InternalError, match="results would overlap: 0 elements apart, 4 long"):
        builder.gemm(np.float64, 0, 1, 2, 2, 2, 2, batch=2, strides=(4, 4, 0))
    with pytest.raises(InternalError, match="trans_a=3"):
        builder.gemm(np.float64, 0, 1, 2, 2, 2, 2, trans_a=3)


def test_blas_addresses():
    assert [gemm_name(dtype) for dtype in GEMM_DTYPES] == ["sgemm", "dgemm", "cgemm", "zgemm"]
    assert len({gemm_address(dtype) for dtype in GEMM_DTYPES}) == 4
    assert blas_address("dgemm") == gemm_address("float64") != 0
    with pytest.raises(ValueError, match="nonsense"):
        blas_address("nonsense")


def test_yield_calls_python_and_resumes():
    a, b, out = np.arange(4.0), np.ones(4), np.empty(4)
    seen = []

    def square(slots):
        view = read_array(int(slots[2]), (4,), np.float64)
        seen.append(view.copy())
        view **= 2

    builder = binding(3)
    builder.kernel(add_scaled.address, (4, 1), (0, 1, 2), 4)
    builder.call_python(1)
    builder.call_python(0)
    builder.kernel(add_scaled.address, (4, 1), (2, 1, 2), 4)
    builder.call_python(0)
    run(builder, [a, b, out], python_calls=[lambda slots: seen.append("zero"), square])
    assert seen[1:] == ["zero", "zero"]
    np.testing.assert_array_equal(seen[0], a + 1)
    np.testing.assert_array_equal(out, (a + 1) ** 2 + 1)


def test_an_error_of_a_python_call_ends_the_run():
    a = np.ones(4)
    builder = binding(1)
    builder.call_python(0)
    builder.zero(0, 32)

    def fail(slots):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(builder, [a], python_calls=[fail])
    np.testing.assert_array_equal(a, np.ones(4))


def test_run_takes_an_address_and_checks_an_array():
    a = np.ones(4)
    builder = binding(1)
    builder.call_python(0)
    builder.kernel(add_scaled.address, (4, 1), (0, 0, 0), 4)
    finished = builder.finish(1)
    slots = finished.new_slots()
    slots[0] = id(a)
    passed = []
    finished.run(slots.ctypes.data, [passed.append])
    assert passed == [slots.ctypes.data]
    np.testing.assert_array_equal(a, [2, 2, 2, 2])
    for wrong in (slots[:1], slots.astype(np.int32), np.zeros(2 * len(slots), np.int64)[::2]):
        with pytest.raises(InternalError, match="a tape needs 4 writeable int64 slots"):
            finished.run(wrong, [passed.append])


def test_eight_threads_run_one_tape():
    n, rounds, threads = 32, 40, 8
    builder = binding(4)
    builder.kernel(add_scaled.address, (n * n, 2), (0, 1, 2), n * n, 100)
    builder.call_python(0)
    builder.gemm(np.float64, 2, 1, 3, n, n, n)
    finished = builder.finish(4)
    barrier = threading.Barrier(threads)
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        barrier.wait()
        for _ in range(rounds):
            a, b, mid, out = (rng.standard_normal((n, n)) for _ in range(4))
            slots = finished.new_slots()
            slots[:4] = [id(array) for array in (a, b, mid, out)]
            calls = []
            finished.run(slots, [calls.append])
            expected = (a + 2 * b) @ b
            if len(calls) != 1 or not np.allclose(out, expected, rtol=1e-12, atol=1e-12):
                wrong.append(seed)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


def test_native_code_runs_without_the_gil():
    address = ctypes.cast(ctypes.pythonapi.PyGILState_Check, ctypes.c_void_p).value
    holds_gil = ctypes.CFUNCTYPE(ctypes.c_int)(address)

    @cfunc(KERNEL)
    def note_gil(dims, buffers, begin, end):
        carray(buffers[0], 1, np.int64)[0] = holds_gil()

    seen = np.full(1, -1)
    builder = binding(1)
    builder.kernel(note_gil.address, (), (0,), 1)
    run(builder, [seen])
    assert seen[0] == 0


def test_disassemble():
    builder = binding(3)
    builder.arena(2, [(3, 0), (4, 64)])
    builder.kernel(0x1000, (6, 10), (0, 1, 3), 6)
    builder.note("softmax.py:12")
    builder.gemm(np.float32, 0, 1, 3, 2, 3, 4, trans_a=1)
    builder.gemm(np.complex128, 0, 1, 4, 2, 3, 4, trans_b=2, batch=5, strides=(0, 12, 6))
    builder.copy(4, 3, 24)
    builder.zero(3, 48)
    builder.call_python(0)
    builder.note("debug.print")
    finished = builder.finish(5)
    assert finished.disassemble() == "\n".join(
        [
            "   0  bind    %0 %1 %2",
            "   1  arena   %3 = %2 + 0, %4 = %2 + 64",
            "   2  kernel  0x1000(%0, %1, %3) dims=[6, 10] range=6  ; softmax.py:12",
            "   3  kernel  %3 = sgemm(%0', %1) m=2 n=3 k=4",
            "   4  kernel  %4 = zgemm(%0, %1*) m=2 n=3 k=4 batch=5 strides=[0, 12, 6]",
            "   5  copy    %4 = %3, 24 bytes",
            "   6  zero    %3 = 0, 48 bytes",
            "   7  yield   call 0  ; debug.print",
            "   8  end",
        ]
    )
    assert repr(finished) == "Tape(9 instructions, 5 slots)"


def test_code_is_read_only_and_pools_are_shared():
    builder = TapeBuilder()
    for _ in range(10):
        builder.kernel(0x1000, (5, 6, 7), (0, 1), 1)
    finished = builder.finish(2)
    assert finished.code.size == 11 * len(Field) + 3 + 2
    assert finished.code[0] == Op.KERNEL
    with pytest.raises(ValueError, match="read-only"):
        finished.code[0] = 0


def test_the_builder_rejects_what_would_crash():
    for slot in (-1, 2):
        builder = TapeBuilder()
        builder.zero(0, 8)
        builder.copy(0, slot, 8)
        with pytest.raises(InternalError, match=rf"instruction 1 \(COPY\) names slot {slot} of 2"):
            builder.finish(2)
    builder = TapeBuilder()
    builder.arena(2, [(0, 0)])
    with pytest.raises(InternalError, match=r"instruction 0 \(ARENA\) names slot 2 of 2"):
        builder.finish(2)
    with pytest.raises(InternalError, match="got -8"):
        builder.zero(0, -8)
    with pytest.raises(InternalError, match="needs an address"):
        builder.kernel(0, (), (), 1)
    with pytest.raises(InternalError, match="a note needs an instruction"):
        TapeBuilder().note("nothing yet")


@pytest.mark.parametrize("dtype", ["float64", "complex64", "bool", "float16", "bfloat16"])
def test_read_array_is_a_writeable_view(dtype):
    import ml_dtypes

    dtype = np.dtype(getattr(ml_dtypes, dtype, dtype))
    array = np.arange(6).reshape(2, 3).astype(dtype)
    view = read_array(array.ctypes.data, (2, 3), dtype)
    np.testing.assert_array_equal(view, array)
    view[1, 2] = 0
    assert array[1, 2] == 0
    assert read_array(0, (3, 0), dtype).shape == (3, 0)
    assert read_array(array.ctypes.data, (), dtype).shape == ()


def test_importing_the_tape_loads_neither_numba_nor_scipy():
    script = (
        "import sys, weft; before = set(sys.modules)\n"
        "import weft.engine.runtime.tape\n"
        "print({'numba', 'scipy'} & (set(sys.modules) - before))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
