"""What is known of indices in a zone of the innermost loop, and what is met there.

The one idea: a pad or a concatenation asks here before it clamps. It names itself by a key and says how its
index lies to the loop's; either the zone settles the matter, or it is noted, for the loop to be cut there.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from weft.ir.loops.nest import Index, IndexOp
from weft.ir.records import dataclass, field, replace
from weft.kernels.schedule import index as ix


@dataclass(frozen=True, slots=True)
class Pad:
    """The operand of the pad ``key`` is read where the loop's index is from ``low`` to before ``high``."""

    key: Hashable
    low: Index
    high: Index


@dataclass(frozen=True, slots=True)
class Join:
    """The second, third ... operand of the concatenation ``key`` starts where the loop's index is ``starts``."""

    key: Hashable
    starts: tuple[Index, ...]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Facts about a zone (``inside``, ``outside``, ``operands``), and what its body asked that they do not settle."""

    inside: frozenset[Hashable] = frozenset()
    outside: frozenset[Hashable] = frozenset()
    operands: tuple[tuple[Hashable, int], ...] = ()
    index: Index = None  # the loop's index, as index maps see it; None outside of such loops
    pads: list[Pad] = field(default_factory=list)
    joins: list[Join] = field(default_factory=list)

    def along(self, index: Index) -> Bounds:
        """These facts for a loop whose index is ``index``, with nothing met."""
        return replace(self, index=index, pads=[], joins=[])

    def enter(self, keys: Sequence[Hashable]) -> Bounds:
        """Inside of the pads ``keys``."""
        return replace(self, inside=self.inside | set(keys))

    def leave(self, key: Hashable) -> Bounds:
        """Outside of the pad ``key``."""
        return replace(self, outside=self.outside | {key})

    def choose(self, key: Hashable, operand: int) -> Bounds:
        """In an operand of the concatenation ``key``."""
        return replace(self, operands=(*self.operands, (key, operand)))

    def cuts(self, params: Sequence[int], size: int) -> list[tuple[int, Index]]:
        """Where the loop of so many iterations must be cut for all that was met to be settled, in order; empty if unknown.

        The order, and which cuts are one, is that of the sizes at hand: it is another only where windows overlap otherwise.
        """
        ends = [end for pad in self.pads for end in (pad.low, pad.high)]
        ends += [start for join in self.joins for start in join.starts]
        values = {ix.value(end, params): end for end in reversed(ends)}
        if None in values:
            return []
        return sorted((value, end) for value, end in values.items() if value is not None and 0 < value < size)

    def between(self, met: Bounds, params: Sequence[int], begin: int) -> Bounds:
        """What is known besides, of what was ``met``, from ``begin`` up to the next cut."""

        def reached(index: Index) -> bool:
            place = ix.value(index, params)
            assert place is not None
            return place <= begin

        facts = self
        for pad in met.pads:
            inside = reached(pad.low) and not reached(pad.high)
            facts = facts.enter([pad.key]) if inside else facts.leave(pad.key)
        for join in met.joins:
            facts = facts.choose(join.key, sum(map(reached, join.starts)))
        return facts

    def shift(self, index: Index) -> Index:
        """What ``index`` is more than the loop's index; ``None`` if they do not lie at a fixed distance."""
        if self.index is None:
            return None
        if index == self.index:
            return 0
        if isinstance(index, IndexOp) and index.op in "+-":
            left = self.shift(index.a)
            if left is not None and not self._depends(index.b):
                return ix.add(left, index.b) if index.op == "+" else ix.sub(left, index.b)
        return None

    def _depends(self, index: Index) -> bool:
        """Whether an index changes along the loop (it may also be written otherwise than as the loop's index)."""
        own = set(ix.names_in(self.index))
        return any(name in own for name in ix.names_in(index))

    def meet_pad(self, key: Hashable, index: Index, low: Index, size: Index) -> bool | None:
        """Whether ``low <= index < low + size`` in this zone; ``None`` if it is not known."""
        shift = self.shift(index)
        if shift is None:
            return None
        key = (key, shift)
        if key in self.inside:
            return True
        if key in self.outside:
            return False
        first = ix.sub(low, shift)
        if all(pad.key != key for pad in self.pads):
            self.pads.append(Pad(key, first, ix.add(first, size)))
        return None

    def meet_join(self, key: Hashable, index: Index, starts: Sequence[Index]) -> int | None:
        """The operand, by its number, that ``index`` falls into in this zone; ``None`` if it is not known."""
        shift = self.shift(index)
        if shift is None:
            return None
        key = (key, shift)
        for known, operand in self.operands:
            if known == key:
                return operand
        if all(join.key != key for join in self.joins):
            self.joins.append(Join(key, tuple(ix.sub(start, shift) for start in starts)))
        return None
