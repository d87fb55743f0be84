"""Chains: which values of a step wait for which numbers of the carry, and what may be done for many steps at once.

The one idea: the numbers of a carry fall into levels. Those of the first wait for one another alone; those of the next wait for
them too, as a sum does that a step adds something of its state to. Between levels lies what one level makes for the next
without waiting for itself. So a step is cut into sections: work for vectors, the chain of a level, work for vectors, and so on.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from math import inf
from typing import Any

from weft.ir.latency import SCALARS, latency, longest_turn
from weft.ir.loops.nest import Const, Index, IndexValue, Load, Op, ParamValue, Store
from weft.ir.records import dataclass, field
from weft.kernels.cpu.decide import reads, renamed
from weft.kernels.schedule.costs import price

_DEAR = 0.15  # nanoseconds of an operation, from which on it always counts
_PLAIN = 0.07  # nanoseconds that vectors save for another one, where there are more than fit beside the chain
_LEAST = 0.45  # nanoseconds that vectors must save
_SHARED = 0.04  # nanoseconds that a value takes which one section leaves for another
_FUNCTION = (
    0.5  # nanoseconds from which on an operation is a function, of which vectors are made in other ways, too
)
_LEVELS = 4
_COMPARE = {"eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le}
_COMPARE |= {"gt": operator.gt, "ge": operator.ge}

Cell = tuple[str, int]
"""A buffer, and the number of an element."""


class Unclear(Exception):
    """It is not plain which element of a buffer is read or written."""


@dataclass(slots=True)
class _Cells:
    """What is in the elements of a buffer, as far as the step has written or read them."""

    stored: dict[Index, str] = field(default_factory=dict)
    loaded: dict[Index, str] = field(default_factory=dict)


class Steps:
    """The statements of a step, each value once; an element that was written in this step is known, and not read from memory.

    Attributes:
        fixed: the constants and parameters.
        statements: all others.
        state: the cell that each load of the carry reads, by name.
    """

    def __init__(self, body: Sequence[Any], var: str, inputs: set[str], scratch: set[str]) -> None:
        """Read a step.

        Args:
            body: its statements, without loops and branches.
            var: the number of the step.
            inputs: buffers that the loop does not write.
            scratch: buffers that nobody reads behind the loop.

        Raises:
            Unclear: a buffer is read and written at places that are not known.
        """
        self.var, self.inputs = var, inputs
        self.fixed = [s for s in body if isinstance(s, Const | ParamValue)]
        self.statements: list[Any] = []
        self.state: dict[str, Cell] = {}
        self.same: dict[str, str] = {}
        self.numbers: dict[str, int | bool] = {}
        self.known: dict[Any, str] = {}
        cells: dict[str, _Cells] = {}
        for statement in body:
            if isinstance(statement, Const | ParamValue):
                continue
            (one,) = renamed([statement], self.same, {})
            if isinstance(one, Load | Store) and one.buffer not in inputs:
                self._access(one, cells.setdefault(one.buffer, _Cells()))
            elif not self._is_known(one):
                self.statements.append(one)
        for of in cells.values():
            places = [*of.stored, *of.loaded]
            if any(isinstance(k, int) for k in places) and not all(isinstance(k, int) for k in places):
                raise Unclear
            if of.loaded and not all(isinstance(k, int) for k in places):
                raise Unclear
        gone = scratch - {buffer for buffer, _ in self.state.values()}
        self.statements = [s for s in self.statements if not (isinstance(s, Store) and s.buffer in gone)]
        self._read_chains()

    def _access(self, one: Load | Store, of: _Cells) -> None:
        if isinstance(one, Store):
            of.stored[one.index] = one.value
        elif one.mask is not None:
            raise Unclear
        elif (known := of.stored.get(one.index) or of.loaded.get(one.index)) is not None:
            self.same[one.name] = known
            return
        else:
            of.loaded[one.index] = one.name
            if not isinstance(one.index, int):
                raise Unclear
            self.state[one.name] = (one.buffer, one.index)
        self.statements.append(one)

    def _is_known(self, one: Any) -> bool:
        """Whether a value is there already, or is one of two others, which one is known."""
        if isinstance(one, Store):
            return False
        if isinstance(one, IndexValue) and isinstance(one.index, int):
            self.numbers[one.name] = one.index
        if isinstance(one, Op):
            numbers = [self.numbers.get(arg) for arg in one.args]
            if one.op == "select" and numbers[0] is not None:
                self.same[one.name] = one.args[1 if numbers[0] else 2]
                return True
            if one.op in _COMPARE:
                a, b = numbers
                if a is not None and b is not None:
                    self.numbers[one.name] = _COMPARE[one.op](a, b)
        (key,) = renamed([one], {one.name: ""}, {})
        if key in self.known:
            self.same[one.name] = self.known[key]
            return True
        self.known[key] = one.name
        return False

    def value_reads(self, statement: Any) -> list[str]:
        """The values that a statement reads, the number of the step aside."""
        return [name for name in reads(statement) if name != self.var]

    def is_free(self, statement: Any) -> bool:
        """Whether each section may make a value for itself: the number of the step, and what it says to load."""
        if isinstance(statement, Load):
            return statement.buffer in self.inputs and not self.value_reads(statement)
        return isinstance(statement, IndexValue) and not self.value_reads(statement)

    # Levels

    def _read_chains(self) -> None:
        """Find how long which cell waits for which."""
        self.stores: dict[Cell, Store] = {
            (s.buffer, s.index): s
            for s in self.statements
            if isinstance(s, Store) and isinstance(s.index, int)
        }
        cells = list(dict.fromkeys([*self.state.values(), *self.stores]))
        number = {cell: k for k, cell in enumerate(cells)}
        waits: dict[str, dict[int, float]] = {name: {number[cell]: 0.0} for name, cell in self.state.items()}
        for one in self.statements:
            if isinstance(one, Store) or one.name in waits:
                continue
            takes = latency(one.op) if isinstance(one, Op) else 0.0
            found: dict[int, float] = {}
            for name in self.value_reads(one):
                for k, cycles in waits.get(name, {}).items():
                    found[k] = max(found.get(k, -inf), cycles + takes)
            waits[one.name] = found
        self.waits = {name: frozenset([cells[k] for k in found]) for name, found in waits.items()}
        turns = {
            (number[cell], k): cycles
            for cell, store in self.stores.items()
            for k, cycles in waits.get(store.value, {}).items()
        }
        self.turn = longest_turn(turns, len(cells))
        self.levels = _levels({cell: self.waits.get(s.value, frozenset()) for cell, s in self.stores.items()})

    def level_of(self, name: str) -> int:
        """The last level that a value waits for."""
        return max([self.levels.get(cell, 1) for cell in self.waits.get(name, ())], default=0)

    def sections(self) -> list[list[Any]]:
        """The statements that are needed: work for vectors and chains by turns, beginning and ending with work for vectors."""
        found: list[list[Any]] = [[] for _ in range(2 * max(self.levels.values(), default=1) + 1)]
        readers: dict[str, set[int]] = {}
        for one in reversed(self.statements):
            if isinstance(one, Store):
                cell = (one.buffer, one.index)
                if cell in self.stores and self.stores[cell] is not one:
                    continue
                at = 2 * self.levels[cell] - 1 if cell in self.stores else 2 * self.level_of(one.value)
            elif one.name not in readers:
                continue
            else:
                at = 2 * self.level_of(one.name)
                at -= one.name in self.state or (at > 0 and at - 1 in readers[one.name])
            for name in self.value_reads(one):
                readers.setdefault(name, set()).add(at)
            if isinstance(one, Store) or not self.is_free(one):
                found[at].append(one)
        for section in found:
            section.reverse()
        return found

    def cut(self, in_vectors: set[str]) -> list[list[Any]] | None:
        """The sections, of levels that have enough work between them; none where vectors would save too little.

        Args:
            in_vectors: values that would be computed in vectors if the step were left alone.
        """
        sections = self.sections()
        plain = sum(_plain(section) for section in sections) - SCALARS * self.turn
        level = 1
        while level < len(sections) // 2:
            if _saved(sections[2 * level], plain) >= _LEAST:
                level += 1
                continue
            self.levels = {cell: k - (k > level) for cell, k in self.levels.items()}
            sections = self.sections()
        apart = [one for section in sections[::2] for one in section]
        chained = [one for section in sections[1::2] for one in section]
        if any(one.name in in_vectors for one in chained if isinstance(one, Op)):
            return None
        return sections if _saved(apart, plain) - _SHARED * self._shared(sections) >= _LEAST else None

    def _shared(self, sections: Sequence[Sequence[Any]]) -> int:
        """How many values a section leaves for others."""
        made = {
            one.name: k for k, section in enumerate(sections) for one in section if not isinstance(one, Store)
        }
        read = {
            name
            for k, section in enumerate(sections)
            for one in section
            for name in self.value_reads(one)
            if made.get(name, k) != k
        }
        return len(read)


def is_function(statement: Any) -> bool:
    """Whether a statement is a function such as ``exp``, which takes long."""
    return isinstance(statement, Op) and price(statement.op) >= _FUNCTION


def _plain(statements: Iterable[Any]) -> int:
    return sum(1 for one in statements if isinstance(one, Op) and price(one.op) < _DEAR)


def _saved(statements: Sequence[Any], plain: float) -> float:
    """About how many nanoseconds vectors save.

    Args:
        statements: what they would do.
        plain: how many plain operations of a step do not fit beside its chain.
    """
    prices = (price(one.op) for one in statements if isinstance(one, Op))
    return sum(one for one in prices if one >= _DEAR) + _PLAIN * max(min(_plain(statements), plain), 0.0)


def _levels(waits: dict[Cell, frozenset[Cell]]) -> dict[Cell, int]:
    """The level of each cell: one more than that of what it waits for, but for those that wait for it, too.

    Args:
        waits: the cells that each cell waits for.
    """
    behind = {cell: set(of) for cell, of in waits.items()}
    grown = True
    while grown:
        grown = False
        for of in behind.values():
            more = set().union(*[behind.get(cell, set()) for cell in of]) - of
            of |= more
            grown = grown or bool(more)
    levels: dict[Cell, int] = {}
    for cell in sorted(behind, key=lambda cell: len(behind[cell])):
        before = [k for k in behind[cell] if k in behind and cell not in behind[k]]
        levels[cell] = min(1 + max([levels.get(k, 1) for k in before], default=0), _LEVELS)
    return levels
