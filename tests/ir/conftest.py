"""What the tests of the IR share: calls are interpreted here, so that the judge is not the compiler."""

from collections.abc import Iterator

import pytest

from weft.ir.interpret import evaluate
from weft.ir.ops import control


@pytest.fixture(autouse=True)
def calls_are_interpreted() -> Iterator[None]:
    runner = control._runner
    control.set_runner(evaluate)
    yield
    control.set_runner(runner)
