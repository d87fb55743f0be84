"""What programs ask about devices and processes, and scopes around what they compute."""

from __future__ import annotations

import pytest

import weft
import weft.numpy as wnp
from weft.errors import ArgumentError


def test_there_is_one_device_and_one_process() -> None:
    (device,) = weft.devices()
    assert weft.devices("cpu") == weft.local_devices() == [device]
    assert (device.platform, device.id, device.process_index) == ("cpu", 0, 0)
    assert (weft.device_count(), weft.local_device_count(), weft.process_count()) == (1, 1, 1)
    assert weft.process_index() == 0 and weft.default_backend() == "cpu"
    assert wnp.ones(2).device == device and wnp.ones(2, device=device).shape == (2,)
    assert weft.device_put(3.0, device) == 3.0
    with pytest.raises(ArgumentError, match="arrays live on the device 'cpu'"):
        weft.devices("gpu")


def test_typeof_says_shape_and_dtype() -> None:
    seen = []

    @weft.jit
    def f(x):
        seen.append(weft.typeof(x))
        return x

    f(wnp.ones((2, 3), wnp.float32))
    assert str(seen[0]) == "f32[2,3]" and weft.typeof(1).shape == ()


def test_clear_caches_traces_again() -> None:
    traced = []
    f = weft.jit(lambda x: traced.append(1) or x + 1)
    assert (f(1), f(1), len(traced)) == (2, 2, 1)
    weft.clear_caches()
    assert (f(1), len(traced)) == (2, 2)


def test_scopes_change_nothing() -> None:
    @weft.named_scope("layer")
    def layer(x):
        with weft.named_scope("inside") as name, weft.default_matmul_precision("float32"):
            assert name == "inside"
            return wnp.sin(x) @ x

    x = wnp.arange(3.0)
    assert weft.jit(layer)(x) == layer(x)
    weft.effects_barrier()


def test_named_call_gives_a_name() -> None:
    named = weft.named_call(lambda x: x * 2, name="twice")
    assert named(2.0) == 4.0 and named.__name__ == "twice"
    with pytest.raises(weft.errors.ConcretizationError, match="twice"):
        weft.jit(weft.named_call(lambda x: 1 if x > 0 else 2, name="twice"))(1.0)


def test_values_at_the_time_of_tracing() -> None:
    @weft.jit
    def staged(x):
        return x if wnp.arange(4).sum() > 2 else -x

    @weft.jit
    def evaluated(x):
        with weft.ensure_compile_time_eval():
            n = wnp.arange(4).sum()
            if n > 2:
                return x * n
        raise AssertionError

    with pytest.raises(weft.errors.ConcretizationError):
        staged(1.0)
    assert evaluated(2.0) == 12.0
    assert weft.grad(evaluated)(2.0) == 6.0
    with pytest.raises(weft.errors.ConcretizationError):  # what scopes end with is again as it was
        staged(1.0)


def test_the_report_of_versions(capsys: pytest.CaptureFixture[str]) -> None:
    text = weft.print_environment_info(return_string=True)
    assert text is not None and all(name in text for name in ("weft", "numpy", "numba", "llvmlite", "python"))
    assert weft.print_environment_info() is None
    assert capsys.readouterr().out.strip() == text
