"""Errors say where, and name their page; they survive pickling and the classes of users."""

from __future__ import annotations

import inspect
import pickle

import pytest

from weft.ir import errors
from weft.ir.errors import ShapeError, UserError, VerificationError, WeftError

CLASSES = [cls for cls in vars(errors).values() if inspect.isclass(cls)]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_the_text_ends_with_the_page(cls: type[WeftError]) -> None:
    error = cls("something is wrong.")
    assert error.message == "something is wrong."
    first, *where, last = str(error).splitlines()
    assert (first, last) == (error.message, f"More: python -m weft explain {cls.__name__}")
    assert bool(where) == issubclass(cls, UserError)
    assert all(line.startswith(f"At {__file__}:") for line in where)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_pickled_error_says_the_same(cls: type[WeftError]) -> None:
    error = cls("something is wrong.")
    found = pickle.loads(pickle.dumps(error))
    assert type(found) is cls and str(found) == str(error)


class OurError(ShapeError):
    pass


def test_classes_of_users_have_the_page_of_theirs() -> None:
    assert str(OurError("no.")).endswith("\nMore: python -m weft explain ShapeError")


def test_one_page_is_named_where_errors_are_wrapped() -> None:
    inner = VerificationError("a is bound twice.")
    assert str(VerificationError(f"what came out is wrong: {inner.message}")).count("More:") == 1
