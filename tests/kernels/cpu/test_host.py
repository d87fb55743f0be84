"""What LLVM is told of this CPU."""

from __future__ import annotations

import pytest

from weft.kernels.cpu import host


def test_gathers_only_where_the_cpu_is_good_at_them(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"define void @f() nounwind {host.APART} {{\n  ret void\n}}"
    monkeypatch.setattr(host, "cpu_name", lambda: "skylake-avx512")
    assert host.with_tuning(text) == text
    monkeypatch.setattr(host, "cpu_name", lambda: "znver4")
    assert "+prefer-no-gather" in host.with_tuning(text)
    assert host.cpu_features() in host.with_tuning(text)
    assert host.with_tuning("define void @f() {}") == "define void @f() {}"
