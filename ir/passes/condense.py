"""Condense: a step of a derivative's loop, which is linear in its small carry, becomes a small matrix.

The one idea: cotangents go back through a loop by ``ct <- J ct + b``, where J and b are made of what the forward loop left and
do not wait for the step before. Written as the program was differentiated, a step is a chain of dozens of operations on ct.
Here the same operations are done on coefficients, and what is left for the carry is one product with a matrix that is known
beforehand: a multiplication and an addition or two. The coefficients of all steps are then computed beside one another
(`weft.engine.runtime.tiles`), or before the loop where they are the same at every step.

``(ct * a) * b`` becomes ``ct * (a * b)``, which rounds in another way. So it is done in loops of derivatives alone (those that
`scan` marks as ``linear``): what a user wrote may mean its rounding, as a compensated sum does. A sum to which steps only add
stays as it is, and so does everything that a step computes of its carry for others.

Elements are the unit of this pass: an element of a value is a sum of a coefficient for each element of the carry, and an
offset. What is zero because of the program's form (a pad, a component that is not there) has no coefficient.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf, prod
from typing import Any

import numpy as np

from weft.ir.graph import Atom, Eqn, Graph, Literal, Var
from weft.ir.latency import SCALARS, VECTORS, latency, longest_turn
from weft.ir.ops import elementwise as e
from weft.ir.ops.flow.bodies import MOVES
from weft.ir.ops.flow.scan import scan_p
from weft.ir.ops.shape import concatenate_p, reshape_p, slice_p
from weft.ir.params import map_graphs, params_key
from weft.ir.passes.dce import dce
from weft.ir.primitive import Primitive
from weft.ir.records import dataclass, field
from weft.ir.types import ArrayType

MOST = 6
"""Elements of a carry for which there are coefficients."""
_LONGEST = 400  # equations that coefficients may take
_LARGEST = 64  # elements of a value that elements are made for
_LONG = 64  # steps of a tile, whose vectors compute coefficients
_SHORT = 4  # elements of a value that tiles write out

_GAIN = 0.7  # what is left of a step's time, at most
_MORE = 1.6  # operations that coefficients take for one of the step, at most: all of them have to be compiled


def condense(graph: Graph) -> Graph:
    """Give derivative loops over a few numbers coefficients, where that shortens their chains; carried graphs' loops too.

    Keeps inputs, outputs, types and sources; values of derivatives up to rounding. Needs an inlined graph; idempotent.
    """
    done: dict[int, Graph] = {}

    def visit(graph: Graph) -> Graph:
        if id(graph) not in done:
            eqns = [_condensed(map_graphs(eqn, visit) if eqn.params else eqn) for eqn in graph.eqns]
            same = all(a is b for a, b in zip(eqns, graph.eqns, strict=True))
            done[id(graph)] = graph if same else graph.replace(eqns=eqns)
        return done[id(graph)]

    return visit(graph)


def _condensed(eqn: Eqn) -> Eqn:
    if eqn.prim is not scan_p or not eqn.params.get("linear"):
        return eqn
    try:
        chain = _Chain(eqn)
        chain.follow()
    except _NotLinear:
        return eqn
    if not chain.pays():
        return eqn
    return Eqn(scan_p, eqn.ins, eqn.outs, {**eqn.params, "body": chain.body_of_coefficients()}, eqn.source)


class _NotLinear(Exception):
    """There is no matrix: an operation is not linear, not known here, or there would be too many coefficients."""


@dataclass(slots=True)
class _Element:
    """One number of a step: ``sum(terms[j] * carry[j]) + terms[None]``.

    Attributes:
        terms: coefficients by element of the carry, and the offset; what is missing is zero.
        waits: cycles between an element of the carry and this number, as the step was written.
    """

    terms: dict[int | None, Atom] = field(default_factory=dict)
    waits: dict[int, float] = field(default_factory=dict)


class _Writer:
    """Writes equations of scalars, each once; literals are folded, and ones multiply nothing."""

    def __init__(self, graph: Graph, fixed: set[Var]) -> None:
        self.makers = {v: eqn for eqn in graph.eqns for v in eqn.outs}
        self.fixed = fixed
        self.eqns: list[Eqn] = []
        self.known: dict[Any, Var] = {}
        self.operations = 0  # what does not only pick an element
        self.varying = 0  # those among them that are not the same at every step

    def emit(self, prim: Primitive, ins: Sequence[Atom], type_: ArrayType, **params: Any) -> Var:
        """The result of an operation."""
        key = (prim.name, tuple(ins), type_, params_key(params))
        if key not in self.known:
            if len(self.eqns) >= _LONGEST:
                raise _NotLinear
            out = self.known[key] = Var(type_)
            self.eqns.append(Eqn(prim, tuple(ins), (out,), params))
            picks = prim in (slice_p, reshape_p)
            self.operations += not picks
            if all(isinstance(a, Literal) or a in self.fixed for a in ins):
                self.fixed.add(out)
            else:
                self.varying += not picks
        return self.known[key]

    def scalar(self, prim: Primitive, *ins: Atom) -> Atom:
        """The result of an operation on scalars, a literal where they are."""
        if all(isinstance(a, Literal) for a in ins):
            with np.errstate(all="ignore"):
                return Literal(prim.reference(*[a.value for a in ins if isinstance(a, Literal)]))
        return self.emit(prim, ins, ins[-1].type)

    def mul(self, a: Atom, b: Atom) -> Atom:
        """A product of scalars."""
        if _is(a, 1):
            return b
        return a if _is(b, 1) else self.scalar(e.mul_p, a, b)

    def element(self, atom: Atom, k: int) -> Atom:
        """Number ``k`` of a value's elements, through what has only moved it."""
        if isinstance(atom, Literal):
            return atom
        maker = self.makers.get(atom)
        if maker is not None and maker.prim.name in MOVES - {"full", "iota"}:
            number, at = _moved(maker)[k]
            return self.element(maker.ins[number], at)
        if maker is not None and maker.prim.name == "full":
            return Literal(maker.params["value"], atom.type.dtype)
        shape, scalar = atom.type.shape, atom.type.with_shape(())
        if not shape:
            return atom
        start = tuple(map(int, np.unravel_index(k, shape)))
        limit, ones = tuple([s + 1 for s in start]), (1,) * len(shape)
        one = self.emit(slice_p, [atom], atom.type.with_shape(ones), start=start, limit=limit, strides=ones)
        return self.emit(reshape_p, [one], scalar, shape=())

    def array(self, atoms: Sequence[Atom], type_: ArrayType) -> Atom:
        """The array of these elements."""
        if not type_.shape:
            return atoms[0]
        single = type_.with_shape((1,))
        found: Atom
        parts = [self.emit(reshape_p, [atom], single, shape=(1,)) for atom in atoms]
        found = parts[0]
        if len(parts) > 1:
            found = self.emit(concatenate_p, parts, type_.with_shape((len(parts),)), axis=0)
        return (
            found if found.type == type_ else self.emit(reshape_p, [found], type_, shape=tuple(type_.shape))
        )


class _Chain:
    """The carry of one loop that is more than sums, and what a step makes of it."""

    def __init__(self, eqn: Eqn) -> None:
        self.body: Graph = eqn.params["body"]
        self.length: int = eqn.params["length"]
        n_consts, n_carry = eqn.params["n_consts"], eqn.params["n_carry"]
        carry = self.body.ins[n_consts : n_consts + n_carry]
        outs = self.body.outs[:n_carry]
        self.reads = self._dependencies(carry)
        marks = [self._read(out) for out in outs]
        self.numbers = [
            k
            for k in range(n_carry)
            if any(mark >> k & 1 for mark in marks) and not self._is_sum(k, carry[k], outs[k], marks)
        ]
        self.carry = [carry[k] for k in self.numbers]
        self.outs = [outs[k] for k in self.numbers]
        self.places = {k: n for n, k in enumerate(self.numbers)}
        self.size = sum(v.type.size for v in self.carry)
        dtypes = {v.type.dtype for v in self.carry}
        if not 0 < self.size <= MOST or len(dtypes) > 1 or not dtypes <= {np.dtype("f4"), np.dtype("f8")}:
            raise _NotLinear
        self.mask = sum(1 << k for k in self.numbers)
        fixed = set(self.body.ins[:n_consts])
        for one in self.body.eqns:
            if all(isinstance(a, Literal) or a in fixed for a in one.ins):
                fixed.update(one.outs)
        self.write = _Writer(self.body, fixed)
        self.values: dict[Atom, list[_Element]] = {}
        self.bases: list[Var] = []
        self.late: list[float] = []  # cycles until each element of a base is there
        self.work = 0  # operations of a step as it was written
        self.results: list[_Element] = []

    def _dependencies(self, carry: Sequence[Var]) -> dict[Var, int]:
        """Which numbers of the carry each value of a step depends on, as bits."""
        found = {v: 1 << k for k, v in enumerate(carry)}
        for eqn in self.body.eqns:
            bits = 0
            for atom in eqn.ins:
                bits |= found.get(atom, 0) if isinstance(atom, Var) else 0
            if bits:
                found.update(dict.fromkeys(eqn.outs, bits))
        return found

    def _read(self, atom: Atom) -> int:
        return self.reads.get(atom, 0) if isinstance(atom, Var) else 0

    def _is_sum(self, k: int, start: Var, out: Atom, marks: Sequence[int]) -> bool:
        """Whether number ``k`` of the carry is only added to, and nothing else depends on it."""
        if any(mark >> k & 1 for other, mark in enumerate(marks) if other != k):
            return False
        makers = {v: eqn for eqn in self.body.eqns for v in eqn.outs}
        while out is not start:
            eqn = makers.get(out) if isinstance(out, Var) else None
            of = [a for a in eqn.ins if self._read(a) >> k & 1] if eqn is not None else []
            if eqn is None or eqn.prim is not e.add_p or len(of) != 1:
                return False
            (out,) = of
        return True

    # From the carry to its next value

    def follow(self) -> None:
        """Find what the next carry is in terms of this one.

        Raises:
            _NotLinear: there are no coefficients of it.
        """
        needed = set(self.outs)
        path: list[Eqn] = []
        for eqn in reversed(self.body.eqns):
            if self._read(eqn.outs[0]) & self.mask and not needed.isdisjoint(eqn.outs):
                path.append(eqn)
                needed.update(eqn.ins)
        number = 0
        for v in self.carry:
            base, late = self._base(v, path)
            self.bases.append(base)
            self.late += [late] * v.type.size
            one = Literal(1, v.type.dtype)
            self.values[base] = [_Element({number + k: one}, {number + k: late}) for k in range(v.type.size)]
            number += v.type.size
        for eqn in reversed(path):
            if self._read(eqn.outs[0]) & ~self.mask or len(eqn.outs) > 1:
                raise _NotLinear
            if eqn.outs[0] not in self.values:
                self.values[eqn.outs[0]] = self._apply(eqn)
        self.results = [one for out in self.outs for one in self._elements(out)]

    def _base(self, v: Var, path: Sequence[Eqn]) -> tuple[Var, float]:
        """What coefficients of ``v`` multiply, and how long that takes: ``v`` and what a step adds to it before all else.

        So the cotangent of a result that joins the carry's takes no coefficients of its own.
        """
        late = 0.0
        while v not in self.outs:
            readers = [eqn for eqn in path if v in eqn.ins]
            others = [a for eqn in readers for a in eqn.ins if a is not v]
            if len(readers) != 1 or readers[0].prim is not e.add_p or len(others) != 1:
                break
            if self._is_on(others[0]) or others[0].type != v.type:
                break
            (v,) = readers[0].outs
            late += latency("add")
            self.work += v.type.size
        return v, late

    def _is_on(self, atom: Atom) -> bool:
        return bool(self._read(atom))

    def _elements(self, atom: Atom) -> list[_Element]:
        """All elements of a value."""
        if atom in self.values:
            return self.values[atom]
        if atom.type.size > _LARGEST:
            raise _NotLinear
        values = [self.write.element(atom, k) for k in range(atom.type.size)]
        return [_Element({} if _is(value, 0) else {None: value}) for value in values]

    def _operands(self, eqn: Eqn) -> list[list[_Element]]:
        """Elements of the operands; a scalar goes with each element of the others."""
        size = eqn.outs[0].type.size
        found = [self._elements(atom) for atom in eqn.ins]
        return [one * size if len(one) < size else one for one in found]

    def _apply(self, eqn: Eqn) -> list[_Element]:
        """The elements of an equation's result."""
        name, (out,) = eqn.prim.name, eqn.outs
        if out.type.size > _LARGEST or any(a.type.size > _LARGEST for a in eqn.ins):
            raise _NotLinear
        on = [self._is_on(a) for a in eqn.ins]
        match name:
            case "add":
                return [self._add(x, y) for x, y in zip(*self._operands(eqn), strict=True)]
            case "sub":
                return [self._add(x, y, e.sub_p) for x, y in zip(*self._operands(eqn), strict=True)]
            case "neg":
                return [self._each(e.neg_p, x) for x in self._elements(eqn.ins[0])]
            case "mul" if on.count(True) == 1:
                values, factors = self._operands(eqn) if on[0] else reversed(self._operands(eqn))
                return [self._scaled(x, s) for x, s in zip(values, factors, strict=True)]
            case "div" if on == [True, False]:
                return [self._each(e.div_p, x, s) for x, s in zip(*self._operands(eqn), strict=True)]
            case "select" if not on[0]:
                return self._select(eqn)
            case "reduce_sum":
                rows = _rows(eqn.ins[0].type.shape, eqn.params["axes"])
                values = self._elements(eqn.ins[0])
                return [self._sum([values[k] for k in row]) for row in rows]
            case "dot_general" if on.count(True) == 1:
                return self._product(eqn, on[0])
            case _ if name in MOVES:
                operands = [self._elements(atom) for atom in eqn.ins]
                return [operands[number][k] for number, k in _moved(eqn)]
        raise _NotLinear

    def _later(self, prim: Primitive, *elements: _Element) -> dict[int, float]:
        """How long the carry's elements are waited for behind one more operation."""
        self.work += 1
        takes = latency(prim.name)
        keys = {k for one in elements for k in one.waits}
        return {k: max(one.waits.get(k, -inf) for one in elements) + takes for k in keys}

    def _add(self, x: _Element, y: _Element, prim: Primitive = e.add_p) -> _Element:
        """The sum or the difference of two elements."""
        if not y.terms:
            return x
        if not x.terms:
            return y if prim is e.add_p else self._each(e.neg_p, y)
        terms = dict(x.terms)
        for k, term in y.terms.items():
            if k in terms:
                terms[k] = self.write.scalar(prim, terms[k], term)
            else:
                terms[k] = term if prim is e.add_p else self.write.scalar(e.neg_p, term)
        return _Element(terms, self._later(prim, x, y))

    def _sum(self, elements: Iterable[_Element]) -> _Element:
        total = _Element()
        for one in elements:
            total = self._add(total, one)
        return total

    def _scaled(self, x: _Element, factor: _Element) -> _Element:
        """An element times a number that does not depend on the carry."""
        if not factor.terms or not x.terms:
            return _Element()
        by = factor.terms[None]
        return _Element({k: self.write.mul(term, by) for k, term in x.terms.items()}, self._later(e.mul_p, x))

    def _each(self, prim: Primitive, x: _Element, by: _Element | None = None) -> _Element:
        """Minus an element, or an element divided by a number."""
        if by is not None and not by.terms:
            raise _NotLinear  # divided by a literal zero
        more = () if by is None else (by.terms[None],)
        return _Element(
            {k: self.write.scalar(prim, term, *more) for k, term in x.terms.items()}, self._later(prim, x)
        )

    def _select(self, eqn: Eqn) -> list[_Element]:
        """One or the other of two elements: so are its coefficients, whatever those of the one that is left out."""
        where, first, second = eqn.ins
        dtype = eqn.outs[0].type.dtype
        zero, found = Literal(0, dtype), []
        size = eqn.outs[0].type.size
        marks = [self.write.element(where, k if where.type.size == size else 0) for k in range(size)]
        operands = [one * size if len(one) < size else one for one in map(self._elements, (first, second))]
        for mark, x, y in zip(marks, *operands, strict=True):
            if isinstance(mark, Literal):
                found.append(x if mark.value else y)
                continue
            terms: dict[int | None, Atom] = {}
            for k in dict.fromkeys([*x.terms, *y.terms]):
                a, b = x.terms.get(k, zero), y.terms.get(k, zero)
                terms[k] = a if a == b else self.write.emit(e.select_p, [mark, a, b], zero.type)
            found.append(_Element(terms, self._later(e.select_p, x, y)))
        return found

    def _product(self, eqn: Eqn, first_is_on: bool) -> list[_Element]:
        """Elements of a product of arrays."""
        left, right = eqn.ins
        (left_sums, right_sums), (left_batch, right_batch) = eqn.params["dims"]
        a = _matrices(left.type.shape, left_batch, left_sums)
        b = _matrices(right.type.shape, right_batch, right_sums)
        if a.shape[1] * b.shape[1] * a.shape[2] > _LARGEST:
            raise _NotLinear
        xs, ys = self._elements(left), self._elements(right)
        return [
            self._sum(
                self._scaled(xs[i], ys[j]) if first_is_on else self._scaled(ys[j], xs[i])
                for i, j in zip(row, column, strict=True)
            )
            for rows, columns in zip(a, b, strict=True)
            for row in rows
            for column in columns
        ]

    # What it costs, and what becomes of it

    def pays(self) -> bool:
        """Whether a step takes clearly less time with coefficients."""
        before: dict[tuple[int, int], float] = {}
        after: dict[tuple[int, int], float] = {}
        chained = stored = 0
        for i, one in enumerate(self.results):
            before.update({(i, j): cycles for j, cycles in one.waits.items()})
            deep = latency("add") * (len(one.terms) - 1).bit_length()
            chained += max(2 * len(one.terms) - 1, 0)
            for j, term in one.terms.items():
                stored += not (isinstance(term, Literal) or term in self.write.fixed)
                if j is not None:
                    after[i, j] = self.late[j] + deep + (0.0 if _is(term, 1) else latency("mul"))
        old = max(longest_turn(before, self.size), self.work / SCALARS)
        new = max(longest_turn(after, self.size), chained / SCALARS)
        new += (self.write.varying + 2 * stored) / (VECTORS if self._may_be_tiled() else SCALARS)
        return new < _GAIN * old and self.write.operations <= _MORE * self.work

    def _may_be_tiled(self) -> bool:
        return self.length >= _LONG and all(
            v.type.size <= _SHORT for eqn in self.body.eqns for v in eqn.outs if eqn.prim.name not in MOVES
        )

    def body_of_coefficients(self) -> Graph:
        """The body, whose next carry is a product of this one and a matrix."""
        write, outs = self.write, list(self.body.outs)
        numbers = [write.element(v, k) for v in self.bases for k in range(v.type.size)]
        results = iter(self.results)
        for k, v in zip(self.numbers, self.carry, strict=True):
            elements = [self._written(next(results), numbers, v.type) for _ in range(v.type.size)]
            outs[k] = write.array(elements, v.type)
        return dce(Graph(self.body.ins, (*self.body.eqns, *write.eqns), tuple(outs)))

    def _written(self, one: _Element, numbers: Sequence[Atom], type_: ArrayType) -> Atom:
        """The sum of an element's terms, in pairs, so that none waits long."""
        terms = [
            term if j is None else self.write.mul(term, numbers[j])
            for j, term in sorted(one.terms.items(), key=lambda item: (item[0] is None, item[0] or 0))
        ]
        while len(terms) > 1:
            pairs = [self.write.scalar(e.add_p, *terms[k : k + 2]) for k in range(0, len(terms) - 1, 2)]
            terms = [*pairs, *terms[len(terms) & ~1 :]]
        return terms[0] if terms else Literal(0, type_.dtype)


def _is(atom: Atom, number: int) -> bool:
    return isinstance(atom, Literal) and bool(atom.value == number)


def _moved(eqn: Eqn) -> list[tuple[int, int]]:
    """For each element of a result that only moves elements: which operand it comes from, and which of its elements it is."""
    ends = np.cumsum([0, *[atom.type.size for atom in eqn.ins]])
    numbers = [
        np.arange(first, first + atom.type.size).reshape(atom.type.shape)
        for first, atom in zip(ends[:-1], eqn.ins, strict=True)
    ]
    found = np.asarray(eqn.prim.reference(*numbers, **eqn.params)).reshape(-1)
    operands = np.searchsorted(ends, found, side="right") - 1
    return [(int(n), int(k - ends[n])) for n, k in zip(operands, found, strict=True)]


def _matrices(shape: Sequence[int], batch: Sequence[int], sums: Sequence[int]) -> np.ndarray:
    """The numbers of an array's elements: batch axes first, then those of the result, then those that are summed over."""
    free = [k for k in range(len(shape)) if k not in (*batch, *sums)]
    sizes = [prod([shape[k] for k in axes]) for axes in (batch, free, sums)]
    return np.arange(prod(shape)).reshape(shape).transpose([*batch, *free, *sums]).reshape(sizes)


def _rows(shape: Sequence[int], axes: Sequence[int]) -> np.ndarray:
    """The numbers of the elements that each element of a sum adds up."""
    rows: np.ndarray = _matrices(shape, (), axes)[0]
    return rows
