"""Kernels whose accumulators are vectors: reductions over leading or middle axes, and chains of them.

The one idea: the innermost axis is kept, so it stays the innermost loop, in blocks that fit into the cache:
for each block, for each level of the plan, first a loop along the block for what has one value a column
(finish the reductions of the level before, start those of this one), then the pass over the reduced axes with
a vector loop along the block inside. Accumulators live in the result where it has their dtype, else in
scratch.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from weft.ir.graph import Eqn, Var
from weft.ir.loops.nest import Index
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.fold import Fold
from weft.kernels.schedule.loops import Loops

WIDTH = 512  # columns in a block
HEIGHT = 1024  # rows whose sum is taken by itself


def write_columns(loops: Loops) -> None:
    """Write the loops of a kernel that reduces axes, of which the last one is not the innermost."""
    _Columns(loops).write()


class _Columns:
    def __init__(self, loops: Loops) -> None:
        self.loops = loops
        self.builder, self.plan, self.ex = loops.builder, loops.plan, loops.ex
        self.first: Index = 0  # column of the block
        self.width: Index = WIDTH
        self.first_row: Index = 0
        self.folds = {id(eqn): Fold(loops.builder, eqn) for eqn in self.plan.folds}
        self.accumulators = {id(eqn): self.add_accumulator(eqn) for eqn in self.plan.folds}
        for var in self.plan.kept_reloads:
            if var in loops.outs:
                buffer = loops.outs[var]
            else:
                buffer = loops.add_scratch(var.type.dtype, var.type.size)
            loops.places[var] = self.kept_place(buffer)

    def add_accumulator(self, eqn: Eqn) -> str:
        """A buffer with one accumulator a column."""
        fold, out = self.folds[id(eqn)], eqn.outs[0]
        if out in self.loops.outs and fold.dtype == out.type.dtype:
            return self.loops.outs[out]
        return self.loops.add_scratch(fold.dtype, self.loops.count(self.loops.kept))

    def kept_place(self, buffer: str) -> Callable[[], tuple[str, Index]]:
        return lambda: (buffer, self.loops.offset(self.loops.kept))

    def write(self) -> None:
        loops = self.loops
        last = loops.kept[-1]
        with ExitStack() as stack:
            loops.open(stack, loops.kept[:-1], innermost=False)
            blocks = -(-loops.count([last]) // WIDTH)
            kind = "sequential" if loops.where else "parallel"
            if not loops.where:
                loops.extent = blocks
            block, _ = stack.enter_context(self.builder.loop(self.builder.param("blocks", blocks), kind))
            self.first = ix.mul(block, WIDTH)
            self.width = ix.minimum(WIDTH, ix.sub(loops.size(last), self.first))
            for level in range(self.plan.last + 1):
                self.write_columns(level)
                self.write_pass(level)

    def along_block(self, stack: ExitStack) -> None:
        column, _ = stack.enter_context(self.builder.loop(self.width, "vector"))
        self.loops.where[self.loops.kept[-1]] = ix.add(self.first, column)

    def write_columns(self, level: int) -> None:
        """What has one value a column, between two passes."""
        plan, loops, ex = self.plan, self.loops, self.ex
        ended = [eqn for eqn in plan.folds if plan.fold_level(eqn) == level - 1]
        begun = [eqn for eqn in plan.folds if plan.fold_level(eqn) == level]
        outs = [var for var in plan.kept_outs if plan.level[var] == level]
        keeps = [var for var in plan.kept_reloads if plan.level[var] == level and var not in outs]
        for eqn in ended:
            ex.finish[eqn.outs[0]] = self.finished(eqn)
        stored = [var for var in outs if not self.is_accumulator(var)]
        if not (begun or stored or keeps):
            return
        with ExitStack() as stack:
            self.along_block(stack)
            index = loops.kept_index()
            stores = [(loops.outs[var], loops.layout.offset(var, index), ex.at(var, index)) for var in stored]
            stores += [(*loops.places[var](), ex.at(var, index)) for var in keeps]
            column = loops.offset(loops.kept)
            stores += [(self.accumulators[id(eqn)], column, self.folds[id(eqn)].start()) for eqn in begun]
            loops.store(stores)
        ex.homes.update({var: loops.places[var] for var in plan.kept_reloads if var in (*outs, *keeps)})

    def is_accumulator(self, var: Var) -> bool:
        """Whether a reduction is accumulated right in its result."""
        return any(
            eqn.outs[0] is var and self.accumulators[id(eqn)] == self.loops.outs[var]
            for eqn in self.plan.folds
        )

    def finished(self, eqn: Eqn) -> Callable[[], str]:
        fold, buffer = self.folds[id(eqn)], self.accumulators[id(eqn)]

        def load() -> str:
            acc = self.builder.load(fold.dtype, buffer, self.loops.offset(self.loops.kept), written=True)
            return fold.result(acc)

        return load

    def write_pass(self, level: int) -> None:
        """A pass over the reduced axes; sums of floats add up blocks of rows, each summed by itself."""
        plan, loops, ex = self.plan, self.loops, self.ex
        eqns = [eqn for eqn in plan.folds if plan.fold_level(eqn) == level]
        outs = [var for var in plan.full_outs if plan.level[var] == level]
        keeps = [var for var in plan.reloads if plan.level[var] == level and var not in outs]
        if not (eqns or outs or keeps):
            return
        targets = {id(eqn): self.accumulators[id(eqn)] for eqn in eqns}
        sums = [eqn for eqn in eqns if self.folds[id(eqn)].rounds]
        with ExitStack() as blocks:
            if sums:
                self.open_row_blocks(blocks)
                for eqn in sums:
                    targets[id(eqn)] = loops.add_scratch(self.folds[id(eqn)].dtype, loops.count(loops.kept))
                self.for_columns(sums, lambda fold, eqn: (targets[id(eqn)], fold.start()))
            with ExitStack() as stack:
                self.open_rows(stack, in_blocks=bool(sums))
                self.along_block(stack)
                index, column = loops.full_index(), loops.offset(loops.kept)
                stores: list[tuple[str, Index, str]] = []
                for eqn in eqns:
                    fold, buffer = self.folds[id(eqn)], targets[id(eqn)]
                    acc = self.builder.load(fold.dtype, buffer, column, written=True)
                    stores.append((buffer, column, fold.step(acc, ex.operand(eqn, 0, index))))
                stores += [(*loops.places[var](), ex.at(var, index)) for var in (*keeps, *outs)]
                loops.store(stores)
            if sums:
                self.for_columns(
                    sums, lambda fold, eqn: (self.accumulators[id(eqn)], self.added(fold, eqn, targets))
                )
        ex.homes.update({var: loops.places[var] for var in (*keeps, *outs) if var in plan.reloads})

    def open_row_blocks(self, stack: ExitStack) -> None:
        outermost = self.loops.reduced[0]
        count = self.builder.param("row blocks", -(-self.loops.count([outermost]) // HEIGHT))
        block, _ = stack.enter_context(self.builder.loop(count, "sequential"))
        self.first_row = ix.mul(block, HEIGHT)

    def open_rows(self, stack: ExitStack, *, in_blocks: bool) -> None:
        for n in self.loops.reduced:
            extent, first = self.loops.size(n), 0
            if in_blocks and n == self.loops.reduced[0]:
                first = self.first_row
                extent = ix.minimum(HEIGHT, ix.sub(extent, first))
            row, _ = stack.enter_context(self.builder.loop(extent, "sequential"))
            self.loops.where[n] = ix.add(row, first)

    def for_columns(self, eqns: list[Eqn], value: Callable[[Fold, Eqn], tuple[str, str]]) -> None:
        """A loop along the block that stores a value for each of some reductions."""
        with ExitStack() as stack:
            self.along_block(stack)
            column = self.loops.offset(self.loops.kept)
            stores = []
            for eqn in eqns:
                buffer, name = value(self.folds[id(eqn)], eqn)
                stores.append((buffer, column, name))
            self.loops.store(stores)

    def added(self, fold: Fold, eqn: Eqn, partial: dict[int, str]) -> str:
        column = self.loops.offset(self.loops.kept)
        total = self.builder.load(fold.dtype, self.accumulators[id(eqn)], column, written=True)
        return fold.step(total, self.builder.load(fold.dtype, partial[id(eqn)], column, written=True))
