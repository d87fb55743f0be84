"""The documentation is right: its code runs and prints what it says, and what it points to is there.

pages.py says how a page is run. Each one runs in a process of its own, since pages declare primitives and change settings.
"""

from __future__ import annotations

import difflib
import inspect
import re
import subprocess
import sys

import pytest

from tests.pages import BLOCK, ROOT, render
from weft.__main__ import main
from weft.ir import errors

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}


def pages(texts: dict[str, str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", texts)


@pages({name: text for name, text in TEXTS.items() if BLOCK.search(text)})
def test_page_prints_what_it_says(page: str, request: pytest.FixtureRequest) -> None:
    command = [sys.executable, "-W", "error", "-m", "tests.pages", page]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
    assert run.returncode == 0, run.stderr
    if request.config.getoption("--update-golden"):
        (ROOT / page).write_text(run.stdout, encoding="utf-8")
        return
    shown, printed = TEXTS[page].splitlines(), run.stdout.splitlines()
    changes = "\n".join(difflib.unified_diff(shown, printed, page, "what its code prints", lineterm=""))
    if changes:
        pytest.fail(f"`make golden` writes the page anew:\n{changes}", pytrace=False)


@pages(TEXTS)
def test_page_names_files_that_are_there(page: str) -> None:
    """Paths in backquotes are seen from the root, links from the page."""
    text = re.sub(r"^```.*?^```$", "", TEXTS[page], flags=re.DOTALL | re.MULTILINE)
    named = re.findall(r"`((?:asv_bench|docs|engine|examples|ir|kernels|tests)/[\w./-]*)`", text)
    missing = [path for path in named if not (ROOT / path).exists()]
    linked = [path for path in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in path]
    missing += [path for path in linked if not ((ROOT / page).parent / path).exists()]
    assert missing == []


ERRORS = "docs/errors/"


def test_every_error_has_its_page() -> None:
    known = {name: cls for name, cls in vars(errors).items() if inspect.isclass(cls)}
    families = {base for cls in known.values() for base in cls.__bases__}
    classes = {name for name, cls in known.items() if cls not in families}
    listed = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \|", TEXTS[f"{ERRORS}README.md"], re.MULTILINE)
    assert sorted(listed) == sorted((name, name) for name in classes)
    assert {name for name in TEXTS if name.startswith(ERRORS)} == {
        f"{ERRORS}{name}.md" for name in ("README", *classes)
    }


@pages({name: text for name, text in TEXTS.items() if name.startswith(ERRORS) and "README" not in name})
def test_each_page_shows_its_error_and_a_mended_form(page: str) -> None:
    name, text = page.removeprefix(ERRORS).removesuffix(".md"), TEXTS[page]
    assert text.startswith(f"# {name}\n")
    assert set(re.findall(r"^```output\n(\w+):", text, re.MULTILINE)) == {name}
    assert text.count(f"\nMore: python -m weft explain {name}\n```\n") == text.count("```python error\n")
    last = list(BLOCK.finditer(text))[-1]
    assert not last["error"] and not last["output"]


def explain(capsys: pytest.CaptureFixture[str], *names: str) -> tuple[int, str, str]:
    return main(["explain", *names]), *capsys.readouterr()


@pytest.mark.parametrize("name", ["ShapeError", "shapeerror", "errors.ShapeError", "weft.errors.ShapeError"])
def test_explain_prints_a_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(capsys, name) == (0, TEXTS[f"{ERRORS}ShapeError.md"], "")


def test_explain_knows_all_pages(capsys: pytest.CaptureFixture[str]) -> None:
    status, names, _ = explain(capsys)
    assert status == 0
    for name in names.split():
        assert explain(capsys, name) == (0, TEXTS[f"{ERRORS}{name}.md"], "")
    assert len(names.split()) == len([page for page in TEXTS if page.startswith(ERRORS)]) - 1


def test_explain_says_what_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    meant = "weft: there is no page on ShapError: did you mean ShapeError?\n"
    assert explain(capsys, "ShapError") == (1, "", meant)
    status, _, text = explain(capsys, "../README")
    assert status == 1 and "python -m weft explain lists those that there are" in text


def test_every_decision_is_listed() -> None:
    listed = re.findall(r"\((\d{4}-[\w-]+\.md)\)", TEXTS["docs/decisions/README.md"])
    assert listed == sorted(p.name for p in (ROOT / "docs/decisions").glob("[0-9]*.md"))


FENCE = "```"


def block(source: str, kind: str = "python") -> str:
    return f"{FENCE}{kind}\n{source}{FENCE}\n"


def test_what_a_block_prints_is_put_below_it() -> None:
    right = "text\n" + block("a = 1\nprint(a)\n") + block("1\n", "output") + "more\n" + block("a += 1\n")
    assert render(right, "page") == right
    assert render(right.replace(block("1\n", "output"), ""), "page") == right
    assert render(right.replace("\n1\n", "\n7\n"), "page") == right
    assert render(block("a = 1\n") + block("old\n", "output"), "page") == block("a = 1\n")


def test_other_fences_are_not_code() -> None:
    text = block("raise\n", "text") + block("x: f64[3]\n", "output")
    assert render(text, "page") == text


def test_an_error_is_shown_with_its_line_in_the_page() -> None:
    source = "import weft\nweft.jit(bool)(1.0)\n"
    shown = render("one line\n" + block(source, "python error"), "docs/page.md")
    assert "ConcretizationError: Python needs the truth value" in shown
    assert (
        "\nAt docs/page.md:4, in <module>.\nMore: python -m weft explain ConcretizationError\n```\n" in shown
    )
    with pytest.raises(AssertionError, match=r"docs/page\.md:1: the block raises no error"):
        render(block("a = 1\n", "python error"), "docs/page.md")


def test_other_errors_of_a_page_are_errors() -> None:
    with pytest.raises(ZeroDivisionError):
        render(block("1 / 0\n", "python error"), "page")


def test_addresses_are_not_shown() -> None:
    assert render(block("print(hex(140737488355327))\n"), "page").endswith(block("0x...\n", "output"))
