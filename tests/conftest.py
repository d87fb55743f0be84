"""What all tests share: golden texts, fixed seeds, Hypothesis's profile, JAX in double precision, a cache of their own.

`golden` compares a text with tests/golden/<test file>/<test>.txt. Only `pytest --update-golden` (`make
golden`) writes those files; the diff is then read in review like code.
"""

from __future__ import annotations

import copy
import itertools
import os
import random
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("JAX_ENABLE_X64", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# The judge need not be fast, and so it compiles sooner.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

# Compilation inside a test makes its time uneven: no deadline. CI tries the same examples each time.
hypothesis.settings.register_profile("weft", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("weft")

TESTS = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the texts under tests/golden anew")


def pytest_configure(config: pytest.Config) -> None:
    """Keep machine code in a folder of this run, which its worker processes share, and not in the user's cache."""
    if not hasattr(config, "workerinput"):
        cache = tempfile.TemporaryDirectory(prefix="weft-tests-")
        os.environ["WEFT_CACHE_DIR"] = cache.name
        os.environ.pop("WEFT_CACHE", None)
        os.environ.pop("WEFT_CACHE_SIZE", None)
        config.add_cleanup(cache.cleanup)


_generators: dict[str, list[tuple[np.random.Generator, Any]]] = {}
"""The generators of each file of tests, and how they began."""


@pytest.fixture(autouse=True)
def _fixed_seeds() -> None:
    """A test draws the same numbers whichever tests ran before it in its process."""
    np.random.seed(0)
    random.seed(0)
    for name in [name for name in sys.modules if name.startswith("tests.") and name not in _generators]:
        own = [v for v in vars(sys.modules[name]).values() if isinstance(v, np.random.Generator)]
        _generators[name] = [(generator, copy.deepcopy(generator.bit_generator.state)) for generator in own]
    for generator, state in itertools.chain.from_iterable(_generators.values()):
        generator.bit_generator.state = state


@pytest.fixture(autouse=True, scope="module")
def _forget_what_jax_compiled() -> Iterator[None]:
    """A worker runs tests of most files: what JAX keeps of them all would be some gigabytes."""
    yield
    jax = sys.modules.get("jax")
    if jax is not None:
        jax.clear_caches()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """A function that holds a text against the golden file of this test; a test calls it once."""
    folder = request.path.relative_to(TESTS).with_suffix("")
    name = re.sub(r"[^\w.-]+", "_", request.node.name).strip("_")
    path = TESTS / "golden" / folder / f"{name}.txt"
    update = request.config.getoption("--update-golden")

    def compare(text: str) -> None:
        text = text.rstrip("\n") + "\n"
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        if not path.exists():
            pytest.fail(f"{path.relative_to(TESTS.parent)} is missing; `make golden` writes it from:\n{text}")
        assert text == path.read_text(encoding="utf-8"), f"differs from {path.relative_to(TESTS.parent)}"

    return compare
