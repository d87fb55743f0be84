"""The pages on errors, which `python -m weft explain` prints: Markdown files, one a class, named like it.

Installed, they are in the package; in a checkout they are in ``docs/errors``.
"""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent.parent
_FOLDERS = (_HERE / "error_pages", _HERE / "docs" / "errors")


def names() -> list[str]:
    """The classes that have a page."""
    return sorted(file.stem for file in _folder().glob("*Error.md"))


def page(name: str) -> str:
    """The page on a class, as Markdown.

    Raises:
        FileNotFoundError: there is none.
    """
    return (_folder() / f"{name}.md").read_text(encoding="utf-8")


def _folder() -> Path:
    return next((folder for folder in _FOLDERS if folder.is_dir()), _FOLDERS[0])
