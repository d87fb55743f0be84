"""How long a nest takes: what is known before it runs, so that it can be handed out in pieces of the right size.

The one idea: the nest itself says what is done how often. Each statement has a price in nanoseconds, for an
element of 8 bytes in a vector loop of a machine of our day; what loads and stores cost depends on how much
memory the kernel goes through. Prices are good to a factor of about 2: enough to decide whether a second
thread is worth waking, and how much it shall take at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np

from weft.ir.loops.arithmetic import INTEGERS, evaluate_index
from weft.ir.loops.nest import Accumulate, If, Index, IndexOp, Load, Loop, Nest, Op, Param, Store, While
from weft.ir.loops.vocabulary import register_dtype
from weft.kernels.schedule.index import names_in

CHUNK = 30_000.0  # nanoseconds of work that a thread takes at a time, at most
_EVEN = 4  # chunks come in multiples of this: of three, one of two threads would take two
_STEP = (
    1024  # iterations of a loop over single elements come in multiples of this: whole vectors and cache lines
)

_SIMPLE = 0.03
_PRICES = {
    **dict.fromkeys("max min".split(), 0.07),
    **dict.fromkeys("div sqrt int_div".split(), 0.15),
    **dict.fromkeys("floor_div_by int_div_by mod_by rem_by".split(), 0.4),
    **dict.fromkeys("floor_div mod rem cbrt rsqrt".split(), 1.0),
    **dict.fromkeys("exp exp2 expm1 tanh logistic sinh cosh".split(), 0.8),
    **dict.fromkeys("log log2 log10 log1p atan asin acos atan2 hypot".split(), 1.2),
    **dict.fromkeys("sin cos tan erf asinh acosh atanh".split(), 1.6),
    **dict.fromkeys("pow erfc erf_inv lgamma digamma gamma bessel_i0e bessel_i1e".split(), 4.0),
    **dict.fromkeys("ndtri erfcx dawsn expi spence si ci fresnel_sin fresnel_cos betaln".split(), 12.0),
    "zeta": 60.0,
    **dict.fromkeys("igamma igammac betainc expn".split(), 120.0),
}
_SCALAR = 6.0  # how much longer it takes where there are no vectors
_APART = 4.0  # how much longer a load or store takes that does not lie beside the one before
_TURNS = 100.0  # of a loop that runs nobody knows how often
_ITERATION = 1.0  # of a loop that is not one of vectors
# For 8 bytes, where the kernel goes through so many: caches are larger on one machine and faster on another.
_MEMORY = ((2**18, 0.05), (2**20, 0.08), (2**24, 0.14), (2**63, 0.3))


def price(op: str) -> float:
    """About how many nanoseconds an operation takes, for an element of 8 bytes in a vector."""
    return _PRICES.get(op, _SIMPLE)


def estimate(nest: Nest, params: Sequence[int], nbytes: int) -> float:
    """About how many nanoseconds a nest takes on one thread, all its chunks together.

    Args:
        nest: the nest.
        params: the values of its parameters.
        nbytes: the size of all its buffers that it goes through.
    """
    memory = next(price for limit, price in _MEMORY if nbytes <= limit)
    sizes = {buffer.name: buffer.dtype.itemsize / 8 for buffer in nest.buffers}
    return _Estimate(params, memory, sizes).body(nest.body)


def grain_of(extent: int, work: float) -> int:
    """How many of ``extent`` iterations of the chunked loop, ``work`` in all, are a chunk."""
    if work <= CHUNK:
        return max(extent, 1)
    chunks = ceil(work / (_EVEN * CHUNK)) * _EVEN
    grain = max(ceil(extent / chunks), 1)
    return -(-grain // _STEP) * _STEP if grain > _STEP else grain


class _Estimate:
    def __init__(self, params: Sequence[int], memory: float, sizes: dict[str, float]) -> None:
        self.params, self.memory, self.sizes = params, memory, sizes
        self.folds: dict[str, tuple[str, np.dtype]] = {}

    def body(self, body: tuple[Any, ...], vector: bool = False, variable: str = "") -> float:
        total = 0.0
        accumulators = {s.buffer for s in body if isinstance(s, Store)}
        accumulators &= {s.buffer for s in body if isinstance(s, Load)}
        for statement in body:
            match statement:
                case Load(_, _, buffer, _) | Store(buffer, _, _) if vector and buffer in accumulators:
                    total += _MEMORY[0][1] * self.sizes[buffer]
                case Loop():
                    total += self.loop(statement)
                case While(cond, _, inside):
                    total += _TURNS * self.body((*cond, *inside))
                case If(_, then, other):
                    total += max(self.body(then), self.body(other)) + _ITERATION
                case Op(_, dtype, op, _):
                    total += self.operation(op, dtype, vector)
                case Accumulate(acc, _):
                    total += self.operation(*self.folds[acc], vector)
                case Load(_, _, buffer, index) | Store(buffer, index, _):
                    lines_up = vector and not _is_multiplied(index, variable)
                    total += self.memory * (self.sizes[buffer] if lines_up else _APART)
        return total

    def loop(self, loop: Loop) -> float:
        self.folds.update({acc.name: (acc.op, acc.dtype) for acc in loop.carries})
        times = max(_value(loop.extent, self.params), 0)
        inner = all(not isinstance(statement, Loop) for statement in loop.body)
        vector = inner and loop.kind not in ("sequential", "steps")
        return _ITERATION + times * (self.body(loop.body, vector, loop.var) + (0 if vector else _ITERATION))

    def operation(self, op: str, dtype: np.dtype, vector: bool) -> float:
        """The price of an operation: by the bytes it works on if there are vectors."""
        return price(op) * (register_dtype(dtype).itemsize / 8 if vector else _SCALAR)


def _is_multiplied(index: Index, name: str) -> bool:
    """Whether an index goes in larger steps than the loop variable ``name``, or nobody knows how."""
    if isinstance(index, IndexOp):
        inside = index.op in ("*", "//", "%", "min", "max") and name in names_in(index)
        return inside or _is_multiplied(index.a, name) or _is_multiplied(index.b, name)
    return False


def _value(index: Index, params: Sequence[int]) -> int:
    """An index at the first iteration of the loops around it; 0 is what nobody knows yet, a value as well."""

    def leaf(index: Index) -> int:
        if isinstance(index, Param):
            return params[index.k]
        return index if isinstance(index, int) else 0

    return evaluate_index(index, leaf, _OPERATIONS)


_OPERATIONS = {**INTEGERS, "//": lambda x, y: x // (y or 1), "%": lambda x, y: x % (y or 1)}
