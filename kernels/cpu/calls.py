"""Calls that a nest makes: of routines of libraries by their address, and of the copy that turns rows into columns.

The one idea: all arguments of a routine are addresses, so what has none (numbers, letters, copies of values) is laid out in
words of the stack, which a kernel has once, as many as its largest call needs.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from weft.ir.loops.nest import (
    Address,
    Call,
    Copy,
    Index,
    Letter,
    Place,
    Words,
    bodies,
    flat_arguments,
)
from weft.kernels.cpu import lanes
from weft.kernels.cpu.index import Offset, combine, constant_offset
from weft.kernels.cpu.squares import Transposed, declaration
from weft.kernels.scalar import load, store

_INT32 = np.dtype(np.int32)
_WORDS_OF_A_COPY = 2  # a complex128


class Emitter(lanes.Emitter, Protocol):
    """What writes the nest around.

    Attributes:
        words: the address of the words of the stack.
        params: the parameters of the nest.
        pointers: by buffer: its address, element type, metadata of accesses.
    """

    words: str
    params: list[Offset]
    pointers: dict[str, tuple[str, str, str]]

    def offset(self, index: Index) -> Offset:
        """An index as a number."""


def most_words(body: tuple[Any, ...]) -> int:
    """How many words of the stack the call that takes most of them needs; 0 where there are no calls."""
    most = 0
    for statement in body:
        match statement:
            case Call():
                words = [_WORDS_OF_A_COPY if isinstance(a, Copy) else 1 for a in flat_arguments(statement)]
                words += [len(a.items) for a in statement.args if isinstance(a, Words)]
                most = max(most, sum(words) + 1)
            case _:
                most = max([most, *map(most_words, bodies(statement))])
    return most


def write_call(emitter: Emitter, statement: Call) -> None:
    """Call a routine, which may change any buffer, and keep what it says of how it went."""
    writer = emitter.writer
    used = 0

    def word(at: int) -> str:
        return writer.emit("ptr", f"getelementptr inbounds i64, ptr {emitter.words}, i64 {at}").ref

    def next_words(count: int) -> int:
        nonlocal used
        used += count
        return used - count

    def address(arg: Any) -> str:
        match arg:
            case Place(buffer, index):
                return emitter.address(buffer, index)[0]
            case Address(k):
                return writer.emit("ptr", f"inttoptr i64 {emitter.params[k].ref} to ptr").ref
            case Copy(name):
                at = word(next_words(_WORDS_OF_A_COPY))
                store(writer, emitter.values[name], emitter.values[name].dtype, at, "")
                return at
            case Words(items):
                first = next_words(len(items))
                for k, item in enumerate(items):
                    known = isinstance(item, Copy | Place)
                    of = f"ptr {address(item)}" if known else f"i64 {emitter.offset(item).ref}"
                    writer.do(f"store {of}, ptr {word(first + k)}, align 8")
                return word(first)
            case _:
                number = str(ord(arg.letter)) if isinstance(arg, Letter) else emitter.offset(arg).ref
                at = word(next_words(1))
                writer.do(f"store i64 {number}, ptr {at}, align 8")
                return at

    addresses = [address(arg) for arg in statement.args]
    if statement.name:
        info = word(next_words(1))
        addresses.append(info)
        writer.do(f"store i64 0, ptr {info}, align 8")
    function = writer.emit("ptr", f"inttoptr i64 {emitter.params[statement.k].ref} to ptr").ref
    writer.do(f"call void {function}({', '.join(f'ptr {at}' for at in addresses)}) nounwind")
    if statement.name:
        emitter.values[statement.name] = load(writer, _INT32, info, "")


def write_copy(emitter: Emitter, copy: Transposed) -> None:
    """Call what copies rows to columns, with where they begin and how far they are apart."""
    writer, args = emitter.writer, []
    for one, along in ((copy.load, copy.rows), (copy.store, copy.columns)):
        places = []
        for k in (0, 1):
            emitter.variables.update({loop.var: constant_offset(0) for loop in (copy.rows, copy.columns)})
            emitter.variables[along.var] = constant_offset(k)
            outside, emitter.offsets = emitter.offsets, dict(emitter.offsets)
            places.append(emitter.offset(one.index))
            emitter.offsets = outside
        base, element, _ = emitter.pointers[one.buffer]
        at = writer.emit("ptr", f"getelementptr {element}, ptr {base}, i64 {places[0].ref}").ref
        args += [f"ptr {at}", f"i64 {combine(writer, '-', places[1], places[0]).ref}"]
    args += [f"i64 {emitter.offset(loop.extent).ref}" for loop in (copy.rows, copy.columns)]
    writer.declare(declaration(copy.function))
    writer.do(f"call void @{copy.function}({', '.join(args)})")
