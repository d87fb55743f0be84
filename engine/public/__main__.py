"""``python -m weft cache``: look at the machine code that is kept on disk, remove it, take it elsewhere.

    python -m weft cache info            where it is, how much, and why not if there is none
    python -m weft cache clear           remove all of it
    python -m weft cache export FILE     write what this machine can use to a file
    python -m weft cache import FILE     add what such a file has for this machine

Imported machine code will be run: import what comes from people whose programs you would run.
"""

from __future__ import annotations

import argparse
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from weft.kernels.archive import export_entries, import_entries
from weft.kernels.cpu.objects import open_store
from weft.kernels.store import KeptFile, NoStore, cache_folder, cache_limit, files, sweep

MIB = 2**20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, of the process's arguments by default: its exit status."""
    parser = argparse.ArgumentParser(prog="python -m weft")
    cache = parser.add_subparsers(required=True, metavar="cache").add_parser(
        "cache", help="machine code on disk"
    )
    commands = cache.add_subparsers(dest="command", required=True, metavar="info|clear|export|import")
    commands.add_parser("info", help="where it is, and how much")
    commands.add_parser("clear", help="remove all of it")
    for name, text in (
        ("export", "write it to a file"),
        ("import", "add what such a file has for this machine"),
    ):
        commands.add_parser(name, help=text).add_argument("file", type=Path)
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "info":
            _info()
        elif chosen.command == "clear":
            print(f"removed {_summary(sweep(cache_folder(), 0))}")
        elif chosen.command == "export":
            print(f"wrote {export_entries(open_store(), chosen.file)} entries to {chosen.file}")
        else:
            count = import_entries(open_store(), chosen.file)
            print(
                f"{count.added} entries added, {count.foreign} for other machines or versions, {count.damaged} damaged"
            )
    except NoStore as error:
        print(f"weft: no machine code is kept: {error}", file=sys.stderr)
        return 1
    except (OSError, zipfile.BadZipFile) as error:
        print(f"weft: cache {chosen.command}: {error}", file=sys.stderr)
        return 1
    return 0


def _info() -> None:
    print(f"folder        {cache_folder()}")
    print(f"limit         {cache_limit() / MIB:.0f} MiB")
    kept = files(cache_folder())
    print(f"all           {_summary(kept)}")
    try:
        folder = open_store().folder
    except NoStore as error:
        print(f"not used      {error}")
    else:
        print(f"this machine  {_summary([file for file in kept if file.paths[0].parent == folder])}")


def _summary(kept: Sequence[KeptFile]) -> str:
    kernels, size = sum(len(file.paths) for file in kept), sum(file.size for file in kept)
    return f"{kernels} kernels, {size / MIB:.1f} MiB"


if __name__ == "__main__":
    sys.exit(main())
