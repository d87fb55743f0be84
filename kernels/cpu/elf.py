"""Links the object files of Linux on x86-64, as LLVM writes them for kernels, without LLVM.

The one idea: loading LLVM takes longer than all else that a second process does for a program. What LLVM writes for this
machine is simple: sections that nobody writes to, functions with a name, and four kinds of places to fill in. Whatever else
there is in a file, `NotSimple` is raised before anything is done, and LLVM's own linker takes it.

Code and constants go into one piece of memory, which can be read and run and not written to, and which is never given back:
threads may be inside the code as long as the process lives.

Source: System V ABI, AMD64 Architecture Processor Supplement, chapter 4.
"""

from __future__ import annotations

import ctypes
import functools
import platform
import struct
import sys
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

__all__ = ["NotSimple", "link", "runs_here"]

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QIIq")
_IDENTITY = b"\x7fELF\x02\x01\x01"  # 64 bits, little-endian, version 1
_OBJECT_FILE, _X86_64 = 1, 62
_PROGBITS, _SYMBOLS, _RELOCATIONS, _NO_BITS, _UNWIND = 1, 2, 4, 8, 0x70000001
_WRITE, _ALLOC, _TLS = 1, 2, 0x400
_LAST_PLAIN_TYPE, _LOCAL = 3, 0  # of symbols: none, object, function, section
_RESERVED = 0xFF00  # numbers of sections from here on mean something else
_JUMP = b"\xff\x25\0\0\0\0"  # jump to the address that stands behind this
_TRAP = b"\xcc"
_STUB = 16
_PAGE = 4096
_READ, _WRITABLE, _RUN = 1, 2, 4
_PRIVATE_ANONYMOUS = 0x22


class NotSimple(Exception):
    """The file holds something that is not linked here; the message says what."""


class _Section(NamedTuple):
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    align: int


class _Symbol(NamedTuple):
    name: str
    is_local: bool
    section: int
    value: int


def runs_here() -> bool:
    """Whether this machine runs such files."""
    return sys.platform == "linux" and platform.machine() == "x86_64" and sys.maxsize > 2**32


def link(code: bytes, symbols: Iterable[str], known: Mapping[str, int]) -> dict[str, int]:
    """Link an object file, for as long as the process lives.

    Args:
        code: the file.
        symbols: functions that it defines.
        known: addresses of functions that it may call, beside those of this process.

    Returns:
        The address of each symbol.

    Raises:
        NotSimple: it has something else in it, or lacks a symbol.
    """
    try:
        return _link(code, symbols, known)
    except (struct.error, IndexError, OverflowError, ValueError) as error:
        raise NotSimple("it is cut short") from error


def _link(code: bytes, symbols: Iterable[str], known: Mapping[str, int]) -> dict[str, int]:
    sections = _sections(code)
    places, size = _layout(sections)
    (table,) = [section for section in sections if section.kind == _SYMBOLS]
    entries = _symbols(code, sections, table)
    image = _Image(size)
    for i, place in places.items():
        image.put(place, _content(code, sections[i]))
    for section in sections:
        if section.kind == _RELOCATIONS and section.info in places:
            start = places[section.info]
            for offset, kind, number, addend in _RELOCATION.iter_unpack(_content(code, section)):
                symbol = entries[number]
                if symbol.section in places:
                    image.point(kind, start + offset, places[symbol.section] + symbol.value + addend)
                elif symbol.section:
                    raise NotSimple(f"{symbol.name} is in a section that is not loaded")
                else:
                    image.point_outside(kind, start + offset, _address_of(symbol.name, known), addend)
    defined = {s.name: places[s.section] + s.value for s in entries if s.section in places and not s.is_local}
    missing = [name for name in symbols if name not in defined]
    if missing:
        raise NotSimple(f"it does not define {missing[0]}")
    base = image.load()
    return {name: base + defined[name] for name in symbols}


class _Image:
    """What will be in memory, while it is not known where: `late` are the places that depend on that."""

    def __init__(self, size: int) -> None:
        self._bytes = bytearray(size)
        self._size = size
        self._stubs: dict[int, int] = {}
        self._late: list[tuple[int, int, int]] = []  # where, a number, and the sign of the base to be added

    def put(self, place: int, content: bytes) -> None:
        """Write bytes."""
        self._bytes[place : place + len(content)] = content

    def point(self, kind: int, place: int, target: int) -> None:
        """Fill in a place that refers to another one of the image."""
        match kind:
            case 1:  # R_X86_64_64
                self._late.append((place, target, 1))
            case 2 | 4:  # R_X86_64_PC32, R_X86_64_PLT32
                self._write(place, target - place, 4)
            case 24:  # R_X86_64_PC64
                self._write(place, target - place, 8)
            case _:
                raise NotSimple(f"a relocation of type {kind}")

    def point_outside(self, kind: int, place: int, address: int, addend: int) -> None:
        """Fill in a place that refers to a function of this process."""
        match kind:
            case 1:
                self._write(place, address + addend, 8)
            case 4:  # a call, which may be of a jump to where the function is
                number = self._stubs.setdefault(address, len(self._stubs))
                self._write(place, self._size + _STUB * number + addend - place, 4)
            case 24:
                self._late.append((place, address + addend - place, -1))
            case _:
                raise NotSimple(f"a relocation of type {kind} to somewhere far away")

    def _write(self, place: int, number: int, width: int) -> None:
        if not 0 <= place <= self._size - width or (width == 4 and not -(2**31) <= number < 2**31):
            raise NotSimple("a relocation out of reach")
        self.put(place, (number % 2 ** (8 * width)).to_bytes(width, "little"))

    def load(self) -> int:
        """Put it into memory where it can be run: the address of its first byte."""
        for address in self._stubs:
            self._bytes += (_JUMP + address.to_bytes(8, "little")).ljust(_STUB, _TRAP)
        size = -(-len(self._bytes) // _PAGE) * _PAGE
        system = _process()
        base = system.mmap(None, size, _READ | _WRITABLE, _PRIVATE_ANONYMOUS, -1, 0)
        if base is None or base == ctypes.c_void_p(-1).value:
            raise NotSimple("there is no memory for it")
        for place, number, sign in self._late:
            self._write(place, number + sign * base, 8)
        ctypes.memmove(base, bytes(self._bytes), len(self._bytes))
        if system.mprotect(base, size, _READ | _RUN) != 0:
            raise NotSimple("the system lets nobody run it")
        return int(base)


def _sections(code: bytes) -> list[_Section]:
    """The sections, in order, checked to be of the kinds known here."""
    identity, kind, machine, _, _, _, start, _, _, _, _, width, count, _ = _HEADER.unpack_from(code)
    if not identity.startswith(_IDENTITY) or (kind, machine) != (_OBJECT_FILE, _X86_64):
        raise NotSimple("it is no object file of this machine")
    if width != _SECTION.size or not count:
        raise NotSimple("its sections are described in another way")
    sections = []
    for i in range(count):
        _, kind, flags, _, offset, size, link, info, align, _ = _SECTION.unpack_from(code, start + i * width)
        if kind != _NO_BITS and offset + size > len(code):
            raise NotSimple("it is cut short")
        sections.append(_Section(kind, flags, offset, size, link, info, align))
    return sections


def _layout(sections: list[_Section]) -> tuple[dict[int, int], int]:
    """Where each section goes that is loaded, by its number, and what all take."""
    places: dict[int, int] = {}
    size = 0
    for i, section in enumerate(sections):
        if not section.flags & _ALLOC or section.kind == _UNWIND:  # nothing unwinds through kernels
            continue
        if section.kind != _PROGBITS or section.flags & (_WRITE | _TLS) or section.align > _PAGE:
            raise NotSimple(f"section {i} is of type {section.kind} with flags {section.flags:#x}")
        align = max(section.align, 1)
        places[i] = -(-size // align) * align
        size = places[i] + section.size
    return places, -(-size // _STUB) * _STUB


def _symbols(code: bytes, sections: list[_Section], table: _Section) -> list[_Symbol]:
    names = _content(code, sections[table.link])
    entries = []
    for name, info, _, section, value, _ in _SYMBOL.iter_unpack(_content(code, table)):
        kind = info & 15
        if section < _RESERVED and kind > _LAST_PLAIN_TYPE:
            raise NotSimple(f"a symbol of type {kind}")
        text = names[name : names.index(b"\0", name)].decode()
        entries.append(_Symbol(text, info >> 4 == _LOCAL, section, value))
    return entries


def _content(code: bytes, section: _Section) -> bytes:
    return code[section.offset : section.offset + section.size]


def _address_of(name: str, known: Mapping[str, int]) -> int:
    """Where a function is that the file calls."""
    address = known.get(name) or _in_process(name)
    if not address:
        raise NotSimple(f"there is no {name} in this process")
    return address


@functools.cache
def _in_process(name: str) -> int:
    function = getattr(_process(), name, None)
    return 0 if function is None else ctypes.cast(function, ctypes.c_void_p).value or 0


@functools.cache
def _process() -> Any:
    """The symbols of this process."""
    system = ctypes.CDLL(None)
    system.mmap.restype = ctypes.c_void_p
    system.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
    system.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return system
