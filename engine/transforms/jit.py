"""`jit`: trace a function once for each signature, compile it, and run the compiled program ever after.

The hot path is: look up the types of the arguments, fill a table of addresses, one native call, wrap the results.
"""

from __future__ import annotations

import contextlib
import functools
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

import numpy as np

from weft.engine import config, tree
from weft.engine.array import (
    Array,
    contiguous,
    native,
    own,
    to_value,
    type_number,
    unwrap,
    wrap,
    wrap_all,
)
from weft.engine.nans import check
from weft.engine.runtime.program import Program, compile_graph
from weft.engine.trace import Traced, Tracer, argument_names, function_name, trace
from weft.engine.transforms.arguments import SCALARS, read, reading_order
from weft.engine.transforms.donation import DonatedArguments, give_up
from weft.engine.transforms.signature import StaticArguments
from weft.ir.builder import Value
from weft.ir.errors import ArgumentError
from weft.ir.graph import Graph
from weft.ir.ops import control
from weft.ir.types import ArrayType

if TYPE_CHECKING:
    from weft.engine.transforms.inspect import Lowered

_local = config.local
_new = object.__new__
P = ParamSpec("P")
R = TypeVar("R")


def run_graph(graph: Graph, *args: Any) -> list[np.ndarray]:
    """Compile a graph (once) and run it on NumPy arrays."""
    values = [contiguous(np.asarray(a)) for a in args]
    outs = compile_graph(graph).run(values)
    if config.local.nans or config.local.infs:
        check(graph, values, outs)
    return outs


control.set_runner(run_graph)

_all: weakref.WeakSet[Jitted[..., Any]] = weakref.WeakSet()


def forget() -> None:
    """Forget what all jitted functions have traced: they would give other graphs now."""
    for function in list(_all):
        function.clear_cache()


config.on_new_derivatives.append(forget)


class Entry:
    """A traced signature of a jitted function, compiled when it first runs on arrays."""

    __slots__ = (
        "_captured",
        "_numbers",
        "_program",
        "_unflatten",
        "captures_traced",
        "donated",
        "out_tree",
        "single",
        "traced",
    )

    def __init__(self, traced: Traced, donated: tuple[int, ...] = ()):
        self.traced = traced
        self.donated = donated
        self.out_tree = traced.out_tree
        self.single = traced.out_tree.is_leaf()
        self.captures_traced = any(isinstance(x, Value) for x in traced.captured)
        self._unflatten = traced.out_tree.unflatten
        self._numbers = [type_number(t.shape, t.dtype) for t in traced.graph.out_types]
        self._program: Program | None = None
        self._captured: list[np.ndarray] = []

    @property
    def program(self) -> Program:
        """The compiled program."""
        if self._program is None:
            self._captured = [contiguous(np.asarray(x)) for x in self.traced.captured]
            self._program = compile_graph(self.traced.graph, self.donated)
        return self._program

    def run(self, values: Sequence[np.ndarray]) -> Any:
        """Run on contiguous arrays, one a leaf of the arguments."""
        program = self._program or self.program
        outs = program.run([*values, *self._captured] if self._captured else values)
        if self.single:  # written out, as calls cost
            array = _new(Array)
            array._data = outs[0]
            array._number = self._numbers[0]
            return array
        return self._unflatten(wrap_all(outs, self._numbers))

    def checked(self, values: Sequence[np.ndarray]) -> Any:
        """`run`, and look for what is no number in the results; donated arguments are kept for that."""
        out = self.run([x.copy() for x in values] if self.donated else values)
        check(self.traced.graph, [*values, *self._captured], [unwrap(x) for x in tree.leaves(out)])
        return out


class Jitted(Generic[P, R]):
    """A function compiled by `jit`. Call it like the function; `lower` shows what was made of it."""

    __wrapped__: Callable[P, R]
    __name__: str

    def __init__(
        self, fun: Callable[P, R], static: StaticArguments, donated: DonatedArguments, keep_name: str
    ):
        self._fun = fun
        self._static = static
        self._has_static = bool(static)
        self._donated = donated
        self._name = keep_name
        self._entries: dict[Any, Entry] = {}
        # By the keys of `read`: entries that have run, and how to reorder the values for them.
        self._fast: dict[tuple[Any, ...], tuple[Entry, Callable[[list[Any]], Sequence[Any]] | None]] = {}
        self._programs: set[Any] = set()
        _all.add(self)
        functools.update_wrapper(self, fun, updated=())

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the compiled function."""
        parts: list[Any] = []
        values: list[np.ndarray] = []
        try:
            is_read = (
                self._read(args, kwargs, parts, values)
                if kwargs or self._has_static
                else read(args, parts, values)
            )
        except RecursionError:  # `tree.flatten` goes deeper, and says what is too deep for it
            is_read = False
        if not is_read:
            values.clear()
            return self._call(args, kwargs)
        key = tuple(parts)
        try:
            found = self._fast.get(key)
        except TypeError:  # a static argument is not hashable
            found = None
        if found is None or not _local.plain:
            values.clear()
            return self._call(args, kwargs, key)
        entry, reorder = found
        if entry.donated:
            held = 1 if reorder is None else 2
            return self._give_up(entry, args, kwargs, values if reorder is None else reorder(values), held)
        return entry.run(values if reorder is None else reorder(values))

    def _read(self, args: tuple[Any, ...], kwargs: dict[str, Any], key: list[Any], values: list[Any]) -> bool:
        """`read` where there are keywords or static arguments, whose values become a part of the key."""
        static = self._static
        if not static:
            key.append(tuple(kwargs))
            return read(args, key, values) and read(kwargs.values(), key, values)
        key += (len(args), tuple(kwargs))
        for i, x in enumerate(args):
            if i in static.positions:
                key += (x.__class__, x)
            elif not read((x,), key, values):
                return False
        for name, x in kwargs.items():
            if name in static.names:
                key += (x.__class__, x)
            elif not read((x,), key, values):
                return False
        return True

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any], key: tuple[Any, ...] | None = None) -> Any:
        """Run the function the slow way, and remember what `read` makes of such arguments if it says so by a key."""
        if config.local.jit_disabled:
            return self._fun(*args, **kwargs)
        entry, values, is_traced = self._find(args, kwargs)
        if is_traced or entry.captures_traced:
            values = [own(x) if isinstance(x, np.ndarray) else x for x in values]
            outs = control.call(entry.traced.graph, *values, *entry.traced.captured, name=self._name)
            return tree.unflatten(entry.out_tree, [x if isinstance(x, Value) else wrap(x) for x in outs])
        if entry._program is None:
            self._programs.add(entry.program.nests)
        if config.local.nans or config.local.infs:
            return entry.checked(values)
        if key is not None:
            dynamic, named, _ = self._static.split(args, kwargs) if self._static else (args, kwargs, ())
            with contextlib.suppress(RecursionError):  # a tree so deep goes the slow way every time
                self._fast[key] = entry, reading_order(dynamic, named)
        return self._give_up(entry, args, kwargs, values, held=1) if entry.donated else entry.run(values)

    def _give_up(
        self,
        entry: Entry,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        values: Sequence[np.ndarray],
        held: int,
    ) -> Any:
        """Run, and let results take over the memory of donated arguments."""
        dynamic, named, _ = self._static.split(args, kwargs) if self._static else (args, kwargs, ())
        leaves: Sequence[Any] = dynamic
        if named or not all([type(x) is Array for x in dynamic]):
            leaves = tree.leaves((dynamic, named))
        return entry.run(give_up(leaves, values, entry.donated, entry.program.overwritten, held))

    def _find(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Entry, list[Any], bool]:
        """The entry for the signature of a call (traced if it is new), the values, and whether one of them is traced."""
        static_key: tuple[Any, ...] = ()
        dynamic, named = args, kwargs
        if self._static:
            dynamic, named, static_key = self._static.split(args, kwargs)
        leaves, in_tree = tree.flatten((dynamic, named))
        types: list[Any] = []
        values: list[Any] = []
        is_traced = False
        if not read(leaves, types, values):
            types, values = [], []
            for i, x in enumerate(leaves):
                if not read((x,), types, values):
                    value = self._value(x, i, dynamic, named)
                    is_traced |= isinstance(value, Value)
                    number = type_number(tuple(value.shape), value.dtype)
                    weak = x.__class__ in SCALARS or (isinstance(value, Tracer) and value.weak)
                    types.append(("weak", number) if weak else number)
                    values.append(value)
        key = (in_tree, tuple(types), static_key)
        entry = self._entries.get(key)
        if entry is None:
            names = self._names(dynamic, named)
            traced = self._trace(leaves, values, in_tree, static_key, names)
            donated: tuple[int, ...] = ()
            if self._donated:
                ins = [v.type for v in traced.graph.ins]
                donated = self._donated.usable(args, kwargs, self._static, ins, traced.graph.out_types, names)
            entry = Entry(traced, donated)
            if not entry.captures_traced:
                self._entries[key] = entry
        return entry, values, is_traced

    def _value(self, x: Any, position: int, args: Any, kwargs: Any) -> Any:
        if isinstance(x, Value):
            return x
        if isinstance(x, np.ndarray):
            return contiguous(native(x))  # read during the call, so it need not be copied
        if x.__class__ is int and not -(2**63) <= x < 2**64:
            raise ArgumentError(f"the integer {x} does not fit into 64 bits.")
        return contiguous(to_value(x, f"argument {self._names(args, kwargs)[position]} of {self._name}"))

    def _names(self, args: Any, kwargs: Any) -> Sequence[str]:
        """What messages call the leaves of the traced arguments."""
        return argument_names(self._static.of_traced(self._fun), args, kwargs)

    def _trace(
        self,
        leaves: list[Any],
        values: list[Any],
        in_tree: Any,
        static_key: tuple[Any, ...],
        names: Sequence[str],
    ) -> Traced:
        fun = self._static.bind(self._fun, static_key) if self._static else self._fun
        weak = [
            (x.__class__ in SCALARS and v.dtype.kind != "u") or (x.__class__ is Tracer and x.weak)
            for x, v in zip(leaves, values, strict=True)
        ]
        types = [ArrayType(tuple(v.shape), v.dtype) for v in values]
        traced = trace(fun, types, in_tree, kind="jit", weak=weak, argument_names=names)
        config.log("graph", traced.graph)
        return traced

    @property
    def compiles(self) -> int:
        """How many different programs calls of this function have needed so far; shapes alone make no difference."""
        return len(self._programs)

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """The function compiled in stages for the types of these arguments, to look inside; see `Lowered`.

        Arguments may be arrays or anything with ``shape`` and ``dtype``.
        """
        from weft.engine.transforms.inspect import Lowered

        args, kwargs = tree.map(_stand_in, args), tree.map(_stand_in, kwargs)
        entry, _, _ = self._find(args, kwargs)
        return Lowered(entry, self._name)

    def eval_shape(self, *args: Any, **kwargs: Any) -> Any:
        """Shapes and dtypes of the result; see `weft.eval_shape`."""
        from weft.engine.transforms.inspect import eval_shape

        return eval_shape(self._fun, *args, **kwargs)

    def clear_cache(self) -> None:
        """Forget what was traced; the next call traces again."""
        self._entries.clear()
        self._fast.clear()

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Jitted[P, R]: ...
    @overload
    def __get__(self, instance: object, owner: Any = None) -> Callable[..., R]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """A jitted method binds its object like a function does; the object must be a tree or static."""
        return self if instance is None else functools.partial(self, instance)

    def __reduce__(self) -> str:
        """Pickled like a function, by where it is found; copies are the function itself."""
        return getattr(self, "__qualname__", self._name)

    def __repr__(self) -> str:
        return f"<jitted {self._name}>"


def _stand_in(x: Any) -> Any:
    """An array of the type of ``x``, for arguments of which only the type matters."""
    if isinstance(x, Value | np.ndarray | np.generic | Array) or not (
        hasattr(x, "shape") and hasattr(x, "dtype")
    ):
        return x
    return wrap(np.zeros(tuple(x.shape), np.dtype(x.dtype)))


@overload
def jit(
    fun: Callable[P, R],
    *,
    static_argnums: int | Sequence[int] | None = None,
    static_argnames: str | Iterable[str] | None = None,
    donate_argnums: int | Sequence[int] | None = None,
    donate_argnames: str | Iterable[str] | None = None,
    keep_unused: bool = False,
    inline: bool = False,
) -> Jitted[P, R]: ...
@overload
def jit(
    fun: None = None,
    *,
    static_argnums: int | Sequence[int] | None = None,
    static_argnames: str | Iterable[str] | None = None,
    donate_argnums: int | Sequence[int] | None = None,
    donate_argnames: str | Iterable[str] | None = None,
    keep_unused: bool = False,
    inline: bool = False,
) -> Callable[[Callable[P, R]], Jitted[P, R]]: ...
def jit(
    fun: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] | None = None,
    static_argnames: str | Iterable[str] | None = None,
    donate_argnums: int | Sequence[int] | None = None,
    donate_argnames: str | Iterable[str] | None = None,
    keep_unused: bool = False,
    inline: bool = False,
) -> Any:
    """Compile a function of arrays.

    The function runs once for each combination of argument structure, dtypes, shapes and static values; machine code is
    shared between shapes. Use as ``@jit``, ``@jit(static_argnames="n")`` or ``jit(f)``.

    Args:
        fun: function of trees of arrays, without side effects.
        static_argnums: positions of arguments that are Python values, part of the key of what is compiled; hashable.
        static_argnames: their names; each implies the other.
        donate_argnums: positions of arguments whose memory the caller gives up for results of the same type. Their arrays are
            deleted by the call: using one afterwards raises `DeletedError`. Arrays whose memory somebody else sees are
            kept, and so are all in a call inside another transformation.
        donate_argnames: the same by name; each implies the other.
        keep_unused: accepted for compatibility; unused arguments cost nothing.
        inline: accepted for compatibility; inner jitted functions are always inlined before fusion.

    Returns:
        A `Jitted` function.

    Raises:
        StaticArgumentError: a static argument is not hashable (when called).
        ConcretizationError: the function needs the value of a traced array (when called).
        ArgumentError: an argument is not a tree of arrays (when called).
    """
    if fun is None:
        return functools.partial(
            jit,
            static_argnums=static_argnums,
            static_argnames=static_argnames,
            donate_argnums=donate_argnums,
            donate_argnames=donate_argnames,
            keep_unused=keep_unused,
            inline=inline,
        )
    if not callable(fun):
        raise ArgumentError(f"jit takes a function, got {fun!r} of type {type(fun).__qualname__}.")
    name = function_name(fun)
    static = StaticArguments(fun, name, static_argnums, static_argnames)
    donated = DonatedArguments(fun, name, donate_argnums, donate_argnames, kind="donate")
    donated.check(static)
    return Jitted(fun, static, donated, name)
