"""Files that only this user can have written, and that are never seen half-written.

The one idea: machine code is run, so who can write it can do anything in the user's name. A folder is used,
and a file is read, only if it belongs to this user and nobody else may write to it. Files are put in place
whole, under all their names, by links to a temporary file; so any number of processes may do it at once.
"""

from __future__ import annotations

import contextlib
import functools
import operator
import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

TEMPORARY = ".tmp-"
"""How the names of files begin that are being written."""


def make_private(folder: Path) -> None:
    """Make a folder that only this user may enter, unless it is there.

    Raises:
        PermissionError: it is there, and somebody else owns it or may write to it.
        OSError: it cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check(folder.stat(), folder)


def read_private(path: Path, largest: int) -> tuple[bytes, float]:
    """The content of a file of this user, and when it was last changed or marked as used.

    Raises:
        FileNotFoundError: it is not there.
        PermissionError: somebody else owns it or may write to it.
        OSError: it cannot be read, or it is a link, no file at all, or longer than ``largest``.
    """
    flags = (getattr(os, name, 0) for name in ("O_RDONLY", "O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))
    handle = os.open(path, functools.reduce(operator.or_, flags))
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > largest:
            raise OSError(f"{path} is not what it should be")
        _check(status, path)
        with open(handle, "rb", closefd=False) as file:
            return file.read(), status.st_mtime
    finally:
        os.close(handle)


def write_private(folder: Path, names: Iterable[str], data: bytes) -> None:
    """Put a file in a folder under each of ``names`` that is free.

    Raises:
        OSError: it cannot be written. No part of it stays behind.
    """
    source = _write_temporary(folder, data)
    try:
        for name in names:
            try:
                os.link(source, folder / name)
            except FileExistsError:
                continue  # another process was first
            except OSError:  # a file system without links: a copy for each name
                os.replace(_write_temporary(folder, data), folder / name)
    finally:
        remove(source)


def replace_private(path: Path, data: bytes) -> None:
    """Put a file in place, of another one if there is one.

    Raises:
        OSError: it cannot be written. No part of it stays behind.
    """
    source = _write_temporary(path.parent, data)
    try:
        os.replace(source, path)
    except OSError:
        remove(source)
        raise


def remove(path: str | Path) -> None:
    """Remove a file if that can be done."""
    with contextlib.suppress(OSError):
        os.unlink(path)


def _check(status: os.stat_result, path: Path) -> None:
    if not hasattr(os, "geteuid"):  # Windows: the user's folders are closed to others by inheritance
        return
    if status.st_uid != os.geteuid():
        raise PermissionError(f"{path} belongs to another user")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"other users may write to {path}")


def _write_temporary(folder: Path, data: bytes) -> str:
    handle, path = tempfile.mkstemp(prefix=TEMPORARY, dir=folder)  # for this user alone
    try:
        with open(handle, "wb") as file:
            file.write(data)
    except BaseException:
        remove(path)
        raise
    return path
