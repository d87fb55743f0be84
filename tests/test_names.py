"""docs/numpy.md says of every public name of NumPy and JAX what became of it, and says so truly."""

from __future__ import annotations

import re
import sys

import jax
import numpy as np
import pytest

from asv_bench import names
from asv_bench.names import DIFFERENT, LEFT_OUT, PEERS, Section
from weft.engine import left_out

SECTIONS = {section.peer: section for section in names.sections()}


@pytest.fixture(params=SECTIONS)
def section(request: pytest.FixtureRequest) -> Section:
    return SECTIONS[request.param]


def test_every_name_is_there_or_explained(section: Section) -> None:
    assert section.unexplained == [], f"neither in {section.place} nor explained in asv_bench/names.py"


def test_nothing_is_explained_that_is_there(section: Section) -> None:
    assert section.stale == [], f"in {section.place}, and still said to be left out"


def test_what_differs_is_there() -> None:
    for peer, table in DIFFERENT.items():
        missing = [name for name in table if not names.has(PEERS[peer], name)]
        assert missing == [], peer
    assert set(DIFFERENT) | set(LEFT_OUT) <= set(PEERS)


def test_explanations_are_of_names_somewhere() -> None:
    everything = {name for peer in PEERS for name in names.public(peer)}
    lower = {
        "as_strided",
        "fromregex",
    }  # in modules below numpy, or reached by traced arrays only
    of_other_platforms = {"complex256", "float128", "clongdouble", "longdouble"}
    of_other_versions = {"itemset", "newbyteorder"}
    known = everything | lower | of_other_platforms | of_other_versions
    assert [n for n in (*left_out.FUNCTIONS, *left_out.METHODS) if n not in known] == []
    assert [n for table in LEFT_OUT.values() for n in table if n not in known] == []


def test_the_page_is_as_it_is_written_today() -> None:
    page, today = names.PAGE.read_text(encoding="utf-8"), names.render()
    made_with = re.search(r"Made with NumPy\s+(\S+) and JAX (\S+)\.\n", page)
    assert made_with is not None
    if made_with.groups() == (np.__version__, jax.__version__) and sys.platform == "linux":
        assert page == today, "`make names` writes the page anew"
    assert page.count("\n## ") == len(PEERS)


def test_a_name_that_is_gone_or_new_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    import weft.numpy as wnp

    monkeypatch.delattr(wnp, "cumsum")
    monkeypatch.setattr(wnp, "nditer", np.nditer, raising=False)
    found = names.compare("numpy", "weft.numpy")
    assert found.unexplained == ["cumsum"] and found.stale == ["nditer"]


def test_reasons_read_well(section: Section) -> None:
    for reason in (*section.different, *section.left_out):
        assert reason and not reason.endswith(".") and "  " not in reason
