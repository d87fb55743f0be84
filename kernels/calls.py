"""Calls from kernels: of maths functions that all kernels share, and of slow code for rare arguments.

The one idea: LLVM vectorises a loop with a call in it where an attribute of the call names a function of vectors that does
the same. So long code need not stand in each loop that uses it, and code that cannot be vectorised is out of the way of the
code that can.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from weft.kernels.register import SUFFIX, Module, Register, Writer

# Lanes of the vector registers of CPUs with 128, 256 and 512 bits.
VECTOR_WIDTHS = {"double": (2, 4, 8), "float": (4, 8, 16)}

SHARED = "weft.maths."
"""How the names of functions begin that are compiled once for all kernels; after it: name, type, and lanes if several."""
ALONE = ".v1"
"""Behind the name of a function of one lane for which steps of a loop wait. Without, it is for what is left beside vectors."""

# What LLVM may believe of a maths function: its result depends on its arguments alone, and any arguments are fine.
_PURE = "nounwind willreturn memory(none) speculatable"


def call_shared(name: str, build: Callable[..., Register], args: Sequence[Register]) -> Register:
    """``build(*args)``, for which kernels on the CPU call a function that `weft.kernels.cpu.functions` compiles once for all.

    On other targets it is written out. All operands have one floating kind.
    """
    writer, kind = args[0].writer, args[0].kind
    module = writer.module
    if module.target != "cpu":
        return build(*args)
    function = f"{SHARED}{name}.{SUFFIX[kind]}"
    scalar = function + ALONE if writer.in_steps else function
    if not module.defines(scalar):
        module.define(scalar, f"declare {kind} @{scalar}({', '.join([kind] * len(args))}) {_PURE}")
    if not module.defines(f"{function}.v{VECTOR_WIDTHS[kind][0]}"):
        for n in VECTOR_WIDTHS[kind]:
            vector = f"<{n} x {kind}>"
            module.keep(f"{function}.v{n}")
            module.define(
                f"{function}.v{n}",
                f"declare {vector} @{function}.v{n}({', '.join([vector] * len(args))}) {_PURE}",
            )
    if writer.lanes > 1:
        return writer.call(f"{function}.v{writer.lanes}", kind, args, f" {_PURE}")
    return writer.call(scalar, kind, args, f" {_PURE}{_vector_names(function, kind, len(args), scalar)}")


def _vector_names(function: str, kind: str, count: int, scalar: str = "") -> str:
    """The attribute of a call that names the functions of vectors; what is called may have another name."""
    shape = "v" * count
    names = [f"_ZGV_LLVM_N{n}{shape}_{scalar or function}({function}.v{n})" for n in VECTOR_WIDTHS[kind]]
    return f' "vector-function-abi-variant"="{",".join(names)}"'


def call_rare(
    x: Register,
    is_rare: Register,
    name: str,
    build: Callable[..., Register],
    usual: Register,
    others: Sequence[Register] = (),
) -> Register:
    """``is_rare ? build(x, *others) : usual``, where ``build`` is slow code kept out of the loop that LLVM still vectorises.

    ``build`` is compiled once a module as a function of its own. Vector variants of it, which LLVM's vectoriser finds by an
    attribute of the call, return at once if no lane is rare, and else go lane by lane. The lanes that are not rare
    get an ``x`` of 0, which is how the variants know them: so ``x`` must not be 0 where it is rare.
    Without loops, a branch leads round the call. All operands have the kind of ``x``; ``build`` may use basic blocks.
    """
    writer, kind = x.writer, x.kind
    function = f"weft.rare.{name}.{SUFFIX[kind]}"
    widths = (writer.lanes,) if writer.lanes > 1 else VECTOR_WIDTHS[kind] if writer.module.loops else ()
    if not writer.module.defines(function):
        _define_rare(writer.module, function, kind, build, len(others))
    for n in widths:
        if not writer.module.defines(f"{function}.v{n}"):
            writer.module.keep(f"{function}.v{n}")
            writer.module.define(f"{function}.v{n}", _vector_variant(function, kind, 1 + len(others), n))
    operands = [is_rare.select(x, 0.0), *others]
    if not writer.module.loops:
        name = f"{function}.v{writer.lanes}" if writer.lanes > 1 else function
        return where_any(is_rare, lambda: writer.call(name, kind, operands), usual)
    attributes = _vector_names(function, kind, len(operands))
    slow = writer.call(function, kind, operands, f" nounwind willreturn memory(none){attributes}")
    return is_rare.select(slow, usual)


def any_lane(mask: Register) -> Register:
    """Whether a mask holds for some lane, as the condition of a branch."""
    writer = mask.writer
    if writer.lanes == 1:
        return mask
    bits = f"i{writer.lanes}"
    packed = writer.emit(bits, f"bitcast {mask.type} {mask.ref} to {bits}")
    return writer.emit("i1", f"icmp ne {bits} {packed.ref}, 0")


def where_any(mask: Register, build: Callable[[], Register], otherwise: Register) -> Register:
    """``mask ? build() : otherwise``, where ``build()`` is only worked out if ``mask`` holds for some lane.

    For functions that are called with vectors: a loop with such a branch in it is not vectorised.
    """
    writer = mask.writer
    before, work, done = writer.block, writer.label("work"), writer.label("done")
    writer.cond_br(any_lane(mask), work, done)
    writer.place(work)
    built = build()
    end = writer.block
    writer.br(done)
    writer.place(done)
    chosen = writer.phi(otherwise.kind, [(otherwise, before), (built, end)])
    return chosen if writer.lanes == 1 else mask.select(chosen, otherwise)


def rarely(mask: Register, build: Callable[[], Register], otherwise: Register) -> Register:
    """``mask ? build() : otherwise`` for a mask that hardly ever holds, and a short ``build()`` without blocks.

    A branch that is foretold takes no time, where a choice would be one more operation to wait for. In loops it is a choice.
    """
    if otherwise.writer.module.loops:
        return mask.select(build(), otherwise)
    return where_any(mask, build, otherwise)


# optnone: nobody waits for rare code to run, but everybody would for LLVM to optimise it.
_RARE_PROMISE = "noinline optnone nounwind willreturn memory(none)"


def _define_rare(
    module: Module, function: str, kind: str, build: Callable[..., Register], others: int
) -> None:
    """The scalar function."""
    module.define(function, "")  # so that a build which asks for itself does not start again
    writer = Writer(module)
    args = [Register(writer, kind, f"%x{n}") for n in range(1 + others)]
    work, done = writer.label("work"), writer.label("done")
    writer.cond_br(args[0].ne(0.0), work, done)
    writer.place(work)
    result = build(*args)
    end = writer.block
    writer.br(done)
    writer.place(done)
    out = writer.phi(kind, [(args[0], "entry"), (result, end)])
    writer.do(f"ret {kind} {out.ref}")
    parameters = ", ".join(f"{kind} {a.ref}" for a in args)
    writer.define(function, f"define internal {kind} @{function}({parameters}) {_RARE_PROMISE}")


def _vector_variant(function: str, kind: str, count: int, width: int) -> str:
    """A function of vectors that calls the scalar one lane by lane, if any lane of the first operand is not 0."""
    vector = f"<{width} x {kind}>"
    parameters = ", ".join(f"{vector} %x{n}" for n in range(count))
    extracts = "\n".join(f"  %s{n} = extractelement {vector} %x{n}, i64 %i" for n in range(count))
    scalars = ", ".join(f"{kind} %s{n}" for n in range(count))
    return f"""define internal {vector} @{function}.v{width}({parameters}) {_RARE_PROMISE} {{
entry:
  %rare = fcmp une {vector} %x0, zeroinitializer
  %mask = bitcast <{width} x i1> %rare to i{width}
  %none = icmp eq i{width} %mask, 0
  br i1 %none, label %done, label %lane
lane:
  %i = phi i64 [ 0, %entry ], [ %next, %lane ]
  %y = phi {vector} [ %x0, %entry ], [ %z, %lane ]
{extracts}
  %t = call {kind} @{function}({scalars})
  %z = insertelement {vector} %y, {kind} %t, i64 %i
  %next = add nuw nsw i64 %i, 1
  %last = icmp eq i64 %next, {width}
  br i1 %last, label %done, label %lane
done:
  %out = phi {vector} [ %x0, %entry ], [ %z, %lane ]
  ret {vector} %out
}}"""
