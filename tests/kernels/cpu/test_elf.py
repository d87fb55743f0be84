"""Object files linked without LLVM do what they do when LLVM links them; what is not simple is left to it."""

from __future__ import annotations

import ctypes
import random
from pathlib import Path

import pytest

from weft.kernels.cpu import elf
from weft.kernels.cpu.assemble import assemble
from weft.kernels.cpu.linker import link, link_by_llvm

pytestmark = pytest.mark.skipif(not elf.runs_here(), reason="object files here are of another form")

# A table of constants, a table of jumps, calls within the file and out of it.
SIMPLE = """
@table = private constant [4 x i64] [i64 10, i64 20, i64 30, i64 40], align 32
declare i64 @labs(i64)
declare i64 @given(i64)
define private i64 @twice(i64 %x) noinline { %y = shl i64 %x, 1 ret i64 %y }
define i64 @compute(i64 %i, i64 %x) {
  %slot = getelementptr i64, ptr @table, i64 %i
  %a = load i64, ptr %slot
  switch i64 %i, label %other [ i64 0, label %zero i64 1, label %one i64 2, label %two i64 3, label %three ]
zero:
  %b0 = call i64 @labs(i64 %x)
  br label %end
one:
  %b1 = call i64 @twice(i64 %x)
  br label %end
two:
  %b2 = call i64 @given(i64 %x)
  br label %end
three:
  %b3 = mul i64 %x, %x
  br label %end
other:
  br label %end
end:
  %b = phi i64 [ %b0, %zero ], [ %b1, %one ], [ %b2, %two ], [ %b3, %three ], [ 0, %other ]
  %c = add i64 %a, %b
  ret i64 %c
}
define double @scaled(double %x) {
  %y = fmul double %x, 0x400921FB54442D18
  ret double %y
}
"""
NOT_SIMPLE = {
    "memory that is written to": "@n = global i64 5\ndefine i64 @f() { %x = load i64, ptr @n ret i64 %x }",
    "a table of addresses": "@n = private constant [2 x ptr] [ptr @f, ptr @f]\n"
    "define ptr @f(i64 %i) { %p = getelementptr ptr, ptr @n, i64 %i %x = load ptr, ptr %p ret ptr %x }",
    "memory of each thread": "@n = thread_local global i64 5\ndefine i64 @f() { %x = load i64, ptr @n ret i64 %x }",
    "a function that is not there": "declare i64 @weft_no_such()\ndefine i64 @f() { %x = call i64 @weft_no_such() ret i64 %x }",
    "a function chosen when linked": "@f = ifunc i64 (), ptr @choose\ndefine i64 @g() { ret i64 5 }\n"
    "define ptr @choose() { ret ptr @g }",
    "another function": "define i64 @g() { ret i64 5 }",
}

_GIVEN = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(lambda x: x + 1000)
KNOWN = {"given": ctypes.cast(_GIVEN, ctypes.c_void_p).value or 0}
COMPUTE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
SCALED = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)


def object_file(text: str) -> bytes:
    return assemble(text)[0]


@pytest.mark.parametrize("linker", [elf.link, link_by_llvm, link])
def test_linked_code_computes(linker: object) -> None:
    addresses = linker(object_file(SIMPLE), ["compute", "scaled"], KNOWN)  # type: ignore[operator]
    compute = COMPUTE(addresses["compute"])
    for i in range(4):
        for x in (7, -7):
            assert compute(i, x) == 10 * (i + 1) + (abs(x), 2 * x, x + 1000, x * x)[i]
    assert SCALED(addresses["scaled"])(2.0) == 2 * 3.141592653589793


def test_code_is_not_writable() -> None:
    address = elf.link(object_file(SIMPLE), ["compute"], KNOWN)["compute"]
    for line in Path("/proc/self/maps").read_text().splitlines():
        limits, rights, *_ = line.split()
        begin, end = (int(text, 16) for text in limits.split("-"))
        if begin <= address < end:
            assert rights == "r-xp"
            return
    raise AssertionError("the code is nowhere")


@pytest.mark.parametrize("what", NOT_SIMPLE)
def test_what_is_not_simple_is_left_to_llvm(what: str) -> None:
    code = object_file(NOT_SIMPLE[what])
    with pytest.raises(elf.NotSimple):
        elf.link(code, ["f"], {})


def test_llvm_links_what_is_left_to_it() -> None:
    (address,) = link(object_file(NOT_SIMPLE["memory that is written to"]), ["f"], {}).values()
    assert ctypes.CFUNCTYPE(ctypes.c_int64)(address)() == 5


def test_a_missing_function_is_an_error_of_linking() -> None:
    with pytest.raises(RuntimeError):
        link(object_file(NOT_SIMPLE["a function that is not there"]), ["f"], {})


def test_files_that_are_cut_short() -> None:
    code = object_file(SIMPLE)
    for length in range(0, len(code), 7):
        with pytest.raises(elf.NotSimple):
            elf.link(code[:length], ["compute"], KNOWN)


def test_any_bytes_are_linked_or_refused() -> None:
    """Damaged entries are known by their checksums; if one were not, reading it would not be what crashes."""
    code = object_file(SIMPLE)
    draw = random.Random(0)
    refused = 0
    for _ in range(400):
        changed = bytearray(code)
        for _ in range(8):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        try:
            elf.link(bytes(changed), ["compute"], KNOWN)
        except elf.NotSimple:
            refused += 1
    assert refused > 40
