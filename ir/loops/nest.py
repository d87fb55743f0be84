"""Loop nests: what a schedule makes of a fused piece of a graph, and what an emitter turns into machine code.

The one idea: a nest is generic in its sizes. Every extent, stride and offset is a run-time parameter ``p0,
p1, ...`` (int64, given at the call), so equal nests of different shapes are the same machine code. Nests are
frozen and hashable; two nests are the same kernel exactly when they are equal.

The grammar of the text form (printer.py)::

    nest  ::= "nest(" n_params "; " buffer, ... ") {" stmt* "}"
    buffer::= name ":" dtype kind                       kind: in, out, scratch
    stmt  ::= name ":" dtype "=" const literal          a constant
            | name ":" dtype "=" param k                a scalar given at the call (the bits of p_k)
            | name ":" dtype "=" load buffer "[" index "]" ["if" name]   (0 where the bool is false)
            | name ":" dtype "=" index "(" index ")"    an index as a value
            | name ":" dtype "=" op ["[" params "]"] name ...   a scalar operation
            | "store" buffer "[" index "]" name
            | name "<-" op name name                    fold a value into an accumulator of an enclosing loop
            | name "<-" name                            replace it (fold "set")
            | [name ":" "i32" "="] "call" routine "@" "p" k "(" arg, ... ")"   call a C function by its address
            | loop
            | "while" "{" stmt* "}" name "{" stmt* "}"   run the first, and if it makes the bool true, the second; again
            | "if" name "{" stmt* "}" "else" "{" stmt* "}"
    loop  ::= "for" name "in" index [kind] ["carry" acc, ...] ["turn" buffer ... "by" index] "{" stmt* "}"
    kind  ::= "parallel" | "vector" | "steps"           or nothing: sequential
    acc   ::= name ":" dtype "=" op "from" name
    arg   ::= index | "'" letter "'" | "&" name | "&" buffer "[" index "]" | "[" arg, ... "]"   each is handed over as an
            address; in a list, an index is a number, all else an address
            | "@" "p" k                                 an address that is given at the call
    index ::= int | "p" k | loop variable | name (an integer value)
            | index (+ | - | * | // | %) index | min(index, index) | max(index, index)

Indices are int64 element offsets into flat buffers. Names are bound once, and visible until the end of the
loop they are bound in; an accumulator is visible after its loop, and inside it stands for what was folded so
far. The body of a nest is a list of statements; when its first loop is marked "parallel" it is chunked: a
kernel runs iterations ``begin <= i < end`` of it. Chunks run at the same time and each runs the whole rest of
the body, so beside such a loop stand neither loops nor stores nor calls. If it is marked "steps", or is a while
loop, it is chunked too, but its chunks run in order: a kernel runs ``end - begin`` steps, or fewer if the condition
of a while loop fails.

Distinct buffers never overlap in memory. The iterations of a loop mean what they mean in order; that some may
run side by side ("vector") is for LLVM to prove, so the mark is a hint and never changes a result.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.ir.records import dataclass

# An index is an int (constant), Param, a str (loop variable or integer value), or IndexOp.
Index = Any


@dataclass(frozen=True, slots=True)
class Param:
    """Run-time parameter number ``k`` of the kernel."""

    k: int


@dataclass(frozen=True, slots=True, keep_hash=True)
class IndexOp:
    """``op`` of two indices: ``+ - * // % min max``; division floors, and divisors are positive."""

    op: str
    a: Index
    b: Index


@dataclass(frozen=True, slots=True)
class Buffer:
    """A flat array, given by address. ``kind`` is "in", "out" or "scratch" (contents undefined at entry)."""

    name: str
    dtype: np.dtype
    kind: str


@dataclass(frozen=True, slots=True)
class Const:
    """``name = value``; ``bits`` holds the value's bytes, so that equal means same bits (NaN, -0.0)."""

    name: str
    dtype: np.dtype
    bits: bytes

    @property
    def value(self) -> np.generic:
        """The constant as a NumPy scalar."""
        value: np.generic = np.frombuffer(self.bits, self.dtype)[0]
        return value


@dataclass(frozen=True, slots=True)
class ParamValue:
    """``name`` = the scalar whose bits are in parameter ``k`` (low bytes; complex128 takes k and k+1)."""

    name: str
    dtype: np.dtype
    k: int


@dataclass(frozen=True, slots=True)
class IndexValue:
    """``name`` = an index as a value of ``dtype``."""

    name: str
    dtype: np.dtype
    index: Index


@dataclass(frozen=True, slots=True)
class Load:
    """``name = buffer[index]``; where the bool value ``mask`` is false nothing is read, and ``name`` is 0.

    Contiguous reads stay contiguous under a mask, where a clamped index would make gathers, and operands may
    be empty. LLVM merges reads under opposite masks into a gather: give each mask both bounds, start <= i and
    i < stop.
    """

    name: str
    dtype: np.dtype
    buffer: str
    index: Index
    mask: str | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """``buffer[index] = value``."""

    buffer: str
    index: Index
    value: str


@dataclass(frozen=True, slots=True)
class Op:
    """``name = op[params](args)``: a scalar operation of `weft.ir.loops.vocabulary`."""

    name: str
    dtype: np.dtype
    op: str
    args: tuple[str, ...]
    params: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Accumulator:
    """A loop-carried scalar: starts as ``init`` (a name), each `Accumulate` folds a value in with ``op``.

    ``op`` is add, mul, max, min, and, or, xor, set. Folds of add and mul may be re-associated; max and min
    propagate NaN. Other folds (argmax carries a value and a place) are `Op`s on the accumulators, then "set".
    """

    name: str
    dtype: np.dtype
    op: str
    init: str


@dataclass(frozen=True, slots=True)
class Accumulate:
    """Fold ``value`` into the accumulator ``acc`` of an enclosing loop (for op "set": replace it)."""

    acc: str
    value: str


@dataclass(frozen=True, slots=True)
class Letter:
    """An argument of a `Call`: the address of one character."""

    letter: str


@dataclass(frozen=True, slots=True)
class Copy:
    """An argument of a `Call`: the address of a copy of a value."""

    name: str


@dataclass(frozen=True, slots=True)
class Place:
    """An argument of a `Call`: the address of ``buffer[index]``, from which on the routine may read and write."""

    buffer: str
    index: Index


@dataclass(frozen=True, slots=True)
class Words:
    """An argument of a `Call`: the address of 64-bit words side by side.

    ``items`` are indices, whose word is the number itself, and `Copy` and `Place`, whose word is the address.
    """

    items: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Address:
    """An argument of a `Call`: parameter ``k``, which is an address itself."""

    k: int


@dataclass(frozen=True, slots=True)
class Call:
    """Call a C function of a library, whose arguments are all addresses, as Fortran and NumPy's inner loops want them.

    Its own address is parameter ``k``: machine code that is kept must not know where a process has its libraries.
    ``args`` are `Letter`, `Copy`, `Place`, `Words`, `Address`, or an index, which is handed over as the address of an
    int64; its low half is what a routine reads that wants an int32.

    Where ``name`` is not empty, the routine has one argument more, the last, in which it leaves an int32, 0 if all went
    well: that is ``name``. An input buffer must be given only where the routine reads.
    """

    name: str
    routine: str
    k: int
    args: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """``for var in range(extent)`` over ``body``, carrying accumulators.

    Inside, each buffer in a group of ``turns`` stands for the one ``by`` places further on in the group, which is a ring. So
    steps take turns with buffers: what one writes the next one reads. An iteration of an innermost loop inside must not access
    what another one writes.
    """

    var: str
    extent: Index
    kind: str
    body: tuple[Any, ...]
    carries: tuple[Accumulator, ...] = ()
    turns: tuple[tuple[str, ...], ...] = ()
    by: Index = 0


@dataclass(frozen=True, slots=True)
class While:
    """Run ``cond``; if the bool ``flag`` that it binds is true, run ``body`` and begin again.

    What goes from step to step is in buffers: statements inside fold into no accumulator around.
    """

    cond: tuple[Any, ...]
    flag: str
    body: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class If:
    """Run ``then`` where the bool ``flag`` is true, otherwise ``other``.

    As in `While`, what they leave is in buffers: statements inside fold into no accumulator around.
    """

    flag: str
    then: tuple[Any, ...]
    other: tuple[Any, ...]


Stmt = Const | ParamValue | IndexValue | Load | Store | Op | Accumulate | Call | Loop | While | If


def flat_arguments(call: Call) -> list[Any]:
    """The arguments of a call, and in place of `Words` their items."""
    return [item for arg in call.args for item in (arg.items if isinstance(arg, Words) else (arg,))]


def bodies(statement: Any) -> tuple[tuple[Any, ...], ...]:
    """The lists of statements inside of a statement, in the order they run."""
    if isinstance(statement, Loop):
        return (statement.body,)
    if isinstance(statement, While):
        return (statement.cond, statement.body)
    return (statement.then, statement.other) if isinstance(statement, If) else ()


@dataclass(frozen=True, slots=True)
class Nest:
    """A kernel: how many parameters it takes, its buffers in call order, its statements."""

    n_params: int
    buffers: tuple[Buffer, ...]
    body: tuple[Any, ...]

    @property
    def chunked(self) -> Loop | While | None:
        """The loop that a kernel runs from begin to end; None when the kernel ignores begin and end."""
        first = next((s for s in self.body if isinstance(s, Loop | While)), None)
        return first if isinstance(first, While) or (first and first.kind in ("parallel", "steps")) else None

    def __str__(self) -> str:
        from weft.ir.loops.printer import print_nest

        return print_nest(self)
