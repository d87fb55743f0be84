"""Hold Weft's names against those of NumPy and JAX, and write docs/numpy.md.

    python -m asv_bench.names [--write]

The one idea: what is there is found by looking. Only what differs and what is left out is written down: in `DIFFERENT`
below, and in `LEFT_OUT` and `weft.engine.left_out`, whose texts are those of error messages. So a name that is neither there
nor explained is found at once, and so is an explanation of what is there by now.
"""

from __future__ import annotations

import argparse
import importlib
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np

import weft
from weft.engine import left_out

PAGE = Path(__file__).parent.parent / "docs" / "numpy.md"

_STATS = "jax.scipy.stats"
PEERS = {
    "numpy": "weft.numpy",
    "numpy.linalg": "weft.numpy.linalg",
    "numpy.fft": "weft.numpy.fft",
    "numpy.ndarray": "weft.Array",
    "jax.numpy": "weft.numpy",
    "jax.numpy.linalg": "weft.numpy.linalg",
    "jax.numpy.fft": "weft.numpy.fft",
    "jax.Array": "weft.Array",
    "jax.lax": "weft.lax",
    "jax.lax.linalg": "weft.lax.linalg",
    "jax.scipy.special": "weft.scipy.special",
    "jax.scipy.linalg": "weft.scipy.linalg",
    _STATS: "weft.scipy.stats",
    "jax.scipy.signal": "weft.scipy.signal",
    "jax.scipy.ndimage": "weft.scipy.ndimage",
    "jax.scipy.optimize": "weft.scipy.optimize",
    "jax.scipy.integrate": "weft.scipy.integrate",
    "jax.scipy.interpolate": "weft.scipy.interpolate",
    "jax.scipy.cluster.vq": "weft.scipy.cluster.vq",
    "jax.scipy.sparse.linalg": "weft.scipy.sparse.linalg",
    "jax.scipy.fft": "weft.scipy.fft",
    "jax.scipy.spatial.transform": "weft.scipy.spatial.transform",
    "jax.random": "weft.random",
    "jax.nn": "weft.nn",
    "jax.nn.initializers": "weft.nn.initializers",
}
"""Where names are, and where Weft has them."""

_BY_SIZE = "traced arrays need `size=` (and `fill_value=`), as in JAX, since shapes do not depend on elements"
_COPY = "gives a copy and wants `inplace=False`, as in JAX; without it an error says what to write"
_ONCE = "the function runs once, on stand-ins for all elements (`vmap`), so it may not branch on values"
_LAYOUT = "all arrays are row by row where that matters; there is no other layout to ask for"
_TRACED_POLYNOMIAL = "leading zeros of traced coefficients are not looked for"
_SINGULAR = "a singular matrix gives an error as in NumPy, and inf or NaN in compiled code, where elements cannot raise"
_VALUES = "traced arrays are an error: the result's dtype or an exception depends on elements"
_NO_CHECK = "positions of traced arrays cannot raise: `mode` says what becomes of those outside"

DIFFERENT: dict[str, dict[str, str]] = {
    "numpy": {
        **dict.fromkeys(
            ("argwhere", "compress", "extract", "flatnonzero", "intersect1d", "nonzero", "setdiff1d", "setxor1d", "union1d",
             "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values"), _BY_SIZE),
        "bincount": "traced arrays need `length=`",
        "repeat": "traced counts need `total_repeat_length=`",
        "trim_zeros": _VALUES,
        "where": "with one argument, `nonzero`, traced arrays need `size=`",
        **dict.fromkeys(("fill_diagonal", "place", "put", "put_along_axis", "putmask"), _COPY),
        **dict.fromkeys(("apply_along_axis", "apply_over_axes", "frompyfunc", "vectorize"), _ONCE),
        **dict.fromkeys(("ascontiguousarray", "asfortranarray", "isfortran", "require"), _LAYOUT),
        "piecewise": "every function is applied to all elements, as in JAX",
        **dict.fromkeys(("empty", "empty_like"), "the elements are zeros"),
        **dict.fromkeys(("argpartition", "partition"), "all elements are in order, which is more than was asked for"),
        **dict.fromkeys(("argsort", "sort"), "always stable"),
        **dict.fromkeys(("poly", "polydiv", "polymul", "roots"), _TRACED_POLYNOMIAL),
        **dict.fromkeys(("asarray_chkfinite", "real_if_close"), _VALUES),
        **dict.fromkeys(("choose", "ravel_multi_index", "take", "take_along_axis", "unravel_index"), _NO_CHECK),
        **dict.fromkeys(("finfo",), "the numbers are Python's, as the array API standard has it"),
        "load": "`mmap_mode` is read whole",
        "fromstring": "text with a `sep=`; bytes go to `frombuffer`",
        "frombuffer": "the bytes are copied",
        "broadcast": "an object with shape, size and iteration; no position to reset",
        "ndarray": "`weft.Array`, which is immutable and made by functions",
        "ufunc": "functions with `reduce`, `accumulate`, `reduceat`, `outer` and `at`; `out=` and `where=` are refused",
    },
    "numpy.linalg": {
        **dict.fromkeys(("cholesky", "inv", "matrix_power", "solve", "tensorinv", "tensorsolve"), _SINGULAR),
        "lstsq": "residuals of traced matrices are there for every rank, so that the shape is known",
    },
    "numpy.ndarray": {
        **dict.fromkeys(("partition", "sort"), "give a new array"),
        "flat": "a vector of the elements, not an iterator that can be written to",
        "strides": "those of the array row by row",
        "nonzero": _BY_SIZE,
        "compress": _BY_SIZE,
        "device": "always \"cpu\"",
        **dict.fromkeys(("item", "tolist", "tobytes"), "of arrays whose elements are known"),
    },
}  # fmt: skip
"""What is there and is not the same: how. JAX's names are compared with JAX's own, from which these do not differ."""

_TRACE = "about tracing in JAX itself"
_TOKENS = "effects keep their order without tokens"
_DEVICES = "about several devices: an array is on one"
_SCALED = "for the block-scaled formats of accelerators' matrix units"
_LIBRARIES = "a choice between XLA's libraries"
LEFT_OUT: dict[str, dict[str, str]] = {
    "jax.lax": {
        **dict.fromkeys(("after_all", "create_token"), _TOKENS),
        **dict.fromkeys(
            ("pcast", "precv", "psend", "ragged_all_to_all", "with_sharding_constraint"), _DEVICES
        ),
        **dict.fromkeys(("DotAlgorithm", "DotAlgorithmPreset"), "precisions of accelerators' matrix units"),
        "scaled_dot": _SCALED,
        "dce_sink": _TRACE,
        "rng_uniform": "a generator with hidden state, which JAX advises against: weft.random.uniform",
    },
    "jax.lax.linalg": {
        **dict.fromkeys(("EigImplementation", "EighImplementation", "SvdAlgorithm"), _LIBRARIES),
        "qdwh": "one way to the polar decomposition: weft.scipy.linalg.polar",
    },
    "jax.nn": dict.fromkeys(
        ("get_scaled_dot_general_config", "scaled_dot_general", "scaled_matmul"), _SCALED
    ),
}
_PRIMITIVE = "JAX's primitive objects, for those who add rules to them: Weft's are in `weft.ir.ops`"


def public(peer: str) -> list[str]:
    """The public names of a module or class, modules left out."""
    place = _found(peer)
    names = [n for n in dir(place) if not n.startswith("_")]
    return sorted(n for n in names if not isinstance(getattr(place, n, None), ModuleType))


def _found(path: str) -> Any:
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        parent, _, name = path.rpartition(".")
        return getattr(importlib.import_module(parent), name)


def has(place: str, name: str) -> bool:
    """Whether Weft has a name: a module's own, or one of `weft.Array`'s, which its instances have."""
    if place == "weft.Array":
        return hasattr(type(weft.numpy.ones(2)), name)
    return hasattr(_found(place), name)


@dataclass
class Section:
    """What became of the names of one module."""

    peer: str
    place: str
    done: list[str] = field(default_factory=list)
    different: dict[str, list[str]] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    unexplained: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)

    def counts(self) -> tuple[int, int, int]:
        """How many are done, different and left out."""
        return len(self.done), sum(map(len, self.different.values())), sum(map(len, self.left_out.values()))


def why_left_out(peer: str, name: str) -> str | None:
    """The reason, if one is written down."""
    if peer.startswith("jax.lax") or peer.startswith("jax.random"):
        if name.endswith("_p"):
            return _PRIMITIVE
    table = left_out.METHODS if peer in ("numpy.ndarray", "jax.Array") else left_out.FUNCTIONS
    return LEFT_OUT.get(peer, {}).get(name) or table.get(name)


def compare(peer: str, place: str) -> Section:
    """Look at every name of a module and at where Weft would have it."""
    section = Section(peer, place)
    for name in public(peer):
        how, why = DIFFERENT.get(peer, {}).get(name), why_left_out(peer, name)
        if not has(section.place, name):
            if why is None:
                section.unexplained.append(name)
            else:
                section.left_out.setdefault(why, []).append(name)
        elif how is not None:
            section.different.setdefault(how, []).append(name)
        else:
            section.done.append(name)
            if why is not None and why is not _PRIMITIVE:
                section.stale.append(name)
    return section


def sections() -> Iterator[Section]:
    """All modules; the distributions of `jax.scipy.stats` are one section."""
    for peer, place in PEERS.items():
        section = compare(peer, place)
        if peer == _STATS:
            for name, module in sorted(vars(_found(peer)).items()):
                if isinstance(module, ModuleType) and not name.startswith("_"):
                    part = compare(f"{peer}.{name}", f"{place}.{name}")
                    section.done += [f"{name}.{n}" for n in part.done]
                    section.unexplained += [f"{name}.{n}" for n in part.unexplained]
        yield section


HEAD = """# NumPy's and JAX's names

Each public name of NumPy and JAX, and what became of it: it is there and does the same, it does something else (how), or it is
left out (why). This page is written by `make names` from looking at the modules; tests hold it against them. Made with NumPy
{numpy} and JAX {jax}.

What holds for all functions: arrays are immutable, so none is written to by `out=`; `order=` where it is about memory, `subok=`
and `out=None` change nothing; results of traced calls have shapes that follow from the shapes of the arguments alone; positions
of traced arrays that are outside are not errors; NaN and infinities are computed without warnings. Dtypes are NumPy 2's, with
bfloat16 among them, or JAX's after `weft.config.promotion = "jax"`. JAX's names are held against JAX's functions,
NumPy's against NumPy's.

| Module | names | done | different | left out |
|---|---|---|---|---|
"""


def _lines(text: str, indent: str = "") -> str:
    return (
        textwrap.fill(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        + "\n"
    )


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def render() -> str:
    """The page as it should be."""
    text = HEAD.format(numpy=np.__version__, jax=jax.__version__)
    found = list(sections())
    for section in found:
        done, different, missing = section.counts()
        text += f"| {section.peer} | {done + different + missing} | {done} | {different} | {missing} |\n"
    totals = [sum(column) for column in zip(*[s.counts() for s in found], strict=True)]
    text += f"| all | {sum(totals)} | {totals[0]} | {totals[1]} | {totals[2]} |\n"
    for section in found:
        text += f"\n## {section.peer}\n\nIn `{section.place}`.\n"
        for title, group in (("Different", section.different), ("Left out", section.left_out)):
            if group:
                text += f"\n{title}:\n\n"
            for reason, names in group.items():
                text += _lines(f"- {_listed(names)}: {reason}.", "  ")
        if section.done:
            text += "\n" + _lines(f"Done: {_listed(section.done)}.")
    return text


def main(arguments: list[str] | None = None) -> None:
    """Print the counts and what is not explained; write the page where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--write", action="store_true", help="write docs/numpy.md")
    options = parser.parse_args(arguments)
    for section in sections():
        print(
            f"{section.peer:28} {section.counts()} {' '.join(section.unexplained)} {' '.join(section.stale)}".rstrip()
        )
    if options.write:
        PAGE.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
