"""Machine code kept on disk, so that the next process compiles nothing.

The one idea: the disk is a convenience, never a condition. Whatever is wrong with a file or a folder (damaged,
foreign, stale, locked, full), a kernel is compiled as if it had not been there; whatever is not a whole entry
for this very target is dropped. Below the cache's folder::

    cpu-<digest of the target>/weft_<hash of the nest>

A compiled module is one file, with a name for each kernel in it (hard links), so a program that was compiled
in one go is read in one go. The bound on the size holds for all targets together: now and then, what was not
used for longest goes. Beside these folders lie notes (`NOTE`), which say what a target is and are as quickly made anew.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from weft.ir.records import dataclass, field
from weft.kernels.backend import Code
from weft.kernels.cache import NamedNest
from weft.kernels.entry import KERNEL_NAME, LARGEST, DamagedEntry, Entry
from weft.kernels.folder import TEMPORARY, make_private, read_private, remove, write_private

DEFAULT_LIMIT = 512 * 2**20
NOTE = "target-"
"""How the names of notes begin."""

_TARGET_FOLDER = re.compile(r"[a-z]+-[0-9a-f]{16}")
_SIZE = re.compile(r"\s*(\d+)\s*([kmg]?)(?:i?b)?\s*", re.IGNORECASE)
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_BLOCK = 4096  # what a file takes is a whole number of these
_SWEEPS = 16  # so many sweeps while as much is written as the cache may hold
_KEPT = 7 / 8  # of the limit, after a sweep
_HOUR = 3600.0


class NoStore(Exception):
    """Machine code is not kept on disk; the message says why."""


class ObjectFormat(Protocol):
    """How the code of a target goes into an entry and comes back."""

    kind: str
    target: str

    def save(self, names: Sequence[str], code: Code) -> Entry | None:
        """The code of just compiled kernels as an entry; none if it should not be kept."""

    def load(self, entry: Entry) -> Code:
        """The code of an entry, ready to be called; ``RuntimeError`` if it does not load."""


class KernelStore:
    """A folder of machine code: a `weft.kernels.cache.Store`. Any number of processes may use one folder.

    Args:
        root: the cache's folder.
        form: what the code is and how it is loaded.
        limit: bytes that the folder may hold, about.

    Raises:
        NoStore: the folder cannot be made or is not private to this user, or nothing may be in it.
    """

    def __init__(self, root: Path, form: ObjectFormat, limit: int = DEFAULT_LIMIT) -> None:
        self.root = root
        self.target = form.target
        self.folder = root / f"{form.kind}-{form.target[:16]}"
        self.limit = limit
        self._form = form
        self._loaded: dict[str, Code] = {}
        if limit == 0:
            raise NoStore("WEFT_CACHE or WEFT_CACHE_SIZE switches it off")
        try:
            make_private(root)
            make_private(self.folder)
        except OSError as error:
            raise NoStore(str(error)) from error

    def find(self, named: Sequence[tuple[str, object]]) -> dict[str, Code]:
        """The code of those kernels that are kept, by name."""
        found = ((name, self._loaded.get(name) or self._read(name)) for name, _ in named)
        return {name: code for name, code in found if code is not None}

    def keep(self, named: Sequence[NamedNest], code: Code) -> None:
        """Keep the code of kernels that were just compiled, if the disk lets us."""
        with contextlib.suppress(OSError):
            entry = self._form.save([name for name, _ in named], code)
            if entry is not None:
                self.add(entry)

    def add(self, entry: Entry) -> None:
        """Put an entry in its place.

        Raises:
            OSError: the folder cannot be written.
        """
        data = entry.pack()
        make_private(self.folder)  # another process may have cleared the cache
        write_private(self.folder, entry.symbols, data)
        # A draw, so that processes share the work of sweeping and need not talk about it.
        if int.from_bytes(os.urandom(4)) / 2**32 * self.limit < _on_disk(len(data)) * _SWEEPS:
            sweep(self.root, self.limit)

    def entries(self) -> Iterator[Entry]:
        """All entries for this target, each once; what is damaged is dropped on the way."""
        for file in files(self.root):
            path = file.paths[0]
            if path.parent == self.folder and (entry := self._entry(path)) is not None:
                yield entry

    def _read(self, name: str) -> Code | None:
        path = self.folder / name
        entry = self._entry(path)
        if entry is None:
            return None
        try:
            code = self._form.load(entry)
        except RuntimeError:
            remove(path)
            return None
        self._loaded |= dict.fromkeys(entry.symbols, code)
        return code

    def _entry(self, path: Path) -> Entry | None:
        """The entry in a file, marked as used; a file that is none of ours is removed."""
        try:
            data, used = read_private(path, LARGEST)
            entry = Entry.unpack(data)
            if entry.target != self.target or path.name not in entry.symbols:
                raise DamagedEntry("it is an entry for something else")
        except FileNotFoundError:
            return None
        except (DamagedEntry, OSError):
            remove(path)
            return None
        if time.time() - used > _HOUR:  # as exact as it needs to be, and most reads write nothing
            with contextlib.suppress(OSError):
                os.utime(path)
        return entry


@dataclass(slots=True)
class KeptFile:
    """A file of the cache, under all its names.

    Attributes:
        used: when it was written or read, to the hour.
        size: bytes it takes on disk.
        paths: its names.
    """

    used: float
    size: int
    paths: list[Path] = field(default_factory=list)


def files(root: Path) -> list[KeptFile]:
    """The files of all targets, temporary ones included; what else lies there is not ours."""
    found: dict[tuple[int, int], KeptFile] = {}
    for folder in _listed(root):
        if _TARGET_FOLDER.fullmatch(folder.name):
            for path in _listed(folder):
                if KERNEL_NAME.fullmatch(path.name) or path.name.startswith(TEMPORARY):
                    with contextlib.suppress(OSError):  # another process has just removed it
                        status = path.lstat()
                        own = KeptFile(status.st_mtime, _on_disk(status.st_size))
                        found.setdefault((status.st_dev, status.st_ino), own).paths.append(path)
    return list(found.values())


def sweep(root: Path, limit: int) -> list[KeptFile]:
    """Remove what was not used for longest until the rest is well below the limit, what writers left behind, and all notes.

    Args:
        root: the cache's folder.
        limit: bytes that may lie there; nothing is removed as long as they suffice. 0 removes everything.

    Returns:
        What was removed.
    """
    kept = sorted(files(root), key=lambda file: file.used)
    total = sum(file.size for file in kept)
    goal = total if total <= limit else limit * _KEPT
    abandoned = time.time() - _HOUR
    removed = []
    for file in kept:
        left_behind = file.used < abandoned and all(path.name.startswith(TEMPORARY) for path in file.paths)
        if total > goal or left_behind:
            for path in file.paths:
                remove(path)
            total -= file.size
            removed.append(file)
    for note in _listed(root):
        if note.name.startswith((NOTE, TEMPORARY)):
            remove(note)
    for folder in _listed(root) if removed else []:
        if _TARGET_FOLDER.fullmatch(folder.name):
            with contextlib.suppress(OSError):  # it is not empty
                folder.rmdir()
    return removed


def cache_folder() -> Path:
    """The cache's folder: ``WEFT_CACHE_DIR``, by default ``weft`` in the user's folder for caches."""
    named = os.environ.get("WEFT_CACHE_DIR")
    if named:
        return Path(named).absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("weft", appauthor=False))


def cache_limit() -> int:
    """Bytes that the cache may hold: ``WEFT_CACHE_SIZE``, such as ``200M``; 0 if ``WEFT_CACHE`` switches it off."""
    if os.environ.get("WEFT_CACHE", "").strip().lower() in ("0", "off", "no", "false"):
        return 0
    size = os.environ.get("WEFT_CACHE_SIZE", "")
    match = _SIZE.fullmatch(size)
    if match:
        return int(match[1]) * _UNITS[match[2].lower()]
    if size:
        print(f"weft: WEFT_CACHE_SIZE: expected a size such as 200M, got {size!r}", file=sys.stderr)
    return DEFAULT_LIMIT


def _on_disk(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
