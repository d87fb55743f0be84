"""``lax.cond`` and ``lax.switch``: how operands are given."""

from __future__ import annotations

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft import lax
from weft.ir.errors import ArgumentError


@pytest.mark.parametrize("transform", [lambda f: f, weft.jit])
def test_one_operand_by_its_older_name(transform) -> None:
    x = np.array([0.5, 2.0])
    for k in range(2):
        found = transform(lambda k, x: lax.cond(k, wnp.sin, wnp.cos, operand=x))(k, x)
        np.testing.assert_allclose(found, np.sin(x) if k else np.cos(x))
        found = transform(lambda k, x: lax.switch(k, [wnp.cos, wnp.sin], operand=x))(k, x)
        np.testing.assert_allclose(found, np.sin(x) if k else np.cos(x))
        assert transform(lambda k: lax.switch(k, [lambda _: 3, lambda _: 4], operand=None))(k) == 3 + k


def test_operands_are_given_in_one_way() -> None:
    with pytest.raises(ArgumentError, match="cond: give operands by position, or one as operand=, not both"):
        lax.cond(True, wnp.add, wnp.multiply, 1.0, operand=2.0)
    with pytest.raises(ArgumentError, match="switch: give operands by position"):
        lax.switch(0, [wnp.add], 1.0, operand=2.0)
