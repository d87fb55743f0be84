"""Which arguments of a call are traced and which are static, by position and by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from weft.ir.errors import ArgumentError, StaticArgumentError


def _as_tuple(x: Any) -> tuple[Any, ...]:
    if x is None:
        return ()
    return (x,) if isinstance(x, int | str) else tuple(x)


class ChosenArguments:
    """Some arguments of a function, chosen by position or by name: one implies the other, as in JAX."""

    def __init__(
        self,
        fun: Callable[..., Any],
        name: str,
        argnums: int | Sequence[int] | None,
        argnames: str | Iterable[str] | None,
        kind: str = "static",
    ):
        """Resolve positions and names against the signature of ``fun``; ``kind`` is how messages call the options."""
        self.name = name
        self.positions = set(_as_tuple(argnums))
        self.names = set(_as_tuple(argnames))
        try:
            parameters = list(inspect.signature(fun).parameters.values())
        except (TypeError, ValueError):
            parameters = []
        positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters) or not parameters
        takes_any_name = any(p.kind is p.VAR_KEYWORD for p in parameters) or not parameters
        known = {p.name for p in parameters}
        for i in self.positions:
            if not variadic and not -len(positional) <= i < len(positional):
                raise ArgumentError(
                    f"{kind}_argnums of {name} has {i}, but {name} takes {len(positional)} positional arguments."
                )
        for n in self.names:
            if not takes_any_name and n not in known:
                raise ArgumentError(
                    f"{kind}_argnames of {name} has {n!r}, which is not an argument of {name}."
                )
        self.positions = {i % len(positional) if i < 0 and positional else i for i in self.positions}
        if argnames is None:
            self.names |= {positional[i] for i in self.positions if i < len(positional)}
        if argnums is None:
            self.positions |= {i for i, n in enumerate(positional) if n in self.names}

    def __bool__(self) -> bool:
        return bool(self.positions or self.names)


class StaticArguments(ChosenArguments):
    """The static arguments of a function: removed from a call, kept as part of its key, and put back."""

    def split(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any], tuple[Any, ...]]:
        """Traced positional and keyword arguments, and a hashable key of the static ones."""
        static: list[Any] = []
        for i in sorted(self.positions):
            if i < len(args):
                static.append((i, self._hashable(args[i], f"argument {i}")))
        for n in sorted(self.names):
            if n in kwargs:
                static.append((n, self._hashable(kwargs[n], f"argument {n!r}")))
        dynamic = tuple(x for i, x in enumerate(args) if i not in self.positions)
        return dynamic, {n: x for n, x in kwargs.items() if n not in self.names}, (len(args), *static)

    def _hashable(self, x: Any, what: str) -> tuple[type, Any]:
        try:
            hash(x)
        except TypeError:
            raise StaticArgumentError(
                f"static {what} of {self.name} is not hashable: {x!r} of type {type(x).__qualname__}. "
                f"Static arguments tell calls apart by hash and equality: pass a tuple or a frozen dataclass instead."
            ) from None
        return (type(x), x)

    def of_traced(self, fun: Callable[..., Any]) -> Callable[..., Any]:
        """Something with the signature that ``fun`` has without its static arguments."""
        if not self:
            return fun
        parameters = inspect.signature(fun).parameters.values()
        traced = [p for i, p in enumerate(parameters) if i not in self.positions and p.name not in self.names]

        def stand_in() -> None:
            """Never called."""

        stand_in.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [p.replace(default=p.empty) for p in traced], __validate_parameters__=False
        )
        return stand_in

    def bind(self, fun: Callable[..., Any], key: tuple[Any, ...]) -> Callable[..., Any]:
        """``fun`` with the static arguments of ``key`` put in; it takes the traced ones."""
        count, *static = key
        by_position = {where: x for where, (_, x) in static if isinstance(where, int)}
        by_name = {where: x for where, (_, x) in static if isinstance(where, str)}

        def bound(*dynamic: Any, **kwargs: Any) -> Any:
            rest = iter(dynamic)
            args = [by_position[i] if i in by_position else next(rest) for i in range(count)]
            return fun(*args, **kwargs, **by_name)

        bound.__name__ = self.name
        return bound
