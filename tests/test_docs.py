"""The code in the documentation runs: every ```python block, in order, one namespace a page.

A block of prompts (`>>>`) is a doctest, its output included; any other block must run without an error.
"""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = [page for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))] if page.exists()]


def blocks(text: str) -> list[tuple[int, str]]:
    """The (line, source) of each Python block of a page."""
    return [(text.count("\n", 0, match.start(1)), match.group(1)) for match in BLOCK.finditer(text)]


def run(source: str, line: int, name: str, namespace: dict[str, Any]) -> None:
    """Run one block; errors and differences name the page and its line."""
    if not source.lstrip().startswith(">>>"):
        exec(compile("\n" * line + source, name, "exec"), namespace)
        return
    session = doctest.DocTestParser().get_doctest(source, namespace, name, name, line)
    session.globs = namespace  # doctest copies it; later blocks are to see the names of earlier ones
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    if runner.run(session, out=report.append, clear_globs=False).failed:
        pytest.fail("".join(report))


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for line, source in blocks(page.read_text(encoding="utf-8")):
        run(source, line, str(page), namespace)


def test_a_wrong_output_is_found() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"Expected:\n    3\nGot:\n    2"):
        run(">>> 1 + 1\n3\n", 0, "page", {})


def test_blocks_are_found_with_their_lines() -> None:
    assert blocks("text\n```python\na = 1\n```\n```text\nno\n```\n```python\nb\n```\n") == [
        (2, "a = 1\n"),
        (8, "b\n"),
    ]
