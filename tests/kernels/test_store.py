"""Machine code on disk: a second process compiles nothing, and nothing on the disk can do harm."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import weft.ir
import weft.kernels
from tests.nest_parts import F64, buffers, call_kernel, const
from weft.__main__ import main
from weft.ir.loops.nest import Loop, Nest, Param, Store
from weft.kernels import backend, folder
from weft.kernels.archive import export_entries, import_entries
from weft.kernels.cache import kernel_name
from weft.kernels.cpu.backend import CpuBackend
from weft.kernels.cpu.host import model
from weft.kernels.cpu.objects import CpuObjects, noted_target, open_store, target_digest
from weft.kernels.entry import DamagedEntry, Entry
from weft.kernels.store import DEFAULT_LIMIT, KernelStore, NoStore, cache_limit, files, sweep

ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS_A_DAY = 86400


def fill(value: float) -> Nest:
    """Fill the output with a number."""
    return Nest(
        1,
        buffers(("out", F64, "out")),
        (const("v", F64, value), Loop("i", Param(0), "parallel", (Store("out", "i", "v"),))),
    )


def opened(root: Path, limit: int = DEFAULT_LIMIT) -> KernelStore:
    return KernelStore(root, CpuObjects(), limit)


def compilations(store: KernelStore, *values: float) -> int:
    """What a fresh process that needs these kernels compiles; they must work."""
    cpu = CpuBackend(store)
    for kernel, value in zip(cpu.compile_nests([fill(value) for value in values]), values, strict=True):
        out = np.zeros(5)
        call_kernel(kernel.address, [5], [out])
        assert (out == value).all()
    return cpu.compilations


def path_of(store: KernelStore, value: float) -> Path:
    return store.folder / kernel_name(fill(value))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_the_second_process_compiles_nothing(root: Path) -> None:
    assert compilations(opened(root), 1, 2) == 1
    assert compilations(opened(root), 2, 1) == 0
    assert compilations(opened(root), 1, 2, 3) == 1
    assert compilations(opened(root), 3) == 0


def test_a_module_is_one_private_file(root: Path) -> None:
    store = opened(root)
    compilations(store, 1, 2)
    (file,) = files(root)
    assert sorted(file.paths) == sorted([path_of(store, 1), path_of(store, 2)])
    assert file.size == 4096
    modes = {path.stat().st_mode & 0o777 for path in (root, store.folder, *file.paths)}
    assert modes == {0o700, 0o600}


def test_kept_kernels_can_be_read(root: Path) -> None:
    (compiled,) = CpuBackend(opened(root)).compile_nests([fill(1)])
    warm = CpuBackend(opened(root))
    (loaded,) = warm.compile_nests([fill(1)])
    assert loaded.llvm() == compiled.llvm()
    assert loaded.asm() == compiled.asm()
    assert f"@{loaded.name}(" in loaded.llvm()
    assert warm.compilations == 0


PROGRAM = """
import sys, weft, weft.numpy as np
from weft.kernels.backend import get_backend
f = weft.jit(weft.grad(lambda x: np.sum(np.exp(x) * np.sin(x) / np.std(x))))
g = weft.jit(lambda x: np.cumsum(x)[::-1] + np.sort(x))
total = float(np.sum(f(np.arange(5.0)))) + float(g(np.arange(5.0))[0])
print(total, get_backend().compilations, "weft.kernels.cpu.compile" in sys.modules)
"""


def test_programs_in_two_processes(root: Path) -> None:
    environment = {**os.environ, "WEFT_CACHE_DIR": str(root)}
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    runs = [
        subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT) for _ in range(2)
    ]
    assert [run.stderr for run in runs] == ["", ""]
    (cold, *compiled), (warm, *found) = (run.stdout.split() for run in runs)
    assert cold == warm
    assert compiled == ["2", "True"]
    assert found == ["0", "False"]


MANY = """
import sys
from pathlib import Path
from tests.kernels.test_store import compilations, opened
print("ready", flush=True)
sys.stdin.readline()
assert compilations(opened(Path(sys.argv[1])), 1, 2) <= 1
assert compilations(opened(Path(sys.argv[1])), 2) == 0
"""


def test_many_processes_at_once(root: Path) -> None:
    command = [sys.executable, "-c", MANY, str(root)]
    run = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
        )
        for _ in range(8)
    ]
    for process in run:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    for process in run:  # all of them meet an empty cache
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in run:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    store = opened(root)
    assert sorted(os.listdir(store.folder)) == sorted(path_of(store, value).name for value in (1, 2))


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip(position: int) -> Callable[[bytes], bytes]:
    def flipped(data: bytes) -> bytes:
        changed = bytearray(data)
        changed[position] ^= 1
        return bytes(changed)

    return flipped


def changed(**fields: object) -> Callable[[bytes], bytes]:
    """A whole entry with a checksum of its own that holds something else."""

    def change(data: bytes) -> bytes:
        entry = Entry.unpack(data)
        whole = {"target": entry.target, "symbols": entry.symbols, "code": entry.code, **fields}
        return Entry(**whole).pack()  # type: ignore[arg-type]

    return change


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut in the header": lambda data: data[:60],
    "cut": cut,
    "zeros": lambda data: bytes(len(data)),
    "zeros behind": lambda data: cut(data) + bytes(len(data) - len(cut(data))),
    "longer": lambda data: data + b"\0",
    "a bit of the magic": flip(0),
    "a bit of the checksum": flip(20),
    "a bit of the header": flip(60),
    "a bit of the code": flip(-100),
    "text": lambda data: b"#!/bin/sh\n",
    "another target": changed(target="0" * 64),
    "another kernel": changed(symbols={kernel_name(fill(7)): "kernel"}),
    "no such symbol": changed(symbols={kernel_name(fill(1)): "kernel"}),
    "no object": changed(code=b"nothing that LLVM knows"),
    "no code": changed(code=b""),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_no_good_is_compiled_anew(root: Path, damage: str) -> None:
    compilations(opened(root), 1)
    path = path_of(opened(root), 1)
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    assert compilations(opened(root), 1) == 1
    assert compilations(opened(root), 1) == 0


def test_damage_of_one_name_leaves_the_rest(root: Path) -> None:
    compilations(opened(root), 1, 2)
    path = path_of(opened(root), 1)
    path.unlink()
    path.write_bytes(b"")
    assert compilations(opened(root), 1, 2) == 1
    assert compilations(opened(root), 2) == compilations(opened(root), 1) == 0


def test_headers_are_checked() -> None:
    name = kernel_name(fill(1))
    assert Entry.unpack(Entry("t", {name: "f"}, b"code").pack()) == Entry("t", {name: "f"}, b"code")
    for target, symbols in (
        ("t", {}),
        (1, {name: "f"}),
        ("t", {"../evil": "f"}),
        ("t", {name: 1}),
        ("t", [name]),
    ):
        with pytest.raises(DamagedEntry, match="header"):
            Entry.unpack(Entry(target, symbols, b"").pack())  # type: ignore[arg-type]


def test_a_link_is_not_followed(root: Path, tmp_path: Path) -> None:
    compilations(opened(root), 1)
    path = path_of(opened(root), 1)
    shutil.copy(path, tmp_path / "elsewhere")
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    assert compilations(opened(root), 1) == 1
    assert not path.is_symlink()
    assert (tmp_path / "elsewhere").exists()


def test_what_is_no_file_is_left_alone(root: Path) -> None:
    path = path_of(opened(root), 1)
    path.mkdir()
    assert compilations(opened(root), 1) == compilations(opened(root), 1) == 1
    path.rmdir()
    os.mkfifo(path)
    assert compilations(opened(root), 1) == 1
    assert compilations(opened(root), 1) == 0


def test_a_file_that_others_may_write_is_not_read(root: Path) -> None:
    compilations(opened(root), 1)
    path_of(opened(root), 1).chmod(0o620)
    assert compilations(opened(root), 1) == 1


def test_a_file_of_another_user_is_not_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(root)
    compilations(store, 1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert store.find([(kernel_name(fill(1)), fill(1))]) == {}
    assert compilations(opened(root), 1) == 1


@pytest.mark.parametrize("which", ["root", "target"])
@pytest.mark.parametrize("mode", [0o770, 0o702])
def test_a_folder_that_others_may_write_is_refused(root: Path, which: str, mode: int) -> None:
    store = opened(root)
    (root if which == "root" else store.folder).chmod(mode)
    with pytest.raises(NoStore, match="other users may write to"):
        opened(root)


def test_a_folder_of_another_user_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compilations(opened(root), 1)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(NoStore, match="belongs to another user"):
        opened(root)


def backend_of_process() -> CpuBackend:
    made = backend._factories["cpu"]()
    assert isinstance(made, CpuBackend)
    return made


def count_twice() -> list[int]:
    """What two processes with this environment compile for one kernel."""
    made = [backend_of_process() for _ in range(2)]
    for cpu in made:
        cpu.compile_nests([fill(9)])
    return [cpu.compilations for cpu in made]


def test_the_environment_names_the_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_CACHE_DIR", str(root))
    assert count_twice() == [1, 0]
    assert open_store().root == root


@pytest.mark.parametrize(
    ("name", "value"), [("WEFT_CACHE", "0"), ("WEFT_CACHE", "off"), ("WEFT_CACHE_SIZE", "0")]
)
def test_switched_off(root: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("WEFT_CACHE_DIR", str(root))
    monkeypatch.setenv(name, value)
    assert count_twice() == [1, 1]
    assert not root.exists()


def test_without_a_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root.write_text("a file in the way")
    for path in (root, root / "below"):
        monkeypatch.setenv("WEFT_CACHE_DIR", str(path))
        assert count_twice() == [1, 1]


def test_a_refused_folder_is_done_without(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEFT_CACHE_DIR", str(root))
    root.mkdir(0o700)
    root.chmod(0o777)
    assert count_twice() == [1, 1]
    assert list(root.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_a_full_disk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is there, its content does not go in: nothing of it stays."""
    store = opened(root)

    class Full:
        def __init__(self, handle: int, mode: str) -> None:
            self.handle = handle

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *error: object) -> None:
            os.close(self.handle)

        def write(self, data: bytes) -> None:
            os.write(self.handle, data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(folder, "open", Full, raising=False)
        assert store.find([]) == {}
        CpuBackend(store).compile_nests([fill(1)])
        assert os.listdir(store.folder) == []
    assert compilations(opened(root), 1) == 1


def test_a_folder_that_cannot_be_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compilations(opened(root), 1)

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    for name in ("link", "replace", "unlink", "utime", "mkdir"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(folder.tempfile, "mkstemp", refuse)
    long_ago = time.time() + SECONDS_A_DAY
    monkeypatch.setattr(time, "time", lambda: long_ago)
    store = opened(root)
    assert compilations(store, 1) == 0
    assert compilations(store, 1, 2) == 1
    assert [file.paths for file in files(root)] == [[path_of(store, 1)]]


def test_a_file_system_without_links(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    compilations(opened(root), 1, 2)
    assert compilations(opened(root), 1, 2) == 0
    assert [len(file.paths) for file in files(root)] == [1, 1]


def test_a_cache_that_is_removed_while_it_is_used(root: Path) -> None:
    store = opened(root)
    compilations(store, 1)
    shutil.rmtree(root)
    assert compilations(store, 2) == 1
    assert compilations(opened(root), 2) == 0


def test_what_was_not_used_for_longest_goes(root: Path) -> None:
    store = opened(root, limit=8 * 4096)
    for value in range(1, 9):
        compilations(store, value)
        old = time.time() - (20 - value) * SECONDS_A_DAY
        os.utime(path_of(store, value), (old, old))
    assert compilations(opened(root), 1) == 0  # used now
    compilations(store, 9)
    left = [value for value in range(1, 10) if path_of(store, value).exists()]
    assert left == [1, 4, 5, 6, 7, 8, 9]


def test_a_sweep_counts_all_targets(root: Path) -> None:
    compilations(opened(root), 1)
    other = root / "cpu-0123456789abcdef"
    opened(root).folder.rename(other)
    compilations(opened(root), 2, 3)
    (root / "notes.txt").write_text("not ours")
    (opened(root).folder / "notes.txt").write_text("not ours")
    assert [len(file.paths) for file in sweep(root, 4096)] == [1, 2]
    assert not other.exists()
    assert sorted(os.listdir(root)) == sorted([opened(root).folder.name, "notes.txt"])


def test_what_a_killed_process_left_goes(root: Path) -> None:
    store = opened(root)
    for name, age in ((".tmp-old", SECONDS_A_DAY), (".tmp-new", 0)):
        (store.folder / name).write_bytes(b"half")
        os.utime(store.folder / name, (time.time() - age,) * 2)
    sweep(root, DEFAULT_LIMIT)
    assert os.listdir(store.folder) == [".tmp-new"]


def test_sizes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for text, limit in (("", 2**29), ("1000", 1000), ("3k", 3072), ("20 MiB", 20 * 2**20), ("2GB", 2**31)):
        monkeypatch.setenv("WEFT_CACHE_SIZE", text)
        assert cache_limit() == limit
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("WEFT_CACHE_SIZE", "much")
    assert cache_limit() == 2**29
    assert capsys.readouterr().err == "weft: WEFT_CACHE_SIZE: expected a size such as 200M, got 'much'\n"


def test_code_of_edited_sources_is_not_kept(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weft.kernels, "LOADED", 0.0)
    compilations(opened(root), 1)
    assert files(root) == []


def test_sources_that_are_gone(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An upgrade replaces them while programs run: what is compiled after that works, and is not kept."""
    store = opened(root)
    monkeypatch.setattr(weft.ir, "__path__", [str(tmp_path / "nowhere")])
    assert compilations(store, 1) == 1
    assert files(root) == []


def test_the_target_says_what_decides_about_the_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = target_digest()
    assert here == target_digest()
    with monkeypatch.context() as patch:
        patch.setenv("NUMBA_OPT", "0")
        assert target_digest() != here
    with monkeypatch.context() as patch:
        patch.setattr("llvmlite.binding.get_host_cpu_name", lambda: "6502")
        assert target_digest() != here
    shutil.copytree(ROOT / "kernels", tmp_path / "kernels")
    monkeypatch.setattr(weft.kernels, "__path__", [str(tmp_path / "kernels")])
    assert target_digest() == here
    with open(tmp_path / "kernels" / "maths" / "exp.py", "a") as file:
        file.write("\n")
    assert target_digest() != here


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources that nobody has touched for a while, whenever these tests run."""
    if not model():
        pytest.skip("this system does not say what CPU it has")
    monkeypatch.setattr("weft.kernels.cpu.objects._SETTLED", -1e9)


def no_llvm() -> str:
    raise AssertionError("LLVM is asked")


@pytest.mark.usefixtures("settled")
def test_a_note_spares_a_process_llvm(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = target_digest()
    assert noted_target(root) == target
    monkeypatch.setattr("llvmlite.binding.get_host_cpu_name", no_llvm)
    assert noted_target(root) == target
    with monkeypatch.context() as patch:
        patch.setenv("NUMBA_OPT", "0")
        with pytest.raises(AssertionError, match="LLVM is asked"):
            noted_target(root)
    with monkeypatch.context() as patch:
        patch.setattr("weft.kernels.cpu.objects.model", lambda: b"another")
        with pytest.raises(AssertionError, match="LLVM is asked"):
            noted_target(root)
    assert sweep(root, 0) == []
    assert list(root.iterdir()) == []


@pytest.mark.usefixtures("settled")
def test_a_note_is_for_sources_as_they_are(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "kernels", tmp_path / "kernels")
    monkeypatch.setattr(weft.kernels, "__path__", [str(tmp_path / "kernels")])
    target = noted_target(root)
    source = tmp_path / "kernels" / "maths" / "exp.py"
    times = source.stat()
    source.write_bytes(source.read_bytes().replace(b"x", b"y"))
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    target_digest.__globals__["_content"].cache_clear()  # of this process: another one finds the new text
    assert noted_target(root) == target_digest() != target


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:-1], lambda data: data[:70] + b"x" * 59]
)
def test_a_damaged_note_is_written_anew(root: Path, damage: Callable[[bytes], bytes]) -> None:
    target = noted_target(root)
    (note,) = root.iterdir()
    whole = note.read_bytes()
    note.write_bytes(damage(whole))
    assert note.read_bytes() != whole
    assert noted_target(root) == target
    assert note.read_bytes() == whole


def test_sources_that_were_just_written_are_not_noted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weft.kernels.cpu.objects._SETTLED", 1e9)
    assert noted_target(root) == target_digest()
    assert not root.exists() or list(root.iterdir()) == []


def test_export_and_import(root: Path, tmp_path: Path) -> None:
    compilations(opened(root), 1, 2)
    compilations(opened(root), 3)
    assert export_entries(opened(root), tmp_path / "kernels.zip") == 2
    new = opened(tmp_path / "new")
    assert import_entries(new, tmp_path / "kernels.zip").added == 2
    assert compilations(new, 1, 2, 3) == 0
    assert len(files(new.root)) == 2


def test_an_archive_is_not_believed(root: Path, tmp_path: Path) -> None:
    compilations(opened(root), 1)
    good = path_of(opened(root), 1).read_bytes()
    with zipfile.ZipFile(tmp_path / "kernels.zip", "w") as archive:
        archive.writestr("../../escaped", good)
        archive.writestr("/tmp/escaped", good)
        archive.writestr("damaged", flip(-100)(good))
        archive.writestr("script", b"#!/bin/sh\n")
        archive.writestr("traversal", changed(symbols={"../../escaped": "f"})(good))
        archive.writestr("foreign", changed(target="0" * 64)(good))
        archive.writestr("broken", good)
    data = bytearray((tmp_path / "kernels.zip").read_bytes())
    data[data.rindex(good[-50:])] ^= 1  # in "broken", so that the archive's own checksum does not hold
    (tmp_path / "kernels.zip").write_bytes(data)
    new = opened(tmp_path / "deep" / "new")
    count = import_entries(new, tmp_path / "kernels.zip")
    assert (count.added, count.foreign, count.damaged) == (2, 1, 4)
    assert [file.paths for file in files(new.root)] == [[path_of(new, 1)]]
    there = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")}
    assert there == {"cache", "deep", "kernels.zip"}


def test_the_commands(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["cache", *arguments])
        return (status, *capsys.readouterr())

    monkeypatch.setenv("WEFT_CACHE_DIR", str(root))
    archive = str(tmp_path / "kernels.zip")
    compilations(open_store(), 1, 2)
    status, shown, _ = run("info")
    assert status == 0
    assert shown.splitlines() == [
        f"folder        {root}",
        "limit         512 MiB",
        "all           2 kernels, 0.0 MiB",
        "this machine  2 kernels, 0.0 MiB",
    ]
    assert run("export", archive) == (0, f"wrote 1 entries to {archive}\n", "")
    assert run("clear") == (0, "removed 2 kernels, 0.0 MiB\n", "")
    assert files(root) == []
    assert run("import", archive) == (0, "1 entries added, 0 for other machines or versions, 0 damaged\n", "")
    assert compilations(open_store(), 1, 2) == 0
    status, _, error = run("import", str(tmp_path / "missing"))
    assert (status, "No such file" in error) == (1, True)
    (tmp_path / "text").write_text("no archive")
    assert run("import", str(tmp_path / "text")) == (1, "", "weft: cache import: File is not a zip file\n")
    monkeypatch.setenv("WEFT_CACHE", "0")
    assert run("info")[1].splitlines()[-1] == "not used      WEFT_CACHE or WEFT_CACHE_SIZE switches it off"
    reason = "weft: no machine code is kept: WEFT_CACHE or WEFT_CACHE_SIZE switches it off\n"
    assert run("export", archive) == (1, "", reason)
    assert run("clear") == (0, "removed 2 kernels, 0.0 MiB\n", "")


def test_the_tests_have_a_cache_of_their_own() -> None:
    assert "weft-tests-" in os.environ["WEFT_CACHE_DIR"]
    assert open_store().root == Path(os.environ["WEFT_CACHE_DIR"])
