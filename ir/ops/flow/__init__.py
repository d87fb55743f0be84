"""Branches and loops: primitives that carry graphs and run them by what values say.

The one idea: four primitives are closed under every transformation. `cond` chooses a graph; `scan` repeats one a known number
of times, over rows; `while_loop` repeats one until its condition fails; `fold_back` visits the states of a loop from the last
to the first, which is what the transpose of a `while_loop` is. The derivative of each is made of these four again.
"""

from weft.ir.ops.flow.branch import cond, cond_p
from weft.ir.ops.flow.fold_back import fold_back, fold_back_p
from weft.ir.ops.flow.linear_solve import linear_solve_p
from weft.ir.ops.flow.root import root_p
from weft.ir.ops.flow.scan import scan, scan_p
from weft.ir.ops.flow.while_loop import while_loop, while_loop_p

__all__ = [
    "cond",
    "cond_p",
    "fold_back",
    "fold_back_p",
    "linear_solve_p",
    "root_p",
    "scan",
    "scan_p",
    "while_loop",
    "while_loop_p",
]
