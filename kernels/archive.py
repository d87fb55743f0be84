"""The disk cache as one file, to take it to another machine or into a container.

The one idea: an archive brings entries, never names of files. Each is checked like one in the cache's folder,
and goes where its own header says. It is machine code all the same: import only what you would also run.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from weft.ir.records import dataclass
from weft.kernels.entry import LARGEST, DamagedEntry, Entry, digest
from weft.kernels.store import KernelStore

# What zipfile raises for a member that is not what its directory says.
_BAD_MEMBER = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, DamagedEntry)


@dataclass(slots=True)
class Imported:
    """What became of an archive's entries.

    Attributes:
        added: they are in the cache.
        foreign: made for another CPU, or by other versions of Weft, Numba or LLVM.
        damaged: no entries at all.
    """

    added: int = 0
    foreign: int = 0
    damaged: int = 0


def export_entries(store: KernelStore, path: Path) -> int:
    """Write all that is kept for this target to a file.

    Returns:
        How many entries it has.

    Raises:
        OSError: the file cannot be written.
    """
    count = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in store.entries():
            data = entry.pack()
            archive.writestr(digest(data).hex(), data)
            count += 1
    return count


def import_entries(store: KernelStore, path: Path) -> Imported:
    """Add what `export_entries` wrote; what is there already stays as it is.

    Raises:
        OSError: the file cannot be read, or the cache cannot be written.
        zipfile.BadZipFile: the file is no archive.
    """
    count = Imported()
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            try:
                if member.file_size > LARGEST:
                    raise DamagedEntry("it is too long")
                entry = Entry.unpack(archive.read(member))
            except _BAD_MEMBER:
                count.damaged += 1
                continue
            if entry.target != store.target:
                count.foreign += 1
                continue
            store.add(entry)
            count.added += 1
    return count
