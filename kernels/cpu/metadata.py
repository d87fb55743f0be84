"""Metadata of the emitted functions: what LLVM may believe about memory and loops.

The one idea: two accesses do not alias when the scopes of one are all in the other's noalias list. Each
written buffer has a scope of its own; inputs, which nothing writes, share one, so lists are as short as the
outputs are few.
"""

from __future__ import annotations

from collections.abc import Sequence


def _interleave(at_once: int) -> str:
    return f'!{{!"llvm.loop.interleave.count", i32 {at_once}}}'


# What may be said about loops: the nodes from number 2 on.
_LOOPS = (
    '!{!"llvm.loop.mustprogress"}',
    '!{!"llvm.loop.unroll.disable"}',
    '!{!"llvm.loop.vectorize.enable", i1 false}',
    *map(_interleave, (1, 2)),
)


class Metadata:
    """Collects the numbered metadata nodes of one module."""

    def __init__(self) -> None:
        self._lines = ["!0 = !{}", '!1 = distinct !{!1, !"weft"}']
        self._lines += [f"!{number} = {node}" for number, node in enumerate(_LOOPS, 2)]
        self._scopes: dict[str, int] = {}
        self._lists: dict[tuple[int, ...], int] = {}
        self._lists_of_loops: dict[str, int] = {}
        self.invariant = ", !invariant.load !0"

    def buffer_scopes(self, numbers: Sequence[int | None]) -> list[str]:
        """The text after an access to each buffer: none stands for an input, equal numbers for what may be the same memory."""
        scopes = [self._scope("in" if number is None else f"out{number}") for number in numbers]
        result = []
        for own, number in zip(scopes, numbers, strict=True):
            others = tuple(dict.fromkeys(s for s in (self._scope("in"), *scopes) if s != own))
            text = f", !alias.scope !{self._list((own,))}, !noalias !{self._list(others)}"
            result.append(f"{text}{self.invariant}" if number is None else text)
        return result

    short = "!2"
    """A loop whose length is known: LLVM may unroll it."""

    plain = "!2, !3, !4"
    """A loop that is no matter of vectors, or has loops inside: it stays as it is."""

    def vector(self, at_once: int) -> str:
        """A loop of which vectors may be made, so many side by side; more code hardly makes it faster."""
        return f"!2, !3, !{_LOOPS.index(_interleave(at_once)) + 2}"

    def group(self) -> int:
        """A group of accesses none of which depends on what another iteration of an innermost loop does."""
        return self._node("distinct !{}")

    def apart(self, how: str, group: int) -> str:
        """What `loop` is told of a loop whose accesses are all of a group."""
        node = f'!{{!"llvm.loop.parallel_accesses", !{group}}}'
        if node not in self._lists_of_loops:
            self._lists_of_loops[node] = self._node(node)
        return f"{how}, !{self._lists_of_loops[node]}"

    def loop(self, how: str) -> str:
        """The text after the back edge of a loop that is ``short``, ``plain`` or ``vector``."""
        number = len(self._lines)
        self._lines.append(f"!{number} = distinct !{{!{number}, {how}}}")
        return f", !llvm.loop !{number}"

    def text(self) -> str:
        """The nodes, one a line."""
        return "\n".join(self._lines) + "\n"

    def _node(self, content: str) -> int:
        self._lines.append(f"!{len(self._lines)} = {content}")
        return len(self._lines) - 1

    def _scope(self, name: str) -> int:
        if name not in self._scopes:
            number = len(self._lines)
            self._scopes[name] = self._node(f'distinct !{{!{number}, !1, !"{name}"}}')
        return self._scopes[name]

    def _list(self, scopes: tuple[int, ...]) -> int:
        if scopes not in self._lists:
            self._lists[scopes] = self._node(f"!{{{', '.join(f'!{s}' for s in scopes)}}}")
        return self._lists[scopes]
