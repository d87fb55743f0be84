"""`weft.config` and `weft.errors`: settings by keyword and by name, logging, what importing costs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

import weft
from weft import config, errors


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    log, debug = config.settings.log, config.settings.debug
    yield
    config.settings.log, config.settings.debug = log, debug
    config.update("jax_disable_jit", False)


def test_settings_are_changed_and_read() -> None:
    config.update(log="graph,fuse", debug=True)
    assert config.read("log") == "graph,fused"
    assert config.read("debug") is True
    config.update("log", "")
    assert config.read("log") == ""
    config.update("jax_enable_x64", True)
    assert config.read("jax_enable_x64") is True


def test_the_log_shows_stages(capsys: pytest.CaptureFixture[str]) -> None:
    config.update(log="graph")
    weft.jit(lambda x: x + 1)(np.zeros(3))
    assert "--- weft: graph\ngraph(" in capsys.readouterr().err


def test_jit_is_disabled_by_name_and_by_context() -> None:
    runs = []

    @weft.jit
    def f(x: object) -> object:
        runs.append(type(x))
        return x

    config.update("jax_disable_jit", True)
    assert config.read("jax_disable_jit") is True
    f(weft.numpy.zeros(1))
    config.update("jax_disable_jit", False)
    with config.disable_jit():
        f(weft.numpy.zeros(1))
        with config.disable_jit(False):
            f(weft.numpy.zeros(1))
    assert [kind is weft.Array for kind in runs] == [True, True, False]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "colour",
            1,
            r"there is no setting colour\. Settings: log, debug, threads, pool_bytes, nan_safe_where, item_assignment, "
            r"promotion, default_float, debug_nans, debug_infs\.",
        ),
        ("pool_bytes", -1, r"pool_bytes must be a number of bytes, 0 or more, got -1\."),
        ("log", "graphs", r"unknown stages to log: graphs\. Known: graph, passes, fused, loops, llvm, asm\."),
        (3, 1, r"config\.update takes the name of a setting and its value, got 3\."),
    ],
)
def test_errors_of_settings(name: str, value: object, message: str) -> None:
    with pytest.raises(errors.ArgumentError, match=message):
        config.update(name, value)
    if name == "colour":
        with pytest.raises(errors.ArgumentError, match=message):
            config.read(name)


def test_errors_are_also_the_built_in_ones() -> None:
    classes = [getattr(errors, name) for name in errors.__all__]
    assert all(issubclass(c, errors.WeftError) and c.__doc__ for c in classes)
    assert issubclass(errors.ShapeError, ValueError)
    assert issubclass(errors.ConcretizationError, TypeError)
    assert issubclass(errors.IndexingError, IndexError)


def test_importing_is_light() -> None:
    code = "import sys, weft; print(sorted({'numba', 'llvmlite', 'scipy', 'jax'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    assert [name for name in weft.__all__ if not hasattr(weft, name)] == []


def test_settings_of_jax_that_ask_for_what_there_is() -> None:
    config.update("jax_platform_name", "cpu")
    config.update("jax_platforms", "cuda,cpu")
    config.update("jax_default_matmul_precision", "highest")
    with pytest.raises(weft.errors.ArgumentError, match="there is one platform: 'cpu'"):
        config.update("jax_platforms", "tpu")
