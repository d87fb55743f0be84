"""Nothing that a program does crashes the process, leaves state behind, leaks, or changes results that were given.

What might end the process (memory, recursion, threads) runs in a process of its own.
"""

from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import sys
import textwrap
import tracemalloc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.ir.builder import state
from weft.ir.source import user_source

# In a process of its own


def run(script: str) -> str:
    """What a script prints; its process must end by itself, and well."""
    prelude = "import numpy as np, weft, weft.numpy as wnp\n"
    done = subprocess.run(
        [sys.executable, "-c", prelude + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stderr[-2000:]}"
    return done.stdout.strip()


def test_more_than_memory() -> None:
    """Arrays that no machine holds are MemoryErrors, unless they need not be made."""
    script = """
        cases = [
            lambda: weft.jit(lambda x: wnp.zeros((2**40, 2**10)) + x)(1.0),
            lambda: weft.jit(lambda x: wnp.arange(2**50) + x)(1.0),
            lambda: wnp.zeros(2**44) + 1,
            lambda: weft.jit(lambda x: wnp.sort(wnp.broadcast_to(x, (2**45,))))(1.0),
            lambda: weft.vmap(lambda x: wnp.zeros(2**44) + x)(np.ones(3)),
        ]
        for case in cases:
            try:
                case()
            except MemoryError:
                print("MemoryError")
        print(float(weft.jit(lambda x: (wnp.zeros((2**10, 2**10, 8)) + x).sum())(1.0)))
        print(float(weft.jit(lambda x: x + 1)(1.0)))
    """
    assert run(script).split() == [*["MemoryError"] * 5, str(float(2**23)), "2.0"]


def test_long_programs() -> None:
    """Thousands of operations one after the other need no deep stack, forward or backward, compiled or not."""
    script = """
        def chain(x):
            for i in range(5000):
                x = wnp.sin(x) * 1.01 if i % 2 else x + 0.5
            return x

        def wanted(x):
            for i in range(5000):
                x = np.sin(x) * 1.01 if i % 2 else x + 0.5
            return x

        x = np.linspace(0, 1, 3)
        np.testing.assert_allclose(weft.jit(chain)(x), wanted(x), rtol=1e-10)

        def line(x):
            for _ in range(1500):
                x = x * 1.0001 + 0.5
            return x.sum()

        eager = weft.grad(line)(x)
        np.testing.assert_allclose(eager, np.full(3, 1.0001**1500), rtol=1e-10)
        np.testing.assert_allclose(weft.jit(weft.grad(line))(x), eager, rtol=1e-10)
        print("done")
    """
    assert run(script) == "done"


def test_endless_recursion_is_an_error() -> None:
    script = """
        def forever(x):
            return forever(x) + 1

        @weft.jit
        def jitted(x):
            return jitted(x) + 1

        def nested(n):
            f = lambda x: x + 1
            for _ in range(n):
                f = weft.jit(lambda x, f=f: f(x) * 1.0)
            return f

        tree = np.ones(2)
        for _ in range(100_000):
            tree = [tree]
        for fun in [weft.jit(forever), weft.grad(forever), jitted, nested(3000), lambda x: weft.jit(lambda t: t)(tree)]:
            try:
                fun(np.ones(2))
            except RecursionError:
                print("RecursionError")
        while isinstance(tree, list):
            tree = tree[0]
        print(nested(40)(np.ones(1)).tolist())
    """
    assert run(script).split() == [*["RecursionError"] * 5, "[2.0]"]


def test_wide_programs() -> None:
    """A thousand arguments and results."""
    script = """
        xs = [np.full(3, float(i)) for i in range(1000)]
        many = weft.jit(lambda *xs: [x * 2 + i for i, x in enumerate(xs)])(*xs)
        assert all((np.asarray(y) == 3 * i).all() for i, y in enumerate(many))
        one = weft.jit(lambda *xs: sum(x.sum() for x in xs))(*xs)
        print(len(many), float(one))
        outs = weft.jit(lambda x: [x + i for i in range(1000)])(np.zeros(3))
        print([float(y[0]) for y in outs] == list(range(1000)))
    """
    assert run(script) == "1000 1498500.0\nTrue"


def test_threads() -> None:
    """Eight threads trace, compile and run: one function for all at new shapes, and a function each."""
    script = """
        import threading

        shared = weft.jit(lambda x: (wnp.sin(x) ** 2).sum(axis=0))
        failures = []

        def work(i):
            try:
                own = weft.jit(lambda x: wnp.cumsum(wnp.exp(-x * x) * i) + wnp.sort(x) @ x)
                slope = weft.grad(lambda x: (x ** (i + 1)).sum())
                for k in range(12):
                    x = np.random.default_rng(i).normal(size=(k + 1, 3))
                    np.testing.assert_allclose(shared(x), (np.sin(x) ** 2).sum(0))
                    x = x[0]
                    np.testing.assert_allclose(own(x), np.cumsum(np.exp(-x * x) * i) + np.sort(x) @ x)
                    np.testing.assert_allclose(slope(x), (i + 1) * x**i)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(90)
        assert not any(thread.is_alive() for thread in threads)
        if failures:
            raise failures[0]
        print("done")
    """
    assert run(script) == "done"


@pytest.mark.parametrize(
    "step",
    [
        "weft.make_graph(lambda x: wnp.sin(x) * k)(1.0)",
        "weft.jit(lambda d: weft.tree.map(lambda x: wnp.sin(x) * k, d))({'a': [1.0, (2.0, 3.0)]})",
        "weft.tree.leaves_with_path({'a': [1.0, (2.0, 3.0)]}, is_leaf=lambda x: isinstance(x, tuple))",
    ],
)
def test_python_ends_while_threads_trace(step: str) -> None:
    script = f"""
        import threading, time

        started = threading.Barrier(4)

        def work():
            k = 0
            while True:
                k += 1
                {step}
                if k == 1:
                    started.wait()

        threads = [threading.Thread(target=work, daemon=True) for _ in range(3)]
        [t.start() for t in threads]
        started.wait()
        time.sleep(0.1)
        print("ends")
        """
    assert run(script) == "ends"


def test_python_ends_though_a_thread_never_does() -> None:
    assert (
        run(
            """
        import threading, time

        inside = threading.Event()
        forever = lambda x: (inside.set(), time.sleep(1000))
        threading.Thread(target=lambda: weft.tree.map(forever, [1.0]), daemon=True).start()
        inside.wait()
        print(weft.tree.leaves([1]))
        """
        )
        == "[1]"
    )


def test_what_runs_at_exit_may_wait_for_a_thread_and_trace() -> None:
    assert (
        run(
            """
        import atexit, threading
        from weft.engine import ending

        def work():
            while True:
                weft.tree.leaves([1])

        def at_exit():
            worker.join()  # which ends, as Python does
            print(weft.jit(lambda x: wnp.sin(x))(0.0))

        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        atexit.unregister(ending._end)
        atexit.register(at_exit)
        atexit.register(ending._end)  # the last one is called first, as if at_exit were older than the import of weft
        """
        )
        == "0.0"
    )


def test_interrupts() -> None:
    """Ctrl-C ends a trace that would not end, and the next call works."""
    script = """
        import _thread, signal, threading
        from weft.ir.builder import state

        signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have it ignored in the background

        def endless(x):
            while True:
                x = x + 1

        for transform in (weft.jit, weft.grad, weft.vmap):
            threading.Timer(0.2, _thread.interrupt_main).start()
            try:
                transform(endless)(np.ones(1))
            except KeyboardInterrupt:
                print("interrupted", state.ambient)
        print(float(weft.jit(lambda x: x + 1)(1.0)))
    """
    assert run(script) == "interrupted []\n" * 3 + "2.0"


# Unusual arguments

TRANSFORMED: dict[str, Callable[[Callable[[Any], Any]], Callable[[Any], Any]]] = {
    "jit": weft.jit,
    "eager": lambda fun: lambda x: fun(wnp.asarray(x)),
    "function": lambda fun: lambda x: wnp.add(wnp.multiply(x, 2), 1),
    "jvp": lambda fun: lambda x: weft.jvp(fun, (x,), (wnp.ones(np.shape(x), np.asarray(x).dtype.newbyteorder("=")),))[0],
    "closed over": lambda fun: lambda x: weft.jit(lambda one: fun(wnp.multiply(x, one)))(np.int8(1)),
}  # fmt: skip


def unusual_arrays() -> dict[str, Any]:
    base = np.arange(24.0).reshape(4, 6)
    unaligned = np.zeros(8 * 10 + 1, np.uint8)[1:].view(np.float64)
    unaligned[:] = np.arange(10)
    frozen = base.copy()
    frozen.setflags(write=False)

    class Sub(np.ndarray):
        pass

    return {
        "strided": base[::2, ::3],
        "negative strides": base[::-1, ::-2],
        "Fortran order": np.asfortranarray(base),
        "broadcast": np.broadcast_to(base[0], (3, 6)),
        "big-endian f8": base.astype(">f8"),
        "big-endian c16": base.astype(">c16"),
        "big-endian f2": base.astype(">f2"),
        "unaligned": unaligned,
        "read-only": frozen,
        "rank 0": np.array(3.0),
        "scalar": np.float64(2),
        "subclass": base.view(Sub),
        "empty": np.zeros((0, 3)),
    }


@pytest.mark.parametrize("transform", TRANSFORMED)
@pytest.mark.parametrize("name", unusual_arrays())
def test_unusual_arrays(name: str, transform: str) -> None:
    x = unusual_arrays()[name]
    wanted = np.asarray(x) * 2 + 1
    found = TRANSFORMED[transform](lambda x: x * 2 + 1)(x)
    assert isinstance(found, weft.Array)
    assert found.dtype == wanted.dtype.newbyteorder("=")
    np.testing.assert_array_equal(np.asarray(found), wanted)


def test_memory_maps(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "data", np.float32, "w+", shape=(3, 4))
    mapped[:] = 2
    kept = wnp.asarray(mapped)
    assert float(weft.jit(lambda x: x.sum())(mapped)) == 24
    mapped[:] = 5
    assert float(kept.sum()) == 24
    assert float(weft.jit(lambda x: x.sum())(mapped)) == 60


NOT_ARRAYS = {
    "masked": np.ma.array([1.0, 2.0], mask=[0, 1]),
    "objects": np.array([1, "a"], object),
    "strings": np.array(["a"]),
    "bytes": np.array([b"a"]),
    "dates": np.array(["2020-01-01"], "M8[D]"),
    "durations": np.array([1], "m8[s]"),
    "long doubles": np.array([1], np.longdouble),
    "records": np.zeros(2, [("a", int)]),
    "a date": np.datetime64("2020"),
}
USES: dict[str, Callable[[Any], Any]] = {
    "jit": weft.jit(lambda x: x),
    "asarray": wnp.asarray,
    "array": wnp.array,
    "sin": wnp.sin,
    "add": lambda x: wnp.add(x, 1),
    "closed over": lambda x: weft.jit(lambda y: y + x)(wnp.ones(2)),
    "returned": lambda x: weft.jit(lambda y: x)(wnp.ones(2)),
    "grad": weft.grad(lambda x: x),
    "vmap": weft.vmap(lambda x: x),
    "device_put": weft.device_put,
    "stack": lambda x: wnp.stack([wnp.ones(np.shape(x)), x]),
    "at": lambda x: wnp.ones(3).at[:1].set(x),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", NOT_ARRAYS)
def test_what_is_no_array_is_refused(name: str, use: str) -> None:
    with pytest.raises((weft.errors.ArgumentError, weft.errors.DTypeError)):
        USES[use](NOT_ARRAYS[name])


@pytest.mark.parametrize(
    "x", [object(), "text", {1, 2}, 2**70], ids=["object", "text", "set", "large integer"]
)
def test_leaves_that_are_no_arrays(x: Any) -> None:
    with pytest.raises(weft.errors.ArgumentError):
        weft.jit(lambda x: x)(x)
    with pytest.raises(weft.errors.ArgumentError):
        weft.grad(lambda x: x)(x)
    with pytest.raises(weft.errors.ArgumentError, match="returned"):
        weft.jit(lambda y: x)(1.0)


# Changes after the fact


def test_closed_over_arrays_are_copied_when_traced() -> None:
    c = np.ones(3)
    f = weft.jit(lambda x: x + c)
    f(np.zeros(3))
    lowered = weft.jit(lambda x: x * c).lower(np.zeros(3))
    c[:] = 9
    np.testing.assert_array_equal(np.asarray(f(np.zeros(3))), np.ones(3))
    np.testing.assert_array_equal(np.asarray(lowered.compile()(np.ones(3))), np.ones(3))


@pytest.mark.parametrize("transform", ["jit", "jvp", "vmap"])
def test_a_buffer_that_a_function_reuses(transform: str) -> None:
    """Each use of an array sees what it holds at that time."""

    def fun(x: Any) -> Any:
        buffer = np.zeros(3)
        first = x + buffer
        buffer[:] = 5
        return first, x * buffer

    run = {
        "jit": weft.jit(fun),
        "jvp": lambda x: weft.jvp(fun, (x,), (x,))[0],
        "vmap": lambda x: [y[0] for y in weft.vmap(fun)(x[None])],
    }[transform]
    first, second = run(np.ones(3))
    np.testing.assert_array_equal(np.asarray(first), np.ones(3))
    np.testing.assert_array_equal(np.asarray(second), np.full(3, 5.0))


def test_an_array_closed_over_is_captured_once() -> None:
    c, d = np.ones(3), wnp.full(3, 2.0)
    graph = weft.make_graph(lambda x: (x + c) * c + d * x - d)(np.ones(3))
    assert len(graph.ins) == 3


def test_derivatives_keep_their_arguments() -> None:
    x = np.ones(3)
    _, pull = weft.vjp(lambda x: x * x, x)
    _, push = weft.linearize(lambda x: x * x, x)
    same, _ = weft.vjp(lambda x: x, x)
    x[:] = 7
    np.testing.assert_array_equal(np.asarray(pull(wnp.ones(3))[0]), np.full(3, 2.0))
    np.testing.assert_array_equal(np.asarray(push(wnp.ones(3))), np.full(3, 2.0))
    np.testing.assert_array_equal(np.asarray(same), np.ones(3))


VIEWS = (
    "np.asarray(a)", "np.array(a)", "np.transpose(a)", "np.reshape(a, (3, 2))", "np.ravel(a)", "np.broadcast_to(a, (2, 2, 3))",
    "np.squeeze(a)", "np.expand_dims(a, 0)", "np.real(a)", "np.swapaxes(a, 0, 1)", "np.split(a, 2)[0]", "np.diagonal(a)",
    "np.flip(a, 0)", "np.atleast_2d(a)", "np.moveaxis(a, 0, 1)", "np.broadcast_arrays(a, a)[0]", "np.rot90(a)",
    "np.unstack(a)[0]",
    "np.meshgrid(a[0], a[1], copy=False)[0]", "np.diag(a)", "np.conj(a)", "np.astype(a, float)", "np.positive(a)",
    "np.frombuffer(a)",
    "weft.jit(lambda x: x)(a)", "weft.vmap(lambda x: x)(a)", "weft.jvp(lambda x: x, (a,), (a,))[0]", "weft.device_put(a)",
    "weft.jvp(lambda x: x, (a,), (a,))[1]", "weft.stop_gradient(a)", "weft.lax.reshape(a, (3, 2))",
    "weft.lax.transpose(a, (1, 0))",
    "weft.lax.rev(a, (0,))", "weft.lax.slice(a, (0, 0), (1, 3))", "weft.jit(lambda x: (x, x.T))(a)[1]",
)  # fmt: skip


@pytest.mark.parametrize("text", VIEWS)
def test_results_share_no_memory_with_arguments(text: str) -> None:
    a = np.ones((2, 3))
    result = eval(text, {"np": wnp, "weft": weft, "a": a})
    assert isinstance(result, weft.Array)
    before = np.array(result)
    a[:] = 5
    np.testing.assert_array_equal(np.asarray(result), before)


def test_what_is_given_out_is_read_only() -> None:
    x = wnp.arange(3.0)
    for view in (np.asarray(x), np.from_dlpack(x), np.asarray(weft.jit(lambda x: x + 1)(x))):
        assert not view.flags.writeable
        with pytest.raises(ValueError, match="cannot set WRITEABLE"):
            view.flags.writeable = True
    mine = np.array(x)
    mine[:] = 7
    np.testing.assert_array_equal(np.asarray(x), [0.0, 1.0, 2.0])


# State


class Mine(Exception):
    pass


TRANSFORMATIONS: dict[str, Callable[[Any], Callable[[Any], Any]]] = {
    "jit": weft.jit, "grad": weft.grad, "vmap": weft.vmap, "checkpoint": weft.checkpoint, "make_graph": weft.make_graph,
    "jacfwd": weft.jacfwd, "jacrev": weft.jacrev, "hessian": weft.hessian,
    "jit of vmap of grad": lambda f: weft.jit(weft.vmap(weft.grad(f))),
    "jvp": lambda f: lambda x: weft.jvp(f, (x,), (x,)), "vjp": lambda f: lambda x: weft.vjp(f, x),
    "linearize": lambda f: lambda x: weft.linearize(f, x), "eval_shape": lambda f: lambda x: weft.eval_shape(f, x),
}  # fmt: skip


@pytest.mark.parametrize("error", [Mine, KeyboardInterrupt, GeneratorExit, RecursionError])
@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_errors_pass_and_leave_nothing_behind(name: str, error: type[BaseException]) -> None:
    def fun(x: Any) -> Any:
        y = x + 1
        weft.jit(lambda z: z * y)(x)
        raise error("mine")

    with pytest.raises(error, match="mine"):
        TRANSFORMATIONS[name](fun)(wnp.ones(2))
    assert not state.ambient
    here = user_source()
    assert here is None or here.function == "test_errors_pass_and_leave_nothing_behind"
    assert float(weft.jit(lambda x: x + 1)(1.0)) == 2


def test_generators() -> None:
    kept = []

    def fun(x: Any) -> Any:
        values = (v for v in [x + 1, x * 2])
        kept.append(values)
        return next(values) + sum(x * i for i in range(3))

    assert float(weft.jit(fun)(1.0)) == 5
    leaked = next(kept[0])
    with pytest.raises(weft.errors.LeakedTracerError):
        leaked + 1
    with pytest.raises(weft.errors.ArgumentError):
        weft.jit(lambda x: (v for v in [x]))(1.0)


def test_recursion_in_a_traced_function() -> None:
    @weft.jit
    def power(x: Any) -> Any:
        return x if x.shape[0] == 1 else x[0] * power(x[1:])

    assert power(np.array([2.0, 3.0, 5.0])).tolist() == [30.0]


# Copies and garbage


@weft.jit
def twice(x: Any) -> Any:
    return x * 2


@pytest.mark.parametrize("dtype", [np.float64, wnp.bfloat16, np.complex64, bool])
def test_arrays_are_copied_and_pickled(dtype: Any) -> None:
    x = wnp.asarray(np.arange(6).reshape(2, 3), dtype)
    for y in (
        pickle.loads(pickle.dumps(x)),
        copy.copy(x),
        copy.deepcopy(x),
        pickle.loads(pickle.dumps(x[:, ::-1]))[:, ::-1],
    ):
        assert isinstance(y, weft.Array)
        assert y.dtype == x.dtype
        np.testing.assert_array_equal(np.asarray(y), np.asarray(x))


def test_jitted_functions_are_pickled_by_reference() -> None:
    assert pickle.loads(pickle.dumps(twice)) is twice
    assert copy.deepcopy(twice) is twice


def test_programs_are_freed() -> None:
    f = weft.jit(lambda x: wnp.sin(x) * 3 + x.sum())
    f(wnp.ones(5))
    entry = weakref.ref(f)
    del f
    gc.collect()
    assert entry() is None


def test_calls_do_not_leak() -> None:
    """Neither calls of a compiled program, nor tracing and compiling what was compiled before."""
    f = weft.jit(lambda x: (wnp.sin(x) @ x, wnp.sort(x)))
    x = wnp.ones(1000)

    def call() -> None:
        f(x)

    def trace() -> None:
        weft.grad(lambda x: (wnp.sin(x) * x).sum())(x)
        weft.jit(lambda x: wnp.sin(x) + 1)(x)

    for run, times, allowed in ((call, 10_000, 10_000), (trace, 200, 200_000)):
        for _ in range(100):
            run()
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(times):
                run()
            gc.collect()
            assert tracemalloc.get_traced_memory()[0] - before < allowed
        finally:
            tracemalloc.stop()
