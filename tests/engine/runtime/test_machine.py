"""The native functions: loaded where they are kept, compiled where they are not or are damaged."""

import subprocess
import sys

import numpy as np
import pytest

from weft.engine.runtime import tape
from weft.engine.runtime.native import machine
from weft.engine.runtime.threads import pool_address


@pytest.fixture
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WEFT_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("WEFT_CACHE", raising=False)
    return tmp_path


def load():
    return machine.load_machine.__wrapped__()


def works(found):
    out = np.ones(3)
    builder = tape.TapeBuilder()
    builder.bind([0])
    builder.zero(0, 24)
    finished = builder.finish(1)
    slots = np.array([id(out)])
    end = found.interpret(finished.code_address, 0, slots.ctypes.data, pool_address())
    return end == tape.RETURNED and not out.any()


def kept_files(folder):
    return sorted({path.stat().st_ino: path for path in folder.rglob("weft_*")}.values())


def no_compiling(*args):
    raise AssertionError("compiled")


def test_kept_code_is_loaded_without_compiling(cache_folder, monkeypatch):
    assert works(load())
    assert len(kept_files(cache_folder)) == 1
    monkeypatch.setattr(machine, "_compile", no_compiling)
    assert works(load())


@pytest.mark.parametrize(
    "damage", [lambda data: data[:200], lambda data: bytes(len(data)), lambda data: data[:-1] + b"x"]
)
def test_damaged_code_is_compiled_anew_and_mended(cache_folder, monkeypatch, damage):
    assert works(load())
    (kept,) = kept_files(cache_folder)
    kept.write_bytes(damage(kept.read_bytes()))
    assert works(load())
    monkeypatch.setattr(machine, "_compile", no_compiling)
    assert works(load())


def test_changed_sources_are_compiled_anew(cache_folder, monkeypatch):
    assert works(load())
    monkeypatch.setattr(machine, "_digest", lambda: "0" * 23)
    assert works(load())
    assert len(kept_files(cache_folder)) == 2


def test_no_place_to_keep_it(monkeypatch):
    monkeypatch.setenv("WEFT_CACHE", "0")
    assert works(load())


def test_a_second_process_runs_a_program_without_numba(cache_folder):
    script = (
        "import sys, weft, weft.numpy as np\n"
        "print(weft.jit(lambda x: np.sum(np.sin(x @ x)))(np.ones((40, 40))))\n"
        "print({'numba'} & set(sys.modules))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        ).stdout.split("\n")
        for _ in range(2)
    ]
    assert runs[0][0] == runs[1][0]
    assert runs[1][1] == "set()"
