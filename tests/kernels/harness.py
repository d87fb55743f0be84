"""Runs one scalar op over arrays: builds the loop ``out[i] = op(a[i], b[i] ...)`` around it, compiles and calls it."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from weft.kernels.cpu.compile import CompiledModule, compile_module
from weft.kernels.scalar import Module, Register, Writer, is_complex, load, memory_kind, store
from weft.kernels.scalar_ops import apply


def _element(writer: Writer, dtype: np.dtype[Any], buffer: int, index: Register) -> str:
    slot = writer.emit("ptr", f"getelementptr ptr, ptr %buffers, i64 {buffer}")
    base = writer.emit("ptr", f"load ptr, ptr {slot.ref}, !invariant.load !9")
    at = index.shl(1) if is_complex(dtype) else index
    return writer.emit("ptr", f"getelementptr {memory_kind(dtype)}, ptr {base.ref}, i64 {at.ref}").ref


@cache
def compile_op(
    name: str, dtypes: tuple[str, ...], out: str, params: tuple[tuple[str, Any], ...] = ()
) -> CompiledModule:
    """The loop for one op; inputs are buffers 0, 1 ..., the output is the last buffer."""
    module = Module()
    writer = Writer(module)
    loop, done = writer.label("loop"), writer.label("done")
    n = Register(writer, "i64", "%n")
    writer.cond_br(n > 0, loop, done)
    writer.place(loop)
    index = writer.phi("i64", [(n.const(0), "entry")])
    kinds = [np.dtype(d) for d in dtypes]
    args = [
        load(writer, d, _element(writer, d, k, index), ", !alias.scope !2, !noalias !3")
        for k, d in enumerate(kinds)
    ]
    target = np.dtype(out)
    result = apply(writer, name, args, target, **dict(params))
    assert result.dtype == target
    store(
        writer,
        result,
        target,
        _element(writer, target, len(kinds), index),
        ", !alias.scope !3, !noalias !2",
    )
    following = index + 1
    writer.add_incoming(index, following, writer.block)
    writer.cond_br(following < n, loop, done)
    writer.place(done)
    writer.do("ret void")
    writer.define("run", "define void @run(i64 %n, ptr noalias %buffers)")
    scopes = "!0 = distinct !{!0}\n!1 = distinct !{!1, !0}\n!4 = distinct !{!4, !0}\n!2 = !{!1}\n!3 = !{!4}\n!9 = !{}\n"
    return compile_module(module.text() + scopes, f"{name}_{'_'.join(dtypes)}")


def run_op(name: str, *arrays: np.ndarray, out: Any, **params: Any) -> np.ndarray:
    """``name`` over arrays of one length, with a result of dtype ``out``."""
    arrays = tuple(np.ascontiguousarray(a) for a in arrays)
    code = compile_op(
        name, tuple(a.dtype.name for a in arrays), np.dtype(out).name, tuple(sorted(params.items()))
    )
    result = np.empty(arrays[0].shape, out)
    buffers = (ctypes.c_void_p * (len(arrays) + 1))(*(a.ctypes.data for a in (*arrays, result)))
    function = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)(code.address("run"))
    function(result.size, buffers)
    return result
