"""``python -m weft``: print the page on an error; look at the machine code that is kept on disk, remove it, take it elsewhere.

    python -m weft explain ShapeError    what the error means, an example, and its mend; without a name: all names
    python -m weft cache info            where it is, how much, and why not if there is none
    python -m weft cache clear           remove all of it
    python -m weft cache export FILE     write what this machine can use to a file
    python -m weft cache import FILE     add what such a file has for this machine

Imported machine code will be run: import what comes from people whose programs you would run.
"""

from __future__ import annotations

import argparse
import difflib
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from weft.engine import pages
from weft.kernels.archive import export_entries, import_entries
from weft.kernels.cpu.objects import open_store
from weft.kernels.store import KeptFile, NoStore, cache_folder, cache_limit, files, sweep

MIB = 2**20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, of the process's arguments by default: its exit status."""
    parser = argparse.ArgumentParser(prog="python -m weft")
    subjects = parser.add_subparsers(dest="subject", required=True, metavar="explain|cache")
    explain = subjects.add_parser("explain", help="print the page on an error")
    explain.add_argument("name", nargs="?", help="such as ShapeError; all names, if it is left out")
    cache = subjects.add_parser("cache", help="machine code on disk")
    commands = cache.add_subparsers(dest="command", required=True, metavar="info|clear|export|import")
    commands.add_parser("info", help="where it is, and how much")
    commands.add_parser("clear", help="remove all of it")
    for name, text in (
        ("export", "write it to a file"),
        ("import", "add what such a file has for this machine"),
    ):
        commands.add_parser(name, help=text).add_argument("file", type=Path)
    chosen = parser.parse_args(arguments)
    if chosen.subject == "explain":
        return _explain(chosen.name)
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


def _explain(name: str | None) -> int:
    """Print the page on an error, the names of all, or which was meant."""
    if name is None:
        print(*pages.names(), sep="\n")
        return 0
    wanted = name.removeprefix("weft.").removeprefix("errors.")
    by_lower = {known.lower(): known for known in pages.names()}
    near = difflib.get_close_matches(wanted.lower(), by_lower, 1)
    if near and near[0] == wanted.lower():
        print(pages.page(by_lower[near[0]]), end="")
        return 0
    hint = (
        f"did you mean {by_lower[near[0]]}?" if near else "python -m weft explain lists those that there are."
    )
    print(f"weft: there is no page on {name}: {hint}", file=sys.stderr)
    return 1


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
