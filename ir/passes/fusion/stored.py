"""Which values of a program are stored, and which are computed where they are read.

The one idea: a value that is not stored is an expression of its index, so it can be read anywhere at the
price of computing it there. Values that cross to a library or host operation, results of the program and
reductions are stored; so is a value that is costly and read at several places. Storing is a decision about
meaning only: where all readers end up in the kernel that computes the value, it never reaches memory.

The closure of a value is the set of equations that computing it from stored values takes: a bit set over the
equations, so that its size and cost are exact and cheap to know, however the values are shared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from weft.ir.graph import Atom, Eqn, Graph, Literal, Var
from weft.ir.passes.fusion.axes import INDEX_MAPS, is_map, is_reduction, reshape_groups, wide_axes
from weft.ir.records import dataclass

# What one kernel may take, in equations and in cost: LLVM's time is linear up to here.
LARGEST, HEAVIEST = 400, 800
DEEPEST = 40  # index maps, one inside another, of which an index is made
MOST_FORKS = 2  # times that an expression is doubled, by being read at two places: it grows with their power
COSTLY = 8  # simple operations above which a value is not computed twice

_SIMPLE = frozenset(
    "add sub mul neg abs max min fma eq ne lt le gt ge and or xor not select cast bitcast floor ceil rint trunc sign "
    "is_finite is_nan is_inf sign_bit copysign real imag conj complex shift_left shift_right shift_right_logical".split()
)
_SLOW = frozenset("div sqrt rsqrt mod floor_div rem int_div".split())
_GATHER_COST = 10
_WEIGHTS = (1, 5, _GATHER_COST, 20)


@dataclass(frozen=True, slots=True)
class Stored:
    """The decision: stored values, the reshapes that stay equations of their own, and each value's closure."""

    values: set[Var]
    aliases: set[int]
    closure: dict[Var, int]
    costs: Costs

    def is_full(self, closure: int) -> bool:
        """Whether a kernel with this closure has reached the size that it may have."""
        return closure.bit_count() >= LARGEST or self.costs.of(closure) >= HEAVIEST


def choose_stored(graph: Graph, carry: Sequence[tuple[Var, Atom]] = ()) -> Stored:
    """Decide which values of ``graph`` are stored. One pass backward over the equations and one forward.

    Args:
        graph: what is to be fused.
        carry: of a loop's body, each input and the output that takes its place in the next step.
    """
    needed, aliases = _find_needed(graph)
    readers = _find_readers(graph, aliases)
    repeated = _find_repeated(graph, readers)
    stored: set[Var] = set(graph.ins)
    closure: dict[Var, int] = {}
    taken_out = _find_taken_out(graph)
    needed |= _find_read_before(graph, carry)
    costs = Costs(graph.eqns)
    result = Stored(stored, aliases, closure, costs)
    plain: set[Var] = set()  # values that are the same expression at every flat index
    depth: dict[Var, int] = {}  # index maps on the way from stored values
    forks: dict[Var, int] = {}  # values on that way that are read at several places
    for position, eqn in enumerate(graph.eqns):
        if position in aliases or not (is_map(eqn) or is_reduction(eqn)):
            stored.update(eqn.outs)
            continue
        bits = 1 << position
        moves = forked = 0
        for atom in eqn.ins:
            if isinstance(atom, Var) and atom not in stored:
                bits |= closure[atom]
                moves, forked = max(moves, depth[atom]), max(forked, forks[atom])
        moves += eqn.prim.lower.kind == "index"
        is_plain = _is_plain(eqn, stored, plain)
        for var in eqn.outs:
            closure[var] = bits
            depth[var] = moves
            forks[var] = forked + (not _only_moves(eqn) and _is_forked(readers.get(var, ())))
            if is_plain:
                plain.add(var)
            if (
                var in needed
                or is_reduction(eqn)
                or result.is_full(bits)
                or moves >= DEEPEST
                or forks[var] > MOST_FORKS
                or (var in repeated and not _only_moves(eqn) and costs.of(bits) > COSTLY)
                or (var in repeated and var in taken_out)
                or (not is_plain and any(_mixes_axes(reader) for reader in readers.get(var, ())))
            ):
                stored.add(var)
    return result


def _find_needed(graph: Graph) -> tuple[set[Var], set[int]]:
    """Values that must be in memory, and the reshapes among their equations: those are other names of their operands."""
    needed = {atom for atom in graph.outs if isinstance(atom, Var)}
    aliases = set()
    for position in range(len(graph.eqns) - 1, -1, -1):
        eqn = graph.eqns[position]
        if eqn.prim.lower.kind == "index" and eqn.prim.lower.rule == "reshape":
            if eqn.outs[0] in needed and isinstance(eqn.ins[0], Var):
                aliases.add(position)
                needed.add(eqn.ins[0])
        elif not (is_map(eqn) or is_reduction(eqn)):
            needed.update(atom for atom in eqn.ins if isinstance(atom, Var))
    return needed, aliases


def _find_readers(graph: Graph, aliases: set[int]) -> dict[Var, list[Eqn]]:
    """The equations that compute with each value; a stored reshape reads nothing."""
    readers: dict[Var, list[Eqn]] = {}
    for position, eqn in enumerate(graph.eqns):
        if position not in aliases:
            for atom in dict.fromkeys(eqn.ins):
                if isinstance(atom, Var):
                    readers.setdefault(atom, []).append(eqn)
    return readers


def _find_repeated(graph: Graph, readers: dict[Var, list[Eqn]]) -> set[Var]:
    """Values whose elements would be computed more than once if they were not stored."""
    repeated: set[Var] = set()
    for eqn in reversed(graph.eqns):
        for var in eqn.outs:
            reads = readers.get(var, ())
            if len(reads) > 1 or any(
                _repeats(reader, var) or _passes_on(reader, repeated) for reader in reads
            ):
                repeated.add(var)
    return repeated


def _find_taken_out(graph: Graph) -> set[Var]:
    """Parts of arrays that are written to: a part that is stored is not read again, so that writing can happen in place.

    What is needed for nothing but the writing itself is read before it anyway.
    """
    writes = {eqn.ins[0]: eqn for eqn in graph.eqns if eqn.prim.name in ("dynamic_update_slice", "scatter")}
    uses = _find_uses(graph) if writes else {}
    return {
        eqn.outs[0]
        for eqn in graph.eqns
        if eqn.prim.name in ("dynamic_slice", "gather")
        and eqn.ins[0] in writes
        and eqn.outs[0].type.size < eqn.ins[0].type.size
        and uses.get(eqn.outs[0]) is not writes[eqn.ins[0]]
    }


def _find_read_before(graph: Graph, carry: Sequence[tuple[Var, Atom]]) -> set[Var]:
    """Lines of a carry that are read when parts of it have been written: stored first, all of that can happen in place.

    A carry becomes the new one link by link. A link writes a window, or makes each element of the old one and of lines.
    """
    makers = {var: eqn for eqn in graph.eqns for var in eqn.outs} if carry else {}
    uses = _find_uses(graph) if carry else {}
    readers = _find_readers(graph, set()) if carry else {}
    found: set[Var] = set()
    for old, new in carry:
        link: Atom | None = new
        while isinstance(link, Var) and link is not old and link in makers:
            own, before = _link(makers, link, old)
            others = [eqn for eqn in readers.get(before, ()) if own.isdisjoint(eqn.outs)] if before else []
            if all(eqn.prim.name == "dynamic_slice" and _is_line(eqn) for eqn in others):
                found.update(e.outs[0] for e in others if uses.get(e.outs[0]) is not makers[link])
            link = before
    return found


def _link(makers: Mapping[Var, Eqn], new: Var, old: Var) -> tuple[set[Var], Var | None]:
    """The values that are made with an array, which takes the place of another, and that other; none if there is none."""
    if makers[new].prim.name == "dynamic_update_slice":
        before = makers[new].ins[0]
        return {new}, before if isinstance(before, Var) else None
    own: set[Var] = set()
    leaves: list[Var] = []
    waiting: list[Atom] = [new]
    while waiting:
        atom = waiting.pop()
        eqn = makers.get(atom) if isinstance(atom, Var) else None
        if eqn is not None and eqn.prim.lower.kind == "scalar":
            if own.isdisjoint(eqn.outs):
                own.update(eqn.outs)
                waiting += eqn.ins
        elif atom is old or (eqn is not None and eqn.prim.name == "dynamic_update_slice"):
            leaves.append(atom)  # type: ignore[arg-type]
    leaves = [var for var in dict.fromkeys(leaves) if var.type.shape == old.type.shape]
    return own, old if old in leaves else leaves[0] if len(leaves) == 1 else None


def _is_line(part: Eqn) -> bool:
    """Whether a part has one element along an axis of which the whole has more."""
    shapes = part.outs[0].type.shape, part.ins[0].type.shape
    return any(a == 1 < b for a, b in zip(*shapes, strict=True))


def _find_uses(graph: Graph) -> dict[Var, Eqn | None]:
    """For each value the one writing, as an update of what it is computed to in the end; ``None`` for all other uses."""
    uses: dict[Var, Eqn | None] = {atom: None for atom in graph.outs if isinstance(atom, Var)}
    for eqn in reversed(graph.eqns):
        is_write = eqn.prim.name in ("dynamic_update_slice", "scatter")
        of_results = {id(use): use for var in eqn.outs for use in [uses.get(var)]}
        use = eqn if is_write else of_results.popitem()[1] if len(of_results) == 1 else None
        for k, atom in enumerate(eqn.ins):
            if isinstance(atom, Var):
                own = None if is_write and k == 0 else use
                uses[atom] = own if uses.get(atom, own) is own else None
    return uses


def _repeats(reader: Eqn, var: Var) -> bool:
    """Whether reading ``var`` for ``reader`` computes an element again for each step of an inner loop."""
    if reader.prim.lower.kind != "index":
        return False
    wide = wide_axes(var.type.shape)
    match reader.prim.lower.rule:
        case "broadcast":
            # New axes after all others are inner loops, out of which the value is moved.
            mapped = [reader.params["dims"][axis] for axis in wide]
            new = [axis for axis in wide_axes(reader.params["shape"]) if axis not in mapped]
            return bool(mapped) and any(axis < mapped[-1] for axis in new)
        case "gather":
            return reader.ins[0] is var and bool(wide)
        case "concatenate":
            return True
    return False


def _is_forked(readers: Sequence[Eqn]) -> bool:
    """Whether a value is read at several places for one element."""
    return sum(reader.prim.lower.kind == "index" for reader in readers) > 1


def _passes_on(reader: Eqn, repeated: set[Var]) -> bool:
    return _only_moves(reader) and reader.outs[0] in repeated


def _only_moves(eqn: Eqn) -> bool:
    """Whether the result had better not be stored in place of the operand."""
    lower = eqn.prim.lower
    return lower.kind == "index" and lower.rule in INDEX_MAPS and lower.rule not in ("gather", "concatenate")


def _mixes_axes(eqn: Eqn) -> bool:
    """Whether a reshape joins or splits axes, so that the index of its operand takes divisions."""
    if eqn.prim.lower.kind != "index" or eqn.prim.lower.rule != "reshape":
        return False
    groups = reshape_groups(eqn.ins[0].type.shape, eqn.params["shape"])
    return any(len(ins) > 1 or len(outs) > 1 for ins, outs in groups)


def _is_plain(eqn: Eqn, stored: set[Var], plain: set[Var]) -> bool:
    """Whether the result at a flat index takes stored values at the same flat index, or scalars, alone."""
    lower = eqn.prim.lower
    if lower.kind == "index":
        if lower.rule == "full" or (lower.rule == "broadcast" and not wide_axes(eqn.ins[0].type.shape)):
            return True
        if lower.rule not in ("copy", "reshape"):
            return False
    elif lower.kind != "scalar":
        return False
    return all(isinstance(a, Literal) or not a.type.shape or a in stored or a in plain for a in eqn.ins)


class Costs:
    """The cost of a closure: equations of one weight are one mask over the bit set."""

    def __init__(self, eqns: Sequence[Eqn]):
        """Weigh ``eqns``; closures are bit sets over their positions."""
        digits: dict[int, bytearray] = {w: bytearray(len(eqns) // 8 + 1) for w in _WEIGHTS}
        for position, eqn in enumerate(eqns):
            weight = _weight(eqn)
            if weight:
                digits[weight][position // 8] |= 1 << position % 8
        self.masks = [(weight, int.from_bytes(mask, "little")) for weight, mask in digits.items()]

    def of(self, bits: int) -> int:
        """The cost of computing the equations of a closure once."""
        return sum([weight * (bits & mask).bit_count() for weight, mask in self.masks])


def _weight(eqn: Eqn) -> int:
    lower = eqn.prim.lower
    if lower.kind == "index":
        return _GATHER_COST if lower.rule == "gather" else 1 if lower.rule in ("pad", "concatenate") else 0
    if lower.kind != "scalar":
        return 0
    rule = lower.rule if isinstance(lower.rule, str) else eqn.prim.name
    if rule in _SIMPLE or rule == "integer_pow":
        return 1
    return 5 if rule in _SLOW else 20
