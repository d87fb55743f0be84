"""What LLVM is asked for, and that others are asked for no less."""

import llvmlite.binding as llvm
import pytest

from weft.kernels.cpu.assemble import assemble, assembly
from weft.kernels.cpu.host import target_machine

# A loop whose address strength reduction turns into a pointer that moves.
STRIDED = """
define void @strided(ptr %out, ptr %in, i64 %n, i64 %stride) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %at = mul nsw i64 %i, %stride
  %from = getelementptr inbounds double, ptr %in, i64 %at
  %x = load double, ptr %from
  %to = getelementptr inbounds double, ptr %out, i64 %i
  store double %x, ptr %to
  %next = add nuw nsw i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}
"""


def _by_others() -> bytes:
    """What code others get, of the same process and machine."""
    module = llvm.parse_assembly(STRIDED, llvm.create_context())
    return target_machine().emit_object(module)


def test_others_are_given_the_code_they_were_given_before():
    before = _by_others()
    ours, functions = assemble(STRIDED, loops=False)
    assert functions == ["strided"]
    assert _by_others() == before
    if target_machine().triple.startswith("x86_64"):
        assert ours != before  # or the pass that is left out would do nothing here


def test_an_error_leaves_the_options_as_they_were():
    before = _by_others()
    with pytest.raises(RuntimeError):
        assemble("define void @f( {")
    assert _by_others() == before


def test_what_is_shown_is_what_runs():
    """The address is computed in each iteration."""
    if not target_machine().triple.startswith("x86_64"):
        pytest.skip("strength reduction is left out on x86-64 alone")
    assert "imul" in assembly(STRIDED, "shown")
    module = llvm.parse_assembly(STRIDED, llvm.create_context())
    assert "imul" not in target_machine().emit_assembly(module)
