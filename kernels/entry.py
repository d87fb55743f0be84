"""An entry of the disk cache: machine code of some kernels, as bytes that can be checked.

The one idea: nothing that is read is believed. An entry opens with a checksum of all that follows, so a file
that is cut short, zero-filled or altered in one bit is known for what it is before any of it is used. Layout::

    magic, 12 bytes | blake2b of the rest, 32 bytes | length of the header, 4 bytes | header, JSON | object code

The header says what the code is for (`Entry.target`) and which kernels are in it (`Entry.symbols`).
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from weft.ir.records import dataclass

MAGIC = b"weft code 1\n"
KERNEL_NAME = re.compile(r"weft_[0-9a-f]{24}")
"""What `weft.kernels.cache.kernel_name` makes. Names of files are nothing else, whatever an entry says."""

LARGEST = 64 * 2**20
"""Bytes of the largest entry that is read."""

_DIGEST_BYTES = 32
_CHECKED = len(MAGIC) + _DIGEST_BYTES
_LENGTH_BYTES = 4


class DamagedEntry(ValueError):
    """These bytes are no entry, or not the one that was looked for."""


def digest(data: bytes) -> bytes:
    """The checksum of an entry."""
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()


@dataclass(frozen=True, slots=True)
class Entry:
    """Object code of one compiled module.

    Attributes:
        target: the digest of all that decides whether the code runs here and is what would be compiled.
        symbols: for each kernel in it, by name, the name of its function in the object code.
        code: an object file.
    """

    target: str
    symbols: dict[str, str]
    code: bytes

    def pack(self) -> bytes:
        """The entry as bytes."""
        header = json.dumps({"target": self.target, "symbols": self.symbols}).encode()
        rest = len(header).to_bytes(_LENGTH_BYTES, "little") + header + self.code
        return MAGIC + digest(rest) + rest

    @staticmethod
    def unpack(data: bytes) -> Entry:
        """Read what `pack` made.

        Raises:
            DamagedEntry: it is anything else.
        """
        rest = data[_CHECKED:]
        if not data.startswith(MAGIC) or data[len(MAGIC) : _CHECKED] != digest(rest):
            raise DamagedEntry("the checksum is not that of the content")
        end = _LENGTH_BYTES + int.from_bytes(rest[:_LENGTH_BYTES], "little")
        try:
            header = json.loads(rest[_LENGTH_BYTES:end])
        except ValueError as error:
            raise DamagedEntry("the header is no JSON") from error
        if not _is_header(header):
            raise DamagedEntry("the header is not that of an entry")
        return Entry(header["target"], header["symbols"], rest[end:])


def _is_header(header: Any) -> bool:
    """Whether this is a target and at least one kernel: a checksum says that bytes are whole, not what they are."""
    if not isinstance(header, dict) or header.keys() != {"target", "symbols"}:
        return False
    target, symbols = header["target"], header["symbols"]
    return (
        isinstance(target, str)
        and isinstance(symbols, dict)
        and bool(symbols)
        and all(KERNEL_NAME.fullmatch(name) and isinstance(symbol, str) for name, symbol in symbols.items())
    )
