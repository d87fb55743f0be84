"""The pages of the documentation as programs.

A page is Markdown. Its fenced blocks of these kinds are code, run from the top in one namespace:

    ```python          runs without an error
    ```python error    raises one of Weft's errors, which is printed
    ```output          what the block before it printed

The one idea: to run a page is to write it anew, each output below its block as it is today. A page is right when that
gives back the page. So nobody types an output: write the code, and `make golden` puts below it what it prints.
Addresses are written as 0x..., since they differ from run to run.

    python -m tests.pages docs/loops.md         the page as it should be, on standard output
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from weft.ir.errors import WeftError

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(
    r"^```python(?P<error> error)?\n(?P<source>.*?)^```\n(?P<output>\n?```output\n.*?^```\n)?",
    re.DOTALL | re.MULTILINE,
)
ADDRESS = re.compile(r"\b0x[0-9a-f]{8,12}\b")  # LLVM writes floats as 0x and sixteen digits


def render(text: str, name: str) -> str:
    """Run the code of a page and give the page with what it prints.

    Args:
        text: the page.
        name: what tracebacks and errors call it.

    Raises:
        AssertionError: a block marked ``error`` raised none.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    done, position = "", 0
    for block in BLOCK.finditer(text):
        done += text[position : block.start("source")]
        printed = _run(block, namespace, name, done.count("\n"))
        done += block["source"] + "```\n" + (f"```output\n{printed}```\n" if printed else "")
        position = block.end()
    return done + text[position:]


def _run(block: re.Match[str], namespace: dict[str, Any], name: str, line: int) -> str:
    """What a block prints, standing behind ``line`` lines of its page."""
    code = compile("\n" * line + block["source"], name, "exec", dont_inherit=True)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        if block["error"]:
            try:
                exec(code, namespace)
            except WeftError as error:
                print(f"{type(error).__name__}: {error}")
            else:
                raise AssertionError(f"{name}:{line}: the block raises no error.")
        else:
            exec(code, namespace)
    lines = [one.rstrip() for one in ADDRESS.sub("0x...", printed.getvalue()).splitlines()]
    return "".join(f"{one}\n" for one in lines)


def main(page: str) -> None:
    """Print a page as it should be; ``page`` is a path below the root of the project."""
    # Tapes say how many threads BLAS gets: the same on every machine.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    text = (ROOT / page).read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # files that a page writes are not wanted
        found = render(text, page)
        os.chdir(ROOT)
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.write(found)


if __name__ == "__main__":
    main(sys.argv[1])
