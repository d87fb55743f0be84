"""The pool: chunks are each run once whoever runs them, and nothing outside sees how many threads there were."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from numba import carray, cfunc, types

import weft
import weft.numpy as wnp
from weft.engine.runtime import threads
from weft.engine.runtime.native.machine import load_machine
from weft.engine.runtime.tape import TapeBuilder

KERNEL = types.void(types.CPointer(types.int64), types.CPointer(types.voidptr), types.int64, types.int64)


this_thread = types.ExternalFunction("pthread_self", types.int64())


@cfunc(KERNEL)
def count_up(dims, buffers, begin, end):
    """Add one to each element of the range, after some work, and note where chunks begin."""
    out = carray(buffers[0], dims[0], np.int64)
    begins = carray(buffers[1], dims[0], np.int64)
    x = 0.0
    for _ in range(dims[1]):
        x += np.sin(x + 1.0)
    begins[begin] += 1 + np.int64(x > 1e18)
    for i in range(begin, end):
        out[i] += 1


@pytest.fixture
def four_threads():
    before = threads.thread_count()
    weft.config.update(threads=4)
    threads.start_workers()
    yield
    weft.config.update(threads=before)


@pytest.fixture
def heeded_signal():
    """That of Ctrl-C raises KeyboardInterrupt, which shells have ignored in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@cfunc(KERNEL)
def note_thread(dims, buffers, begin, end):
    """Note by what thread each element of the range is made, after some work."""
    out = carray(buffers[0], dims[0], np.int64)
    x = 0.0
    for _ in range(dims[1]):
        x += np.sin(x + 1.0)
    for i in range(begin, end):
        out[i] = this_thread() + np.int64(x > 1e18)


def tape_of(n, grain, work=100, kernels=1, counter=count_up):
    builder = TapeBuilder()
    builder.bind([0, 1])
    for _ in range(kernels):
        builder.kernel(counter.address, (n, work), (0, 1), n, grain)
    return builder.finish(2)


def run(tape, *arrays):
    slots = tape.new_slots()
    slots[: len(arrays)] = [id(array) for array in arrays]
    tape.run(slots)


@pytest.mark.parametrize(("n", "grain"), [(1000, 1), (1000, 7), (1000, 999), (1000, 1000), (2, 1), (1, 1)])
def test_each_chunk_is_run_once(four_threads, n, grain):
    out, begins = np.zeros((2, n), np.int64)
    tape = tape_of(n, grain, kernels=20)
    assert tape.is_parallel == (grain < n)
    for _ in range(20):
        run(tape, out, begins)
    assert (out == 400).all()
    expected = np.zeros(n, np.int64)
    expected[::grain] = 400
    np.testing.assert_array_equal(begins, expected)


@pytest.mark.parametrize("number", [2, 3])
def test_a_thread_keeps_to_chunks_side_by_side(four_threads, number):
    weft.config.update(threads=number)
    tape = tape_of(48, 1, work=20_000, counter=note_thread)

    def shares():
        """In how many pieces chunks went to threads, and to how many threads."""
        stacks, _ = out = np.zeros((2, 48), np.int64)
        run(tape, *out)
        assert stacks.all()
        return np.count_nonzero(np.diff(stacks)) + 1, len(set(stacks))

    assert comes_true(lambda: shares() == (number, number))


@pytest.mark.parametrize(("n", "grain"), [(1000, 3), (70, 1), (64, 1), (5, 2)])
def test_shares_of_threads_that_do_not_come_are_taken_over(four_threads, n, grain):
    threads.state.words[threads.Pool.THREADS] = 64  # there are four
    out, begins = np.zeros((2, n), np.int64)
    run(tape_of(n, grain), out, begins)
    assert (out == 1).all()


def test_workers_sleep_and_wake(four_threads):
    out, begins = np.zeros((2, 64), np.int64)
    tape = tape_of(64, 1, work=1000)
    for _ in range(5):
        run(tape, out, begins)
        deadline = threading.Event()
        for _ in range(200):
            if threads.state.words[threads.Pool.ASLEEP] == threads.state.workers:
                break
            deadline.wait(0.02)
        assert threads.state.words[threads.Pool.ASLEEP] == threads.state.workers
    assert (out == 5).all()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="threads cannot be placed")
def test_workers_sleep_on_one_core_and_work_on_any(four_threads):
    out, begins = np.zeros((2, 64), np.int64)
    tape, words, cores = tape_of(64, 1), threads.state.words, os.sched_getaffinity(0)
    for turn in range(5):
        for own in (threads.Pool.WORKERS + threads.WORKER_WORDS * k for k in range(3)):
            seat, thread = own + threads.Worker.SEATED, int(words[own + threads.Worker.THREAD])
            assert comes_true(lambda: words[seat] >= 0 and os.sched_getaffinity(thread) == {words[seat]})  # noqa: B023
        run(tape, out, begins)
        assert (out == turn + 1).all()
    weft.config.update(threads=1)  # nobody is woken now: who works, works on any core, who sleeps, on one
    for own in (threads.Pool.WORKERS + threads.WORKER_WORDS * k for k in range(3)):
        allowed = os.sched_getaffinity(int(words[own + threads.Worker.THREAD]))
        assert allowed == cores or len(allowed) == 1


def comes_true(condition):
    """Whether a condition holds within ten seconds."""
    end = time.monotonic() + 10
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.001)
    return True


def test_programs_of_many_python_threads_share_the_pool(four_threads):
    tape = tape_of(256, 3, work=50, kernels=10)
    results = [np.zeros((2, 256), np.int64) for _ in range(8)]
    barrier = threading.Barrier(8)

    def work(result):
        barrier.wait()
        for _ in range(50):
            run(tape, *result)

    workers = [threading.Thread(target=work, args=(result,)) for result in results]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all((out == 500).all() for out, _ in results)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize(
    "shape", [(700, 300, 200), (90, 2000, 130), (3000, 1, 800), (999, 700, 500), (300, 1100, 700)]
)
def test_products_have_the_same_bits_on_any_number_of_threads(dtype, shape):
    m, n, k = shape
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(s).astype(dtype) for s in ((m, k), (k, n)))
    product = weft.jit(lambda a, b: a @ b)
    transposed = weft.jit(lambda a, b: a.T @ b.T)
    before = threads.thread_count()
    found = []
    try:
        for number in (1, 2, 3):
            weft.config.update(threads=number)
            found.append((np.asarray(product(a, b)), np.asarray(transposed(a.T.copy(), b.T.copy()))))
    finally:
        weft.config.update(threads=before)
    for plain, turned in found:
        np.testing.assert_allclose(plain, a @ b, rtol=1e-4 if dtype == "float32" else 1e-11, atol=1e-3)
        assert plain.tobytes() == found[0][0].tobytes()
        assert turned.tobytes() == found[0][1].tobytes()


def test_the_setting():
    before = weft.config.threads
    weft.config.update(threads=3)
    assert weft.config.threads == 3 == threads.thread_count()
    weft.config.threads = 2
    assert weft.config.read("threads") == 2
    weft.config.update("threads", before)
    for wrong in (0, -1, 257, 1.5, "2", True, None):
        with pytest.raises(weft.errors.ArgumentError, match="threads must be an integer from 1 to 256"):
            weft.config.update(threads=wrong)
    assert weft.config.threads == before


@pytest.mark.parametrize(("value", "expected"), [("3", "3"), ("1", "1")])
def test_the_environment_sets_it(value, expected):
    script = "import weft; print(weft.config.threads)"
    env = os.environ | {"WEFT_THREADS": value}
    result = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == expected


def test_a_wrong_environment_is_told_and_ignored():
    script = "import weft; print(weft.config.threads > 0)"
    env = os.environ | {"WEFT_THREADS": "many"}
    result = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "True"
    assert "WEFT_THREADS: expected a number" in result.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_workers_of_its_own():
    script = """
import os, warnings
warnings.simplefilter("ignore")
import numpy as np, weft, weft.numpy as wnp
weft.config.update(threads=2)
f = weft.jit(lambda x: wnp.sin(x) * wnp.exp(x))
x = np.linspace(0, 1, 500_000)
first = np.asarray(f(x))
child = os.fork()
if child == 0:
    again = [np.asarray(f(x)) for _ in range(3)]
    os._exit(0 if all((first == a).all() for a in again) else 1)
assert os.waitpid(child, 0)[1] == 0
assert (np.asarray(f(x)) == first).all()
print("well")
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert result.stdout.strip() == "well", result.stderr


def test_a_process_with_workers_ends_quietly():
    script = """
import numpy as np, weft, weft.numpy as wnp
weft.config.update(threads=4)
f = weft.jit(lambda x: wnp.sin(x) * wnp.exp(x))
for _ in range(20):
    f(np.linspace(0, 1, 300_000))
"""
    # Who reads what is no longer his finds numbers that lead astray, where the C library is asked for that.
    traps = os.environ | {"PYTHONMALLOC": "malloc", "MALLOC_PERTURB_": "254"}
    for env in (os.environ, os.environ, traps):
        result = subprocess.run(
            [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=60
        )
        assert (result.returncode, result.stderr) == (0, "")


def test_arguments_of_native_entries_are_integers():
    assert load_machine().multiply > 0
    assert wnp.asarray(1.0) == 1


@pytest.mark.parametrize(("n", "grain"), [(255, 1), (256, 1), (257, 1), (100_000, 3), (70_001, 70)])
def test_a_kernel_of_many_chunks_is_run_in_parts(four_threads, n, grain):
    """Between parts a program may go back to Python; each chunk is run once all the same."""
    out, begins = np.zeros((2, n), np.int64)
    tape = tape_of(n, grain, work=20, kernels=3)
    for _ in range(3):
        run(tape, out, begins)
    assert (out == 9).all()
    expected = np.zeros(n, np.int64)
    expected[::grain] = 9
    np.testing.assert_array_equal(begins, expected)


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
@pytest.mark.parametrize("count", [1, 4])
def test_control_c_stops_a_large_kernel(four_threads, heeded_signal, count):
    """Also in a program that has no loop, which runs anew afterwards as if nothing had been."""
    weft.config.update(threads=count)
    n = 200_000
    out, begins = np.zeros((2, n), np.int64)
    sent = []

    def send():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.3, send)
    timer.start()
    work = 300_000 if count == 1 else 10_000  # of a part, on one thread, and of a chunk: seconds in all
    with pytest.raises(KeyboardInterrupt):
        run(tape_of(n, 1, work=work), out, begins)
    assert time.perf_counter() - sent[0] < 1.0
    assert 0 < out.sum() < n and out.max() == 1
    out, begins = np.zeros((2, n), np.int64)
    run(tape_of(n, 1, work=10), out, begins)
    assert (out == 1).all()
