"""Stubs are as they would be written today, and what they say of types is true of values."""

from __future__ import annotations

import pytest

import weft.numpy as wnp
from tests import face_types
from tests.stubs import FACE, ROOT, STUBS, array_face, text

CHECKS = [fun for name, fun in vars(face_types).items() if name.startswith("check_")]


@pytest.mark.parametrize("module", STUBS)
def test_stubs_are_those_of_today(module: str) -> None:
    path = ROOT / "engine" / "public" / STUBS[module]
    assert path.read_text(encoding="utf-8") == text(module), "`make stubs` writes it anew"


def test_methods_are_those_of_today() -> None:
    assert (ROOT / FACE).read_text(encoding="utf-8") == array_face(), "`make stubs` writes it anew"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_what_is_said_of_types_runs(check) -> None:
    check(wnp.eye(2) + 0.5)
