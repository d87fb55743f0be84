"""Donation: results take over the memory of arguments that the caller gives up.

The one idea: an argument is given up when a result has its type and nobody else can see its memory; then the `Array` is
marked as deleted, and the program may write over it. Where somebody can (a NumPy view, another Array), the program gets a
copy in its place, and the array stays what it was.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from weft.engine import tree
from weft.engine.array import Array, is_sole_owner
from weft.engine.runtime.memory import new_array
from weft.engine.transforms.signature import ChosenArguments
from weft.ir.errors import ArgumentError
from weft.ir.types import ArrayType


class DonatedArguments(ChosenArguments):
    """The arguments of a function that are donated."""

    def check(self, static: ChosenArguments) -> None:
        """Static arguments have no memory to give up.

        Raises:
            ArgumentError: an argument is static and donated.
        """
        both = sorted(map(str, self.names & static.names or self.positions & static.positions))
        if both:
            raise ArgumentError(
                f"arguments of {self.name} are both static and donated: {', '.join(both)}. Static arguments are Python values, "
                f"which have no memory to give up."
            )

    def usable(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        static: ChosenArguments,
        ins: Sequence[ArrayType],
        outs: Sequence[ArrayType],
        names: Sequence[str],
    ) -> tuple[int, ...]:
        """The numbers of the donated leaves of the traced arguments that find a result of their type.

        Args:
            args: positional arguments, the static ones among them.
            kwargs: arguments by name.
            static: which of them are static.
            ins: types of the leaves of the others.
            outs: types of the results.
            names: what messages call the leaves.
        """
        flags: list[bool] = []
        for i, x in enumerate(args):
            if i not in static.positions:
                flags += [i in self.positions] * len(tree.leaves(x))
        for name in sorted(kwargs.keys() - static.names):
            flags += [name in self.names] * len(tree.leaves(kwargs[name]))
        left = Counter(outs)
        found, unused = [], []
        for i, is_donated in enumerate(flags):
            if is_donated and left[ins[i]] > 0:
                left[ins[i]] -= 1
                found.append(i)
            elif is_donated:
                unused.append(f"{names[i]} {ins[i]}")
        if unused:
            warnings.warn(
                f"donated arguments of {self.name} find no result of their shape and dtype, so they are kept: "
                f"{', '.join(unused)}.",
                stacklevel=5,
            )
        return tuple(found)


def give_up(
    arrays: Sequence[Any],
    values: Sequence[np.ndarray],
    donated: Sequence[int],
    overwritten: Collection[int],
    held: int,
) -> list[np.ndarray]:
    """The values to run on: donated arrays are marked as deleted, and copied instead where others see them.

    Args:
        arrays: the leaves of the arguments.
        values: their data.
        donated: which of them are donated.
        overwritten: which of those the program writes over.
        held: how many references to each of ``values`` the callers hold.
    """
    given = [k for k in donated if arrays[k].__class__ is Array and is_sole_owner(arrays[k], held)]
    result = list(values)
    for k in overwritten:
        if k not in given:
            result[k] = new_array(values[k].shape, values[k].dtype)
            np.copyto(result[k], values[k])
    for k in given:
        arrays[k].delete()
    return result
